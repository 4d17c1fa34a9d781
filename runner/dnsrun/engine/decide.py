"""What to do next, from the journal alone. Pure: the same state, plan and time give the same decision."""

from __future__ import annotations

from datetime import datetime, timedelta

from dnsrun.journal.fold import RunState
from dnsrun.model.act import Instruct, SetDelegation, SetService, WriteZone
from dnsrun.model.plan import Check, Do, Hold, Move, Plan

from .decide_acts import next_for_act
from .decide_gates import next_for_check
from .decide_holds import next_for_hold
from .decisions import AskPerson, BeginBack, Decision, End, Nothing, PlanBack, Settle, Until
from .standing import Case, Standing


def decide(state: RunState, case: Case, now: datetime) -> Decision:
    """Return the next thing to do."""
    if state.ended:
        return Nothing("the run is finished")
    if state.asked_back:
        return _asked_back(state)
    if state.going_back and state.active is None:
        return PlanBack(state.going_back.phases, state.going_back.raise_ttls)
    if state.active is None or case.plan is None:
        return Nothing("no phase is open")
    return _walked(Standing(state, state.active, case.plan, case, now))


def _asked_back(state: RunState) -> Decision:
    asked = state.asked_back
    wrote = state.wrote()
    phases = wrote if asked is None or asked.scope == "all" else wrote[:1]
    if asked and asked.scope == "to-phase":
        phases = tuple(number for number in wrote if number > (asked.to_phase or 0))
    who = f"asked for by {asked.by}" if asked else ""
    begun = state.going_back  # what is being taken back already is taken back all the same
    phases = tuple(sorted({*phases, *(begun.phases if begun else ())}, reverse=True))
    raise_ttls = (asked is not None and asked.scope == "all") or (begun is not None and begun.raise_ttls)
    return BeginBack(phases, who, raise_ttls=raise_ttls)


def _walked(at: Standing) -> Decision:
    waiting: Decision | None = None
    under_way = False
    for index, move in enumerate(at.plan.moves):
        if under_way and isinstance(move, Hold):
            break  # what comes after a wait comes after it
        if under_way and not _goes_meanwhile(at.plan, move):
            continue
        if waiting and isinstance(move, Check) and move.when == "back":
            break  # what a person has still to do decides whether everything is as it was
        decision = _next_for_move(at, index, move)
        if decision is None:
            continue
        if not (at.back and _is_under_way(at, index, move, decision)):
            return waiting if waiting and isinstance(decision, End) else decision
        waiting = decision if waiting is None or _asks_a_person(at, waiting) else waiting
        under_way = under_way or not _is_with_a_person(at, index, move)
    return waiting or _over(at)


def _next_for_move(at: Standing, index: int, move: Move) -> Decision | None:
    known = at.active.move(index)
    if isinstance(move, Do):
        return None if known.done else next_for_act(at, index, at.plan.acts[move.act], known)
    if isinstance(move, Check):
        return next_for_check(at, index, move, known.rounds.get(move.gate.name))
    return next_for_hold(at, index, move, known)


def _is_under_way(at: Standing, index: int, move: Move, decision: Decision) -> bool:
    """Tell whether an act was called and only has to show, or to be tried again."""
    called = isinstance(move, Do) and bool(at.active.move(index).attempts)
    return called and isinstance(decision, (Settle, Until, AskPerson))


def _asks_a_person(at: Standing, decision: Decision) -> bool:
    return isinstance(decision, (Settle, AskPerson)) and at.active.move(decision.move).asked is not None


def _is_with_a_person(at: Standing, index: int, move: Move) -> bool:
    asked = isinstance(move, Do) and isinstance(at.plan.acts[move.act], (Instruct, SetService))
    return asked and at.active.move(index).asked is not None


def _over(at: Standing) -> Decision:
    if not at.back:
        return End("done", "done")
    landed = _landed_by(at)
    if landed and at.active.since < landed:
        if at.now < landed:
            return Until(landed, "a call that was not answered may still take effect")
        begun = at.state.going_back
        return PlanBack(at.active.planned.covers, raise_ttls=begun is not None and begun.raise_ttls)
    return at.incomplete() or End("rolled-back", "; ".join(at.plan.left))


def _landed_by(at: Standing) -> datetime | None:
    """Return by when every unproved call of the phases taken back has had its effect, if it ever has (fault 26).

    A registrar that took a request has been told anew; its latest word is waited for where that is settled.
    """
    delay_s = max((s for name, s in at.case.delays_s.items() if name not in at.case.registrars), default=0)
    moves = [move for number in at.active.planned.covers for move in at.state.phase(number).moves.values()]
    open_moves = [move for move in moves if not (move.done or move.accepted)]
    unproved = [move for move in open_moves if move.failed is None or move.failed.in_doubt]
    times = [move.intended_at for move in unproved if move.intended_at]
    return max(times) + timedelta(seconds=delay_s) if times else None


def _goes_meanwhile(plan: Plan, move: Move) -> bool:
    """Tell what a rollback does while a host or a registrar is not done: no class waits for a slower one.

    Data and delegation do not wait for each other, nor does the look whether going back is safe.
    """
    if isinstance(move, Check):
        return move.when == "safe"
    act = plan.acts[move.act] if isinstance(move, Do) else None
    writes_data = isinstance(act, WriteZone) and not all(change.ttl_only for change in act.changes)
    return writes_data or isinstance(act, SetDelegation)
