"""A laboratory: a project folder whose names, servers and time are played on this machine.

`.dnsrun/lab.json` makes a folder one. Commands in it meet only the places that the file lists, all of them on
loopback, and live in lab time: the system's plus what has been jumped over. A world (`world.py`) plays the places;
it is another process, told what to do over a connection on loopback.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from shlex import quote
from typing import Any

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError, UsageError

Place = tuple[str, int]

LAB_FILE = Path(".dnsrun") / "lab.json"
CLOCK_FILE = Path("lab") / "clock"
_JUMP = timedelta(days=1)  # one request lives through at most this, so that an answer comes in seconds
_ANSWER_WITHIN_S = 60.0
_VERSION = 1


@dataclass(frozen=True, slots=True)
class LabFile:
    """What `lab.json` says: where places are played, addresses of the root servers, where the world listens.

    `token` goes with every request, since other users of this machine reach loopback, too.
    """

    places: Mapping[Place, Place]
    roots: tuple[str, ...]
    control: Place
    token: str

    def write(self, folder: Path) -> None:
        """Make `folder` a lab, readable by nobody else. Touches the disk; raises `OSError`."""
        path = folder / LAB_FILE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = {
            "lab": _VERSION,
            "note": "This folder is a laboratory: dnsrun commands in it never leave this machine.",
            "places": {_text(real): _text(played) for real, played in sorted(self.places.items())},
            "roots": list(self.roots),
            "control": _text(self.control),
            "token": self.token,
        }
        replace_file(path, json.dumps(data, indent=1) + "\n")


def read_lab_file(folder: Path) -> LabFile | None:
    """Return what makes `folder` a lab; None when nothing does. Touches the disk.

    Raises `UsageError` for a file that cannot be read or leads anywhere but to loopback: whoever takes a folder for a
    lab must not reach the world, and the other way round.
    """
    path = folder / LAB_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as err:
        raise UsageError(f"{path} cannot be read: {err}") from err
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        raise UsageError(f"{path} is not the file of a lab: {err}; nothing was asked. Begin in a new folder") from err


def _parse(data: Mapping[str, Any]) -> LabFile:
    if data["lab"] != _VERSION:
        raise ValueError(f"it is of version {data['lab']}")
    return LabFile(
        {_place(real): _on_loopback(_place(played)) for real, played in data["places"].items()},
        tuple(str(ip_address(address)) for address in data["roots"]),
        _on_loopback(_place(data["control"])),
        str(data["token"]),
    )


def _text(place: Place) -> str:
    address, port = place
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _place(text: str) -> Place:
    address, _, port = text.rpartition(":")
    return str(ip_address(address.strip("[]"))), int(port)


def _on_loopback(place: Place) -> Place:
    if not ip_address(place[0]).is_loopback:
        raise ValueError(f"{place[0]} is not on this machine")
    return place


def replace_file(path: Path, text: str) -> None:
    """Write a small file so that readers see the old or the new text, mode 0600. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def tell_world(folder: Path, lab: LabFile, do: str, **details: str) -> dict[str, Any]:
    """Tell the world to do something and return its answer. Touches the network (loopback).

    Raises `UsageError` when the world of this lab does not run, `OutsideError` when it refuses or breaks off.
    """
    request = json.dumps({"token": lab.token, "do": do, **details})
    try:
        connection = socket.create_connection(lab.control, timeout=_ANSWER_WITHIN_S)
    except OSError as err:
        raise _not_running(folder) from err
    try:
        with closing(connection), connection.makefile("rw", encoding="utf-8") as stream:
            stream.write(request + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
    except (OSError, ValueError) as err:
        raise OutsideError(f"the lab in {folder} broke off: {err}", retryable=False, certainty="in-doubt") from err
    if not isinstance(answer, dict) or answer.get("token") != lab.token:
        raise _not_running(folder)
    if refusal := answer.get("refused"):
        raise UsageError(f"the lab refuses: {refusal}")
    return answer


def _not_running(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} is a lab and its servers do not run, so nobody can be asked; "
        f"start them in another terminal: dnsrun demo --world {quote(str(folder))}"
    )


class LabClock:
    """Lab time: the system's time and what has been jumped over so far, by whichever command.

    Waiting does not take time: the world jumps there and lets its users and caches live through it.
    """

    def __init__(self, folder: Path, lab: LabFile) -> None:
        self._folder = folder
        self._lab = lab
        self._system = SystemClock()

    def now(self) -> datetime:
        """Return lab time, aware, UTC. Touches the disk."""
        return self._system.now() + jumped(self._folder)

    def monotonic_s(self) -> float:
        """Return seconds that never go back; a jump is time that has passed. Touches the disk."""
        return self._system.monotonic_s() + jumped(self._folder).total_seconds()

    def wait_until(self, when: datetime) -> None:
        """Have the world jump to `when` (UTC), a day at a time; raises `UsageError` when it does not run."""
        while (now := self.now()) < when:
            self._jump(min(when, now + _JUMP))

    def _jump(self, when: datetime) -> None:
        tell_world(self._folder, self._lab, "jump", until=when.isoformat())


def jumped(folder: Path) -> timedelta:
    """Return how much time the lab has jumped over. Touches the disk; raises `UsageError`."""
    try:
        return timedelta(seconds=float((folder / CLOCK_FILE).read_text(encoding="ascii")))
    except FileNotFoundError:
        return timedelta()
    except (OSError, ValueError, OverflowError) as err:
        raise UsageError(f"the lab's clock {folder / CLOCK_FILE} cannot be read: {err}") from err


class LabNet(MappedNet):
    """The places of a lab and nothing else; says so when nobody plays them, instead of letting servers seem down."""

    def __init__(self, folder: Path, lab: LabFile, clock: LabClock) -> None:
        super().__init__(lab.places, clock)
        self._folder = folder
        self._lab = lab
        self._is_running = False

    def _place(self, address: str, port: int) -> Place | None:
        if not self._is_running:
            tell_world(self._folder, self._lab, "nothing")
            self._is_running = True
        return super()._place(address, port)


@dataclass(frozen=True, slots=True)
class Lab:
    """What commands in a lab work with instead of the machine's own network, clock and root servers."""

    folder: Path
    file: LabFile
    net: LabNet
    clock: LabClock

    @property
    def roots(self) -> tuple[str, ...]:
        """Addresses of the lab's root servers."""
        return self.file.roots

    def tell(self, do: str, **details: str) -> dict[str, Any]:
        """Tell the world something; see `tell_world`."""
        return tell_world(self.folder, self.file, do, **details)


def open_lab(folder: Path) -> Lab | None:
    """Return the lab that `folder` is; None when it is an ordinary project. Touches the disk only.

    Raises `UsageError` when its `lab.json` cannot be believed.
    """
    file = read_lab_file(folder)
    if file is None:
        return None
    clock = LabClock(folder, file)
    return Lab(folder, file, LabNet(folder, file, clock), clock)
