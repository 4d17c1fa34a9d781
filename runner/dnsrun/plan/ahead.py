"""What will be when a planned phase is done: the ground on which the phase after it is foreseen. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dnsrun.model.act import SetDelegation, WriteZone
from dnsrun.model.plan import Hold, Plan

from .moving import Moving, clean_at, kept_s, target_delegation
from .situation import Situation


def after(situation: Situation, plan: Plan) -> Situation:
    """Return the situation once a phase is done that begins as early as it may.

    Where it moves the delegation the new host is the live one then.
    """
    there = _done(situation, plan)
    act = next((act for act in reversed(plan.acts) if isinstance(act, SetDelegation)), None)
    moving = there.moving
    if act is None or moving is None:
        return there
    now = act.after
    if not act.moves_servers:
        target = target_delegation(situation.playbook, now)
        return replace(there, delegation=now, moving=replace(moving, delegation=now, target=target))
    clean = clean_at(there.now, kept_s(act.before, (there.zone, moving.other), moving.captured))
    return replace(
        there,
        now=clean if any(isinstance(move, Hold) and move.for_s is None for move in plan.moves) else there.now,
        zone=moving.other,
        standing=(),
        delegation=now,
        moving=replace(moving, switched=True, other=there.zone, delegation=now, clean_at=clean),
    )


def _done(situation: Situation, plan: Plan) -> Situation:
    """Return the situation with the phase's records written, before its delegation has moved."""
    changes = plan.changes(provider=situation.live)
    over = max(situation.now, plan.earliest or situation.now) + _stays(plan)
    there = replace(
        situation,
        now=over,
        settled_at=over,
        zone=situation.zone.apply(changes),
        done=situation.done | {plan.phase},
        standing=(*situation.standing, *changes),
        written=(*situation.written, *plan.changes(provider=situation.playbook.zone.provider)),
    )
    return replace(there, moving=_copied(situation.moving, plan, situation)) if situation.moving else there


def _copied(moving: Moving, plan: Plan, situation: Situation) -> Moving:
    zone = situation.playbook.zone
    other = zone.provider if moving.switched else zone.to
    writes = [act for act in plan.acts if isinstance(act, WriteZone) and act.provider == other]
    held = moving.other.apply(change for act in writes for change in act.changes)
    return replace(moving, other=held, copied=moving.copied or (bool(writes) and not moving.switched))


def _stays(plan: Plan) -> timedelta:
    """Return how long a phase stays at least; until caches are clean counts as nothing, the next phase knows it."""
    return timedelta(seconds=sum(move.for_s or 0 for move in plan.moves if isinstance(move, Hold)))
