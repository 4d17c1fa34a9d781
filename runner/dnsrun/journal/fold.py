"""The state of a run, folded from its records one by one. Pure: the same records give the same state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, Literal

from dnsrun.model.entry import (
    Accepted,
    Astray,
    Captured,
    Done,
    DueSet,
    Entry,
    Failed,
    HazardAccepted,
    Intended,
    Judged,
    Observed,
    Opened,
    PersonAnswered,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
    RunEnded,
    TtlSample,
)
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import Delegation
from dnsrun.ports.journal import Head

Samples = Mapping[tuple[RRsetKey, str], tuple[TtlSample, ...]]
Outcome = Literal["done", "rolled-back", "rollback-incomplete", "refused", "paused"]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of one gate within one move.

    `successes` and `failures` count in a row. `passed_at` is the time of the first of the equal passes.
    What is "not yet" counts as a failure once the gate has passed.
    """

    first_at: datetime
    last: Judged
    last_at: datetime
    successes: int
    failures: int
    passed_at: datetime | None
    total: int
    ever_passed: bool = False


@dataclass(frozen=True, slots=True)
class MoveState:
    """How far one move of the active plan has come.

    `attempts` counts intended calls, `tries` calls and looks that came back with an error. `accepted`: a registrar has
    taken the newest call, and has not refused it since.
    """

    attempts: int = 0
    tries: int = 0
    intended_at: datetime | None = None
    accepted: Accepted | None = None
    failed: Failed | None = None
    done: Done | None = None
    done_at: datetime | None = None
    rounds: Mapping[str, Rounds] = field(default_factory=dict)
    due: DueSet | None = None
    first_due: datetime | None = None
    asked: PersonAsked | None = None
    answer: PersonAnswered | None = None


_NOT_BEGUN = MoveState()


@dataclass(frozen=True, slots=True)
class Active:
    """The plan that is being carried out; `since` is when it was planned."""

    planned: Planned
    since: datetime
    moves: Mapping[int, MoveState] = field(default_factory=dict)
    paused: str | None = None

    def move(self, index: int) -> MoveState:
        """Return the state of one move."""
        return self.moves.get(index, _NOT_BEGUN)


@dataclass(frozen=True, slots=True)
class PhaseState:
    """What became of one phase.

    `plan` is the digest of the newest plan that wrote, `moves` what was done of it; empty when nothing was written.
    """

    outcome: Outcome | Literal["open"] | None = None
    because: str = ""
    ended_at: datetime | None = None
    plan: str = ""
    moves: Mapping[int, MoveState] = field(default_factory=dict)
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which the parent served name servers that nobody planned: `since` it was seen, `until` it was gone.

    `until` is None while it has not been seen to be gone. `last` is what was served last; caches keep that for up to
    `ttl_s` seconds. Times are UTC.
    """

    since: datetime
    last: Astray
    ttl_s: int
    until: datetime | None = None

    @property
    def forgotten_at(self) -> datetime | None:
        """When no honest cache keeps what the parent served, None while it may be served still."""
        return self.until + timedelta(seconds=self.ttl_s) if self.until else None


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that the journal says.

    `written` are the digests of all plans that ever wrote going forward, oldest first, taken back or not. `delegated`
    is what this run had the parent serve, with the time at which every server of the parent showed it, oldest first.
    `incidents` are the times in which the parent served what nobody planned, oldest first.
    """

    head: Head = (0, "")
    opened: Opened | None = None
    opened_at: datetime | None = None
    phases: Mapping[int, PhaseState] = field(default_factory=dict)
    active: Active | None = None
    asked_back: RollbackAsked | None = None
    going_back: RollbackBegun | None = None
    captures: tuple[Captured, ...] = ()
    samples: Samples = field(default_factory=dict)
    hazards: tuple[HazardAccepted, ...] = ()
    written: tuple[str, ...] = ()
    delegated: tuple[tuple[datetime, Delegation], ...] = ()
    incidents: tuple[Incident, ...] = ()
    ended: RunEnded | None = None

    @property
    def incident(self) -> Incident | None:
        """The incident that has not been seen to be over, None when there is none."""
        return self.incidents[-1] if self.incidents and self.incidents[-1].until is None else None

    def phase(self, number: int) -> PhaseState:
        """Return the state of one phase."""
        return self.phases.get(number, PhaseState())

    def wrote(self) -> tuple[int, ...]:
        """Return the phases whose writes stand, newest first."""
        standing = [number for number, phase in self.phases.items() if phase.plan]
        return tuple(sorted(standing, reverse=True))


