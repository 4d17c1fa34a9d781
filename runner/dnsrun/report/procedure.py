"""Chapter four: the phases as they stand, what to type next, how to get back, what a person must do. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime

from dnsrun.errors import UsageError
from dnsrun.model.act import Act, SetDelegation, WriteZone
from dnsrun.model.plan import Do, Plan
from dnsrun.model.playbook import Phase
from dnsrun.model.times import duration
from dnsrun.plan.moving import clean_at as delegation_clean_at
from dnsrun.plan.moving import kept_s
from dnsrun.playbook.defaults import phase_named

from .opening import clean_at, opens_at
from .source import Source
from .value import ByHand, Cause, CommandLine, PhaseNow, State
from .words import Discretion, act_back

_OVER: Mapping[str, State] = {
    "done": "done",
    "rolled-back": "rolled back",
    "refused": "refused",
    "paused": "paused",
    "rollback-incomplete": "going back",
}


def phases(source: Source, discreet: Discretion) -> tuple[PhaseNow, ...]:
    """Return where every phase stands; the first one that is not done has the time at which it opens."""
    following = next_phase(source)
    opens = next_opens(source)
    found = []
    for number, name in source.opened.phases:
        phase = source.state.phase(number)
        because = "" if phase.outcome in {"done", None, "open"} else discreet(phase.because)
        state, not_before = _state(source, number), opens if number == following else None
        found.append(PhaseNow(number, name, state, phase.ended_at, because, not_before))
    return tuple(found)


def _state(source: Source, number: int) -> State:
    state, active = source.state, source.state.active
    covered = active.planned.covers if active and active.planned.direction == "back" else ()
    if number in covered or (state.going_back and number in state.going_back.phases):
        return "going back"
    if active and active.planned.phase == number:
        return "open" if active.paused is None else "paused"
    outcome = state.phase(number).outcome
    if outcome is not None and outcome in _OVER:
        return _OVER[outcome]
    if not _has_work(source, number):
        return "no work"
    if state.ended:
        return "closed"
    return "next" if number == next_phase(source) else "later"


def next_phase(source: Source) -> int | None:
    """Return the number of the first phase that has work and is not done; None when there is none, or no going on."""
    state = source.state
    if state.ended:
        return None
    left = (number for number, _ in source.opened.phases if state.phase(number).outcome != "done")
    return next((number for number in left if _has_work(source, number)), None)


def _has_work(source: Source, number: int) -> bool:
    """Tell whether a phase has steps; one that a later phase was begun without had nothing to do."""
    found = _phase(source, number)
    begun = max((known for known, phase in source.state.phases.items() if phase.outcome), default=0)
    skipped = number < begun and source.state.phase(number).outcome is None
    return not skipped and (found is None or bool(found.steps))


def _phase(source: Source, number: int) -> Phase | None:
    known = source.playbook.phases if source.playbook else ()
    return next((phase for phase in known if phase.number == number), None)


def next_opens(source: Source) -> datetime | None:
    """Return when the next phase is not too early any more, as far as the journal tells; None when it is not now."""
    number = next_phase(source)
    phase = _phase(source, number) if number is not None else None
    if phase is None or source.playbook is None:
        return None
    kinds = {step.kind for step in phase.steps}
    times = [opens_at(source.playbook, source.state), closes_at(source) if "finish" in kinds else None]
    return max((when for when in times if when and when > source.now), default=None)


def closes_at(source: Source) -> datetime | None:
    """Return when no honest cache holds what the standing phases replaced (T5)."""
    state = source.state
    known = [(state.phase(number), source.plans.get(state.phase(number).plan)) for number in state.wrote()]
    found = [clean_at(phase, plan) for phase, plan in known if plan]
    return max((when for when in (*found, moved_clean_at(source)) if when), default=None)


def moved_clean_at(source: Source) -> datetime | None:
    """Return when no honest cache asks the name servers of before the newest switch, either way (D1, D10)."""
    if not source.state.delegated or not source.served:
        return None
    acts = [act for plan in source.plans.values() for act in plan.acts if isinstance(act, SetDelegation)]
    at, now = source.state.delegated[-1]
    left = [side for act in acts for side in (act.before, act.after) if side.ns != now.ns]
    return delegation_clean_at(at, max((kept_s(side, source.served, source.captured) for side in left), default=0))


def commands(source: Source) -> tuple[CommandLine, ...]:
    """Return what to type next, in this order; nothing when there is nothing to go on with."""
    state, domain = source.state, source.opened.domain
    resume = f"dnsrun resume {domain}"
    if state.ended:
        return ()
    if state.going_back or state.asked_back or (state.active and state.active.planned.direction == "back"):
        return (CommandLine(resume, "goes on with the way back until every server shows it"),)
    if state.active:
        what = source.phase_words(state.active.planned.phase)
        does = f"goes on with {what}" if state.active.paused is None else f"has {what} try again what failed"
        return (CommandLine(resume, does),)
    number = next_phase(source)
    if number is None:
        return ()
    shows = "shows every change, when it may start and how to get back; writes nothing"
    does = f"runs {source.phase_words(number)}: shows it, asks, checks, and goes back by itself when a check fails"
    apply = CommandLine(f"dnsrun apply {domain} --phase {_word(source, number)}", does, next_opens(source))
    return (CommandLine(f"dnsrun plan {domain}", shows), apply)


def _word(source: Source, number: int) -> str:
    """Return how the command line names a phase: by its number where that is understood, else by its name."""
    phase = _phase(source, number)
    if source.playbook is None or phase is None:
        return "next"
    try:
        phase_named(source.playbook, str(number))
    except UsageError:
        return shlex.quote(phase.name)
    return str(number)


def way_back(source: Source, discreet: Discretion) -> tuple[CommandLine, ...]:
    """Return the commands that take back what stands, the smallest step first."""
    state, domain = source.state, source.opened.domain
    wrote = state.wrote()
    if state.ended or not wrote or state.going_back:
        return ()
    lines = []
    back = [line for number in wrote[:1] for line in _back_lines(source, number)]
    if back:
        does = f"takes back {source.phase_words(wrote[0])}: {discreet('; '.join(back))}{_rest(source, wrote[0])}"
        lines.append(CommandLine(f"dnsrun rollback {domain}", does))
    older = [line for number in wrote[1:] for line in _back_lines(source, number)]
    does = "raises the TTLs again; of this run, nothing else stands"
    if back or older:
        listed = f": {discreet('; '.join((*back, *older)))}" if older else ""
        does = f"takes back everything that this run has changed{listed}; TTLs are raised again, last"
    lines.append(CommandLine(f"dnsrun rollback {domain} --all", does))
    return tuple(lines)


def _back_lines(source: Source, number: int) -> Iterator[str]:
    """Yield what going back does about the acts of a standing phase that were at least intended."""
    phase = source.state.phase(number)
    plan = source.plans.get(phase.plan)
    for index, move in enumerate(plan.moves if plan else ()):
        known = phase.moves.get(index)
        if plan and isinstance(move, Do) and known and (known.attempts or known.done):
            yield from _back_of(plan, plan.acts[move.act], source)


def _back_of(plan: Plan, act: Act, source: Source) -> tuple[str, ...]:
    """What was copied to a host that nobody asks yet stays there."""
    is_copy = isinstance(act, WriteZone) and plan.live not in {"", act.provider}
    return () if is_copy else act_back(act, source.apex)


def _rest(source: Source, number: int) -> str:
    plan: Plan | None = source.plans.get(source.state.phase(number).plan)
    by_hand = any(hazard.name == "manual-rollback" for hazard in plan.hazards) if plan else False
    person = "; a person must act, too" if by_hand else ""
    longest = f"; users may meet what is there now for {duration(plan.worst_recovery_s)} at most" if plan else ""
    return person + (longest if plan and plan.worst_recovery_s else "")


def by_hand(source: Source, discreet: Discretion, found: tuple[Cause, ...]) -> tuple[ByHand, ...]:
    """Return what a person has to do: what was asked for and is not done, and what must be repaired first."""
    active = source.state.active
    asked = (
        [move.asked for move in active.moves.values() if move.asked and not (move.done or move.answer)]
        if active
        else []
    )
    tasks = [ByHand(each.operator, discreet(each.text)) for each in asked]
    last = found[-1] if found else None
    if last and not source.state.ended and source.state.phase(last.phase).outcome != "done":
        tasks += _repairs(source, last)
    return tuple(tasks)


def _repairs(source: Source, cause: Cause) -> Iterator[ByHand]:
    phase = source.phase_words(cause.phase)
    if cause.came_from == "check":
        yield ByHand("", f"Before {phase} is run again, repair what the check {cause.gate} met: {cause.says}.")
    if cause.came_from == "call":
        yield ByHand("", f"Before {phase} is run again, find out why the host did not take the call: {cause.says}.")
