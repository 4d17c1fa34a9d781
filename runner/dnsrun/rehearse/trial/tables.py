"""Drills and faults as tables in words, and as data. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dnsrun.model.times import duration

from .drills import WAYS, Drilled
from .faults import Faulted
from .summary import Summary, recovery_s
from .telling import Line, ending_words

_NAME = 20
WORDS = {
    "by hand": "by hand: the old name servers are put back, and nothing else is done",
    "old zone deleted": (
        "old zone deleted: the old host has deleted it when the gate fails. The delegation does not go back to servers "
        "that do not answer; the new zone is repaired, and a person is asked"
    ),
    "new zone deleted": (
        "new zone deleted: somebody deletes it straight after dnsrun's rollback. Caches still ask its servers: it must "
        "stay until the time that is said then"
    ),
}
"""What each way of a drill is, by its word."""


def drill_lines(drilled: Sequence[Drilled]) -> Iterator[Line]:
    """Yield the table of drills: how it ended, for how long users were failed, beside a rollback by hand."""
    yield (
        "Drills: every gate fails once. Broken user-seconds, and when the last user behind each cache was well:",
        "strong",
    )
    wide = max((len(str(one.drill)) for one in drilled), default=0)
    for one in drilled:
        verdict = "ok" if one.is_allowed else "NOT AS PROMISED"
        end = one.found.played.phases[-1]
        yield f"  {one.drill!s:<{wide}}  {end.outcome:<20} {verdict}", "ok" if one.is_allowed else "failed"
        for way, found in one.ways:
            yield f"      {way:<18}{cost(found)}", "plain" if found is one.found else "changed"
            if way != "by hand" and not one.is_as_promised(found):
                last = found.played.phases[-1]
                yield f"        NOT AS PROMISED: {last.outcome}: {last.failed or last.because}", "failed"
                yield f"        {ending_words(found.played)} {', '.join(found.played.left_over)}", "failed"
    yield from ((f"  {WORDS[way]}.", "plain") for way in WAYS[1:] if any(way in dict(one.ways) for one in drilled))
    good = sum(one.is_allowed for one in drilled)
    yield f"{good} of {len(drilled)} drills ended as promised.", "ok" if good == len(drilled) else "failed"


def cost(found: Summary) -> str:
    """Return for how long users were failed, for people: all of them, and behind which caches longest."""
    if not found.broken_user_seconds:
        return "nobody was failed"
    honest = {story.kind for story in found.played.stories if story.honest}
    took = recovery_s(found)
    each = [f"caches that keep to TTLs {duration(max((took[kind] for kind in honest), default=0))}"]
    each += [f"{kind} {duration(seconds)}" for kind, seconds in took.items() if seconds and kind not in honest]
    return f"{found.broken_user_seconds:,} user-seconds; {', '.join(each)}"


def fault_lines(faulted: Sequence[Faulted]) -> Iterator[Line]:
    """Yield the table of faults: what came of each, and whether that is allowed."""
    yield "Faults: TGT the target, CAP as captured, HOLD a stop for a person, - cannot happen here", "strong"
    wide = max((len(one.fault.words) for one in faulted), default=0)
    for one in faulted:
        broken = f"{one.found.broken_user_seconds:,} s broken" if one.found else ""
        verdict = "" if one.found is None else "allowed" if one.is_allowed else "NOT ALLOWED"
        style = "plain" if one.found is None else "ok" if one.is_allowed else "failed"
        yield f"  {one.fault.name:<{_NAME}} {one.fault.words:<{wide}}  {one.outcome:<5} {broken:<14} {verdict}", style  # type: ignore[misc] # one of the styles
        if one.fault.harm and one.harm_s:
            yield f"      {one.harm_s:,} s of it behind caches that keep to TTLs: {one.fault.harm.words}", "changed"
        yield from (
            (f"      told: {incident}", "plain") for incident in (one.found.played.incidents if one.found else ())
        )
        if one.found and one.outcome in {"HOLD", "CAP", "?"}:
            last = one.found.played.phases[-1]
            yield f"      {(last.failed or last.because).splitlines()[0]}", "plain"
    played = [one for one in faulted if one.found is not None]
    good, not_here = sum(one.is_allowed for one in played), len(faulted) - len(played)
    more = f"; {not_here} cannot happen here" if not_here else ""
    yield f"{good} of {len(played)} outcomes are allowed{more}.", "ok" if good == len(played) else "failed"


def drills_as_data(drilled: Sequence[Drilled]) -> list[dict[str, Any]]:
    """Return the drills as JSON data."""
    return [
        {
            "phase": one.drill.phase,
            "gate": one.drill.gate,
            "when": one.drill.when,
            "outcome": one.found.played.outcome,
            "ending": one.found.played.ending,
            "allowed": one.is_allowed,
            "dnsrun": _as_data(one.found),
            "by_hand": _as_data(one.by_hand) if one.by_hand else None,
            "old_zone_deleted": _ended(one.purged) if one.purged else None,
            "new_zone_deleted": _ended(one.deleted) if one.deleted else None,
        }
        for one in drilled
    ]


def faults_as_data(faulted: Sequence[Faulted]) -> list[dict[str, Any]]:
    """Return the faults as JSON data."""
    return [
        {
            "fault": one.fault.name,
            "number": one.fault.number or None,
            "outcome": one.outcome,
            "allowed": one.is_allowed,
            "ended": one.found.played.outcome if one.found else None,
            "because": one.found.played.phases[-1].because if one.found else None,
            "incidents": list(one.found.played.incidents) if one.found else [],
            "not_ours_s": one.harm_s,
            "not_ours": one.fault.harm.words if one.fault.harm and one.harm_s else None,
            **(_as_data(one.found) if one.found else {}),
        }
        for one in faulted
    ]


def _ended(found: Summary) -> dict[str, Any]:
    last = found.played.phases[-1]
    return {"outcome": last.outcome, "because": last.because, "ending": found.played.ending, **_as_data(found)}


def _as_data(found: Summary) -> dict[str, Any]:
    return {
        "broken_user_seconds": found.broken_user_seconds,
        "worst_for_a_user_s": found.worst_s,
        "recovery_s": dict(recovery_s(found)),
    }
