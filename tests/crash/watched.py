"""Hosts, registrars and journals whose every call is a point at which a process can die."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dns.name import Name

from dnsrun.clock import VirtualClock
from dnsrun.errors import OutsideError
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Entry, Intended, Record
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import Change
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.ports.journal import Head
from dnsrun.ports.provider import (
    Capabilities,
    Pending,
    Receipt,
    RegistrarProvider,
    Rejected,
    SecondaryHost,
    ServiceProvider,
    Settled,
    ZoneProvider,
)

if TYPE_CHECKING:
    from crash.crashworld import PointWorld

JOURNAL = "client.example/journal.jsonl"


class Watched:
    """A provider whose calls are points: before, and after the effect but before the caller knows."""

    def __init__(self, inner: ZoneProvider, world: PointWorld) -> None:
        self._inner = inner
        self._world = world

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    @property
    def own_servers(self) -> object:
        return self._inner.own_servers

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        return self._inner.read_zone(apex)

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        self._world.called("a write")
        self._world.note("before a write")
        receipt = self._inner.apply(apex, changes)
        self._world.note("after a write")
        if self._world.stumbles:
            self._world.stumbles -= 1
            raise OutsideError("no answer", retryable=True, certainty="in-doubt")
        return receipt

    def service_state(self, domain: Name, service: str) -> bool | None:
        return cast("ServiceProvider", self._inner).service_state(domain, service)

    def set_service(self, domain: Name, service: str, *, on: bool) -> Receipt:
        if not self.capabilities.needs_person:  # else this only asks for the words
            self._world.called("a switch of a service")
        self._world.note("before a switch of a service")
        receipt = cast("ServiceProvider", self._inner).set_service(domain, service, on=on)
        self._world.note("after a switch of a service")
        return receipt

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        self._world.called("a refresh")
        self._world.note("before a refresh")
        before = self._world.zones
        receipt = cast("SecondaryHost", self._inner).refresh(apex, servers)
        self._world.note("after a refresh that is not carried out", zones=before)
        self._world.follow()
        self._world.note("after a refresh")
        return receipt


class WatchedRegistrar:
    """A registrar whose calls are points, like those of a host."""

    def __init__(self, inner: RegistrarProvider, world: PointWorld) -> None:
        self._inner = inner
        self._world = world

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    def read_delegation(self, domain: Name) -> Delegation | None:
        return self._inner.read_delegation(domain)

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        self._world.called("a change of the delegation")
        self._world.note("before a change of the delegation")
        receipt = self._inner.replace_delegation(domain, before=before, after=after)
        self._world.somebody_asks("after the call")
        self._world.note("after a change of the delegation")
        return receipt

    def poll(self, operation: str) -> Pending | Settled | Rejected:
        return self._inner.poll(operation)


class RecordedJournal(FileJournal):
    """A journal whose appends are points: before, in the middle of the line, and after it before the caller knows."""

    def __init__(self, folder: Path, clock: VirtualClock, world: PointWorld) -> None:
        super().__init__(folder, clock)
        self._world = world

    def append(self, entry: Entry, *, head: Head) -> Record:
        world, kind = self._world, type(entry).__name__
        world.note(f"before {kind}")
        before = world.here("")
        record = super().append(entry, head=head)
        if world.recording:
            line = world.disk.tree()[JOURNAL][len(before.disk.get(JOURNAL, b"")) :]
            cut = (1, len(line) // 2, len(line) - 1)[record.seq % 3]
            world.points.append(
                replace(
                    before,
                    where=f"in the middle of {kind}, phase {world.phase}",
                    disk={**before.disk, JOURNAL: before.disk.get(JOURNAL, b"") + line[:cut]},
                )
            )
        world.note(f"after {kind}")
        if isinstance(entry, Intended):
            world.somebody_asks("before the call")
        return record
