"""Chapter one: what happened when. Every kind of journal entry is told, or said to be told elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dnsrun.journal.fold import RunState
from dnsrun.model.act import Act, SetDelegation
from dnsrun.model.entry import (
    Accepted,
    Astray,
    Captured,
    Done,
    DueSet,
    Failed,
    GateOff,
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
)
from dnsrun.model.plan import Do, Hold

from . import incidents
from .affected import windows
from .source import Source
from .value import Happening
from .words import (
    Discretion,
    act_headline,
    act_lines,
    act_proof,
    delegated_to,
    grade,
    outcome_words,
    place_lead,
    sentence,
)

_SCOPES: Mapping[str, str] = {
    "newest": "the newest phase",
    "to-phase": "everything after phase {}",
    "all": "everything",
}
_HOW: Mapping[str, str] = {
    "applied": "{}",
    "already": "{} already; nothing was written",
    "by-hand": "It was done by hand: {}",
    "left": "It was left as it is",
}
_ENDS: Mapping[str, str] = {
    "done": "{} was done",
    "rolled-back": "{} was rolled back, and that was checked",
    "rollback-incomplete": "The rollback of {} could not be completed",
    "refused": "{} was refused; what users get was not changed",
    "paused": "{} was paused: a person must decide",
}


def timeline(source: Source, discreet: Discretion) -> tuple[Happening, ...]:
    """Return what happened, oldest first; rounds of a gate with the same outcome are one line with a count."""
    story = _Story(source, discreet)
    for state, record in source.steps():
        story.tell(state, record)
    return tuple(story.told)


class _Story:
    """A timeline in the making: `rows` finds the line that another round of the same gate is added to."""

    def __init__(self, source: Source, discreet: Discretion) -> None:
        self.source = source
        self.discreet = discreet
        self.told: list[Happening] = []
        self.rows: dict[tuple[object, ...], int] = {}
        self.last: dict[tuple[int, str], str] = {}
        self.windows = {window.ended_at: window.affected for window in windows(source)}
        self.state = RunState()

    def tell(self, state: RunState, record: Record) -> None:
        self.state = state
        if isinstance(record.entry, (Planned, Resumed, RollbackBegun)):
            self.rows.clear()
            self.last.clear()
        for row in TELLERS[type(record.entry)](self, record.entry, record.at):
            self.told.append(row)

    def act(self, move: int) -> Act | None:
        plan, found = self.source.active(self.state), self.source.move(self.state, move)
        return plan.acts[found.act] if plan and isinstance(found, Do) else None

    def goes_back(self) -> bool:
        return self.state.active is not None and self.state.active.planned.direction == "back"

    def again(self, key: tuple[object, ...], at: datetime) -> bool:
        """Count one more round of the same outcome; False when it is the first."""
        index = self.rows.get(key)
        if index is None:
            return False
        row = self.told[index]
        self.told[index] = replace(row, times=row.times + 1, last_at=at)
        return True


Rows = tuple[Happening, ...]


def _opened(story: _Story, entry: Opened, at: datetime) -> Rows:
    known = story.state.opened
    if known and known.run == entry.run:
        return (Happening(at, "run", f"The playbook was edited, and the run went on with it ({entry.playbook[:16]})."),)
    says = f"The run began, with the playbook {entry.playbook[:16]} and dnsrun {entry.version}."
    return (Happening(at, "run", says),)


def _captured(story: _Story, entry: Captured, at: datetime) -> Rows:
    back = story.state.going_back is not None
    why = "before going back" if back else f"before {story.source.phase_words(entry.phase)}" if entry.phase else ""
    what = " ".join(filter(None, ("The records were saved as they were", why)))
    serial = f", serial {entry.serial}" if entry.serial is not None else ""
    says = f"{what}: {grade(entry.completeness)}{serial}{delegated_to(entry.delegation)}."
    edits = tuple(f"changed by somebody else since the last capture, and kept: {edit}" for edit in entry.foreign)
    return (Happening(at, "capture", says, edits),)


def _planned(story: _Story, entry: Planned, at: datetime) -> Rows:
    plan = story.source.plans.get(entry.plan)
    if entry.direction == "back":
        left = tuple(plan.left) if plan else ()
        return (Happening(at, "back", "The way back was planned.", tuple(map(story.discreet, left))),) if left else ()
    notes = tuple(dict.fromkeys(plan.notes)) if plan else ()
    begins = sentence(f"{story.source.phase_words(entry.phase)} began")
    return (Happening(at, "phase", begins, tuple(map(story.discreet, notes))),)


def _hazard(story: _Story, entry: HazardAccepted, at: datetime) -> Rows:
    says = f"A person accepted the risk {entry.hazard} for {story.source.phase_words(entry.phase)}: {entry.reason}"
    return (Happening(at, "risk", sentence(says)),)


def _gate_off(story: _Story, entry: GateOff, at: datetime) -> Rows:
    where = story.source.phase_words(entry.phase)
    return (
        Happening(at, "off", sentence(f"The playbook switches off the check {entry.gate} in {where}: {entry.reason}")),
    )


def _intended(story: _Story, entry: Intended, at: datetime) -> Rows:
    act = story.act(entry.move)
    if act is None:
        return (Happening(at, "change", "Something was done."),)
    again = f" (try {entry.attempt})" if entry.attempt > 1 else ""
    back = " to go back" if story.goes_back() else ""
    lines = tuple(map(story.discreet, act_lines(act, story.source.apex)))
    return (Happening(at, "change", f"{act_headline(act)}{back}{again}.", lines),)


def _accepted(_story: _Story, entry: Accepted, at: datetime) -> Rows:
    """One that named the request may take its time; what the others took shows at once."""
    return (Happening(at, "change", "The registrar took the request."),) if entry.operation else ()


def _failed(story: _Story, entry: Failed, at: datetime) -> Rows:
    why = story.discreet(entry.because)
    doubt = "; whether it took effect is asked of the servers" if entry.in_doubt else ""
    says = f"The call did not succeed: {why}{doubt}."
    return (Happening(at, "change", says),)


def _done(story: _Story, entry: Done, at: datetime) -> Rows:
    act = story.act(entry.move)
    lines = act_lines(act, story.source.apex) if act and entry.how == "already" else ()
    says = _HOW[entry.how].format(act_proof(act) if act else "it was seen")
    return (Happening(at, "change", sentence(says), tuple(map(story.discreet, (*lines, *entry.note)))),)


def _astray(story: _Story, entry: Astray, at: datetime) -> Rows:
    known, act = story.state.incident, story.act(entry.move)
    if entry.served:
        return (incidents.seen(known, entry, act if isinstance(act, SetDelegation) else None, at),)
    return (incidents.over(known, at),) if known else ()


def _judged(story: _Story, entry: Judged, at: datetime) -> Rows:
    place, status = (entry.move, entry.gate), _status(story, entry)
    before, story.last[place] = story.last.get(place), status
    is_bad = status in {"fail", "unknown"}
    key = (*place, status, entry.because if is_bad else "")
    recovered = status == "pass" and before in {"fail", "unknown"}
    relapsed = is_bad and before == "pass"
    if not (recovered or relapsed) and story.again(key, at):
        return ()
    story.rows[key] = len(story.told)
    seen = tuple(map(story.discreet, entry.differing)) if is_bad else ()
    notes = (*(f"warning: {each}" for each in entry.warnings), *(f"not checked: {each}" for each in entry.not_checked))
    lead = _lead(story, entry, "again" if recovered else status)
    return (Happening(at, "check", sentence(f"{lead}: {story.discreet(entry.because)}"), (*seen, *notes)),)


def _status(story: _Story, entry: Judged) -> str:
    known = story.state.active.move(entry.move).rounds.get(entry.gate) if story.state.active else None
    if entry.outcome == "fail" and entry.not_yet and not (known and known.ever_passed):
        return "wait"
    return entry.outcome


def _lead(story: _Story, entry: Judged, status: str) -> str:
    return place_lead(story.source.move(story.state, entry.move)) + outcome_words(entry.gate, status)


def _due(story: _Story, entry: DueSet, at: datetime) -> Rows:
    move = story.source.move(story.state, entry.move)
    verb = "Watching" if isinstance(move, Hold) and move.kind == "watch" else "Waiting"
    checks = ", ".join(gate.name for gate in move.gates) if isinstance(move, Hold) else ""
    meanwhile = f"; these checks went on meanwhile: {checks}" if checks else ""
    return (Happening(at, "wait", f"{verb} began{meanwhile}.", until=entry.until),)


def _rollback_asked(story: _Story, entry: RollbackAsked, at: datetime) -> Rows:
    who = story.discreet(f"asked for by {entry.by}")
    return (Happening(at, "person", f"Going back was {who}: {_SCOPES[entry.scope].format(entry.to_phase)}."),)


def _rollback_begun(story: _Story, entry: RollbackBegun, at: datetime) -> Rows:
    if not entry.phases:
        return (Happening(at, "back", sentence(f"The open phase was closed: {entry.because}")),)
    phases = " and ".join(story.source.phase_words(number) for number in entry.phases)
    ttls = ("TTLs were to be raised again, last",) if entry.raise_ttls else ()
    says = f"ROLLING BACK {phases}: {story.discreet(entry.because) or 'no reason was journaled'}"
    return (Happening(at, "back", sentence(says), ttls),)


def _asked(story: _Story, entry: PersonAsked, at: datetime) -> Rows:
    lines = tuple(story.discreet(each) for each in entry.text.splitlines() if each.strip())
    return (Happening(at, "person", f'It is to be done by hand; "{entry.operator}" was told:', lines),)


def _answered(story: _Story, entry: PersonAnswered, at: datetime) -> Rows:
    who = entry.by if story.source.is_internal else "A person"
    return (Happening(at, "person", f"{who} answered: {entry.answer}."),)


def _resumed(story: _Story, entry: Resumed, at: datetime) -> Rows:
    return (Happening(at, "person", f"A person had {story.source.phase_words(entry.phase)} try again."),)


def _phase_ended(story: _Story, entry: PhaseEnded, at: datetime) -> Rows:
    because = "" if entry.because in {"", "done"} else f": {story.discreet(entry.because)}"
    ends = _ENDS[entry.outcome].format(story.source.phase_words(entry.phase))
    affected = story.windows.get(at) if entry.outcome == "rolled-back" else None
    return (Happening(at, "end", sentence(f"{ends}{because}"), until=affected.until if affected else None),)


def _run_ended(_story: _Story, entry: RunEnded, at: datetime) -> Rows:
    says = "The run was finished" if entry.outcome == "finished" else "The run was closed, with everything taken back"
    return (Happening(at, "run", f"{says}; rolling back is over."),)


def _observed(_story: _Story, _entry: Observed, _at: datetime) -> Rows:
    """TTLs that servers gave are no event: they are counted among the safeguards."""
    return ()


TELLERS: Mapping[type, Callable[[_Story, Any, datetime], Rows]] = {
    Opened: _opened,
    Captured: _captured,
    Planned: _planned,
    HazardAccepted: _hazard,
    GateOff: _gate_off,
    Intended: _intended,
    Accepted: _accepted,
    Observed: _observed,
    Failed: _failed,
    Done: _done,
    Astray: _astray,
    Judged: _judged,
    DueSet: _due,
    RollbackAsked: _rollback_asked,
    RollbackBegun: _rollback_begun,
    PersonAsked: _asked,
    PersonAnswered: _answered,
    Resumed: _resumed,
    PhaseEnded: _phase_ended,
    RunEnded: _run_ended,
}
