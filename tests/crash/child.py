"""A process that runs phases and at a chosen point kills itself, or stops until it is continued.

`python -m crash.child ORDER`, ORDER being JSON: `folder`, `places`, `text` (the playbook), `phases`, `signal`, and
`at`: the number of the point, or what it is called, such as `after Intended`. It prints how many points there were
when it lives to the end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from dns.name import Name

from dnsrun.clock import Clock
from dnsrun.engine.advance import Ended
from dnsrun.engine.run import Run
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Entry, Record
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.journal import Head
from dnsrun.ports.provider import Capabilities, Receipt, SecondaryHost, ZoneProvider
from worlds import START, PacedClock, Workshop


class Fuse:
    """Counts points and gives the signal at one of them."""

    def __init__(self, at: int | str, number: int) -> None:
        self.points = 0
        self._at = at
        self._signal = number

    def point(self, where: str, last_words: Callable[[], object] = lambda: None) -> None:
        """Pass one point, or get the signal there, once."""
        self.points += 1
        if self._at in {self.points, where}:
            self._at = 0
            last_words()
            os.kill(os.getpid(), self._signal)


class FusedJournal(FileJournal):
    """Points before an append, in the middle of its line, and after it."""

    def __init__(self, folder: Path, clock: Clock, fuse: Fuse) -> None:
        super().__init__(folder, clock)
        self._fuse = fuse

    def append(self, entry: Entry, *, head: Head) -> Record:
        self._fuse.point(f"before {type(entry).__name__}")
        record = super().append(entry, head=head)
        self._fuse.point(f"after {type(entry).__name__}")
        return record

    def _write(self, handle: int, line: bytes) -> None:
        self._fuse.point("in a line", lambda: os.pwrite(handle, line[: len(line) // 2], self._offset))
        super()._write(handle, line)


class FusedProvider:
    """Points before a call and after it."""

    def __init__(self, inner: ZoneProvider, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        return self._inner.own_servers

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        return self._inner.read_zone(apex)

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        return self._around(lambda: self._inner.apply(apex, changes))

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        return self._around(lambda: cast("SecondaryHost", self._inner).refresh(apex, servers))

    def _around(self, call: Callable[[], Receipt]) -> Receipt:
        self._fuse.point("before a call")
        receipt = call()
        self._fuse.point("after a call")
        return receipt


def run_phases(shop: Workshop, fuse: Fuse, numbers: list[int]) -> None:
    """Run phases one after the other, each as early as it may."""
    playbook = shop.playbook(shop.text)
    for number in numbers:
        journal = FusedJournal(shop.folder / "client.example", shop.clock, fuse)
        ports = shop.ports(playbook, journal)
        fused = {name: cast("ZoneProvider", FusedProvider(inner, fuse)) for name, inner in ports.providers.items()}
        run = Run(playbook, journal, replace(ports, providers=fused))
        run.catch_up()
        begin_and_drive(shop, run, number)


def begin_and_drive(shop: Workshop, run: Run, number: int) -> None:
    """Begin a phase that is not begun, and drive it to its end."""
    if run.state.active is None and run.state.phase(number).outcome != "done":
        prepared = shop.start(run, number)
        if prepared.plan.earliest:
            shop.clock.wait_until(prepared.plan.earliest)
    assert isinstance(shop.drive(run), Ended)


def main() -> None:
    """Carry out the order in the first argument."""
    order = json.loads(sys.argv[1])
    places = {(address, port): (to, at) for address, port, to, at in order["places"]}
    shop = Workshop(folder=Path(order["folder"]), places=places, clock=PacedClock(START), text=order["text"])
    fuse = Fuse(order["at"], order["signal"])
    run_phases(shop, fuse, order["phases"])
    sys.stdout.write(f"{fuse.points}\n")


if __name__ == "__main__":
    main()
