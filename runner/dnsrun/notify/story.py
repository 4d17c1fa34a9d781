"""A journal to messages, record by record. Pure: the same records give the same messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dnsrun.errors import Exit
from dnsrun.model.entry import (
    Astray,
    Captured,
    DueSet,
    Judged,
    Opened,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
    RunEnded,
)
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import Notice
from dnsrun.model.text import shorten
from dnsrun.model.times import full_time

_MOST_LINES, _LONGEST = 40, 1000

_ENDINGS: Mapping[str, tuple[Notice, Exit, str]] = {
    "rolled-back": ("rolled-back", Exit.ROLLED_BACK, "was rolled back and checked"),
    "rollback-incomplete": ("rollback-incomplete", Exit.ROLLBACK_INCOMPLETE, "is not rolled back completely"),
    "paused": ("paused", Exit.PAUSED, "is paused, a person must decide"),
    "refused": ("gate-failed", Exit.REFUSED, "was refused; what visitors get was not changed"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told.

    `seq` and `at` (UTC) are those of the journal record that it tells of. `notices`: whoever wants to hear of one of
    them gets it, under the first that he wants. `exit` is the exit code that stands for it.
    """

    seq: int
    at: datetime
    notices: tuple[Notice, ...]
    domain: str
    run: str
    phase: int
    phase_name: str
    text: str
    exit: Exit


@dataclass(frozen=True, slots=True)
class Story:
    """What a record must be read with. `zone` is the digest of the newest capture, empty before the first.

    `plan` is the one being carried out; `watched`: it came to a watch; `asked`: moves for which a person was asked.
    `astray` are the name servers of which was told, in this plan, that the parent gives them though nobody planned it;
    caches keep them for up to `astray_s` seconds; `is_astray`: nobody was told yet that it is over.
    """

    opened: Opened | None = None
    planned: Planned | None = None
    plan: Plan | None = None
    watched: bool = False
    asked: frozenset[int] = field(default=frozenset())
    asked_back: bool = False
    ended: bool = False
    zone: str = ""
    astray: frozenset[str] = field(default=frozenset())
    astray_s: int = 0
    is_astray: bool = False

    def called(self, number: int) -> str:
        """Return a phase as people say it."""
        return f'phase {number} "{self.name_of(number)}"'

    def name_of(self, number: int) -> str:
        """Return the name of a phase."""
        return dict(self.opened.phases).get(number, "") if self.opened else ""


Told = tuple[Story, Message | None]
PlanOf = Callable[[str], Plan]


def follow(story: Story, record: Record, plan_of: PlanOf) -> Told:
    """Return the story after one more record, and what it gives to tell. `plan_of` returns a plan by its digest."""
    entry = record.entry
    if isinstance(entry, Planned):
        plan = plan_of(entry.plan)
        return replace(story, planned=entry, plan=plan, watched=False, asked=frozenset(), astray=frozenset()), None
    step: Callable[[Story, Any, Record], Told] | None = _STEPS.get(type(entry))
    return step(story, entry, record) if step else (story, None)


def _opened(story: Story, entry: Opened, _record: Record) -> Told:
    return replace(story, opened=entry), None


def _captured(story: Story, entry: Captured, _record: Record) -> Told:
    return replace(story, zone=entry.zone), None


def _due_set(story: Story, entry: DueSet, _record: Record) -> Told:
    move = story.plan.moves[entry.move] if story.plan else None
    return replace(story, watched=story.watched or (isinstance(move, Hold) and move.kind == "watch")), None


def _judged(story: Story, entry: Judged, record: Record) -> Told:
    """A gate that asks a person leaves nothing but its rounds in the journal."""
    move = story.plan.moves[entry.move] if story.plan else None
    asks = isinstance(move, Check) and move.gate.kind == "confirm" and entry.outcome == "unknown"
    if not asks or entry.move in story.asked:
        return story, None
    return _person(story, entry.move, entry.because, record)


def _person_asked(story: Story, entry: PersonAsked, record: Record) -> Told:
    return _person(story, entry.move, f"{entry.operator}: {entry.text}", record)


def _person(story: Story, move: int, text: str, record: Record) -> Told:
    after = replace(story, asked=story.asked | {move})
    number = story.planned.phase if story.planned else 0
    back = bool(story.planned and story.planned.direction == "back")
    begins = f"{'the rollback of ' if back else ''}{story.called(number)} needs a person"
    code = Exit.ROLLBACK_INCOMPLETE if back else Exit.PAUSED
    return after, _message(story, record, number, ("needs-person",), f"{begins}: {text}", code)


