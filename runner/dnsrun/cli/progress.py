"""What the engine tells, as lines with the local time: quiet while it goes well, plain when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import dns.name
from dns.name import Name

from dnsrun.engine.progress import (
    AskedPerson,
    AtParent,
    CallFailed,
    Calling,
    Compared,
    Event,
    GoingBack,
    Judging,
    Shown,
    Staying,
)
from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.changetext import change_words, names_text, relative, values
from dnsrun.model.observation import Words
from dnsrun.model.plan import Check, Plan
from dnsrun.model.rrset import Change
from dnsrun.model.text import shorten
from dnsrun.model.times import clock_time, full_time

from .console import Console, Part, Style
from .findings import LONGEST, fitted, parts_of
from .handing import names_of, switch_of

WIDTH = 61  # where the outcome of a line stands
_GOING_BACK: Mapping[str, str] = {
    "not-started": "every parent server still serves the new name servers",
    "propagating": "some parent servers serve the old name servers again, some still the new ones",
}
QUIET = frozenset({"untouched"})  # gates that are worth a word only when they do not pass


@dataclass(slots=True)
class Tally:
    """The numbers of the recap line."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    rolled_back: int = 0


class Progress:
    """Listens to one run and prints. Lives as long as one command; not for several threads."""

    def __init__(self, console: Console, apex: Name, *, cron: str) -> None:
        self.tally = Tally()
        self.back_at: datetime | None = None
        self.back_changes: tuple[Change, ...] = ()
        self.instructed: str = ""
        self.questions: int = 0  # asked in one round of parity, where that is known
        self._answers = 0
        self._console = console
        self._apex = apex
        self._cron = cron
        self._pending: dict[str, tuple[datetime, str, int]] = {}
        self._said: str = ""
        self._parent_said: str = ""
        self._passed: set[tuple[str, str]] = set()
        self._waiting: set[str] = set()
        self._warned: set[str] = set()
        self._glue = ","

    def tell(self, at: datetime, event: Event) -> None:
        """Print one event; the engine's listener."""
        if isinstance(event, Compared):
            self._compared(event)
            return
        self._answers = 0
        if not isinstance(event, Judging):
            self._flush()
        self._told(at, event)

    def _told(self, at: datetime, event: Event) -> None:
        match event:
            case Judging():
                self._judged(at, event)
            case Calling():
                self._calling(at, event)
            case Shown():
                self._shown(at, event)
            case CallFailed():
                self._call_failed(at, event)
            case Staying():
                self._staying(at, event)
            case GoingBack():
                self._going_back(at, event)
            case AskedPerson():
                self._asked(at, event)
            case AtParent():
                self._at_parent(at, event)

    def _compared(self, event: Compared) -> None:
        """Show how far a long comparison is, on a terminal."""
        self._answers += event.count
        of = f" of {self.questions:,}" if self.questions >= self._answers else ""
        self._console.passing(f"the same answers everywhere? {self._answers:,}{of} answers are as they should be")

    def finish(self) -> None:
        """Print what is still held back, and end the open line."""
        self._flush()
        self._console.end()

    def _at_parent(self, at: datetime, event: AtParent) -> None:
        """Say each state of the delegation once."""
        said = (_GOING_BACK if event.back else {}).get(event.handover.state) or str(event.handover)
        if said != self._parent_said:
            self._parent_said = said
            if event.handover.state == "wrong":
                self._paragraph(at, f"INCIDENT: {said}", "failed")
            else:
                self._paragraph(at, said)

    # One gate, one round

    def _judged(self, at: datetime, event: Judging) -> None:
        verdict, when = event.verdict, event.move.when if isinstance(event.move, Check) else "hold"
        place = (when, event.gate.name)
        if verdict.outcome == "pass":
            self._pending.pop(event.gate.name, None)
            self._pass(at, event, place)
            return
        if when == "baseline":
            return
        if verdict.not_yet:
            self._not_yet(at, event, place)
            return
        self._pending[event.gate.name] = (at, verdict.because, event.failures)
        self._console.passing(verdict.because)

    def _pass(self, at: datetime, event: Judging, place: tuple[str, str]) -> None:
        when, name = place
        known = place in self._passed
        self._passed.add(place)
        if when == "baseline" or known:
            return
        self.tally.ok += 1
        if event.gate.kind in QUIET or when in {"safe", "hold"}:
            return
        if event.gate.kind == "records":
            self._same_everywhere(at, event, name)
        elif when == "back":
            self._add(at, f"{shorten(name)} ok")
        else:
            self._line(at, _good(event, self._apex), ("ok", "ok"))
        for warning in event.verdict.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._paragraph(at, f"warning: {warning}")

    def _not_yet(self, at: datetime, event: Judging, place: tuple[str, str]) -> None:
        """Say once which servers still give the old answer; the same line ends when they do not."""
        said = event.verdict.because
        if place[1] not in self._waiting:
            self._waiting.add(place[1])
            self._add(at, said)
            self._said = said
        else:
            self._console.passing(said)

    def _same_everywhere(self, at: datetime, event: Judging, name: str) -> None:
        said = event.verdict.because
        if name in self._waiting:
            self._waiting.discard(name)
            news = [part for part in said.split(", ") if part not in self._said.split(", ")]
            if self._console.is_open:
                self._console.more(f" … {', '.join(news)} ({clock_time(at)})")
            else:
                self._add(at, said)
        else:
            self._add(at, said)

    # Acts

    def _calling(self, at: datetime, event: Calling) -> None:
        if event.attempt > 1:
            self._line(at, f"trying again (attempt {event.attempt}): {_target(event.act)}")
        self._console.passing(f"writing: {_target(event.act)}")

    def _call_failed(self, at: datetime, event: CallFailed) -> None:
        again = f"; next try at {clock_time(event.again_at)}" if event.again_at else ""
        text = f"{_target(event.act)}: {shorten(event.because, 400)}{again}"
        if len(text) < WIDTH:
            self._line(at, text, ("failed", "failed"))
        else:
            self._paragraph(at, text, "failed")
        self.tally.failed += 1

    def _asked(self, at: datetime, event: AskedPerson) -> None:
        self.instructed = event.text
        self._line(at, f"for {shorten(event.operator)}, by hand:")
        for line in event.text.splitlines():
            self._console.err(f"          {line}")

    def _shown(self, at: datetime, event: Shown) -> None:
        self._count(event)
        if event.back:
            self.back_at = at
        else:
            self._add(at, "is so already" if event.how == "already" else _done(event.act), glue=";")
        for note in event.note:
            self._line(at, f"note: {note}")

    def _count(self, event: Shown) -> None:
        """Count record sets, and what people and programs did; a refresh changes nothing of its own."""
        count = len(event.act.changes) if isinstance(event.act, WriteZone) else 1
        if event.how == "already" or isinstance(event.act, Refresh):
            self.tally.ok += 1
        elif event.back:
            self.tally.rolled_back += count
        else:
            self.tally.changed += count

    def _staying(self, at: datetime, event: Staying) -> None:
        verb = "waiting" if event.move.kind == "wait" else "watching"
        self._line(at, f"{verb} until {full_time(event.until)}: {event.because}")
        self._console.err("          Something must go on running until then: leave this running, or let cron do it:")
        self._console.err(f"          {self._cron}")

    def _going_back(self, at: datetime, event: GoingBack) -> None:
        self._passed.clear()
        self._waiting.clear()
        self.back_changes = event.plan.changes()
        self._line(at, f"ROLLING BACK  {_back(event.plan, self._apex)}", ("", "failed"))

    # Lines

    def _flush(self) -> None:
        """Print the failures that were held back, in the order of their times: they have decided by now."""
        pending, self._pending = self._pending, {}
        for name, (at, because, times) in sorted(pending.items(), key=lambda held: held[1][0]):
            self.tally.failed += 1
            outcome: tuple[str, Style] = (f"{times} times" if times > 1 else "failed", "failed")
            findings = parts_of(because)
            if len(findings) == 1 and len(because) <= LONGEST:
                self._line(at, because, outcome)
            else:
                self._list(at, name, findings, outcome)

    def _list(self, at: datetime, name: str, findings: list[str], outcome: tuple[str, Style]) -> None:
        """Print what a gate found as a list that is read at 100 columns."""
        self._line(at, f"{shorten(name)}:", outcome)
        for finding in findings:
            for line in fitted(finding, LONGEST):
                self._console.err(f"          {line}")

    def _paragraph(self, at: datetime, text: str, style: Style = "plain") -> None:
        """Print a text that may be long."""
        first, *rest = fitted(text, LONGEST)
        self._console.err(f"{clock_time(at)}  ", (first, style))
        for line in rest:
            self._console.err("          ", (line, style))

    def _line(self, at: datetime, text: str, outcome: tuple[str, Style] | None = None) -> None:
        parts: list[Part] = [f"{clock_time(at)}  "]
        if outcome and not outcome[0]:
            parts.append((text, outcome[1]))
        elif outcome:
            parts += [f"{text:<{WIDTH - 2}}  ", outcome]
        else:
            parts.append(text)
        self._console.err(*parts)

    def _add(self, at: datetime, text: str, *, glue: str = ",") -> None:
        """Add to the open line, or begin one; `glue` stands before what is added next."""
        if self._console.is_open:
            self._console.more(f"{self._glue} {text}")
        else:
            self._console.begin(f"{clock_time(at)}  {text}")
        self._glue = glue


