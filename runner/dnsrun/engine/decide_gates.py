"""What to do next about a gate before or after a write: ask it, ask a person, go on, end the phase. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from dnsrun.journal.fold import Rounds
from dnsrun.model.act import Act, SetDelegation
from dnsrun.model.plan import Check, Do, Hold
from dnsrun.model.playbook import GateSpec
from dnsrun.plan.gating import WATCH_EVERY_S

from .decide_acts import next_for_act
from .decisions import AskPerson, Call, Decision, End, Look, Until
from .standing import Standing


def next_for_check(at: Standing, index: int, move: Check, rounds: Rounds | None) -> Decision | None:
    """Return what to do about a check, None when it has passed or does not decide."""
    gate = move.gate
    if rounds is None:
        return _anew(at, index, move)
    if move.when == "baseline" or gate.advisory or is_excused(at, move, rounds):
        return None
    if rounds.successes >= (gate.successes if move.when == "after" else 1):
        return _anew(at, index, move) if _is_stale(at, index, move) else None
    in_time_s = _in_time_s(gate, rounds) if move.when != "before" else 0
    if is_over(gate, rounds, in_time_s=in_time_s) or _is_flapping(gate, rounds, in_time_s):
        return gate_failed(at, move, rounds)
    if gate.kind == "confirm":
        answered = at.active.move(index).answer is not None
        return Look(index, gate) if answered else AskPerson(index, rounds.last.because)
    return _later(at, index, gate, rounds, _every_s(gate, rounds))


def _in_time_s(gate: GateSpec, rounds: Rounds) -> int:
    """Return how long a gate after a write has, in seconds: longer while all it lacks is a server that is late."""
    is_late = rounds.last.not_yet and not rounds.ever_passed
    return max(gate.within_s, gate.late_s) if is_late else gate.within_s


def _every_s(gate: GateSpec, rounds: Rounds) -> int:
    """Return in how many seconds a gate is asked again; beyond its time, where a server is late, as in a watch."""
    is_beyond = rounds.last.not_yet and rounds.last_at >= rounds.first_at + timedelta(seconds=gate.within_s)
    return max(gate.every_s, WATCH_EVERY_S) if is_beyond else gate.every_s


def _anew(at: Standing, index: int, move: Check) -> Look:
    """Ask a gate anew; where a call that it guards was begun earlier, by whomever, first whether that shows by now.

    A registrar may have taken what nobody heard the answer to, and the gate would find that somebody has switched.
    """
    guarded = _guarded(at, move) if move.when == "before" else []
    begun = (number for number, act in guarded if at.active.move(number).attempts and _is_called_next(at, number, act))
    return Look(index, move.gate, next(begun, None))


def _guarded(at: Standing, move: Check) -> list[tuple[int, Act]]:
    """Return the changes of the delegation that a check guards, with their moves."""
    dos = {m.act: number for number, m in enumerate(at.plan.moves) if isinstance(m, Do)}
    return [(dos[act], at.plan.acts[act]) for act in move.acts if isinstance(at.plan.acts[act], SetDelegation)]


def _is_stale(at: Standing, index: int, move: Check) -> bool:
    """Tell whether a pass is not enough to move the delegation: of another process, too old, or of other data.

    That matters straight before a call, the first one or one more: an intent without an effect is no licence.
    """
    if move.when != "before" or move.gate.kind == "confirm" or (index, move.gate.name) in at.case.fresh:
        return False
    return any(_is_called_next(at, number, act) for number, act in _guarded(at, move))


def _is_called_next(at: Standing, index: int, act: Act) -> bool:
    known = at.active.move(index)
    return not known.done and isinstance(next_for_act(at, index, act, known), Call)


def _later(at: Standing, index: int, gate: GateSpec, rounds: Rounds, every_s: int) -> Decision:
    due = rounds.last_at + timedelta(seconds=every_s)
    return Look(index, gate) if at.now >= due else Until(due, f"{gate.name}: {rounds.last.because}")


def is_over(gate: GateSpec, rounds: Rounds, *, in_time_s: int) -> bool:
    """Tell whether a gate that has not passed will not: failures in a row, or its time is up.

    Its time is up when somebody looked after it: who comes back after hours looks first.
    """
    expired = rounds.last_at >= rounds.first_at + timedelta(seconds=in_time_s)
    if rounds.last.outcome == "pass" or gate.kind == "confirm":
        return rounds.last.outcome == "fail"
    if rounds.last.not_yet and not rounds.ever_passed:
        return expired
    if rounds.last.outcome == "unknown":
        return expired and rounds.failures >= gate.failures
    return rounds.failures >= gate.failures


def _is_flapping(gate: GateSpec, rounds: Rounds, in_time_s: int) -> bool:
    """Tell whether a gate goes up and down for so long that it never settles: its time, once more (fault 46)."""
    unsettled = rounds.last.outcome != "pass" and gate.kind != "confirm" and rounds.total > gate.failures
    return unsettled and rounds.last_at >= rounds.first_at + timedelta(seconds=2 * in_time_s)


def gate_failed(at: Standing, move: Check | Hold, rounds: Rounds, gate: GateSpec | None = None) -> Decision:
    """Return what a failed gate leads to; `gate` is the one of a hold that failed."""
    because = rounds.last.because
    spec = gate or (move.gate if isinstance(move, Check) else None)
    when = move.when if isinstance(move, Check) else "after"
    if when == "before":
        return at.stop(because)
    if when == "safe":
        kept = f"not going back: {because}; the old side does not answer as it did before"
        return End("paused", "; ".join(filter(None, (kept, at.not_taken_back()))))
    if when == "back":
        return at.incomplete(because) or at.stop(because)
    if rounds.last.outcome == "unknown" or (spec and spec.on_fail == "pause"):
        return End("paused", because)
    if rounds.last.not_yet and not at.moves_data:
        return End("paused", because)  # a server that lags with TTLs harms nobody: only the next phase waits (T1)
    return at.fall_back(because)


def is_excused(at: Standing, move: Check | Hold, rounds: Rounds, gate: GateSpec | None = None) -> bool:
    """A gate that failed in the same way straight before, and has never passed, is not our doing.

    On the way back one that nobody wrote stops nothing while it only cannot be asked from here any more.
    """
    spec = gate or (move.gate if isinstance(move, Check) else None)
    name, lenient = (spec.name, spec.lenient) if spec else ("", False)
    if lenient and spec and isinstance(move, Check) and move.when in {"safe", "back"}:
        return rounds.last.outcome == "unknown" and rounds.failures >= spec.failures
    earlier = list(_rounds_of(at, name, ("baseline",)))
    passed = any(each.successes for each in _rounds_of(at, name, ("before",)))
    if lenient and rounds.last.outcome != "pass":
        is_now = rounds.last.outcome
        # Not to know whether it is still broken is no worse than that it was.
        was_so = any(
            each.last.outcome == is_now or (each.last.outcome, is_now) == ("fail", "unknown") for each in earlier
        )
        return was_so and not (passed and is_now == "fail")
    if (isinstance(move, Check) and move.when != "after") or rounds.last.outcome != "fail":
        return False
    facts = rounds.last.facts
    return not passed and bool(facts) and any(e.last.outcome == "fail" and e.last.facts == facts for e in earlier)


def _rounds_of(at: Standing, name: str, when: tuple[str, ...]) -> Iterable[Rounds]:
    for index, move in enumerate(at.plan.moves):
        if isinstance(move, Check) and move.when in when and name in at.active.move(index).rounds:
            yield at.active.move(index).rounds[name]