def fold_all(records: Iterable[Record]) -> RunState:
    """Fold a whole journal."""
    return reduce(fold, records, RunState())


def fold(state: RunState, record: Record) -> RunState:
    """Return the state after one more record."""
    step: Callable[[RunState, Any, datetime], RunState] = _STEPS.get(type(record.entry), _unchanged)
    after = step(state, record.entry, record.at)
    return replace(after, head=(record.seq, record.digest))


def _unchanged(state: RunState, _entry: Entry, _at: datetime) -> RunState:
    return state


def _opened(state: RunState, entry: Opened, at: datetime) -> RunState:
    if state.opened and state.opened.run == entry.run:
        return replace(state, opened=entry)
    return RunState(opened=entry, opened_at=at, captures=(), samples=state.samples)


def _captured(state: RunState, entry: Captured, _at: datetime) -> RunState:
    return replace(state, captures=(*state.captures, entry))


def _planned(state: RunState, entry: Planned, at: datetime) -> RunState:
    phases = state.phases
    if entry.direction == "forward":
        known = state.phase(entry.phase)
        phases = {**phases, entry.phase: replace(known, outcome="open", because="", checkpoint=entry.checkpoint)}
    return replace(state, phases=phases, active=Active(entry, at))


def _move(state: RunState, index: int, change: Callable[[MoveState], MoveState]) -> RunState:
    """Change one move of the active plan; a forward plan that has intended an act stands in its phase too."""
    if state.active is None:
        return state
    moves = {**state.active.moves, index: change(state.active.move(index))}
    active = replace(state.active, moves=moves, paused=None)
    phases = state.phases
    planned = active.planned
    if planned.direction == "forward" and any(move.attempts for move in moves.values()):
        standing = replace(state.phase(planned.phase), outcome="open", plan=planned.plan, moves=moves)
        phases = {**phases, planned.phase: standing}
        if planned.plan not in state.written:
            state = replace(state, written=(*state.written, planned.plan))
    return replace(state, active=active, phases=phases)


def _intended(state: RunState, entry: Intended, at: datetime) -> RunState:
    def begin(move: MoveState) -> MoveState:
        return replace(move, attempts=entry.attempt, intended_at=at, accepted=None, failed=None)

    return _move(state, entry.move, begin)


def _accepted(state: RunState, entry: Accepted, _at: datetime) -> RunState:
    return _move(state, entry.move, lambda move: replace(move, accepted=entry))


def _failed(state: RunState, entry: Failed, _at: datetime) -> RunState:
    return _move(state, entry.move, lambda move: replace(move, failed=entry, accepted=None, tries=move.tries + 1))


def _done(state: RunState, entry: Done, at: datetime) -> RunState:
    if entry.delegated:
        state = replace(state, delegated=(*state.delegated, (at, entry.delegated)))
    return _move(state, entry.move, lambda move: replace(move, done=entry, done_at=at))


def _astray(state: RunState, entry: Astray, at: datetime) -> RunState:
    known = state.incident
    if known is None:
        new = (Incident(at, entry, entry.ttl_s),) if entry.served else ()
        return replace(state, incidents=(*state.incidents, *new))
    if entry.served:
        after = replace(known, last=entry, ttl_s=max(known.ttl_s, entry.ttl_s))
    else:
        after = replace(known, until=at)
    return replace(state, incidents=(*state.incidents[:-1], after))


def _due(state: RunState, entry: DueSet, _at: datetime) -> RunState:
    return _move(state, entry.move, lambda move: replace(move, due=entry, first_due=move.first_due or entry.until))


def _asked(state: RunState, entry: PersonAsked, _at: datetime) -> RunState:
    return _move(state, entry.move, lambda move: replace(move, asked=entry))


def _answered(state: RunState, entry: PersonAnswered, _at: datetime) -> RunState:
    return _move(state, entry.move, lambda move: replace(move, answer=entry))


def _judged(state: RunState, entry: Judged, at: datetime) -> RunState:
    def count(move: MoveState) -> MoveState:
        return replace(move, rounds={**move.rounds, entry.gate: _count(move.rounds.get(entry.gate), entry, at)})

    return _move(state, entry.move, count)


