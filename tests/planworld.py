"""Zones, record entries and situations in a few words, and plans as lines: for tests of planning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.name import Name
from dns.rdata import Rdata

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService
from dnsrun.model.plan import Check, Do, Hold, Move, Plan
from dnsrun.model.playbook import Mark, Playbook, RecordSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey, key
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.situation import Situation
from dnsrun.plan.steps import STEP_KINDS
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.kinds import Kinds
from dnsrun.ports.provider import Capabilities
from playbook_words import GATES, PROVIDERS, TODAY

APEX = dns.name.from_text("client.example")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOA = "@ 3600 SOA ns1 hostmaster 7 3600 600 86400 300"
MARK = Mark("client.yaml", 9, 5)
KINDS = Kinds(PROVIDERS, {word: kind.fragment for word, kind in STEP_KINDS.items()}, GATES)


def name(text: str) -> Name:
    """Return the absolute name of a relative one; `@` is the apex."""
    return dns.name.from_text(text, APEX) if text != "@" else APEX


def rdata(rdtype: str, text: str) -> Rdata:
    """Return RDATA; names in it may be relative."""
    kind = dns.rdatatype.from_text(rdtype)
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=APEX, relativize=False)


def rrset(owner: str, ttl_s: int, rdtype: str, *values: str) -> RRset:
    """Return an RRset of the zone."""
    return RRset(key(name(owner), rdtype), ttl_s, frozenset(rdata(rdtype, value) for value in values))


def zone(*lines: str, soa: str = SOA) -> ZoneSnapshot:
    """Return a zone from lines `owner ttl type rdata`; lines of one RRset come together. It has an SOA."""
    rrsets: dict[RRsetKey, RRset] = {}
    for line in (soa, *lines) if soa else lines:
        owner, ttl, rdtype, text = line.split(None, 3)
        one = rrset(owner, int(ttl), rdtype, text)
        known = rrsets.get(one.key)
        rrsets[one.key] = replace(one, rdatas=one.rdatas | (known.rdatas if known else frozenset()))
    return ZoneSnapshot(APEX, rrsets, "a test", NOON, "complete")


def entry(
    names: str,
    rdtype: str,
    *,
    was: Iterable[str] | None = None,
    values: Iterable[str] | None = None,
    replaces: Mapping[str, str] | None = None,
    ttl_s: int | None = None,
    keeps: Iterable[str] = (),
    affects_mail: bool = False,
) -> RecordSpec:
    """Return an entry below `records:`; without `values` and `replaces` it says `absent: true`."""
    return RecordSpec(
        names=tuple(name(one) for one in names.split()),
        rdtype=dns.rdatatype.from_text(rdtype),
        was=None if was is None else frozenset(rdata(rdtype, text) for text in was),
        values=None if values is None else frozenset(rdata(rdtype, text) for text in values),
        replaces=tuple((rdata(rdtype, old), rdata(rdtype, new)) for old, new in (replaces or {}).items()),
        absent=values is None and not replaces,
        ttl_s=ttl_s,
        keeps=frozenset(dns.rdatatype.from_text(word) for word in keeps),
        affects_mail=affects_mail,
        mark=MARK,
    )


def playbook(text: str) -> Playbook:
    """Return a checked playbook, read with the step kinds that there are."""
    return read_playbook(text, "client.yaml", KINDS, today=TODAY)


def situation(book: Playbook, held: ZoneSnapshot, **more: Any) -> Situation:
    """Return a situation in which every provider can do everything, unless said."""
    capable = {provider: Capabilities(reads="complete", compare_and_set=True) for provider in book.providers}
    return replace(Situation("run1", book, held, "c", capable, NOON), **more)


def shown(plan: Plan) -> list[str]:
    """Return the moves of a plan as lines."""
    return [line for move in plan.moves for line in _move(plan, move)]


def _move(plan: Plan, move: Move) -> Iterator[str]:
    if isinstance(move, Check):
        acts = ",".join(map(str, move.acts))
        yield f"{move.when}: {move.gate.name}" + (f" of {acts}" if acts else "")
    elif isinstance(move, Hold):
        gates = ", ".join(gate.name for gate in move.gates)
        length = "until caches are clean" if move.for_s is None else f"{move.for_s} s"
        yield f"{move.kind} {length}: {gates}"
    else:
        assert isinstance(move, Do)
        yield from _act(plan.acts[move.act])


def _act(act: Act) -> Iterator[str]:
    if isinstance(act, Refresh):
        yield f"refresh {act.provider}"
    elif isinstance(act, SetService):
        yield f"{act.service} {'on' if act.after else 'off'} at {act.provider}"
    elif isinstance(act, RunCommand):
        yield f"run {' '.join(act.argv)}"
    elif isinstance(act, Instruct):
        yield f"ask {act.operator}: {act.text}"
    elif isinstance(act, SetDelegation):
        yield f"delegate at {act.provider}: {_servers(act.before)} → {_servers(act.after)}"
    else:
        yield f"write at {act.provider}: " + "; ".join(change_text(change) for change in act.changes)


def _servers(delegation: Delegation) -> str:
    names = sorted(name.to_text(omit_final_dot=True) for name in delegation.ns)
    return " ".join((*names, *(f"DS {text}" for text in sorted(delegation.ds))))


def change_text(change: Change) -> str:
    """Return a change in a line: `www A 192.0.2.1 → 192.0.2.2 (600)`."""
    owner = change.key.owner.relativize(APEX).to_text()
    what = f"{owner} {dns.rdatatype.to_text(change.key.rdtype)}"
    if change.ttl_only and change.before and change.after:
        return f"{what} ttl {change.before.ttl_s} → {change.after.ttl_s}"
    return f"{what} {_data(change.before)} → {_data(change.after)}" + (
        f" ({change.after.ttl_s})" if change.after else ""
    )


def _data(held: RRset | None) -> str:
    return " ".join(held.texts()) if held else "absent"
