"""Chapter three: what protects, what is locked until when, and what was not protected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from dnsrun.journal.fold import RunState
from dnsrun.model.entry import Captured, GateOff, HazardAccepted, Judged, Observed
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.times import duration

from . import incidents
from .opening import opens_at
from .procedure import closes_at, moved_clean_at
from .source import Source
from .value import Cause, Checked, Gap, Lock
from .words import Discretion, grade, is_built_in, place_of, sentence


def checks(source: Source) -> tuple[Checked, ...]:
    """Return how often each gate ran at each place, in the order of its first round."""
    found: dict[tuple[int, str, str], Checked] = {}
    for state, record in source.steps():
        if isinstance(record.entry, Judged) and state.active:
            entry, phase = record.entry, state.active.planned.phase
            when = place_of(source.move(state, entry.move))
            new = Checked(phase, dict(source.opened.phases).get(phase, ""), entry.gate, is_built_in(entry.gate), when)
            known = found.get((phase, when, entry.gate), new)
            found[phase, when, entry.gate] = _counted(known, entry, state)
    return tuple(found.values())


def _counted(known: Checked, entry: Judged, state: RunState) -> Checked:
    rounds = state.active.move(entry.move).rounds.get(entry.gate) if state.active else None
    if entry.outcome == "pass":
        return replace(known, passed=known.passed + 1)
    if entry.outcome == "unknown":
        return replace(known, unknown=known.unknown + 1)
    if entry.not_yet and not (rounds and rounds.ever_passed):
        return replace(known, waited=known.waited + 1)
    return replace(known, failed=known.failed + 1)


def safeguards(source: Source, found: tuple[Cause, ...], ran: tuple[Checked, ...]) -> tuple[str, ...]:
    """Return what protects from now on and what protected in this run, a sentence each."""
    causes = {(cause.phase, cause.gate): cause for cause in found if cause.came_from == "check"}
    lines = [line for cause in causes.values() for line in _next_time(source, cause, ran)]
    return tuple(dict.fromkeys((*lines, *_still_open(source), *_always(source, ran))))


def _still_open(source: Source) -> Iterator[str]:
    """Yield by what the phase that is open is checked."""
    plan = source.active(source.state)
    for when, words in (("before", "before its change"), ("after", "after its change"), ("back", "when it is back")):
        checks_ = (
            [move.gate.name for move in plan.moves if isinstance(move, Check) and move.when == when] if plan else []
        )
        if plan and checks_:
            names = ", ".join(dict.fromkeys(checks_))
            yield sentence(f"{source.phase_words(plan.phase)} is checked {words} by {names}")


def _next_time(source: Source, cause: Cause, ran: tuple[Checked, ...]) -> Iterator[str]:
    phase, plan = source.phase_words(cause.phase), _newest_plan(source, cause.phase)
    places = _places(plan, cause.gate) if plan else frozenset()
    if "before" in places:
        yield (
            f"When {phase} is run again, the check {cause.gate} must pass before anything is written: it asks what "
            "users will be led to, while they are still led to the old one."
        )
    if "after" in places or "hold" in places:
        on = ", and goes on while dnsrun watches" if "hold" in places else ""
        yield f"It is asked again after the change{on}; when it fails, {_reaction(plan, cause.gate)}."
    before = (each for each in ran if (each.phase, each.gate) == (cause.phase, cause.gate) and each.passed)
    if cause.affected and any(each.when == "before the change" for each in before):
        yield (
            f"This time {cause.gate} passed beforehand and failed later. Passing beforehand is therefore no promise; "
            "what protects is that the check goes on after the change."
        )
    if plan and plan.worst_recovery_s:
        yield (
            f"Should {phase} fail once more, no cache leads users to the new values for longer than "
            f"{duration(plan.worst_recovery_s)} after the records are back."
        )


def _reaction(plan: Plan | None, name: str) -> str:
    """Return what happens when a gate fails after the change."""
    gates = [gate for gate in _gates(plan) if gate.name == name] if plan else []
    if any(gate.on_fail == "pause" for gate in gates):
        return "dnsrun pauses and a person decides"
    if plan and any(hazard.name == "manual-rollback" for hazard in plan.hazards):
        return "dnsrun has a person take the change back, and proves it"
    return "dnsrun takes the change back by itself"


def _gates(plan: Plan) -> list[GateSpec]:
    gates = [move.gate for move in plan.moves if isinstance(move, Check)]
    return gates + [gate for move in plan.moves if isinstance(move, Hold) for gate in move.gates]


def _newest_plan(source: Source, phase: int) -> Plan | None:
    plans = [plan for plan in source.plans.values() if plan.phase == phase and plan.direction == "forward"]
    return plans[-1] if plans else None


def _places(plan: Plan, gate: str) -> frozenset[str]:
    checks_ = {move.when for move in plan.moves if isinstance(move, Check) and move.gate.name == gate}
    holds = {"hold" for move in plan.moves if isinstance(move, Hold) and any(each.name == gate for each in move.gates)}
    return frozenset(checks_ | holds)


def _always(source: Source, ran: tuple[Checked, ...]) -> Iterator[str]:
    passed, failed = sum(each.passed for each in ran), sum(each.failed for each in ran)
    if ran:
        yield f"Checks of this run: {_rounds(passed)} passed, {_rounds(failed)} failed; the table lists them."
    untouched = [each for each in ran if each.gate == "untouched"]
    warned = any(isinstance(record.entry, Judged) and record.entry.warnings for record in source.run.own)
    if any(each.passed for each in untouched) and not any(each.failed for each in untouched) and not warned:
        yield "All other saved records were compared after each write, at the name servers: none has changed."
    captures = [record.entry for record in source.run.own if isinstance(record.entry, Captured)]
    if captures:
        yield (
            f"The records were saved {_times(len(captures))} in this run, before anything was written; each copy is "
            "known by its SHA-256, and a copy that was changed since is refused."
        )
    samples = [
        sample for record in source.run.own if isinstance(record.entry, Observed) for sample in record.entry.samples
    ]
    if samples:
        servers = len({sample.server for sample in samples})
        where = "1 server" if servers == 1 else f"{servers} servers"
        rule = ": no record is changed before its old TTL has run out in caches" if _lowers(source) else ""
        yield f"The TTLs that name servers give were read {_times(len(samples))}, at {where}{rule}."


def _lowers(source: Source) -> bool:
    phases = source.playbook.phases if source.playbook else ()
    return any(step.kind == "lower-ttl" for phase in phases for step in phase.steps)


def _rounds(count: int) -> str:
    return f"{count} round" if count == 1 else f"{count} rounds"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def locks(source: Source) -> tuple[Lock, ...]:
    """Return what cannot be done, until when (UTC)."""
    state = source.state
    if state.ended:
        return (Lock("The run is finished: neither going on nor rolling back is possible any more.", None),)
    if state.going_back or (state.active and state.active.planned.direction == "back"):
        return (Lock("No phase begins before the way back is proved at every server.", None),)
    if state.active:
        open_phase = source.phase_words(state.active.planned.phase)
        return (Lock(f"No other phase begins while {open_phase} is open.", None),)
    found = []
    opens = opens_at(source.playbook, state) if source.playbook else None
    if opens and opens > source.now:
        found.append(Lock("The records are not changed: caches may still hold them with their old TTL.", opens))
    moved = moved_clean_at(source)
    if moved and moved > source.now:
        found.append(
            Lock(
                "No name server of either side is switched off: caches may still ask those of before the switch.", moved
            )
        )
    clean = closes_at(source)
    if clean and clean > source.now:
        found.append(Lock("The run is not closed: caches may still hold what was there before.", clean))
    return tuple(found)


def gaps(source: Source, discreet: Discretion) -> tuple[Gap, ...]:
    """Return what was not protected, not asked, or not dnsrun's doing; each once."""
    found = [gap for state, record in source.steps() for gap in _gaps_of(source, state, record.entry)]
    found += [Gap("left alone", plan.phase, line) for plan in source.plans.values() for line in plan.left]
    found += [gap for plan in source.plans.values() for gap in _advisory(plan)]
    found += incidents.gaps(source)
    return tuple(dict.fromkeys(replace(gap, says=discreet(gap.says)) for gap in found))