def _astray(story: Story, entry: Astray, record: Record) -> Told:
    """Each set of name servers is told once: a parent that goes back and forth would tell without end."""
    number = story.planned.phase if story.planned else 0
    if not entry.served:
        if not story.is_astray:
            return story, None
        forgotten = full_time(record.at + timedelta(seconds=story.astray_s))
        text = (
            f"{story.called(number)}: the incident is over, no server of the parent zone gives these name servers any "
            f"more; caches may hold them until {forgotten}"
        )
        return replace(story, is_astray=False), _message(story, record, number, ("incident",), text, Exit.DONE)
    given = frozenset(what for _, what in entry.served)
    after = replace(story, astray=story.astray | given, astray_s=max(story.astray_s, entry.ttl_s))
    if given <= story.astray:
        return after, None
    text = (
        f"INCIDENT in {story.called(number)}: {_where(entry)} gives {'; '.join(sorted(given))}, neither the old nor "
        f"the new name servers; caches keep that up to {entry.ttl_s} s. Nothing was written because of it, and the "
        "parent is asked on; if it stays, look for a typo, or ask the registrar"
    )
    return replace(after, is_astray=True), _message(story, record, number, ("incident",), text, Exit.FINDINGS)


def _where(entry: Astray) -> str:
    server = entry.served[0][0]
    return f"{server} of the parent zone" + (f" (and {entry.servers - 1} more)" if entry.servers > 1 else "")


def _resumed(story: Story, _entry: Resumed, _record: Record) -> Told:
    return replace(story, asked=frozenset()), None


def _rollback_asked(story: Story, _entry: RollbackAsked, _record: Record) -> Told:
    return replace(story, asked_back=True), None


def _rollback_begun(story: Story, entry: RollbackBegun, record: Record) -> Told:
    """A rollback for which nobody asked is that of a gate that failed."""
    after = replace(story, asked_back=False)
    if story.asked_back or not entry.phases:
        return after, None
    text = f"{story.called(entry.phases[0])} failed and is being rolled back: {entry.because}"
    return after, _message(story, record, entry.phases[0], ("gate-failed",), text, Exit.ROLLED_BACK)


def _run_ended(story: Story, _entry: RunEnded, _record: Record) -> Told:
    return replace(story, ended=True), None


def _phase_ended(story: Story, entry: PhaseEnded, record: Record) -> Told:
    if entry.outcome == "done":
        return story, _done(story, entry, record)
    covers = story.planned.covers if story.planned else ()
    if entry.outcome == "rolled-back" and covers and entry.phase != covers[-1]:
        return story, None  # told once, with the last of them
    notice, code, words = _ENDINGS[entry.outcome]
    which = ", ".join(map(story.called, covers or (entry.phase,)))
    text = f"{which} {words}" + (f": {entry.because}" if entry.because else "")
    return story, _message(story, record, entry.phase, (notice,), text, code)


def _done(story: Story, entry: PhaseEnded, record: Record) -> Message:
    watch = "; its watch has ended" if story.watched else ""
    end = "; the run is finished" if story.ended else ""
    notices: tuple[Notice, ...] = ("watch-ended", "done") if story.watched else ("done",)
    return _message(story, record, entry.phase, notices, f"{story.called(entry.phase)} is done{watch}{end}", Exit.DONE)


def _message(story: Story, record: Record, number: int, notices: tuple[Notice, ...], text: str, code: Exit) -> Message:
    opened = story.opened
    return Message(
        seq=record.seq,
        at=record.at,
        notices=notices,
        domain=opened.domain if opened else "",
        run=opened.run if opened else "",
        phase=number,
        phase_name=story.name_of(number),
        text="\n".join(shorten(line, _LONGEST) for line in text.splitlines()[:_MOST_LINES]),
        exit=code,
    )


_STEPS: Mapping[type, Callable[[Story, Any, Record], Told]] = {
    Opened: _opened,
    Captured: _captured,
    DueSet: _due_set,
    Astray: _astray,
    Judged: _judged,
    PersonAsked: _person_asked,
    Resumed: _resumed,
    RollbackAsked: _rollback_asked,
    RollbackBegun: _rollback_begun,
    RunEnded: _run_ended,
    PhaseEnded: _phase_ended,
}
