"""From when until when users may have met what was taken back again (D4). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dnsrun.journal.fold import RunState
from dnsrun.model.act import SetDelegation, WriteZone
from dnsrun.model.entry import Done, Intended, Judged, PhaseEnded, Record, RollbackBegun
from dnsrun.model.plan import Check, Do

from .source import Source
from .value import Affected


@dataclass(frozen=True, slots=True)
class Window:
    """A rollback that began at `begun_at`; `ended_at` is when its last phase was over, None when it never was."""

    begun_at: datetime
    affected: Affected
    ended_at: datetime | None = None


@dataclass(slots=True)
class _Walk:
    source: Source
    written: dict[int, datetime] = field(default_factory=dict)
    found: list[Window] = field(default_factory=list)
    worst_s: int = 0
    shown_at: datetime | None = None

    def step(self, state: RunState, record: Record) -> None:
        match record.entry:
            case Intended(move=move) if not _goes_back(state) and self._moves_data(state, move):
                self.written.setdefault(state.active.planned.phase if state.active else 0, record.at)
            case RollbackBegun(phases=phases) if phases:
                self._begin(state, phases, record.at)
            case Done() if _goes_back(state):
                self.shown_at = record.at
            case Judged(outcome="pass", gate="records", move=move) if _goes_back(state):
                found = self.source.move(state, move)
                self.shown_at = record.at if isinstance(found, Check) else self.shown_at
            case PhaseEnded(outcome="rolled-back", phase=phase):
                self._end(phase, record.at)

    def _moves_data(self, state: RunState, move: int) -> bool:
        plan, found = self.source.active(state), self.source.move(state, move)
        act = plan.acts[found.act] if plan and isinstance(found, Do) else None
        is_data = isinstance(act, WriteZone) and any(not change.ttl_only for change in act.changes)
        return is_data or isinstance(act, SetDelegation)

    def _begin(self, state: RunState, phases: tuple[int, ...], at: datetime) -> None:
        since = [self.written[number] for number in phases if number in self.written]
        plans = [self.source.plans.get(state.phase(number).plan) for number in phases]
        self.worst_s = max((plan.worst_recovery_s for plan in plans if plan), default=0)
        self.shown_at = None
        if since:
            self.found.append(Window(at, Affected(min(since), None)))

    def _end(self, phase: int, at: datetime) -> None:
        if self.written.pop(phase, None) is None or not self.found:
            return
        until = (self.shown_at or at) + timedelta(seconds=self.worst_s)
        last = self.found[-1]
        self.found[-1] = replace(last, affected=replace(last.affected, until=until), ended_at=at)


def windows(source: Source) -> tuple[Window, ...]:
    """Return one window for each rollback of written data, oldest first.

    It begins with the first write, and ends when the records were seen back at every server and the longest TTL of
    what was taken back has run out since.
    """
    walk = _Walk(source)
    for state, record in source.steps():
        walk.step(state, record)
    return tuple(walk.found)


def _goes_back(state: RunState) -> bool:
    return state.active is not None and state.active.planned.direction == "back"