def _target(act: Act) -> str:
    match act:
        case WriteZone():
            keys = ", ".join(str(change.key) for change in act.changes[:3])
            more = f" and {len(act.changes) - 3} more" if len(act.changes) > 3 else ""
            return f"{keys}{more} at {act.provider}"
        case SetDelegation():
            return f"{'name servers' if act.moves_servers else 'DS'} at {act.provider}"
        case Refresh():
            return f"refresh of {act.provider}"
        case SetService():
            return f"{act.service} {'on' if act.after else 'off'} at {act.provider}"
        case RunCommand():
            return shorten(" ".join(act.argv))
        case Instruct():
            return f"{shorten(act.operator)}: {shorten(act.text)}"


def _done(act: Act) -> str:
    match act:
        case WriteZone():
            return "changed"
        case SetDelegation():
            return f"every server of the parent delegates to {names_of(act.after)}" if act.moves_servers else "DS set"
        case Refresh():
            return f"{act.provider} has fetched the zone"
        case SetService():
            return f"{act.service} is {'on' if act.after else 'off'} at {act.provider}"
        case RunCommand():
            return f"ran {shorten(' '.join(act.argv))}"
        case Instruct():
            return f"done by {shorten(act.operator)}"


def _good(event: Judging, apex: Name) -> str:
    """Return what a gate that passed has seen; before a write, that the future server was asked directly."""
    services = [each for each in event.verdict.evidence if isinstance(each.got, Words) and not each.control]
    if isinstance(event.move, Check) and event.move.when == "before" and services:
        host = relative(services[0].server.name, apex) if services[0].server.name != dns.name.root else ""
        addresses = ", ".join(dict.fromkeys(each.server.address for each in services))
        return f"{host or shorten(str(services[0].of))} at {addresses}, asked directly"
    return event.verdict.because or shorten(event.gate.name)


def _back(plan: Plan, apex: Name) -> str:
    """Return what goes back to what, such as `www, @ → 192.0.2.10`."""
    groups: dict[str, list[str]] = {}
    for change in plan.changes():
        goal = change_words(change) if change.ttl_only else f"→ {values(change.after)}"
        groups.setdefault(goal, []).append(relative(change.key.owner, apex))
    switch = switch_of(plan)
    if not groups and switch is None:
        return "nothing is left to take back"
    parts = [f"{names_text(tuple(dict.fromkeys(names)))} {goal}" for goal, names in list(groups.items())[:4]]
    return "; ".join([*parts, *([f"name servers → {names_of(switch.after)}"] if switch else [])])
