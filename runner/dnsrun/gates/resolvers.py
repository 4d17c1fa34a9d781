"""Gate `resolvers`: what listed caching resolvers tell users by now, and for how long. It never decides (T3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from dnsrun.clock import now_utc
from dnsrun.dnsio.caches import ask_caches
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.times import duration
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

Told = Literal["new", "old", "neither", "silent"]
Wanted = dict[RRsetKey, tuple[RRset | None, RRset | None]]  # what is to be told no more, and what instead

MOST_RECORDS = 8


class Resolvers:
    """New records, old ones and for how long, or neither; asked with recursion, as users do."""

    kind = "resolvers"
    fragment = Fragment(
        "what caching resolvers tell users by now; shown, and decides nothing",
        {
            "servers": {
                "description": "addresses of resolvers",
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "format": "address"},
            }
        },
        required=("servers",),
        defaults=DNS_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - resolvers are asked, not the view's servers
        """Ask each resolver for a few of the changed RRsets. Touches the network."""
        return tuple(ask_caches(net, endpoints(spec), awaited(case), now_utc()))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the words are those of the case
        """Judge one round; pure."""
        wanted = awaited(case)
        if not wanted:
            return Verdict("pass", "no record to look at")
        by_resolver: dict[Endpoint, list[Observation]] = {}
        for one in seen:
            by_resolver.setdefault(one.server, []).append(one)
        told = {server: [told_by(one, wanted) for one in found] for server, found in by_resolver.items()}
        words = tuple(f"{server} {_words(found, by_resolver[server])}" for server, found in told.items())
        states = {state for found in told.values() for state in found}
        if states <= {"new"}:
            return Verdict("pass", "; ".join(words), seen)
        outcome: Literal["fail", "unknown"] = "unknown" if states <= {"new", "silent"} else "fail"
        return Verdict(outcome, "; ".join(words), seen, not_yet="neither" not in states)


def endpoints(spec: GateSpec) -> tuple[Endpoint, ...]:
    """Return the resolvers that a gate asks."""
    servers = spec.options.get("servers")
    return tuple(Endpoint(dns.name.root, str(address)) for address in servers) if isinstance(servers, tuple) else ()


def awaited(case: GateCase) -> Wanted:
    """Return what users are to get no more and what from now on, by RRset: records, and the servers of a zone."""
    found: Wanted = {}
    for change in case.changes:
        if not change.ttl_only and change.before != change.after:
            first = found.get(change.key)
            found[change.key] = (first[0] if first else change.before, change.after)
    keys = sorted(found, key=RRsetKey.order)[:MOST_RECORDS]
    servers = _servers(case)
    return {**servers, **{key: found[key] for key in keys}}


def _servers(case: GateCase) -> Wanted:
    key = RRsetKey(case.apex, RdataType.NS)
    if case.move is None or not case.move.switched:
        return {}
    return {key: (case.checkpoint.rrsets.get(key), case.move.content.rrsets.get(key))}


def told_by(one: Observation, wanted: Wanted) -> Told:
    """Sort one answer of a resolver. Pure."""
    if not isinstance(one.got, Answer) or not isinstance(one.of, RRsetKey):
        return "silent"
    if one.got.kind == "error":
        return "neither"
    old, new = wanted[one.of]
    if _same(one.got.rrset, new):
        return "new"
    return "old" if _same(one.got.rrset, old) else "neither"


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one else other is None


def _words(states: list[Told], seen: list[Observation]) -> str:
    if set(states) == {"silent"}:
        return "does not answer"
    if set(states) == {"new"}:
        return "tells the new records"
    return ", ".join(_of_record(state, one) for state, one in zip(states, seen, strict=True))


def _of_record(state: Told, one: Observation) -> str:
    if state == "old":
        left = f" for {duration(ttl_s)} more" if (ttl_s := left_s(one)) else ""
        return f"tells the old {one.of}{left}"
    if state == "neither":
        return f"tells neither the old nor the new {one.of}: {' '.join(_got(one))}"
    return f"{'tells the new' if state == 'new' else 'says nothing of'} {one.of}"


def _got(one: Observation) -> Iterator[str]:
    if isinstance(one.got, NoReply):
        yield one.got.why
    elif isinstance(one.got, Answer):
        yield ", ".join(one.got.rrset.texts()) if one.got.rrset else dns.rcode.to_text(dns.rcode.Rcode(one.got.rcode))


def left_s(one: Observation) -> int | None:
    """Return for how many seconds a cache keeps what it told; None where it told no record."""
    return one.got.rrset.ttl_s if isinstance(one.got, Answer) and one.got.rrset else None
