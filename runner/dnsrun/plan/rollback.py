"""The way back: from what phases wrote, what was there before, and what is there now. Pure.

Order by class: services on again, then data, then secondaries, TTLs last. Three-way: an RRset that somebody else has
changed since is left and named (P3). Nothing is derived from absence (P4): only RRsets that we changed are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, WriteZone
from dnsrun.model.plan import Check, Do, Move, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey

from .gating import DNS_GATES, built_in
from .situation import Situation


@dataclass(frozen=True, slots=True)
class Undone:
    """A phase to undo: its plan, the acts that were at least intended, and what its gates saw straight before.

    `baselines` maps a gate's name to the facts that the live service gave at the checkpoint.
    """

    plan: Plan
    performed: frozenset[int]
    baselines: Mapping[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Way:
    """What the way back does to RRsets: `data` first, `ttls` last.

    `there` are those that the primary serves as before already; other servers may not yet. `left` are sentences
    about RRsets that somebody else has changed.
    """

    data: tuple[Change, ...]
    ttls: tuple[Change, ...]
    there: tuple[Change, ...]
    left: tuple[str, ...]


def plan_rollback(undone: tuple[Undone, ...], situation: Situation, *, raise_ttls: bool) -> Plan:
    """Plan the way back from these phases, newest first. `situation.zone` is the zone as it is now.

    TTLs that were lowered stay low unless `raise_ttls`; then they are raised last. What an earlier rollback has
    written already is not written again, but secondaries are refreshed and all servers asked all the same.
    """
    chains = _chains(undone)
    way = _way(chains, situation, raise_ttls=raise_ttls)
    acts: list[Act] = [*_services(undone)]
    provider = situation.playbook.zone.provider
    for changes in (way.data, way.ttls):
        if changes:
            acts.append(WriteZone(provider, situation.zone.apex, changes))
            acts += _refreshes(undone, situation)
    if chains and not (way.data or way.ttls):
        acts += _refreshes(undone, situation)
    newest = undone[0].plan
    return Plan(
        run=situation.run,
        phase=newest.phase,
        phase_name=newest.phase_name,
        direction="back",
        acts=tuple(acts),
        moves=_moves(undone, tuple(acts), way),
        checkpoint=situation.checkpoint,
        covers=tuple(each.plan.phase for each in undone),
        left=(*way.left, *_beyond(undone)),
        guards=(*(guard for guard in undone[-1].plan.guards if guard.key not in chains), *way.there),
    )


def _way(chains: Mapping[RRsetKey, list[Change]], situation: Situation, *, raise_ttls: bool) -> _Way:
    data: list[Change] = []
    ttls: list[Change] = []
    there: list[Change] = []
    left: list[str] = []
    for key, chain in sorted(chains.items(), key=lambda item: item[0].order()):
        live, target = situation.zone.rrsets.get(key), chain[0].before
        if not _ours(live, chain):
            left.append(f"{key} is {_text(live)} now, set by somebody else; it was left alone")
            continue
        now = live
        if not _same(live, target):
            now = target.with_ttl(_low_ttl_s(chain, target)) if target else None
            data.append(Change(key, live, now))
        else:
            there.append(Change(key, *(_at_any_ttl(value, chain) for value in (chain[-1].after, live))))
        if raise_ttls and now and target and now.ttl_s < target.ttl_s:
            ttls.append(Change(key, now, replace(now, ttl_s=target.ttl_s)))
    return _Way(tuple(data), tuple(ttls), tuple(there), tuple(left))


def _low_ttl_s(chain: list[Change], target: RRset) -> int:
    """Return the TTL, in seconds, that the data had when it was first replaced: what was lowered before stays low."""
    replaced = next((change.before for change in chain if not change.ttl_only and change.before), target)
    return min(replaced.ttl_s, target.ttl_s)


def _at_any_ttl(value: RRset | None, chain: list[Change]) -> RRset | None:
    """Return the data with the highest TTL it ever had: a server that lags may still give the first one."""
    known = [each.ttl_s for change in chain for each in (change.before, change.after, value) if each]
    return value.with_ttl(max(known)) if value else None


def _chains(undone: tuple[Undone, ...]) -> dict[RRsetKey, list[Change]]:
    """Return, for each RRset, what these phases did to it, oldest first."""
    chains: dict[RRsetKey, list[Change]] = {}
    for each in reversed(undone):
        for index in sorted(each.performed):
            act = each.plan.acts[index]
            for change in act.changes if isinstance(act, WriteZone) else ():
                chains.setdefault(change.key, []).append(change)
    return chains


def _ours(live: RRset | None, chain: list[Change]) -> bool:
    """Tell whether the live value is one that was there before, or that we wrote."""
    known = [value for change in chain for value in (change.before, change.after)]
    return any(_same(live, value) for value in known)


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one else other is None


def _text(rrset: RRset | None) -> str:
    return ", ".join(rrset.texts()) if rrset else "absent"


def _services(undone: tuple[Undone, ...]) -> Iterable[Act]:
    """Undo programs and instructions, newest first: services run again before data leads to them."""
    for each in undone:
        for index in sorted(each.performed, reverse=True):
            act = each.plan.acts[index]
            if isinstance(act, RunCommand) and act.undo_argv:
                yield RunCommand(act.undo_argv, None)
            if isinstance(act, Instruct) and act.undo_text:
                yield Instruct(act.operator, act.undo_text, None, None)


def _beyond(undone: tuple[Undone, ...]) -> Iterable[str]:
    for each in undone:
        for index in sorted(each.performed):
            act = each.plan.acts[index]
            if isinstance(act, RunCommand) and not act.undo_argv:
                yield f"`{' '.join(act.argv)}` was run and cannot be taken back"
            if isinstance(act, Instruct) and not act.undo_text:
                yield f'"{act.text}" was done by {act.operator} and cannot be taken back'


def _refreshes(undone: tuple[Undone, ...], situation: Situation) -> list[Act]:
    """Every secondary that copies the zone fetches it again, also those refreshed by a step of their own."""
    zone = situation.playbook.zone
    names = list(zone.secondaries.get(zone.provider, ()))
    names += [act.provider for each in undone for act in each.plan.acts if isinstance(act, Refresh)]
    return [Refresh(name, situation.zone.apex) for name in dict.fromkeys(names)]


def _moves(undone: tuple[Undone, ...], acts: tuple[Act, ...], way: _Way) -> tuple[Move, ...]:
    """Services before their check, the old side's answer before data leads there, and all servers asked in the end."""
    everything = tuple(range(len(acts)))
    moved = bool(way.data) or any(not change.ttl_only for change in way.there)
    service = list(_service_gates(undone)) if moved else []
    first = [index for index in everything if isinstance(acts[index], (RunCommand, Instruct))]
    moves: list[Move] = [Do(index) for index in first]
    moves += [Check(gate, "safe", everything) for gate in service if way.data]
    moves += [Do(index) for index in everything if index not in first]
    if acts or way.there:
        moves += [Check(built_in(kind), "back", everything) for kind in DNS_GATES]
        moves += [Check(gate, "back", everything) for gate in service]
    return tuple(moves)


def _service_gates(undone: tuple[Undone, ...]) -> Iterable[GateSpec]:
    """Service gates whose service answered at the oldest checkpoint: there it must answer the same again.

    A phase that only lowered TTLs has no gates; what the next one saw before it wrote is as old.
    """
    moved = (each for each in reversed(undone) if any(not change.ttl_only for change in each.plan.changes()))
    oldest = next(moved, undone[-1])
    for move in oldest.plan.moves:
        if isinstance(move, Check) and move.when == "baseline":
            facts = oldest.baselines.get(move.gate.name)
            if facts:
                yield replace(
                    move.gate, options={**move.gate.options, "as_before": dict(facts)}, failures=2, successes=1
                )
