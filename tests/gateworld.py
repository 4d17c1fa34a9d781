"""A small world for gates: real addresses of the documentation ranges, played by servers on loopback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dns.name

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint, NoReply, Observation, Question, Transport, Words
from dnsrun.model.playbook import GateSpec, Json
from dnsrun.model.rrset import Change, RRset, RRsetKey, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import Gate, GateCase

APEX = dns.name.from_text("client.example")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OLD, NEW = "192.0.2.10", "203.0.113.20"
WWW = "www.client.example"

Places = dict[tuple[str, int], tuple[str, int]]


def net(places: Mapping[tuple[str, int], tuple[str, int]]) -> MappedNet:
    """Return a net on which only these places exist."""
    return MappedNet(places, SystemClock())


def server(name: str, address: str) -> Endpoint:
    """Return an endpoint on port 53."""
    return Endpoint(dns.name.from_text(name), address)


@dataclass
class FixedView:
    """A view whose servers and addresses are told."""

    net: MappedNet
    servers: tuple[Endpoint, ...] = ()
    controls: tuple[Endpoint, ...] = ()
    not_checked: tuple[Endpoint, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = "current"
    asked: list[str] = field(default_factory=list)

    def ask(self, keys: Iterable[RRsetKey], *, transport: Transport = "udp") -> Iterator[Observation]:
        """Ask every key at every server."""
        every = list(keys)
        return self.net.ask([Question(key, one, transport) for one in self.servers for key in every])

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the told addresses; the unknown ones raise."""
        self.asked.append(host)
        if host.rstrip(".") not in self.hosts:
            raise OutsideError(f"no server tells {host}", retryable=True, certainty="not-applied")
        return self.hosts[host.rstrip(".")]


def zone(*rrsets: RRset) -> ZoneSnapshot:
    """Return a captured zone with an SOA."""
    soa = rrset(APEX, 3600, "SOA", "ns1.client.example. hostmaster.client.example. 7 3600 600 86400 300")
    held = {one.key: one for one in (soa, *rrsets)}
    return ZoneSnapshot(APEX, held, "a test", NOON, "complete")


def change(before: RRset | None, after: RRset | None) -> Change:
    """Return the change from one to the other; one of them may be None."""
    either = before or after
    assert either is not None
    return Change(either.key, before, after)


WEB_BEFORE = rrset(WWW, 600, "A", OLD)
WEB_AFTER = rrset(WWW, 600, "A", NEW)
WEB_MOVES = change(WEB_BEFORE, WEB_AFTER)


def case(*changes: Change, checkpoint: ZoneSnapshot | None = None, **more: object) -> GateCase:
    """Return a case; the checkpoint holds what the changes replace unless it is given."""
    held = checkpoint or zone(*(one.before for one in changes if one.before))
    return GateCase(APEX, changes, held, **more)  # type: ignore[arg-type] # the tests name fields of GateCase


def spec(gate: Gate, **options: Json) -> GateSpec:
    """Return a gate as a playbook would write it."""
    return GateSpec(gate.kind, gate.kind, options)


def said(of: str, address: str, port: int, text: str = "", **facts: str) -> Observation:
    """Return what a service said."""
    end = Endpoint(dns.name.from_text(of), address, port)
    return Observation(of, end, NOON, Words(text, tuple(facts.items())), "tcp")


def silent(of: str | RRsetKey, end: Endpoint, why: str = "timeout", transport: str = "udp") -> Observation:
    """Return a missing answer."""
    return Observation(of, end, NOON, NoReply(why), transport)  # type: ignore[arg-type] # one of the four words
