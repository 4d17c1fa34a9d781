"""A plan in the user's words: what changes where, what is done by whom, how it goes back, when it may start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import dns.rdatatype
from dns.name import Name

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.changetext import change_words, names_text, relative
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.rrset import Change
from dnsrun.model.text import shorten
from dnsrun.model.times import duration, full_time
from dnsrun.plan.earliest import OUTSIDE_WINDOW
from dnsrun.ports.provider import Capabilities

from .handing import Handing, copy_lines, delegation_lines, is_copy, switch_lines, switch_of

MOST_LINES = 12
ADDRESSES = frozenset({"A", "AAAA"})
_OLD_TTL = re.compile(r"(.+): the old TTL \((\d+) s\) runs out then")


@dataclass(frozen=True, slots=True)
class Row:
    """Changes of equal kind: at these names, of this type, from what to what, at which provider."""

    names: tuple[str, ...]
    rdtype: str
    what: str
    where: str


def rows(plan: Plan, apex: Name, capabilities: Mapping[str, Capabilities], *, copies: bool = True) -> tuple[Row, ...]:
    """Return the changes of a plan, those of equal kind together, in their order; copying a zone only if `copies`.

    What is written alike at both hosts of a zone that moves is one change.
    """
    places: dict[tuple[str, str, str], list[str]] = {}
    for act in plan.acts:
        if isinstance(act, WriteZone) and (copies or not is_copy(plan, act)):
            for change in act.changes:
                name = relative(change.key.owner, apex)
                change_at = (dns.rdatatype.to_text(change.key.rdtype), change_words(change), name)
                places.setdefault(change_at, []).append(act.provider)
    groups: dict[tuple[str, str, str], list[str]] = {}
    for (rdtype, what, name), providers in places.items():
        groups.setdefault((rdtype, what, _where(providers, capabilities)), []).append(name)
    return tuple(Row(tuple(names), *kind) for kind, names in groups.items())


def _where(providers: Iterable[str], capabilities: Mapping[str, Capabilities]) -> str:
    """Return where, and how, such as `at old and new, by API`."""
    by_way: dict[str, list[str]] = {}
    for provider in dict.fromkeys(providers):
        by_way.setdefault(_how(provider, capabilities), []).append(provider)
    return "; ".join(f"at {' and '.join(names)}, {how}" for how, names in by_way.items())


def change_lines(found: tuple[Row, ...], *, everything: bool) -> list[str]:
    """Return the rows in columns; only the first ones unless `everything`."""
    most = len(found) if everything else MOST_LINES
    cells = [
        (names_text(row.names, len(row.names) if everything else 6), row.rdtype, row.what, row.where)
        for row in found[:most]
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(3)]
    lines = [
        f"  {names:<{widths[0]}}   {rdtype:<{widths[1]}}   {what:<{widths[2]}}        {where}"
        for names, rdtype, what, where in cells
    ]
    return lines + ([f"  … and {len(found) - most} more lines (-v shows all)"] if len(found) > most else [])


def by_hand(plan: Plan, capabilities: Mapping[str, Capabilities]) -> list[str]:
    """Return what is done besides writing records, and by whom."""
    return [line for act in plan.acts if (line := _act_line(act, capabilities))]


def _act_line(act: Act, capabilities: Mapping[str, Capabilities]) -> str:
    if isinstance(act, Refresh):
        return f"  then {act.provider} fetches the zone        {_how(act.provider, capabilities)}"
    if isinstance(act, SetService):
        way = "on" if act.after else "off"
        return f"  {act.service} service {way}        at {act.provider}, {_how(act.provider, capabilities)}"
    if isinstance(act, RunCommand):
        undo = f"; back: {shorten(' '.join(act.undo_argv))}" if act.undo_argv else ""
        return f"  runs: {shorten(' '.join(act.argv))}{undo}"
    if isinstance(act, Instruct):
        return f"  by hand, {shorten(act.operator)}: {shorten(act.text, 400)}"
    return ""


def _how(provider: str, capabilities: Mapping[str, Capabilities]) -> str:
    known = capabilities.get(provider)
    return "by hand" if known and known.needs_person else "by API"


def stays(plan: Plan) -> list[str]:
    """Return how long a plan waits and watches."""
    switches = switch_of(plan) is not None
    return [_stay(move, switches=switches) for move in plan.moves if isinstance(move, Hold)]


def _stay(move: Hold, *, switches: bool) -> str:
    verb = "waits" if move.kind == "wait" else "watches"
    if move.for_s is None and switches:
        return f"  {verb} until no cache asks the old name servers or holds what they said"
    if move.for_s is None:
        return f"  {verb} until no cache can hold the old records"
    return f"  {verb} for {duration(move.for_s)}"


def gate_names(plan: Plan) -> list[str]:
    """Return the gates that decide before and after, as one line each."""
    lines = []
    for when, verb in (("before", "before:"), ("after", "after: ")):
        names = [move.gate.name for move in plan.moves if isinstance(move, Check) and move.when == when]
        if names:
            lines.append(f"  {verb} {', '.join(dict.fromkeys(map(shorten, names)))}")
    return lines


def recovery(plan: Plan, capabilities: Mapping[str, Capabilities]) -> str:
    """Return how it goes back when it fails, and for how long visitors would suffer at worst (D4)."""
    undone = [act for act in plan.acts if not (isinstance(act, WriteZone) and is_copy(plan, act))]
    if plan.acts and not undone:
        return "  If it fails: nobody asks these servers yet, so no visitor notices; what was copied may stay."
    hands = [hazard for hazard in plan.hazards if hazard.name == "manual-rollback"]
    providers = [act.provider for act in undone if isinstance(act, (WriteZone, Refresh, SetDelegation))]
    people = [provider for provider in providers if capabilities[provider].needs_person]
    who = f"a person must act at {', '.join(dict.fromkeys(people))}" if people else "a person must act" if hands else ""
    how = f"{who}; then" if who else "back by itself,"
    switches = switch_of(plan) is not None
    changes = [change for act in undone if isinstance(act, WriteZone) for change in act.changes]
    if any(isinstance(act, SetDelegation) and act.after.ds - act.before.ds for act in undone):
        end = "resolvers that validate may refuse the domain until they forget the DS (its TTL at the parent)"
        return f"  If it fails: {who or 'back by itself'}; {end}."
    if not switches and all(change.ttl_only for change in changes):
        return f"  If it fails: {who or 'back by itself'}; no visitor notices."
    sides = " on both sides," * switches
    return f"  If it fails: {how}{sides} last visitor well again after {duration(plan.worst_recovery_s)} at most."


def recovery_by_step(plan: Plan, apex: Name) -> list[str]:
    """Return, where a plan writes in several steps, what going back from each would cost visitors at worst."""
    steps = [
        (act, worst_s)
        for act, worst_s in zip(plan.acts, plan.worst_by_act_s, strict=False)
        if isinstance(act, (WriteZone, SetDelegation))
    ]
    if len(steps) < 2 or not plan.worst_recovery_s:
        return []
    is_both = len({act.provider for act, _ in steps if isinstance(act, WriteZone)}) > 1
    where = [f" ({act.provider})" if is_both and isinstance(act, WriteZone) else "" for act, _ in steps]
    lines = [f"    at {_written(act, apex)}" for act, _ in steps]
    return [f"{line}{at}: {_worst(step[1])}" for line, at, step in zip(lines, where, steps, strict=True)]


def _written(act: WriteZone | SetDelegation, apex: Name) -> str:
    if isinstance(act, SetDelegation):
        return "the name servers"
    names = dict.fromkeys(relative(change.key.owner, apex) for change in act.changes)
    types = dict.fromkeys(dns.rdatatype.to_text(change.key.rdtype) for change in act.changes)
    ttl = " (TTL only)" if all(change.ttl_only for change in act.changes) else ""
    return f"{names_text(tuple(names), 3)}   {names_text(tuple(types), 3)}{ttl}"


def _worst(seconds: int) -> str:
    return f"after {duration(seconds)} at most" if seconds else "no visitor notices"


def hazard_lines(plan: Plan) -> list[str]:
    """Return the named risks, each once."""
    return [f"  Risk {name}: {text}" for name, text in dict.fromkeys((h.name, h.text) for h in plan.hazards)]


def details(
    plan: Plan,
    apex: Name,
    capabilities: Mapping[str, Capabilities],
    *,
    verbose: bool = False,
    known: Handing | None = None,
) -> list[str]:
    """Return the body of a phase: changes, hands, waits, notes, risks and the way back.

    `known` is what a switch of name servers costs, where the plan has one.
    """
    lines = [
        *change_lines(rows(plan, apex, capabilities, copies=verbose), everything=verbose),
        *copy_lines(plan, capabilities),
        *delegation_lines(plan, capabilities),
        *by_hand(plan, capabilities),
        *(switch_lines(known) if known else ()),
        *stays(plan),
        *(f"  {note}" for note in dict.fromkeys(plan.notes)),
        *(gate_names(plan) if verbose else ()),
        *hazard_lines(plan),
    ]
    if not plan.acts:
        return lines
    return [*lines, recovery(plan, capabilities), *recovery_by_step(plan, apex)]


def refusal(plan: Plan, now: datetime) -> str:
    """Return why a phase may not start yet and when it may, with the local time first."""
    if plan.earliest is None:
        return ""
    when = f"{full_time(plan.earliest)}, in {duration((plan.earliest - now).total_seconds())}"
    again = "Run the same command after that time."
    reasons = because(plan)
    old_ttl = _OLD_TTL.fullmatch(reasons[0]) if len(reasons) == 1 else None
    if old_ttl:
        what, ttl_s = old_ttl.groups()
        return f"phase {plan.phase} refused: the old TTL of {what} ({ttl_s} s) runs out at {when}. {again}"
    if len(reasons) == 1 and reasons[0].startswith(OUTSIDE_WINDOW):
        return f"phase {plan.phase} refused: {reasons[0]}; next: {when}. {again}"
    return "\n".join((f"phase {plan.phase} refused until {when}. {again}", *(f"  {reason}" for reason in reasons)))


def because(plan: Plan) -> list[str]:
    """Return why a phase waits, RRsets with the same reason together."""
    groups: dict[str, list[str]] = {}
    for reason in plan.earliest_because:
        what, _, why = reason.partition(": ")
        groups.setdefault(why, []).append(what)
    return [f"{names_text(tuple(what))}: {why}" for why, what in groups.items()]


def changed_things(changes: Iterable[Change]) -> str:
    """Return what visitors may still see after going back: `the new server` when only addresses changed."""
    types = {dns.rdatatype.to_text(change.key.rdtype) for change in changes}
    return "the new server" if types and types <= ADDRESSES else "the new records"
