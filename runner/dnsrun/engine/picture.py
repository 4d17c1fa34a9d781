"""Who serves what right now: each server of the parent and of the zone, and each listed resolver. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import dns.name
from dns.rdatatype import RdataType

from dnsrun.dnsio.caches import ask_caches
from dnsrun.dnsio.views import ServerView
from dnsrun.gates.resolvers import MOST_RECORDS, Told, Wanted, left_s, told_by
from dnsrun.model.observation import Endpoint, Observation
from dnsrun.model.plan import Plan
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import Delegation

from .eyes import recent
from .run import Run, merged

_SEEN_S = 10.0
Kind = Literal["parent", "name server", "resolver"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one server tells of one RRset. `ttl_s`: a resolver goes on telling it for so long (None elsewhere)."""

    told: Told
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One server and what it tells, by RRset."""

    kind: Kind
    server: Endpoint
    cells: Mapping[RRsetKey, Cell]


@dataclass(frozen=True, slots=True)
class Picture:
    """The state of affairs at one time (UTC). `keys` are the RRsets looked at, in order."""

    at: datetime
    keys: tuple[RRsetKey, ...]
    rows: tuple[Row, ...]


def look_around(run: Run, plan: Plan) -> Picture:
    """Ask everybody for what a plan, and what stands before it, has changed; few questions. Touches the network."""
    view = recent(run, at_most_s=_SEEN_S)
    wanted = _wanted(run, plan)
    keys = tuple(wanted)
    apex_ns = RRsetKey(run.apex, RdataType.NS)
    seen = [one for one in view.ask(keys) if not one.control]
    resolvers = [Endpoint(dns.name.root, address) for address in run.playbook.resolvers]
    told = list(ask_caches(run.ports.net, resolvers, keys, run.ports.clock.now()))
    rows = (*_parents(view, plan, apex_ns), *_rows("name server", seen, wanted), *_rows("resolver", told, wanted))
    return Picture(run.ports.clock.now(), keys, tuple(rows))


def _wanted(run: Run, plan: Plan) -> Wanted:
    """Return what is to be seen no more and what instead: the delegation first, then records, a few."""
    wanted: Wanted = {}
    if plan.delegation and plan.target:
        key = RRsetKey(run.apex, RdataType.NS)
        new = run.zone(plan.content).rrsets.get(key) if plan.content else None
        wanted[key] = (run.zone(plan.checkpoint).rrsets.get(key), new)
    changes = merged((*plan.guards, *plan.changes(provider=plan.live or run.playbook.zone.provider)))
    kept = [change for change in changes if not change.ttl_only and change.before != change.after]
    for change in sorted(kept, key=lambda one: one.key.order())[:MOST_RECORDS]:
        wanted[change.key] = (change.before, change.after)
    return wanted


def _parents(view: ServerView, plan: Plan, key: RRsetKey) -> Iterator[Row]:
    if plan.delegation is None or plan.target is None:
        return
    for server, served in view.parent.served.items():
        yield Row("parent", server, {key: Cell(_side(served, plan.delegation, plan.target))})
    for server in view.parent.silent:
        yield Row("parent", server, {key: Cell("silent")})


def _side(served: Delegation, before: Delegation, target: Delegation) -> Told:
    if served.ns == target.ns:
        return "new"
    return "old" if served.ns == before.ns else "neither"


def _rows(kind: Kind, seen: list[Observation], wanted: Wanted) -> Iterator[Row]:
    for server in sorted({one.server for one in seen}, key=lambda server: (server.name, server.address)):
        cells = {
            one.of: Cell(told_by(one, wanted), left_s(one) if kind == "resolver" else None)
            for one in seen
            if one.server == server and isinstance(one.of, RRsetKey)
        }
        yield Row(kind, server, cells)
