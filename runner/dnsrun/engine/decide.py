"""What to do next, from the journal alone. Pure: the same state, plan and time give the same decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dnsrun.journal.fold import Active, MoveState, Rounds, RunState
from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, WriteZone
from dnsrun.model.entry import Failed
from dnsrun.model.plan import Check, Do, Hold, Move, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.plan.gating import WATCH_EVERY_S
from dnsrun.plan.ttl import EQUAL_ROUNDS, ROUND_SPACING_S, caches_clean_at

from .decisions import AskPerson, BeginBack, Call, Decision, End, Look, Nothing, PlanBack, SetDue, Settle, Until
from .words import in_words

MAX_TRIES = 10
BACK_CALLS = 3  # a rollback asks again when the host took a write and never shows it
SETTLE_AT_LEAST_S = 60
SHOWN_EVERYWHERE = frozenset({"records", "delegation"})  # gates whose first pass is t_all


@dataclass(frozen=True, slots=True)
class Case:
    """What decide may know besides the state.

    `called`: moves whose call this very process made and got an answer for; `looked`: when (UTC) it last asked whether
    the act of a move shows. `delays_s`: a provider's declared delay.
    `settled_at`: when what earlier phases wrote was seen everywhere (UTC). `fresh`: gates, by move and name, that
    passed in this very process not long ago: only these open a change of the delegation. `registrars` are the names of
    those that set delegations.
    """

    plan: Plan | None
    called: frozenset[int] = frozenset()
    delays_s: dict[str, int] = field(default_factory=dict)
    settled_at: datetime | None = None
    fresh: frozenset[tuple[int, str]] = frozenset()
    registrars: frozenset[str] = frozenset()
    looked: Mapping[int, datetime] = field(default_factory=dict)


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
    return _Walk(state, state.active, case.plan, case, now).next()


def _asked_back(state: RunState) -> Decision:
    asked = state.asked_back
    wrote = state.wrote()
    phases = wrote if asked is None or asked.scope == "all" else wrote[:1]
    if asked and asked.scope == "to-phase":
        phases = tuple(number for number in wrote if number > (asked.to_phase or 0))
    who = f"asked for by {asked.by}" if asked else ""
    return BeginBack(phases, who, raise_ttls=asked is not None and asked.scope == "all")


@dataclass(frozen=True, slots=True)
class _Walk:
    """One pass over the moves of the active plan: the first that is not complete decides."""

    state: RunState
    active: Active
    plan: Plan
    case: Case
    now: datetime

    @property
    def back(self) -> bool:
        return self.plan.direction == "back"

    def next(self) -> Decision:
        waiting: Decision | None = None
        under_way = False
        for index, move in enumerate(self.plan.moves):
            if under_way and not _goes_meanwhile(self.plan, move):
                break
            decision = self._move(index, move)
            if decision is None:
                continue
            if not (self.back and self._is_under_way(index, move, decision)):
                return waiting if waiting and isinstance(decision, End) else decision
            waiting = decision if waiting is None or self._asks_a_person(waiting) else waiting
            under_way = under_way or not self._is_with_a_person(index, move)
        return waiting or self._over()

    def _move(self, index: int, move: Move) -> Decision | None:
        known = self.active.move(index)
        if isinstance(move, Do):
            return None if known.done else self._do(index, self.plan.acts[move.act], known)
        if isinstance(move, Check):
            return self._check(index, move, known.rounds.get(move.gate.name))
        return self._hold(index, move, known)

    def _is_under_way(self, index: int, move: Move, decision: Decision) -> bool:
        """Tell whether an act was called and only has to show, or to be tried again."""
        called = isinstance(move, Do) and bool(self.active.move(index).attempts)
        return called and isinstance(decision, (Settle, Until, AskPerson))

    def _asks_a_person(self, decision: Decision) -> bool:
        return isinstance(decision, (Settle, AskPerson)) and self.active.move(decision.move).asked is not None

    def _is_with_a_person(self, index: int, move: Move) -> bool:
        asked = isinstance(move, Do) and isinstance(self.plan.acts[move.act], Instruct)
        return asked and self.active.move(index).asked is not None

    def _over(self) -> Decision:
        if not self.back:
            return End("done", "done")
        landed = self._landed_by()
        if landed and self.active.since < landed:
            if self.now < landed:
                return Until(landed, "a call that was not answered may still take effect")
            begun = self.state.going_back
            return PlanBack(self.active.planned.covers, raise_ttls=begun is not None and begun.raise_ttls)
        left = self._not_taken_back()
        return End("rollback-incomplete", left) if left else End("rolled-back", "; ".join(self.plan.left))

    def _not_taken_back(self) -> str:
        """Return what a person would have to take back, in words; empty when all is."""
        open_acts = [
            in_words(self.plan.acts[move.act]) + _last_said(self.active.move(index))
            for index, move in enumerate(self.plan.moves)
            if isinstance(move, Do) and not self.active.move(index).done
        ]
        return "not taken back: " + "; ".join(open_acts) if open_acts else ""

    def _landed_by(self) -> datetime | None:
        """Return by when every unproved call of the phases taken back has had its effect, if it ever has (fault 26).

        A registrar that took a request has been told anew; its latest word is waited for where that is settled.
        """
        delay_s = max((s for name, s in self.case.delays_s.items() if name not in self.case.registrars), default=0)
        moves = [move for number in self.active.planned.covers for move in self.state.phase(number).moves.values()]
        open_moves = [move for move in moves if not (move.done or move.accepted)]
        unproved = [move for move in open_moves if move.failed is None or move.failed.in_doubt]
        times = [move.intended_at for move in unproved if move.intended_at]
        return max(times) + timedelta(seconds=delay_s) if times else None

    # Acts

    def _do(self, index: int, act: Act, known: MoveState) -> Decision | None:
        if known.answer and known.answer.answer == "declined":
            return self._failed_for_good(f"declined: {in_words(act)}")
        if known.failed:
            return self._after_failure(index, act, known)
        if not known.attempts or (isinstance(act, Instruct) and not known.asked):
            return Call(index, known.attempts + 1)  # an instruction that nobody was given takes no effect by itself
        if known.asked:
            return Settle(index)
        if index in self.case.called or known.accepted or isinstance(act, SetDelegation):
            return self._awaited(index, act, known)  # an intent that left no trace at the parent becomes a failure
        if isinstance(act, RunCommand):
            unseen = AskPerson(index, f"was {in_words(act)} run to its end? Nobody saw it")
            return None if known.answer or self.back else unseen
        return Settle(index)

    def _awaited(self, index: int, act: Act, known: MoveState) -> Decision | None:
        """The host took the write: its servers must show it within its declared delay.

        Its time is up when somebody looked after it: who comes back after hours looks first.
        """
        until = (known.intended_at or self.now) + timedelta(seconds=self._patience_s(act))
        looked = self.case.looked.get(index)
        if self.now < until or looked is None or looked < until:
            return Settle(index)
        if self.back and known.attempts < BACK_CALLS:
            return Call(index, known.attempts + 1)
        return self._unproved(f"{in_words(act)}: accepted, but the servers do not show it")

    def _patience_s(self, act: Act) -> int:
        provider = getattr(act, "provider", "")
        return max(SETTLE_AT_LEAST_S, self.case.delays_s.get(provider, 0)) + (300 if isinstance(act, Refresh) else 240)

    def _after_failure(self, index: int, act: Act, known: MoveState) -> Decision | None:
        failed = known.failed
        if failed is None:
            return Call(index, known.attempts + 1)
        begun = known.intended_at or self.now
        doubt_s = self._doubt_s(act, failed)
        if known.attempts and self.now < begun + timedelta(seconds=doubt_s):
            return Settle(index)
        if not failed.retryable or known.tries >= MAX_TRIES:
            because = f"{in_words(act)}: {failed.because}"
            return self._unproved(because) if isinstance(act, Refresh) else self._failed_for_good(because)
        if failed.not_before and self.now < failed.not_before:
            return Until(failed.not_before, f"trying again: {failed.because}")
        return Call(index, known.attempts + 1)

    def _doubt_s(self, act: Act, failed: Failed) -> int:
        """Return for how long, in seconds, to look for the effect before calling again.

        A call that timed out may still take effect; a secondary that refuses may fetch by itself. Asking it a second
        time does no harm.
        """
        if isinstance(act, Refresh):
            return 0 if failed.retryable else self._patience_s(act)
        return self.case.delays_s.get(getattr(act, "provider", ""), 0) if failed.in_doubt else 0

    def _unproved(self, because: str) -> Decision | None:
        """Servers that differ in data go back to one answer; servers that differ in TTLs wait for a person."""
        return self._back(because) if self._moves_data and not self.back else self._failed_for_good(because)

    @property
    def _moves_data(self) -> bool:
        """Tell whether what stands or falls here is data or the delegation, not TTLs alone."""
        if any(isinstance(act, SetDelegation) for act in self.plan.acts):
            return True
        return any(not change.ttl_only for change in self.plan.changes() or self.plan.guards)

    def _failed_for_good(self, because: str) -> Decision | None:
        return None if self.back else self._stop(because)

    def _stop(self, because: str) -> Decision:
        if self.back:
            return End("rollback-incomplete", because)
        wrote = any(_may_have_written(move) for move in self.active.moves.values())
        return End("paused", because) if wrote else End("refused", because)

    # Gates

    def _check(self, index: int, move: Check, rounds: Rounds | None) -> Decision | None:
        gate = move.gate
        if rounds is None:
            return Look(index, gate)
        if move.when == "baseline" or gate.advisory or self._excused(move, rounds):
            return None
        if rounds.successes >= (gate.successes if move.when == "after" else 1):
            return Look(index, gate) if self._is_stale(index, move) else None
        in_time_s = gate.within_s if move.when != "before" else 0
        if self._is_over(gate, rounds, in_time_s=in_time_s) or self._is_flapping(gate, rounds, in_time_s):
            return self._gate_failed(move, rounds)
        if gate.kind == "confirm":
            answered = self.active.move(index).answer is not None
            return Look(index, gate) if answered else AskPerson(index, rounds.last.because)
        return self._later(index, gate, rounds, gate.every_s)

    def _is_stale(self, index: int, move: Check) -> bool:
        """Tell whether a pass is not enough to move the delegation: of another process, too old, or of other data.

        That matters straight before a call, the first one or one more: an intent without an effect is no licence.
        """
        if move.when != "before" or move.gate.kind == "confirm" or (index, move.gate.name) in self.case.fresh:
            return False
        dos = {m.act: number for number, m in enumerate(self.plan.moves) if isinstance(m, Do)}
        guarded = [act for act in move.acts if isinstance(self.plan.acts[act], SetDelegation)]
        return any(self._is_called_next(dos[act], self.plan.acts[act]) for act in guarded)

    def _is_called_next(self, index: int, act: Act) -> bool:
        known = self.active.move(index)
        return not known.done and isinstance(self._do(index, act, known), Call)

    def _later(self, index: int, gate: GateSpec, rounds: Rounds, every_s: int) -> Decision:
        due = rounds.last_at + timedelta(seconds=every_s)
        return Look(index, gate) if self.now >= due else Until(due, f"{gate.name}: {rounds.last.because}")

    def _is_over(self, gate: GateSpec, rounds: Rounds, *, in_time_s: int) -> bool:
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

    def _is_flapping(self, gate: GateSpec, rounds: Rounds, in_time_s: int) -> bool:
        """Tell whether a gate goes up and down for so long that it never settles: its time, once more (fault 46)."""
        unsettled = rounds.last.outcome != "pass" and gate.kind != "confirm" and rounds.total > gate.failures
        return unsettled and rounds.last_at >= rounds.first_at + timedelta(seconds=2 * in_time_s)

    def _gate_failed(self, move: Check | Hold, rounds: Rounds, gate: GateSpec | None = None) -> Decision:
        because = rounds.last.because
        spec = gate or (move.gate if isinstance(move, Check) else None)
        when = move.when if isinstance(move, Check) else "after"
        if when == "before":
            return self._stop(because)
        if when == "safe":
            return End("paused", f"not going back: {because}; the old side does not answer as it did before")
        if when == "back":
            return End("rollback-incomplete", "; ".join(filter(None, (self._not_taken_back(), because))))
        if rounds.last.outcome == "unknown" or (spec and spec.on_fail == "pause"):
            return End("paused", because)
        if rounds.last.not_yet and not self._moves_data:
            return End("paused", because)  # a server that lags with TTLs harms nobody: only the next phase waits (T1)
        return self._back(because)

    def _back(self, because: str) -> Decision:
        """A gate fails back to the checkpoint of the newest phase that wrote."""
        wrote = self.state.wrote()
        return BeginBack(wrote[:1], because, raise_ttls=False) if wrote else End("paused", because)

    def _excused(self, move: Check | Hold, rounds: Rounds, gate: GateSpec | None = None) -> bool:
        """A gate that failed in the same way straight before, and has never passed, is not our doing."""
        name = gate.name if gate else move.gate.name if isinstance(move, Check) else ""
        if (isinstance(move, Check) and move.when != "after") or rounds.last.outcome != "fail":
            return False
        earlier = list(self._rounds_of(name, ("baseline",)))
        passed = any(each.successes for each in self._rounds_of(name, ("before",)))
        facts = rounds.last.facts
        return not passed and bool(facts) and any(e.last.outcome == "fail" and e.last.facts == facts for e in earlier)

    def _rounds_of(self, name: str, when: tuple[str, ...]) -> Iterable[Rounds]:
        for index, move in enumerate(self.plan.moves):
            if isinstance(move, Check) and move.when in when and name in self.active.move(index).rounds:
                yield self.active.move(index).rounds[name]

    # Holds

    def _hold(self, index: int, move: Hold, known: MoveState) -> Decision | None:
        if known.due is None:
            return self._begin_hold(index, move)
        if later := self._fell_back(index, move, known, known.due.until):
            return later
        for gate in move.gates:
            rounds = known.rounds.get(gate.name)
            if rounds and not gate.advisory and self._fails_in_hold(move, gate, rounds, known.due.until):
                return self._gate_failed(move, rounds, gate)
        return self._next_in_hold(index, move, known, known.due.until)

    def _fell_back(self, index: int, move: Hold, known: MoveState, until: datetime) -> SetDue | None:
        """Begin to count anew when a server fell back meanwhile: t_all is when all of them show it again.

        Not for ever: what never settles does not keep a hold open for more than its length once more.
        """
        for gate in move.gates:
            rounds = known.rounds.get(gate.name)
            if gate.kind not in SHOWN_EVERYWHERE or rounds is None or rounds.passed_at is None:
                continue
            due = self._due(move, rounds.passed_at)
            once_more = due <= self._due(move, known.first_due or until)
            if rounds.total > rounds.successes and due > until and once_more:
                return SetDue(index, due, f"{gate.name} failed meanwhile, so it counts anew from when it passed again")
        return None

    def _due(self, move: Hold, t_all: datetime) -> datetime:
        if move.for_s is not None:
            return t_all + timedelta(seconds=move.for_s)
        return caches_clean_at(t_all, [self.plan.stale_life_s])

    def _fails_in_hold(self, move: Hold, gate: GateSpec, rounds: Rounds, until: datetime) -> bool:
        late = rounds.last_at >= until + timedelta(seconds=2 * gate.within_s)  # it never showed enough equal rounds
        over = self._is_over(gate, rounds, in_time_s=gate.within_s) or (late and rounds.last.outcome != "pass")
        return over and not self._excused(move, rounds, gate)

    def _next_in_hold(self, index: int, move: Hold, known: MoveState, until: datetime) -> Decision | None:
        spacing = ROUND_SPACING_S if self.now >= until else None
        nexts: list[tuple[datetime, GateSpec]] = []
        for gate in move.gates:
            rounds = known.rounds.get(gate.name)
            if self.now >= until and rounds and self._suffices(move, gate, rounds):
                continue
            every_s = spacing or _again_s(gate, rounds)
            nexts.append((rounds.last_at + timedelta(seconds=every_s) if rounds else self.now, gate))
        if not nexts:
            return None if self.now >= until else self._idle(until, known)
        when, gate = min(nexts, key=lambda item: item[0])
        if when <= self.now:
            return Look(index, gate)
        return self._idle(when if self.now >= until else min(when, until), known)

    def _idle(self, when: datetime, known: MoveState) -> Until:
        return Until(when, known.due.because if known.due else "")

    def _suffices(self, move: Hold, gate: GateSpec, rounds: Rounds) -> bool:
        needed = EQUAL_ROUNDS if gate.kind in SHOWN_EVERYWHERE else 1
        return gate.advisory or rounds.successes >= needed or self._excused(move, rounds, gate)

    def _begin_hold(self, index: int, move: Hold) -> Decision:
        wrote = any(isinstance(earlier, Do) for earlier in self.plan.moves[:index])
        t_all = self._t_all(index) or (None if wrote else self.case.settled_at) or self.now
        for_s = move.for_s
        because = f"{move.kind} for {for_s} s" if for_s is not None else self._all_caches
        return SetDue(index, self._due(move, t_all), because)

    @property
    def _all_caches(self) -> str:
        if any(isinstance(act, SetDelegation) and act.moves_servers for act in self.plan.acts):
            return "until no cache asks the old name servers or holds what they said"
        return "until no cache can hold the old records"

    def _t_all(self, index: int) -> datetime | None:
        """Return when every server first showed what this plan wrote: the first of the equal rounds."""
        times = [
            self.active.move(number).rounds[move.gate.name].passed_at
            for number, move in enumerate(self.plan.moves[:index])
            if isinstance(move, Check) and move.when == "after" and move.gate.kind in SHOWN_EVERYWHERE
            if move.gate.name in self.active.move(number).rounds
        ]
        return max((time for time in times if time), default=None)


def _goes_meanwhile(plan: Plan, move: Move) -> bool:
    """Tell what a rollback does while a host or a registrar is not done: no class waits for a slower one.

    Data and delegation do not wait for each other, nor does the look whether going back is safe.
    """
    if isinstance(move, Check):
        return move.when == "safe"
    act = plan.acts[move.act] if isinstance(move, Do) else None
    writes_data = isinstance(act, WriteZone) and not all(change.ttl_only for change in act.changes)
    return writes_data or isinstance(act, SetDelegation)


def _again_s(gate: GateSpec, rounds: Rounds | None) -> int:
    """Return in how many seconds a gate of a watch is asked again: what has just failed sooner than a slow gate is."""
    failing = rounds is not None and rounds.last.outcome != "pass"
    return min(gate.every_s, WATCH_EVERY_S) if failing else gate.every_s


def _last_said(move: MoveState) -> str:
    return f" ({move.failed.because})" if move.failed else ""


def _may_have_written(move: MoveState) -> bool:
    """Tell whether a call may have had an effect: all but a first one that was refused for a conflict."""
    certainly_not = move.attempts == 1 and move.failed is not None and move.failed.conflict and not move.done
    return bool(move.attempts) and not certainly_not