def _count(known: Rounds | None, entry: Judged, at: datetime) -> Rounds:
    first = known.first_at if known else at
    total = known.total + 1 if known else 1
    if entry.outcome == "pass":
        in_a_row = known.successes if known else 0
        passed_at = known.passed_at if known and in_a_row else at
        return Rounds(first, entry, at, in_a_row + 1, 0, passed_at, total, ever_passed=True)
    ever = known is not None and known.ever_passed
    waits = entry.not_yet and not ever
    same = known is not None and known.last.outcome == entry.outcome and not waits
    failures = (known.failures if known and same else 0) + (0 if waits else 1)
    return Rounds(first, entry, at, 0, failures, None, total, ever)


def _observed(state: RunState, entry: Observed, _at: datetime) -> RunState:
    samples = dict(state.samples)
    for sample in entry.samples:
        place = (sample.key, sample.server)
        samples[place] = (*samples.get(place, ()), sample)
    return replace(state, samples=samples)


def _hazard(state: RunState, entry: HazardAccepted, _at: datetime) -> RunState:
    return replace(state, hazards=(*state.hazards, entry))


def _rollback_asked(state: RunState, entry: RollbackAsked, _at: datetime) -> RunState:
    return replace(state, asked_back=entry)


def _rollback_begun(state: RunState, entry: RollbackBegun, at: datetime) -> RunState:
    if not entry.phases:
        state = _close_active(state, "rolled-back", at)
    return replace(state, going_back=entry if entry.phases else None, asked_back=None, active=None)


def _close_active(state: RunState, outcome: Outcome, at: datetime) -> RunState:
    """End the phase that is open, as its `PhaseEnded`, which is still to come, will say too."""
    if state.active is None:
        return state
    number = state.active.planned.phase
    phase = replace(state.phase(number), outcome=outcome, ended_at=at)
    return replace(state, phases={**state.phases, number: phase}, active=None)


def _resumed(state: RunState, _entry: Resumed, _at: datetime) -> RunState:
    """Forget failed rounds, failed calls and a person's no in the active plan; what passed and was done stays."""
    if state.active is None:
        return state
    moves = {index: _afresh(move) for index, move in state.active.moves.items()}
    return replace(state, active=replace(state.active, moves=moves, paused=None))


def _afresh(move: MoveState) -> MoveState:
    passed = {name: rounds for name, rounds in move.rounds.items() if rounds.last.outcome == "pass"}
    declined = move.answer is not None and move.answer.answer == "declined"
    return replace(move, rounds=passed, failed=None, tries=0, answer=None if declined else move.answer)


def _phase_ended(state: RunState, entry: PhaseEnded, at: datetime) -> RunState:
    """A phase that is rolled back stands no longer, and what later phases only watched is to be watched again."""
    known = state.phase(entry.phase)
    phase = replace(known, outcome=entry.outcome, because=entry.because, ended_at=at)
    if entry.outcome == "rolled-back":
        phase = replace(phase, plan="", moves={})
        left = tuple(n for n in state.going_back.phases if n != entry.phase) if state.going_back else ()
        begun = replace(state.going_back, phases=left) if state.going_back and left else None
        phases = {n: each for n, each in state.phases.items() if n <= entry.phase or each.plan}
        state = replace(state, phases=phases, going_back=begun, active=state.active if begun else None)
    elif entry.outcome in {"done", "refused", "rollback-incomplete"}:
        if entry.outcome == "refused" and state.active and known.plan == state.active.planned.plan:
            phase = replace(phase, plan="", moves={})  # its only call certainly had no effect
        state = replace(state, active=None)
    elif state.active:
        state = replace(state, active=replace(state.active, paused=entry.because))
    return replace(state, phases={**state.phases, entry.phase: phase})


def _run_ended(state: RunState, entry: RunEnded, at: datetime) -> RunState:
    return replace(_close_active(state, "done", at), ended=entry)


_STEPS: Mapping[type, Callable[[RunState, Any, datetime], RunState]] = {
    Opened: _opened,
    Captured: _captured,
    Planned: _planned,
    Intended: _intended,
    Accepted: _accepted,
    Failed: _failed,
    Done: _done,
    Astray: _astray,
    DueSet: _due,
    PersonAsked: _asked,
    PersonAnswered: _answered,
    Resumed: _resumed,
    Judged: _judged,
    Observed: _observed,
    HazardAccepted: _hazard,
    RollbackAsked: _rollback_asked,
    RollbackBegun: _rollback_begun,
    PhaseEnded: _phase_ended,
    RunEnded: _run_ended,
}
