"""A report as headings, sentences, tables and commands, in local time; text and Markdown are made from these. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from dnsrun.model.times import full_time

from .value import Affected, ByHand, Cause, CommandLine, GapKind, Happening, Lock, PhaseNow, Report
from .words import BUILT_IN, gate_words, sentence

CHAPTERS = (
    "1. What happened when",
    "2. Why",
    "3. How it is kept from happening again",
    "4. The exact procedure from here",
)


DETAIL = "· "


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: level 1 for the report, 2 for a chapter, 3 below it."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence, or several."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list without order."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below their titles; the last column holds the long texts. A row that continues has empty cells."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands to type, each with what it does."""

    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lines that stay as they are."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Items | Table | Commands | Sheet


def document(report: Report) -> tuple[Block, ...]:
    """Return the report's blocks in reading order. Times are shown in the zone of the machine, then in UTC."""
    return (*_head(report), *_what(report), *_why(report), *_never(report), *_procedure(report))


def _head(report: Report) -> Iterator[Block]:
    domain = f"{report.unicode} ({report.domain})" if report.unicode else report.domain
    yield Heading(1, f"Report on {domain}")
    yield Paragraph(report.result)
    facts = [
        ("Goal", report.goal or "not told by the playbook"),
        ("Made", f"{full_time(report.made_at)}, by dnsrun {report.made_with}, from the journal alone"),
        (
            "Journal",
            f"{report.records} records, the last of {full_time(report.as_of)}; each holds the hash of the one before",
        ),
        ("Run", f"{report.run}, begun with dnsrun {report.version}"),
        ("Playbook", f"SHA-256 {report.playbook}"),
    ]
    if report.other_runs:
        facts.append(("Other runs", f"{', '.join(report.other_runs)} (shown by --run)"))
    yield Table(("", ""), tuple(facts))
    if report.unclear:
        yield Items(report.unclear)


def _what(report: Report) -> Iterator[Block]:
    yield Heading(2, CHAPTERS[0])
    day: date | None = None
    rows: list[Happening] = []
    for row in report.timeline:
        if rows and row.at.astimezone().date() != day:
            yield from _day(rows)
            rows = []
        day = row.at.astimezone().date()
        rows.append(row)
    if rows:
        yield from _day(rows)


def _day(rows: list[Happening]) -> Iterator[Block]:
    yield Heading(3, f"{rows[0].at.astimezone():%Y-%m-%d (%A)}")
    yield Table(("Local time", "UTC", "What"), tuple(line for row in rows for line in _lines(row)))


def _lines(row: Happening) -> Iterator[tuple[str, ...]]:
    yield (*_stamps(row.at), _said(row))
    until = (_UNTIL.get(row.kind, "until {}").format(full_time(row.until)),) if row.until else ()
    for detail in (*row.details, *until):
        yield ("", "", f"{DETAIL}{detail}")


_UNTIL = {
    "wait": "to last until {}",
    "incident": "caches may have kept these name servers until {}, and what those answered for its own TTL",
    "end": "some users may still have met what was taken back, until {} at the latest",
}


def _said(row: Happening) -> str:
    if row.times == 1 or row.last_at is None:
        return row.says
    return f"{row.says.removesuffix('.')} ({row.times} times, last at {row.last_at.astimezone():%H:%M:%S})."


def _stamps(when: datetime) -> tuple[str, str]:
    local, utc = when.astimezone(), when.astimezone(UTC)
    day = "" if local.date() == utc.date() else f"{utc:%m-%d} "
    return f"{local:%H:%M:%S %Z}", f"{day}{utc:%H:%M:%S}"


def exact_time(when: datetime) -> str:
    """Return a time to the second, local and UTC, such as `2026-03-02 10:15:07 JST (01:15:07 UTC)`."""
    local, utc = when.astimezone(), when.astimezone(UTC)
    if local.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    shown = f"{utc:%H:%M:%S}" if local.date() == utc.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({shown} UTC)"


def _why(report: Report) -> Iterator[Block]:
    yield Heading(2, CHAPTERS[1])
    if not report.causes:
        yield Paragraph("Nothing has failed in this run: no phase was refused, paused or taken back.")
    for cause in report.causes:
        yield from _cause(cause)


def _cause(cause: Cause) -> Iterator[Block]:
    name = f'Phase {cause.phase} "{cause.phase_name}"' if cause.phase_name else f"Phase {cause.phase}"
    yield Heading(3, f"{name} {cause.led_to}")
    yield Table(("", ""), tuple(_facts(cause)))


def _facts(cause: Cause) -> Iterator[tuple[str, str]]:
    yield (_CAME_FROM[cause.came_from], gate_words(cause.gate) if cause.gate else cause.says)
    if cause.gate:
        yield ("What it saw", f"{cause.says}{f' ({cause.times} times in a row)' if cause.times > 1 else ''}")
    yield from _continued("The answers", cause.seen)
    yield from _continued("What it guards" if cause.gate else "The change", cause.guarded)
    times = (
        ("Last passed", cause.last_good),
        ("First failed", cause.first_bad),
        ("Decided", cause.decided_at),
    )
    yield from ((label, exact_time(when)) for label, when in times if when)
    if cause.affected:
        yield ("Who was affected", _affected(cause.affected))


