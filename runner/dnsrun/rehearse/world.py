"""The world of a lab: name servers, web servers and users on loopback, and a time that jumps.

Everything listens on 127.0.0.1 only. The content of the zones and the clock are kept in the folder, so that a world
that is started again goes on where it ended; caches and counts begin anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock

from . import scenery
from .authority import Authority
from .byhand import Zones, switch_by_hand
from .control import Control
from .host import Host
from .lab import CLOCK_FILE, LabFile, Place, jumped, replace_file
from .trial.wants import Want
from .users import Door, Users
from .usersdata import as_data
from .website import Site, WebServer

_LONGEST_JUMP = timedelta(days=1, minutes=1)
_MEDDLES_AFTER = timedelta(seconds=scenery.NS_TTL_S + 60)  # by then every cache asks the new servers
_TICK_S = 0.2
_CACHES_OF_A_KIND = 1  # a day is jumped over before the reader's eyes
_WEB = Want("web", scenery.WWW, RdataType.A)
_MAIL = Want("mail", scenery.IMAP, RdataType.A)


class World:
    """The running servers of a lab and its users. Its methods may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._system = SystemClock()
        self._lock = RLock()
        self._over = Event()
        self._places: dict[Place, Place] = {}
        self._sites = scenery.sites()
        self._jumped = jumped(folder)
        kept = folder / CLOCK_FILE.parent
        self._parent = Host(scenery.PARENT, scenery.FIRST_PARENT_ZONE, kept / "parent.zone")
        self._old = Host(scenery.APEX, scenery.FIRST_ZONE, kept / "old-host.zone")
        self._new = Host(scenery.APEX, scenery.FIRST_NEW_ZONE, kept / "new-host.zone")
        roots = (scenery.ROOT_SERVER,)
        self._users = Users(_doors(self._sites), roots, self.now(), scenery.NS_TTL_S, of_a_kind=_CACHES_OF_A_KIND)
        self._users.open(self._places)
        self._meddles = False
        self._meddles_at: datetime | None = None

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

    def jump(self, until: datetime) -> None:
        """Move lab time on to `until` (UTC) and let the users live through every second of it; never back.

        Raises:
            ValueError: That is more than a day at once.
        """
        if until > self.now() + _LONGEST_JUMP:
            raise ValueError("more than a day at once")
        with self._lock:
            self._settle()
            self._live_until(until)
            self._jumped = max(self._jumped, until - self._system.now())
            replace_file(self.folder / CLOCK_FILE, f"{self._jumped.total_seconds():.6f}\n")

    def repair(self) -> None:
        """Make the new web server serve any number of pages."""
        self._sites[scenery.WEB_NEW].repair()

    def meddle(self) -> None:
        """Have somebody import an outdated zone at the new host, some time after the next switch to it."""
        with self._lock:
            self._meddles, self._meddles_at = True, None

    def _start_servers(self, stack: ExitStack) -> None:
        self._start(stack, scenery.ROOT_SERVER, Authority(scenery.ROOT_ZONES))
        self._start(stack, scenery.PARENT_SERVER, self._parent.primary)
        for host, first, second in (
            (self._old, scenery.PRIMARY, scenery.SECONDARY),
            (self._new, scenery.NEW_PRIMARY, scenery.NEW_SECONDARY),
        ):
            self._start(stack, first, host.primary)
            self._start(stack, second, host.add_secondary())
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
                    self._live_until(self.now())
            except OSError:  # the folder is gone: so is the lab
                self._over.set()

    def _settle(self) -> None:
        """Have the secondaries transfer what is new, as a primary's NOTIFY does elsewhere, and keep the zones."""
        with self._lock:
            news = [host.settle() for host in (self._parent, self._old, self._new)]
            if any(news):
                self._users.unsettle()

    def _live_until(self, when: datetime) -> None:
        if self._meddles and scenery.is_delegated_to_new(self._parent.text()):
            self._meddles, self._meddles_at = False, self._users.until + _MEDDLES_AFTER
        if self._meddles_at is not None and self._meddles_at <= when:
            self._users.live_until(self._meddles_at)
            self._new.edit(scenery.outdated)
            self._settle()
            self._meddles_at = None
        self._users.live_until(when)

    def _visits(self) -> Mapping[str, Any]:
        with self._lock:
            self._live_until(self.now())
            return as_data(self._users)

    def _by_hand(self, ns_ttl_s: int) -> Mapping[str, Any]:
        with self._lock:
            zones = Zones(self._parent.text(), self._old.text(), self._new.text())
            start = self.now()
        doors = _doors({scenery.WEB_OLD: Site(""), scenery.WEB_NEW: Site("")})
        played = switch_by_hand(zones, doors, start, ns_ttl_s=ns_ttl_s)
        return {
            "ns_ttl_s": ns_ttl_s,
            "switched_at": played.switched_at.isoformat(),
            "put_back_at": played.put_back_at.isoformat() if played.put_back_at else None,
            **as_data(played.users),
        }

    def _do(self, what: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
        match what:
            case "jump":
                self.jump(datetime.fromisoformat(str(details.get("until"))).astimezone(UTC))
            case "visits":
                return self._visits()
            case "by-hand":
                return self._by_hand(int(str(details.get("ns_ttl_s") or scenery.REAL_NS_TTL_S)))
            case "repair":
                self.repair()
            case "meddle":
                self.meddle()
            case "nothing":
                pass
            case _:
                raise ValueError(f"it does not know {what!r}")
        return {}


def _doors(sites: Mapping[str, Site]) -> tuple[Door, ...]:
    """Return what users try: the web site, and the mail host."""
    return (
        Door(_WEB, sites, "error pages from"),
        Door(_MAIL, {scenery.MAIL: Site("mail")}, "no mail server at"),
    )
