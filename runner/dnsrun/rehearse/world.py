"""The world of a lab: name servers, web servers and users on loopback, and a time that jumps.

Everything listens on 127.0.0.1 only. The content of the zone and the clock are kept in the folder, so that a world
that is started again goes on where it ended; caches and counts begin anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

import dns.flags
import dns.name
from dns.message import Message

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint

from . import scenery
from .authority import Authority, TransferSource
from .control import Control
from .lab import CLOCK_FILE, LabFile, Place, jumped, replace_file
from .users import Users, Visits, visits_to_json
from .website import WebServer

_KEPT = CLOCK_FILE.parent
_ZONE_NAME = f"{scenery.DOMAIN}.zone"
_LONGEST_JUMP = timedelta(days=1, minutes=1)
_TICK_S = 0.2
_SEND_TIMEOUT_S = 2.0


class World:
    """The running servers of a lab and its users. Its methods may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._system = SystemClock()
        self._lock = RLock()
        self._over = Event()
        self._places: dict[Place, Place] = {}
        self._net = MappedNet(self._places, self._system)
        self._sites = scenery.sites()
        self._jumped = jumped(folder)
        self._saved_serial: int | None = None
        self._primary = Authority({scenery.APEX: self._first_zone()})
        self._secondary: Authority | None = None
        self._users = Users(scenery.WWW, self._sites, (scenery.ROOT_SERVER,), self._send, self.now())

    @contextmanager
    def running(self) -> Iterator[LabFile]:
        """Start everything and write `lab.json`; end everything with the block. Touches the disk.

        Raises:
            OSError: There are no free ports, or the folder cannot be written.
        """
        with ExitStack() as stack:
            self._start_servers(stack)
            token = secrets.token_hex(16)
            control = stack.enter_context(Control(self._do, token))
            lab = LabFile(self._places, (scenery.ROOT_SERVER,), control.place, token)
            lab.write(self.folder)
            ticking = Thread(target=self._tick_on, name="world", daemon=True)
            ticking.start()
            try:
                yield lab
            finally:
                self._over.set()
                ticking.join()
                self._settle()

    def wait(self) -> None:
        """Return when the world has ended by itself, since its folder cannot be written any more."""
        while not self._over.wait(60.0):
            continue

    def end(self) -> None:
        """Let `wait` return."""
        self._over.set()

    def now(self) -> datetime:
        """Return lab time, aware, UTC."""
        return self._system.now() + self._jumped

    def visits(self) -> Visits:
        """Return what the users have met up to now."""
        with self._lock:
            self._users.live_until(self.now())
            return self._users.visits

    def jump(self, until: datetime) -> None:
        """Move lab time on to `until` (UTC) and let the users live through every second of it; never back.

        Raises:
            ValueError: That is more than a day at once.
        """
        if until > self.now() + _LONGEST_JUMP:
            raise ValueError("more than a day at once")
        with self._lock:
            self._settle()
            self._users.live_until(until)
            self._jumped = max(self._jumped, until - self._system.now())
            self._keep(CLOCK_FILE.name, f"{self._jumped.total_seconds():.6f}\n")

    def repair(self) -> None:
        """Make every web server serve any number of pages."""
        for site in self._sites.values():
            site.repair()

    def _first_zone(self) -> str:
        kept = self.folder / _KEPT / _ZONE_NAME
        return kept.read_text(encoding="ascii") if kept.exists() else scenery.FIRST_ZONE

    def _start_servers(self, stack: ExitStack) -> None:
        fixed = {address: Authority(zones) for address, zones in scenery.FIXED_ZONES.items()}
        for address, authority in {**fixed, scenery.PRIMARY: self._primary}.items():
            self._start(stack, address, authority)
        source = TransferSource(self._primary.endpoint)
        self._secondary = Authority({}, secondaries={scenery.APEX: source})
        self._start(stack, scenery.SECONDARY, self._secondary)
        self._settle()
        for address, site in self._sites.items():
            self._places[address, 80] = stack.enter_context(WebServer(site)).place

    def _start(self, stack: ExitStack, address: str, authority: Authority) -> None:
        at = stack.enter_context(authority).endpoint
        self._places[address, 53] = (at.address, at.port)

    def _tick_on(self) -> None:
        while not self._over.wait(_TICK_S):
            try:
                with self._lock:
                    self._settle()
                    self._users.live_until(self.now())
            except OSError:  # the folder is gone: so is the lab
                self._over.set()

    def _settle(self) -> None:
        """Have the secondary transfer what is new, as the primary's NOTIFY does elsewhere, and keep the zone."""
        with self._lock:
            serial = self._primary.serial(scenery.APEX)
            if serial != self._saved_serial and self._secondary is not None:
                with suppress(OutsideError):  # the next tick tries again
                    self._secondary.refresh(scenery.APEX)
                    self._keep(_ZONE_NAME, self._primary.zone_text(scenery.APEX))
                    self._saved_serial = serial

    def _keep(self, name: str, text: str) -> None:
        folder = self.folder / _KEPT
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / name, text)

    def _send(self, address: str, query: Message) -> Message | None:
        server = Endpoint(dns.name.root, address)
        try:
            answer = next(self._net.exchange(server, query, timeout_s=_SEND_TIMEOUT_S, transport="udp"))
            if answer.flags & dns.flags.TC:
                answer = next(self._net.exchange(server, query, timeout_s=_SEND_TIMEOUT_S))
        except OutsideError:
            return None
        return answer

    def _do(self, what: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
        if what == "jump":
            self.jump(datetime.fromisoformat(str(details.get("until"))).astimezone(UTC))
        elif what == "visits":
            return {"host": scenery.WWW.to_text(omit_final_dot=True), **visits_to_json(self.visits())}
        elif what == "repair":
            self.repair()
        elif what != "nothing":
            raise ValueError(f"it does not know {what!r}")
        return {}
