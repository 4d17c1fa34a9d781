"""Chapter two: why a phase was stopped or taken back, and what was seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from dnsrun.journal.fold import RunState
from dnsrun.model.entry import Failed, Judged, PersonAnswered, PhaseEnded, Planned, Record, RollbackBegun

from .affected import windows
from .source import Source
from .value import Affected, Cause
from .words import Discretion, change_lines, delegation_changes

_LED_TO = {
    "refused": "was refused; what users get was not changed",
    "paused": "was paused; a person had to decide",
    "rollback-incomplete": "could not be taken back completely; the rest needs a person",
}


def causes(source: Source, discreet: Discretion) -> tuple[Cause, ...]:
    """Return why phases did not end well, oldest first; empty when none did."""
    walk = _Walk(source, discreet, {window.begun_at: window.affected for window in windows(source)})
    for state, record in source.steps():
        walk.step(state, record)
    if source.state.going_back and walk.found:
        last = walk.found[-1]
        walk.found[-1] = replace(last, led_to=last.led_to.replace("was taken back", "is being taken back"))
    return tuple(walk.found)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The rounds of one gate in one place that came out badly in a row, and its last good one before."""

    rounds: Judged | None = None
    times: int = 0
    first_bad: datetime | None = None
    last_good: datetime | None = None

    def after(self, entry: Judged, at: datetime) -> _Seen:
        if entry.outcome == "pass":
            return _Seen(last_good=at)
        return _Seen(entry, self.times + 1, self.first_bad or at, self.last_good)


@dataclass(slots=True)
class _Walk:
    source: Source
    discreet: Discretion
    affected: dict[datetime, Affected]
    seen: dict[str, _Seen] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    declined: bool = False
    found: list[Cause] = field(default_factory=list)

    def step(self, state: RunState, record: Record) -> None:
        match record.entry:
            case Planned():
                self.seen, self.errors, self.declined = {}, [], False
            case Judged() as entry:
                self.seen[entry.gate] = self.seen.get(entry.gate, _Seen()).after(entry, record.at)
            case Failed(because=because):
                self.errors.append(because)
            case PersonAnswered(answer="declined"):
                self.declined = True
            case RollbackBegun(phases=phases, because=because) if phases:
                led_to = "was taken back by dnsrun itself"
                self._add(state, phases[0], because, led_to, record.at)
            case PhaseEnded(outcome=outcome, phase=phase, because=because) if outcome in _LED_TO:
                self._add(state, phase, because, _LED_TO[outcome], record.at)

    def _add(self, state: RunState, phase: int, because: str, led_to: str, at: datetime) -> None:
        names = dict(self.source.opened.phases)
        cause = Cause(
            phase=phase,
            phase_name=names.get(phase, ""),
            came_from="other",
            gate="",
            says=self.discreet(because) or "no reason was journaled",
            led_to=led_to,
            decided_at=at,
            guarded=self._guarded(state, phase),
            affected=self.affected.get(at),
        )
        self.found.append(self._told(cause, because))

    def _told(self, cause: Cause, because: str) -> Cause:
        """Add what the check saw, when the reason is a check's."""
        gate = next((gate for gate, seen in self.seen.items() if seen.rounds and seen.rounds.because in because), "")
        if gate:
            seen = self.seen[gate]
            answers = tuple(map(self.discreet, seen.rounds.differing)) if seen.rounds else ()
            cause = replace(cause, came_from="check", gate=gate, seen=answers, times=seen.times)
            return replace(cause, last_good=seen.last_good, first_bad=seen.first_bad)
        if any(error in because for error in self.errors):
            return replace(cause, came_from="call")
        if self.declined or because.startswith("asked for by"):
            return replace(
                cause, came_from="person", led_to=cause.led_to.replace(" by dnsrun itself", ", as a person asked")
            )
        return cause

    def _guarded(self, state: RunState, phase: int) -> tuple[str, ...]:
        """Return what the phase changes; what it guards of earlier phases when it changes nothing itself."""
        plan = self.source.plans.get(state.phase(phase).plan) or self.source.active(state)
        if plan is None:
            return ()
        moved = delegation_changes(plan)
        return (*moved, *change_lines(plan.changes() or (() if moved else plan.guards), self.source.apex))
