"""Planning a rollback on the world as it is now: read, plan, journal. Never stops for want of a perfect reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dnsrun.errors import OutsideError
from dnsrun.journal.fold import MoveState
from dnsrun.model.content import Content
from dnsrun.model.entry import Captured, Planned
from dnsrun.model.observation import Answer
from dnsrun.model.plan import Check, Do, Plan
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.rollback import Undone, plan_rollback
from dnsrun.plan.situation import Situation

from .eyes import ask_at, current, own_servers
from .run import Run
from .shown import as_held


def plan_back(run: Run, phases: tuple[int, ...], *, raise_ttls: bool) -> Plan:
    """Read the live zone, plan the way back and journal it. Touches network and disk."""
    undone = tuple(_undone(run, number) for number in phases)
    zone = _live_zone(run, undone)
    digest = run.store_zone(zone)
    provider = run.playbook.zone.provider
    run.append(Captured(phases[0], "checkpoint", provider, digest, zone.completeness, zone.serial, None))
    situation = Situation(
        run=run.state.opened.run if run.state.opened else "",
        playbook=run.playbook,
        zone=zone,
        checkpoint=digest,
        capabilities=run.ports.capabilities,
        now=run.ports.clock.now(),
    )
    plan = plan_rollback(undone, situation, raise_ttls=raise_ttls)
    run.append(Planned(plan.phase, "back", run.store_plan(plan), digest, plan.covers))
    return plan


def _undone(run: Run, number: int) -> Undone:
    phase = run.state.phase(number)
    plan = run.plan(phase.plan)
    performed = frozenset(
        move.act
        for index, move in enumerate(plan.moves)
        if isinstance(move, Do) and index in phase.moves and _performed(phase.moves[index])
    )
    return Undone(plan, performed, _baselines(plan, phase.moves))


def _performed(move: MoveState) -> bool:
    return bool(move.attempts)


def _baselines(plan: Plan, moves: Mapping[int, MoveState]) -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for index, move in enumerate(plan.moves):
        rounds = moves[index].rounds if index in moves else {}
        if isinstance(move, Check) and move.when == "baseline" and move.gate.name in rounds:
            found[move.gate.name] = rounds[move.gate.name].last.facts
    return found


def _live_zone(run: Run, undone: tuple[Undone, ...]) -> ZoneSnapshot:
    """Return the zone as it is now: what the provider lists, and for what we changed also what its servers answer.

    A reading that fails, or lists too little, must not hide that our value is still there (faults 29 to 31): where
    the two differ, the one that shows a value of ours that is to go back counts.
    """
    zone = _listed(run) or run.zone(undone[0].plan.checkpoint)
    rrsets: dict[RRsetKey, RRset] = dict(zone.rrsets)
    changes = [change for each in undone for change in each.plan.changes()]
    for key, answered in _answered(run, frozenset(change.key for change in changes), zone).items():
        written = [change.after for change in changes if change.key == key]
        listed = rrsets.get(key)
        if _is_one_of(answered, written) and not _is_one_of(listed, written):
            rrsets.pop(key, None)
            rrsets |= {key: answered} if answered else {}
    return replace(zone, rrsets=rrsets, taken_at=run.ports.clock.now())


def _listed(run: Run) -> ZoneSnapshot | None:
    provider = run.ports.providers[run.playbook.zone.provider]
    if not provider.capabilities.reads:
        return None
    try:
        return provider.read_zone(run.apex)
    except OutsideError:
        return None


def _answered(run: Run, keys: frozenset[RRsetKey], zone: ZoneSnapshot) -> dict[RRsetKey, RRset | None]:
    held = Content(zone)
    servers = own_servers(run, run.playbook.zone.provider, current(run))
    return {
        each.of: as_held(each.of, each.got, held)
        for each in ask_at(run, keys, servers)
        if isinstance(each.of, RRsetKey) and isinstance(each.got, Answer) and each.got.aa
    }


def _is_one_of(value: RRset | None, known: list[RRset | None]) -> bool:
    return any(value.same_data(each) if value else each is None for each in known)
