"""What to do next in a wait or a watch: when it ends, which gate is due, what its failure means. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from dnsrun.journal.fold import MoveState, Rounds
from dnsrun.model.act import SetDelegation
from dnsrun.model.plan import Check, Do, Hold
from dnsrun.model.playbook import GateSpec
from dnsrun.plan.gating import WATCH_EVERY_S
from dnsrun.plan.ttl import EQUAL_ROUNDS, ROUND_SPACING_S, caches_clean_at

from .decide_gates import gate_failed, is_excused, is_over
from .decisions import Decision, Look, SetDue, Until
from .standing import Standing

SHOWN_EVERYWHERE = frozenset({"records", "delegation"})  # gates whose first pass is t_all


def next_for_hold(at: Standing, index: int, move: Hold, known: MoveState) -> Decision | None:
    """Return what to do in a hold, None when it is over."""
    if known.due is None:
        return _begin(at, index, move)
    if later := _fell_back(at, index, move, known, known.due.until):
        return later
    for gate in move.gates:
        rounds = known.rounds.get(gate.name)
        if rounds and not gate.advisory and _fails(at, move, gate, rounds, known.due.until):
            return gate_failed(at, move, rounds, gate)
    return _next_round(at, index, move, known, known.due.until)


def _fell_back(at: Standing, index: int, move: Hold, known: MoveState, until: datetime) -> SetDue | None:
    """Begin to count anew when a server fell back meanwhile: t_all is when all of them show it again.

    Not for ever: what never settles does not keep a hold open for more than its length once more.
    """
    for gate in move.gates:
        rounds = known.rounds.get(gate.name)
        if gate.kind not in SHOWN_EVERYWHERE or rounds is None or rounds.passed_at is None:
            continue
        due = _due(at, move, rounds.passed_at)
        once_more = due <= _due(at, move, known.first_due or until)
        if rounds.total > rounds.successes and due > until and once_more:
            return SetDue(index, due, f"{gate.name} failed meanwhile, so it counts anew from when it passed again")
    return None


def _due(at: Standing, move: Hold, t_all: datetime) -> datetime:
    if move.for_s is not None:
        return t_all + timedelta(seconds=move.for_s)
    return max(caches_clean_at(t_all, [at.plan.stale_life_s]), t_all + timedelta(seconds=move.at_least_s))


def _fails(at: Standing, move: Hold, gate: GateSpec, rounds: Rounds, until: datetime) -> bool:
    late = rounds.last_at >= until + timedelta(seconds=2 * gate.within_s)  # it never showed enough equal rounds
    over = is_over(gate, rounds, in_time_s=gate.within_s) or (late and rounds.last.outcome != "pass")
    return over and not is_excused(at, move, rounds, gate)


def _next_round(at: Standing, index: int, move: Hold, known: MoveState, until: datetime) -> Decision | None:
    spacing = ROUND_SPACING_S if at.now >= until else None
    nexts: list[tuple[datetime, GateSpec]] = []
    for gate in move.gates:
        rounds = known.rounds.get(gate.name)
        if at.now >= until and rounds and _suffices(at, move, gate, rounds):
            continue
        every_s = spacing or _again_s(gate, rounds)
        nexts.append((rounds.last_at + timedelta(seconds=every_s) if rounds else at.now, gate))
    if not nexts:
        return None if at.now >= until else _idle(until, known)
    when, gate = min(nexts, key=lambda item: item[0])
    if when <= at.now:
        return Look(index, gate)
    return _idle(when if at.now >= until else min(when, until), known)


def _idle(when: datetime, known: MoveState) -> Until:
    return Until(when, known.due.because if known.due else "")


def _suffices(at: Standing, move: Hold, gate: GateSpec, rounds: Rounds) -> bool:
    needed = EQUAL_ROUNDS if gate.kind in SHOWN_EVERYWHERE else 1
    return gate.advisory or rounds.successes >= needed or is_excused(at, move, rounds, gate)


def _begin(at: Standing, index: int, move: Hold) -> Decision:
    wrote = any(isinstance(earlier, Do) for earlier in at.plan.moves[:index])
    t_all = _t_all(at, index) or (None if wrote else at.case.settled_at) or at.now
    for_s = move.for_s
    because = f"{move.kind} for {for_s} s" if for_s is not None else _all_caches(at)
    return SetDue(index, _due(at, move, t_all), because)


def _all_caches(at: Standing) -> str:
    if any(isinstance(act, SetDelegation) and act.moves_servers for act in at.plan.acts):
        return "until no cache asks the old name servers or holds what they said"
    return "until no cache can hold the old records"


def _t_all(at: Standing, index: int) -> datetime | None:
    """Return when every server first showed what this plan wrote: the first of the equal rounds."""
    times = [
        at.active.move(number).rounds[move.gate.name].passed_at
        for number, move in enumerate(at.plan.moves[:index])
        if isinstance(move, Check) and move.when == "after" and move.gate.kind in SHOWN_EVERYWHERE
        if move.gate.name in at.active.move(number).rounds
    ]
    return max((time for time in times if time), default=None)


def _again_s(gate: GateSpec, rounds: Rounds | None) -> int:
    """Return in how many seconds a gate of a watch is asked again: what has just failed sooner than a slow gate is."""
    failing = rounds is not None and rounds.last.outcome != "pass"
    return min(gate.every_s, WATCH_EVERY_S) if failing else gate.every_s
