"""`advance`: at most one act, or one round of one gate; everything that waits is in the journal.

The loop of `apply`, `resume` and cron calls it. The hold on the domain is taken for one advance and released while
waiting, so that a rollback from a second terminal can act at once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from dnsrun.errors import Lost, OutsideError
from dnsrun.journal.fold import Outcome
from dnsrun.journal.lock import Busy as HeldError
from dnsrun.model.entry import DueSet, PhaseEnded, RollbackBegun, RunEnded
from dnsrun.model.plan import Hold, Plan
from dnsrun.ports.journal import Hold as HoldOnDomain

from .acts import call, settle, unseen
from .back import plan_back
from .decide import decide
from .decisions import AskPerson, BeginBack, Call, Decision, End, Look, Nothing, PlanBack, SetDue, Settle, Until
from .fresh import still_fresh
from .progress import GoingBack, Staying
from .rounds import look
from .run import Run
from .standing import Case, Standing

POLL_S = 1.0
POLL_MAX_S = 15.0
POLL_PERSON_S = 15.0
BUSY_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The phase, or the rollback, is over; None: there was nothing to do."""

    outcome: Outcome | None
    because: str


@dataclass(frozen=True, slots=True)
class DueAt:
    """Nothing to do before `when` (UTC)."""

    when: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process is acting for the domain; try again at `when` (UTC)."""

    when: datetime
    because: str


@dataclass(frozen=True, slots=True)
class NeedsPerson:
    """A person is to do or answer `text` (move `move`); looks again at `when` (UTC) whether it shows.

    `question`: it cannot be seen from outside, so it must be answered. `unshown` is a sentence about what servers do
    not show though there was time enough to do it; empty before. Of a rollback it is all that is not back yet (P9).
    """

    move: int
    text: str
    when: datetime
    question: bool
    unshown: str = ""


Advance = Ended | DueAt | Busy | NeedsPerson


def advance(run: Run) -> Advance:
    """Do the next thing and say what comes then. Touches the network, the disk and the outside; safe to kill anywhere.

    Raises `JournalError` when the journal cannot be trusted or written, `OutsideError` when nothing can be found out.
    """
    try:
        with run.ports.holds.take(_doing(run)) as hold:
            run.catch_up()
            decision = decide(run.state, _case(run), run.ports.clock.now())
            return _perform(run, decision, hold)
    except HeldError as err:
        return Busy(run.ports.clock.now() + timedelta(seconds=BUSY_AGAIN_S), str(err))
    except Lost as err:
        return DueAt(run.ports.clock.now(), str(err))


def _doing(run: Run) -> str:
    active = run.state.active
    if active is None:
        return "looking"
    return f"phase {active.planned.phase}, {'rolling back' if active.planned.direction == 'back' else 'going forward'}"


def _case(run: Run) -> Case:
    delays = {name: capability.declared_delay_s for name, capability in run.ports.capabilities.items()}
    settled_at = run.settled_at()
    registrars = frozenset(run.ports.registrars)
    return Case(
        plan=run.active_plan(),
        called=frozenset(run.called),
        looked=dict(run.looked),
        unshown={move: found.unshown for move, found in run.showing.items()},
        delays_s=delays,
        settled_at=settled_at,
        fresh=still_fresh(run),
        registrars=registrars,
    )


def _perform(run: Run, decision: Decision, hold: HoldOnDomain) -> Advance:
    now = run.ports.clock.now()
    if isinstance(decision, Until):
        return DueAt(decision.when, decision.because)
    if isinstance(decision, Nothing):
        return Ended(_last_outcome(run), decision.because)
    if isinstance(decision, End):
        return _end(run, decision)
    if isinstance(decision, (BeginBack, PlanBack)):
        return _go_back(run, decision)
    plan = run.active_plan()
    if plan is None:
        raise Lost("the plan is gone")
    if isinstance(decision, AskPerson):
        return NeedsPerson(decision.move, decision.text, now, question=True)
    if isinstance(decision, SetDue):
        return _set_due(run, plan, decision)
    if isinstance(decision, Look):
        _look(run, plan, decision)
        return DueAt(run.ports.clock.now(), "")
    if isinstance(decision, Call):
        call(run, plan, decision.move, decision.attempt, hold)
        return DueAt(run.ports.clock.now(), "")
    return _settle(run, plan, decision)


def _look(run: Run, plan: Plan, decision: Look) -> None:
    """Run a round of a gate, unless an act that was begun earlier shows by now."""
    if decision.begun is not None:
        with suppress(OutsideError):  # nobody can be asked: then the gate says so
            if settle(run, plan, decision.begun):
                return
    look(run, plan, decision.move, decision.gate)


def _last_outcome(run: Run) -> Outcome | None:
    """Return how the newest phase ended, when somebody else ended it meanwhile."""
    ended = [phase for phase in run.state.phases.values() if phase.ended_at and phase.outcome not in {None, "open"}]
    newest = max(ended, key=lambda phase: phase.ended_at or run.ports.clock.now(), default=None)
    return newest.outcome if newest and newest.outcome != "open" else None


def _settle(run: Run, plan: Plan, decision: Settle) -> Advance:
    before = run.state.active.move(decision.move).failed if run.state.active else None
    run.looked[decision.move] = run.ports.clock.now()
    try:
        shown = settle(run, plan, decision.move)
        known = run.state.active.move(decision.move) if run.state.active else None
        if not shown and known and known.asked and known.failed is before:
            return _needs_person(run, plan, decision.move, known.asked.text)
    except OutsideError as err:
        return DueAt(_next_look(run, decision.move), str(err))
    if shown or known is None or known.failed is not before:
        return DueAt(run.ports.clock.now(), "")
    return DueAt(_next_look(run, decision.move), "asking whether it shows")


def _needs_person(run: Run, plan: Plan, move: int, text: str) -> NeedsPerson:
    unshown, question = unseen(run, plan, move)
    if plan.direction == "back" and run.state.active and not question:
        unshown = Standing(run.state, run.state.active, plan, _case(run), run.ports.clock.now()).not_taken_back()
    when = run.ports.clock.now() + timedelta(seconds=POLL_PERSON_S)
    return NeedsPerson(move, text, when, question, unshown)


def _next_look(run: Run, move: int) -> datetime:
    """Return when to ask again whether an act shows: each second at first, then ever less often."""
    now = run.ports.clock.now()
    known = run.state.active.move(move) if run.state.active else None
    waited_s = (now - known.intended_at).total_seconds() if known and known.intended_at else 0.0
    return now + timedelta(seconds=min(POLL_MAX_S, max(POLL_S, waited_s / 4)))


def _set_due(run: Run, plan: Plan, decision: SetDue) -> Advance:
    run.append(DueSet(decision.move, decision.until, decision.because))
    move = plan.moves[decision.move]
    if isinstance(move, Hold):
        run.tell(Staying(move, decision.until, decision.because))
    return DueAt(run.ports.clock.now(), "")


def _go_back(run: Run, decision: BeginBack | PlanBack) -> Advance:
    if isinstance(decision, BeginBack):
        if not decision.phases:
            return _nothing_to_undo(run)
        run.append(RollbackBegun(decision.phases, decision.because, decision.raise_ttls))
    because = run.state.going_back.because if run.state.going_back else ""
    plan = plan_back(run, decision.phases, raise_ttls=decision.raise_ttls)
    run.tell(GoingBack(plan, because))
    return DueAt(run.ports.clock.now(), "")


def _nothing_to_undo(run: Run) -> Advance:
    """Answer a request to roll back when no phase has written: close what is open, change nothing."""
    active = run.state.active
    run.append(RollbackBegun((), "nothing to take back"))
    if active:
        run.append(PhaseEnded(active.planned.phase, "rolled-back", "nothing had been written"))
    return Ended("rolled-back", "nothing had been written")


def _end(run: Run, decision: End) -> Ended:
    active = run.state.active
    plan = run.active_plan()
    if active is None or plan is None:
        raise Lost("the plan is gone")
    phases = active.planned.covers if active.planned.direction == "back" else (active.planned.phase,)
    if plan.closes and decision.outcome == "done":
        run.append(RunEnded("finished"))  # first: a crash here must not leave the phase done and the run open
    if decision.outcome == "rolled-back":
        for number in phases:
            run.append(PhaseEnded(number, "rolled-back", decision.because))
    elif active.paused != decision.because:
        run.append(PhaseEnded(phases[0], decision.outcome, decision.because))
    return Ended(decision.outcome, decision.because)
