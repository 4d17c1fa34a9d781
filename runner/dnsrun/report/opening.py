"""What a journal alone tells about the future: when records may be changed, and when caches are clean. Pure."""

from __future__ import annotations

from datetime import datetime

from dnsrun.journal.fold import PhaseState, RunState
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Playbook, Step
from dnsrun.model.rrset import RRsetKey
from dnsrun.plan.earliest import DAY_S
from dnsrun.plan.steps.kind import number_of
from dnsrun.plan.ttl import caches_clean_at, earliest_change


def opens_at(playbook: Playbook, state: RunState) -> datetime | None:
    """Return when the records of the playbook may be changed (T1), when that is what comes next."""
    left = [phase for phase in playbook.phases if phase.steps and state.phase(phase.number).outcome != "done"]
    lowering = [step for phase in playbook.phases for step in phase.steps if step.kind == "lower-ttl"]
    if not lowering or not left or all(step.kind != "switch-records" for step in left[0].steps):
        return None
    wanted = {key for spec in playbook.records for key in spec.rrset_keys()}
    found = [_opens_for(key, state, playbook, lowering[0]) for key in wanted]
    return max((when for when in found if when), default=None)


def _opens_for(key: RRsetKey, state: RunState, playbook: Playbook, lowering: Step) -> datetime | None:
    samples = [sample for (of, _), series in state.samples.items() if of == key for sample in series]
    newest = max(samples, key=lambda sample: sample.at, default=None)
    if newest is None:
        return None
    held = earliest_change(
        samples,
        low_ttl_s=max(number_of(lowering.options, "ttl", playbook.low_ttl_s), newest.ttl_s),
        low_since=playbook.zone.ttl_low_since,
        wait_at_least_s=number_of(lowering.options, "wait_at_least", DAY_S),
    )
    return held.until if held else None


def clean_at(phase: PhaseState, plan: Plan) -> datetime | None:
    """Return when no honest cache holds what a phase replaced (T5); None when it replaced no data or is not over."""
    ttls = [change.before.ttl_s for change in plan.changes() if change.before and not change.ttl_only]
    return caches_clean_at(phase.ended_at, ttls) if ttls and phase.ended_at else None
