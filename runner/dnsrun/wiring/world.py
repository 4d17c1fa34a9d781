"""The world that a project folder works in: the Internet and the system's clock, or a lab on loopback.

Whatever asks the network is loaded when it is needed: `dnsrun status` stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dnsrun.clock import Clock, SystemClock, now_utc

from .believed import MARK, believed_now
from .pace import polite_rate
from .project import STATE
from .redaction import RedactedJournal, Redactor

if TYPE_CHECKING:
    from dnsrun.dnsio.walk import Roots
    from dnsrun.ports.net import Net, Rate


@dataclass(frozen=True, slots=True)
class Network:
    """The way to sockets, and the root servers where iteration starts."""

    net: Net
    roots: Roots


CLOCK_SET_S = 60


class World:
    """Where a project's runs happen. `open_network` is called at most once, when somebody is to be asked."""

    def __init__(
        self,
        project: Path,
        *,
        clock: Clock,
        open_network: Callable[[], Network],
        redactor: Redactor,
        environment: Mapping[str, str] | None = None,
        is_lab: bool = False,
    ) -> None:
        self.project = project
        self.clock = clock
        self.redactor = redactor
        self.environment = os.environ if environment is None else environment
        self.is_lab = is_lab
        self._open_network = open_network

    @cached_property
    def network(self) -> Network:
        """The network of this world."""
        return self._open_network()

    @property
    def clock_note(self) -> str:
        """Say that the wall clock was set and is not believed; empty when it was not."""
        is_ours = isinstance(self.clock, SystemClock)  # a lab's clock, or a virtual one, is meant to be elsewhere
        ahead_s = (now_utc() - self.clock.now()).total_seconds() if is_ours else 0
        if ahead_s < CLOCK_SET_S:
            return ""
        return (
            f"This machine's clock was set forward by about {ahead_s / 60:.0f} min since dnsrun first looked at it; "
            f"waits count without that (T9). If it is right now, remove {self.project / STATE / MARK}"
        )

    @property
    def polite(self) -> Rate:
        """How hard a server that is not ours is asked; raises `UsageError`. Servers of a lab are all ours."""
        from dnsrun.ports.net import UNLIMITED

        return UNLIMITED if self.is_lab else polite_rate(self.environment)


def open_world(project: Path, redactor: Redactor, environment: Mapping[str, str]) -> World:
    """Return the world of a project folder; a lab when it holds `.dnsrun/lab.json`. Touches the disk."""
    if (project / STATE / "lab.json").exists():
        return _lab(project, redactor, environment)
    clock = SystemClock(lambda: believed_now(project / STATE))
    return World(
        project,
        clock=clock,
        open_network=lambda: _internet(clock, environment),
        redactor=redactor,
        environment=environment,
    )


def _internet(clock: Clock, environment: Mapping[str, str]) -> Network:
    from dnsrun.dnsio.net import SocketNet
    from dnsrun.dnsio.walk import Roots

    return Network(SocketNet(clock, polite=polite_rate(environment)), Roots.iana())


def _lab(project: Path, redactor: Redactor, environment: Mapping[str, str]) -> World:
    import dns.name

    from dnsrun.dnsio.walk import Roots
    from dnsrun.errors import UsageError
    from dnsrun.model.observation import Endpoint
    from dnsrun.rehearse.lab import open_lab

    lab = open_lab(project)
    if lab is None:
        raise UsageError(f"{project}: its lab has just gone; run the command again")
    roots = Roots(tuple(Endpoint(dns.name.root, address) for address in lab.roots))
    return World(
        project,
        clock=lab.clock,
        open_network=lambda: Network(lab.net, roots),
        redactor=redactor,
        environment=environment,
        is_lab=True,
    )


def journal_of(world: World, folder: Path) -> RedactedJournal:
    """Return the journal in a state folder; touches nothing yet."""
    from dnsrun.journal.store import FileJournal

    return RedactedJournal(FileJournal(folder, world.clock), world.redactor)
