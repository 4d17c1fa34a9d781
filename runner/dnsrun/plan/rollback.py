"""The way back: from what phases wrote, what was there before, and what is there now. Pure.

Order by class: services on again, then data on every side that a cache may ask, then secondaries, then the delegation
and its DS, TTLs last. Three-way: an RRset that somebody else has changed since is left and named (P3). Nothing is
derived from absence (P4): only RRsets that we changed are written; at the host that the zone moved to, whoever typed
them, also those that the old servers answer otherwise (D4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.content import is_content
from dnsrun.model.plan import Check, Do, Hold, Move, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .gating import DNS_GATES, MAIL_GATES, built_in
from .situation import Situation
from .ttl import margin_s


@dataclass(frozen=True, slots=True)
class Undone:
    """A phase to undo: its plan, the acts that were at least intended, and what its gates saw straight before.

    `baselines` maps a gate's name to the facts that the live service gave at the checkpoint. `served` are the RRsets
    of each act that its host serves with another TTL than was asked for (T7).
    """

    plan: Plan
    performed: frozenset[int]
    baselines: Mapping[str, tuple[tuple[str, str], ...]]
    served: Mapping[int, tuple[RRset, ...]] = field(default_factory=dict)


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


def plan_rollback(
    undone: tuple[Undone, ...], situation: Situation, *, raise_ttls: bool, refreshed: ZoneSnapshot | None = None
) -> Plan:
    """Plan the way back from these phases, newest first.

    `situation.zone` is what the host that the zone was at holds now, `situation.moving.other` what the host holds that
    it moves to. `refreshed` is what the latter is to answer while caches still ask it: the checkpoint, renewed from
    the old servers. TTLs that were lowered stay low unless `raise_ttls`; then they are raised last. What an earlier
    rollback has written already is not written again, but secondaries are refreshed and all servers asked all the same.
    """
    chains = _chains(undone)
    home = situation.playbook.zone.provider
    ways = {
        provider: _way(chains.get(provider, {}), held, raise_ttls=raise_ttls)
        for provider, held in _held(situation).items()
    }
    delegations = tuple(_delegations(undone, situation))
    acts: list[Act] = [*_services(undone)]
    if delegations and refreshed is not None and situation.moving and situation.playbook.zone.to:
        acts += _renewed(situation.playbook.zone.to, ways, refreshed, situation.moving.other)
    acts += [WriteZone(provider, situation.zone.apex, way.data) for provider, way in ways.items() if way.data]
    written = any(isinstance(act, WriteZone) for act in acts) or any(chains.values())
    acts += _refreshes(undone, situation) if written else []
    acts += delegations
    for provider, way in ways.items():
        if way.ttls:
            acts.append(WriteZone(provider, situation.zone.apex, way.ttls))
            acts += _refreshes(undone, situation)
    newest = undone[0].plan
    way = ways[home]
    return Plan(
        run=situation.run,
        phase=newest.phase,
        phase_name=newest.phase_name,
        direction="back",
        acts=tuple(acts),
        moves=_moves(undone, tuple(acts), way, situation),
        checkpoint=situation.checkpoint,
        covers=tuple(each.plan.phase for each in undone),
        left=(*(text for each in ways.values() for text in each.left), *_beyond(undone), *_signer_left(undone)),
        guards=(*_guards(undone[-1].plan, chains.get(home, {}), home), *way.there),
        live=home,
        delegation=situation.delegation,
        target=_goal(delegations),
    )


def _guards(oldest: Plan, chains: Mapping[RRsetKey, list[Change]], home: str) -> Iterable[Change]:
    return (guard for guard in oldest.guards if oldest.live in {"", home} and guard.key not in chains)


def _held(situation: Situation) -> dict[str, ZoneSnapshot]:
    """Return what each host holds now."""
    zone = situation.playbook.zone
    held = {zone.provider: situation.zone}
    return held | ({zone.to: situation.moving.other} if zone.to and situation.moving else {})


def _renewed(to: str, ways: dict[str, _Way], wanted: ZoneSnapshot, held: ZoneSnapshot) -> list[WriteZone]:
    """Return the write that gives the new side the right data; what it has beyond that stays."""
    done = {change.key for change in ways[to].data}
    changes = tuple(
        Change(key, held.rrsets.get(key), wanted.rrsets[key])
        for key in sorted(wanted.rrsets, key=RRsetKey.order)
        if key not in done and is_content(key.rdtype) and not _same(held.rrsets.get(key), wanted.rrsets[key])
    )
    return [WriteZone(to, held.apex, changes)] if changes else []


def _delegations(undone: tuple[Undone, ...], situation: Situation) -> Iterable[SetDelegation]:
    """Return what goes back at the parent (S2): the name servers always, a DS only where they had not moved.

    A DS of the new host's keys goes first; its hold is among the moves.
    """
    performed = [act for each in undone for act in _performed(each) if isinstance(act, SetDelegation)]
    moved = [act for act in performed if act.moves_servers]
    for act in performed:
        if not act.moves_servers and act.after.ds - act.before.ds:
            yield replace(act, before=act.after, after=act.before)
    if moved:
        before, after = moved[0].after, moved[-1].before
        bare = any(act.before.ds and not act.after.ds for act in performed)
        yield replace(moved[0], before=before, after=replace(after, ds=frozenset()) if bare else after)
        return
    for act in performed:
        if act.before.ds - act.after.ds:
            yield replace(act, before=act.after, after=act.before)
    if not performed and situation.delegation and _is_elsewhere(undone[0].plan, situation.delegation):
        expected = undone[0].plan.delegation
        registrar = situation.playbook.zone.registrar
        if expected and registrar:
            yield SetDelegation(registrar, situation.zone.apex, situation.delegation, expected)


def _is_elsewhere(plan: Plan, now: Delegation) -> bool:
    """Tell whether somebody else has switched the name servers while the phase was open."""
    return plan.delegation is not None and plan.delegation.ns != now.ns


def _signer_left(undone: tuple[Undone, ...]) -> Iterable[str]:
    acts = [act for each in undone for act in _performed(each) if isinstance(act, SetDelegation)]
    removed = [act for act in acts if act.before.ds and not act.after.ds]
    if removed and any(act.moves_servers for act in acts):
        taken = ", ".join(sorted(removed[-1].before.ds))
        yield f"the DS stays away from the parent ({taken}); put it back later by hand"


def _goal(delegations: tuple[SetDelegation, ...]) -> Delegation | None:
    return delegations[-1].after if delegations else None


def _performed(each: Undone) -> list[Act]:
    return [each.plan.acts[index] for index in sorted(each.performed, reverse=True)]


def _way(chains: Mapping[RRsetKey, list[Change]], held: ZoneSnapshot, *, raise_ttls: bool) -> _Way:
    data: list[Change] = []
    ttls: list[Change] = []
    there: list[Change] = []
    left: list[str] = []
    for key, chain in sorted(chains.items(), key=lambda item: item[0].order()):
        live, target = held.rrsets.get(key), chain[0].before
        if not _ours(live, chain):
            left.append(f"{key} is {_text(live)} now, set by somebody else; it was left alone")
            continue
        now = live
        if not _same(live, target):
            now = target.with_ttl(_low_ttl_s(chain, target)) if target else None
            data.append(Change(key, live, now))
        else:
            there.append(Change(key, *(_at_any_ttl(value, chain) for value in (chain[-1].after, live))))
        if not (raise_ttls and now and target and now.ttl_s < target.ttl_s):
            continue
        if live and live.ttl_s not in _ttls_s(chain):
            left.append(f"{key} has the TTL {live.ttl_s} now, set by somebody else; it was left alone")
        else:
            ttls.append(Change(key, now, replace(now, ttl_s=target.ttl_s)))
    return _Way(tuple(data), tuple(ttls), tuple(there), tuple(left))


def _ttls_s(chain: list[Change]) -> set[int]:
    return {value.ttl_s for change in chain for value in (change.before, change.after) if value}


def _low_ttl_s(chain: list[Change], target: RRset) -> int:
    """Return the TTL, in seconds, that the data had when it was first replaced: what was lowered before stays low."""
    replaced = next((change.before for change in chain if not change.ttl_only and change.before), target)
    return min(replaced.ttl_s, target.ttl_s)


def _at_any_ttl(value: RRset | None, chain: list[Change]) -> RRset | None:
    """Return the data with the highest TTL it ever had: a server that lags may still give the first one."""
    known = [each.ttl_s for change in chain for each in (change.before, change.after, value) if each]
    return value.with_ttl(max(known)) if value else None


def _chains(undone: tuple[Undone, ...]) -> dict[str, dict[RRsetKey, list[Change]]]:
    """Return, for each host and RRset, what these phases did to it, oldest first.

    What was written where nobody asked yet stays (a copied zone); what was written on both sides goes back on both.
    """
    chains: dict[str, dict[RRsetKey, list[Change]]] = {}
    for each in reversed(undone):
        served = (change for act in each.plan.acts if _is_live(act, each.plan) for change in _changes(act))
        live = {change.key for change in served if not change.ttl_only}  # a TTL alone is not written on both sides
        for index in sorted(each.performed):
            act = each.plan.acts[index]
            if not isinstance(act, WriteZone):
                continue
            kept = act.changes if _is_live(act, each.plan) else [c for c in act.changes if c.key in live]
            ttls_s = {rrset.key: rrset.ttl_s for rrset in each.served.get(index, ())}
            for change in kept:
                chain = chains.setdefault(act.provider, {}).setdefault(change.key, [])
                chain.append(_as_served(change, ttls_s.get(change.key)))
    return chains


def _as_served(change: Change, ttl_s: int | None) -> Change:
    return replace(change, after=change.after.with_ttl(ttl_s)) if change.after and ttl_s is not None else change


def _is_live(act: Act, plan: Plan) -> bool:
    return isinstance(act, WriteZone) and act.provider == (plan.live or act.provider)


def _changes(act: Act) -> tuple[Change, ...]:
    return act.changes if isinstance(act, WriteZone) else ()


def _ours(live: RRset | None, chain: list[Change]) -> bool:
    """Tell whether the live value is one that was there before, or that we wrote."""
    known = [value for change in chain for value in (change.before, change.after)]
    return any(_same(live, value) for value in known)


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one else other is None


def _text(rrset: RRset | None) -> str:
    return ", ".join(rrset.texts()) if rrset else "absent"


def _services(undone: tuple[Undone, ...]) -> Iterable[Act]:
    """Services on again, programs and instructions undone, newest first: before data leads to them."""
    for each in undone:
        for index in sorted(each.performed, reverse=True):
            act = each.plan.acts[index]
            if isinstance(act, SetService):
                yield act.reverse()
            if isinstance(act, RunCommand) and act.undo_argv:
                yield RunCommand(act.undo_argv, None)
            if isinstance(act, Instruct) and act.undo_text:
                yield Instruct(act.operator, act.undo_text, None, None)


def _beyond(undone: tuple[Undone, ...]) -> Iterable[str]:
    for each in undone:
        for index in sorted(each.performed):
            act = each.plan.acts[index]
            if isinstance(act, RunCommand) and act.undo_argv is None:
                yield f"`{' '.join(act.argv)}` was run and cannot be taken back"
            if isinstance(act, Instruct) and act.undo_text is None:
                yield f'"{act.text}" was done by {act.operator} and cannot be taken back'


def _refreshes(undone: tuple[Undone, ...], situation: Situation) -> list[Act]:
    """Every secondary that copies the zone fetches it again, also those refreshed by a step of their own."""
    zone = situation.playbook.zone
    names = list(zone.secondaries.get(zone.provider, ()))
    names += [act.provider for each in undone for act in each.plan.acts if isinstance(act, Refresh)]
    return [Refresh(name, situation.zone.apex) for name in dict.fromkeys(names)]


def _moves(undone: tuple[Undone, ...], acts: tuple[Act, ...], way: _Way, situation: Situation) -> tuple[Move, ...]:
    """Services before their check, the old side's answer before anything leads there, all servers asked in the end."""
    everything = tuple(range(len(acts)))
    delegated = any(isinstance(act, SetDelegation) and act.moves_servers for act in acts)
    moved = delegated or bool(way.data) or any(not change.ttl_only for change in way.there)
    service = [replace(gate, side="live") for gate in _service_gates(undone)] if moved else []
    first = [index for index in everything if isinstance(acts[index], (SetService, RunCommand, Instruct))]
    moves: list[Move] = [Do(index) for index in first]
    # Mail that was switched off is on again when its own proof shows it; senders wait meanwhile, at either server.
    off = MAIL_GATES if any(isinstance(act, SetService) for act in acts) else frozenset()
    asked = [gate for gate in service if way.data and not delegated and gate.kind not in off]
    moves += [Check(gate, "safe", everything) for gate in asked]
    for index in everything:
        if index not in first:
            moves += _around(index, acts[index])
    if acts or way.there:
        moves += _proofs(acts, way, situation)
        moves += [Check(gate, "back", everything) for gate in service]
    return tuple(moves)