def _gaps_of(source: Source, state: RunState, entry: object) -> Iterator[Gap]:
    match entry:
        case GateOff(phase=phase, gate=gate, reason=reason):
            yield Gap("gate off", phase, f"check {gate}: {reason}")
        case HazardAccepted(phase=phase, hazard=hazard, reason=reason):
            text = _hazard_texts(source.plans.values()).get((phase, hazard), "")
            yield Gap("risk accepted", phase, f"{hazard}{f' ({text})' if text else ''}: {reason}")
        case Judged() if state.active:
            phase = state.active.planned.phase
            yield from (Gap("warning", phase, f"{entry.gate}: {text}") for text in entry.warnings)
            yield from (Gap("not checked", phase, f"{entry.gate}: {text}") for text in entry.not_checked)
        case Captured():
            yield from (Gap("foreign edit", entry.phase, text) for text in entry.foreign)
            if entry.completeness != "complete":
                yield Gap("capture", entry.phase, f"what was saved is {grade(entry.completeness)}")


def _hazard_texts(plans: Iterable[Plan]) -> Mapping[tuple[int, str], str]:
    return {(plan.phase, hazard.name): hazard.text for plan in plans for hazard in plan.hazards}


def _advisory(plan: Plan) -> Iterator[Gap]:
    for gate in _gates(plan):
        if gate.advisory:
            yield Gap("advisory", plan.phase, f"check {gate.name} only advises: its failure stops nothing")