_CAME_FROM = {
    "check": "What failed",
    "call": "What failed",
    "person": "Why",
    "other": "Why",
}


def _continued(label: str, texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, text in enumerate(texts):
        yield (label if index == 0 else "", text)


def _affected(affected: Affected) -> str:
    since = f"some users may have met what was written from {exact_time(affected.since)}"
    if affected.until is None:
        return f"{since} on; the way back is not finished"
    return f"{since} until {exact_time(affected.until)} at the latest, when the last cache had forgotten it"


def _never(report: Report) -> Iterator[Block]:
    yield Heading(2, CHAPTERS[2])
    yield Heading(3, "What protects")
    yield Items(report.safeguards)
    yield Heading(3, "What is locked")
    yield Items(tuple(map(_lock, report.locks)) or ("Nothing waits for caches now.",))
    yield Heading(3, "What was NOT protected, not asked, or not dnsrun's doing")
    yield Items(tuple(_gaps(report)))
    if report.checks:
        yield Heading(3, "The checks of this run")
        yield Table(("Phase", "When", "Passed", "Waited", "Failed", "Unknown", "Check"), tuple(_checks(report)))
        yield Items(tuple(_legend(report)))


def _legend(report: Report) -> Iterator[str]:
    names = dict.fromkeys(each.gate.partition(" (")[0] for each in report.checks if each.is_built_in)
    yield from (f"{gate}: {BUILT_IN[gate]}; built in." for gate in names)
    if any(each.waited for each in report.checks):
        yield "Waited: not every name server showed the change yet, so they were asked again."


def _lock(lock: Lock) -> str:
    return f"{lock.says} Until {full_time(lock.until)}." if lock.until else lock.says


def _gaps(report: Report) -> Iterator[str]:
    if not any(gap.kind == "gate off" for gap in report.gaps):
        yield "No check was switched off."
    if not any(gap.kind == "risk accepted" for gap in report.gaps):
        yield "No risk had to be accepted."
    places: dict[tuple[GapKind, str], list[int]] = {}
    for gap in report.gaps:
        places.setdefault((gap.kind, gap.says), []).append(gap.phase)
    for (kind, says), phases in places.items():
        yield sentence(f"{_GAPS[kind]}{_in_phases(phases)}: {says}")


def _in_phases(phases: list[int]) -> str:
    numbers = [str(number) for number in dict.fromkeys(phases) if number]
    return f" (phase {' and '.join(numbers)})" if numbers else ""


_GAPS = {
    "gate off": "Switched off by the playbook",
    "risk accepted": "A person accepted this risk",
    "not checked": "Could not be asked from here",
    "warning": "Warning",
    "foreign edit": "Changed by somebody else, and kept",
    "left alone": "Left alone by the rollback",
    "advisory": "Not binding",
    "capture": "Not the whole truth",
    "incident": "Not planned by anybody",
}


def _checks(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.checks:
        counts = (each.passed, each.waited, each.failed, each.unknown)
        yield (f"{each.phase} {each.phase_name}", each.when, *map(_count, counts), each.gate)


def _count(count: int) -> str:
    return str(count) if count else "-"


def _procedure(report: Report) -> Iterator[Block]:
    yield Heading(2, CHAPTERS[3])
    yield Table(("", "Phase", "Stands at", "Since"), tuple(map(_phase, report.phases)))
    if report.by_hand:
        yield Heading(3, "By hand first")
        for task in report.by_hand:
            yield from _by_hand(task)
    yield Heading(3, "Then type, in the project's folder" if report.by_hand else "Type next, in the project's folder")
    yield from _typed(report.commands, "Nothing: no phase is left.")
    yield Heading(3, "How to get back")
    yield from _typed(report.way_back, _no_way_back(report))


def _no_way_back(report: Report) -> str:
    states = {phase.state for phase in report.phases}
    if "going back" in states:
        return "The way back is under way; it is finished as said above."
    if not report.commands and "done" in states:
        return "Not any more: the run is closed."
    return "Nothing stands that could be taken back."


def _phase(phase: PhaseNow) -> tuple[str, ...]:
    stands = "rolled back; next again" if phase.state == "rolled back" else phase.state
    opens = f", not before {full_time(phase.not_before)}" if phase.not_before else ""
    since = full_time(phase.at) if phase.at else ""
    return (str(phase.number), phase.name, f"{stands}{opens}", since)


def _by_hand(task: ByHand) -> Iterator[Block]:
    if not task.who:
        yield Paragraph(task.text)
        return
    yield Paragraph(f'What "{task.who}" was told, and what does not show yet:')
    yield Sheet(tuple(task.text.splitlines()))


def _typed(lines: tuple[CommandLine, ...], nothing: str) -> Iterator[Block]:
    if not lines:
        yield Paragraph(nothing)
        return
    yield Commands(tuple((each.line, _does(each)) for each in lines))


def _does(command: CommandLine) -> str:
    return f"{command.does} (not before {full_time(command.not_before)})" if command.not_before else command.does