def _around(index: int, act: Act) -> list[Move]:
    """Return the move of an act, with what must be so before it and how long it is waited for after it."""
    if not isinstance(act, SetDelegation):
        return [Do(index)]
    if act.moves_servers:
        return [Check(replace(built_in("old-side", "old"), within_s=60, failures=2), "safe", (index,)), Do(index)]
    if act.before.ds - act.after.ds:
        # Unsigning comes only after no cache wants signatures any more (S2).
        held_s = act.before.ds_ttl_s + margin_s(act.before.ds_ttl_s)
        return [Do(index), Hold("wait", held_s, (), (index,))]
    return [Check(replace(built_in("dnssec"), within_s=60), "safe", (index,)), Do(index)]


def _proofs(acts: tuple[Act, ...], way: _Way, situation: Situation) -> list[Move]:
    """Return the checks that everything is as it was, at each host, and at the parent."""
    zone = situation.playbook.zone
    at_home = tuple(i for i, act in enumerate(acts) if not (isinstance(act, WriteZone) and act.provider == zone.to))
    at_new = tuple(i for i, act in enumerate(acts) if isinstance(act, WriteZone) and act.provider == zone.to)
    moves: list[Move] = []
    if at_new:
        moves.append(Check(built_in("records", "new"), "back", at_new))
    if way.there or any(isinstance(acts[index], WriteZone) for index in at_home):
        moves += [Check(built_in(kind, "old" if zone.to else "live"), "back", at_home) for kind in DNS_GATES]
    return moves


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
