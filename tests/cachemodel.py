"""The model of caching resolvers before the cases of `movecases`: embedded servers, a clock that jumps, no waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dns.name
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock, VirtualClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun.rehearse.cache import CacheKind, CachingResolver
from dnsrun.rehearse.users import through
from movecases import (
    FILLED_S,
    LONG,
    NEW,
    NEW_NS,
    NEW_VALUE,
    OLD,
    OLD_NS,
    OLD_VALUE,
    PARENT,
    ROOT,
    Case,
    Look,
    long_zone,
    parent_zone,
    root_zone,
    zone,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
_EXAMPLE = dns.name.from_text("example.")
_LONG = dns.name.from_text(LONG)
_EVERY_S = 0.25


@contextmanager
def hosts(case: Case) -> Iterator[dict[str, Authority]]:
    """Start root, parent, old and new host of one domain; by address."""
    apex = dns.name.from_text(case.domain)
    with (
        Authority({dns.name.root: root_zone()}) as root,
        Authority({_EXAMPLE: parent_zone([case])}) as parent,
        Authority({apex: zone(case, OLD_NS, OLD_VALUE), _LONG: long_zone()}, ns_beside=True) as old,
        Authority({apex: zone(case, NEW_NS, NEW_VALUE)}, ns_beside=True) as new,
    ):
        yield {ROOT: root, PARENT: parent, OLD: old, NEW: new}


def looks_of(kind: CacheKind, case: Case, longest_s: float) -> Sequence[Look]:
    """Return what a client sees, from `FILLED_S` before the switch to `longest_s` after it."""
    with hosts(case) as servers:
        clock = VirtualClock(START)
        switched_at = clock.now() + timedelta(seconds=FILLED_S)
        resolver = _resolver(servers, clock, kind)
        looks: list[Look] = []
        while (at := (clock.now() - switched_at).total_seconds()) < longest_s:
            if at == 0:
                _switch(servers, case)
            if case.asks_ns_at(at):
                resolver.resolve(dns.name.from_text(case.domain), RdataType.NS)
            looks.append((at, _address(resolver, dns.name.from_text(f"www.{case.domain}"))))
            clock.advance(_EVERY_S)
        return looks


def limits_of(kind: CacheKind) -> tuple[int, int]:
    """Return for how many seconds data and an absence are kept that are good for longer."""
    with hosts(Case(60, 60)) as servers:
        resolver = _resolver(servers, VirtualClock(START), kind)
        data, absence = (
            resolver.resolve(dns.name.from_text(label, _LONG), RdataType.A) for label in ("www", "missing")
        )
        return data.remaining_ttl_s, absence.remaining_ttl_s


def _resolver(servers: dict[str, Authority], clock: VirtualClock, kind: CacheKind) -> CachingResolver:
    places = {(address, 53): (server.address, server.port) for address, server in servers.items()}
    return CachingResolver([ROOT], through(MappedNet(places, SystemClock())), clock.now, kind)


def _switch(servers: dict[str, Authority], case: Case) -> None:
    servers[PARENT].set_zone(_EXAMPLE, parent_zone([case], NEW_NS))
    if case.purged:
        servers[OLD].faults = Faults(rcode=Rcode.REFUSED)


def _address(resolver: CachingResolver, name: Name) -> str | None:
    answer = resolver.resolve(name, RdataType.A)
    return answer.rrset[0].to_text() if answer.rrset is not None else None
