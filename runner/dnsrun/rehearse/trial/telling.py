"""A trial in words, for a terminal: what happens when, whom it fails and why. Pure; lines with a style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from dnsrun.model.times import duration, full_time

from .played import PhasePlayed, Played
from .summary import Moved, Span, Summary, alike, by_want

Style = Literal["ok", "changed", "failed", "strong", "plain"]
Line = tuple[str, Style]
MOST_SPANS = 12
MOST_NAMES = 12
OUTCOMES = {
    "done": "done",
    "nothing": "nothing to do",
    "rolled-back": "ROLLED BACK",
    "rollback-incomplete": "ROLLBACK NOT COMPLETE",
    "refused": "REFUSED",
    "paused": "PAUSED",
    "waiting": "WAITS FOR A PERSON",
    "by hand": "put back by hand",
}
ENDINGS = {
    "target": "the records that the playbook wants",
    "checkpoint": "the records that were captured",
    "between": "neither the records that the playbook wants nor those that were captured",
}


def lines(found: Summary) -> Iterator[Line]:
    """Yield the whole story."""
    played = found.played
    kinds = dict.fromkeys(story.kind for story in played.stories)
    lasted = duration((played.ended - played.began).total_seconds())
    who = f"{found.users:,} users behind {len(kinds)} kinds of caches"
    how = "as people do it by hand" if played.outcome == "by hand" else "rehearsed on this machine"
    yield f"{played.domain}: {how}, {lasted}; {who} ask every second", "strong"
    yield "", "plain"
    for phase in played.phases:
        yield from _phase(phase)
    yield "", "plain"
    yield from ((f"INCIDENT: {incident}", "failed") for incident in played.incidents)
    if stopped := stopped_words(played):
        yield stopped, "failed"
    yield from _moves(found)
    yield from _broken(found)
    yield ending_words(played), "failed" if played.ending == "between" else "plain"
    for key in played.left_over[:MOST_NAMES]:
        yield f"  {key}", "failed"
    yield from _small_print(found)


def stopped_words(played: Played) -> str:
    """Return where a migration stopped, and what was not reached; empty where it did not."""
    if not played.phases or played.outcome in {"done", "nothing", "by hand"}:
        return ""
    last = played.phases[-1]
    rest = f"; not reached: {', '.join(played.not_reached)}" if played.not_reached else ""
    return f'It stops in phase {last.number} "{last.name}": {OUTCOMES.get(last.outcome, last.outcome)}{rest}.'


def ending_words(played: Played) -> str:
    """Return what the name servers give at the end, and which they are where that is not what was planned."""
    if played.ending == "target" and played.outcome in {"done", "nothing"}:
        return "At the end every name server holds what the playbook wants."
    words = f"At the end the name servers give {ENDINGS[played.ending]}"
    if played.lowered:
        words += f", {played.lowered} of them with lower TTLs than before"
    colon = ":" if played.left_over else "."
    return f"{words}; the parent names {', '.join(played.delegated)}{colon}"


def _phase(phase: PhasePlayed) -> Iterator[Line]:
    style: Style = "ok" if phase.outcome in {"done", "nothing"} else "failed"
    may_start = f"may start from {full_time(phase.earliest)}" if phase.earliest else "may start at once"
    if phase.outcome == "refused" and not phase.earliest:
        may_start = ""  # not known: it was not planned to the end
    yield f"  {phase.number}  {phase.name:<24}  {may_start}".rstrip(), "plain"
    took = duration((phase.ended - phase.began).total_seconds())
    yield f"     {OUTCOMES.get(phase.outcome, phase.outcome)} after {took}, {full_time(phase.ended)}", style
    if phase.failed:
        yield f"     went back {full_time(phase.went_back_at or phase.ended)}: {phase.failed}", "failed"
    elif phase.outcome not in {"done", "nothing"}:
        for text in phase.because.splitlines():
            yield f"     {text}", "failed"
    if phase.hazards:
        yield f"     accepted for the rehearsal: {', '.join(phase.hazards)}", "changed"


def _moves(found: Summary) -> Iterator[Line]:
    moves = by_want(found.moves)
    if moves:
        yield "Who came to the new data when, the last user behind each kind of cache:", "strong"
    for want, each in list(moves.items())[:MOST_NAMES]:
        yield f"  {want}   ({want.service})", "plain"
        yield from ((f"    {when:<16} {who}", "plain") for when, who in moved_words(each, found))
    if len(moves) > MOST_NAMES:
        yield f"  and {len(moves) - MOST_NAMES} more names (--json lists all)", "plain"
    if found.undisturbed:
        names = ", ".join(str(want) for want in found.undisturbed[:MOST_NAMES])
        more = f" and {len(found.undisturbed) - MOST_NAMES} more" if len(found.undisturbed) > MOST_NAMES else ""
        yield f"Never anything but the right answer: {names}{more}", "ok"


def moved_words(moves: Sequence[Moved], found: Summary) -> Iterator[tuple[str, str]]:
    """Yield when and who: once for all caches that keep to TTLs, once for each kind that does not."""
    dishonest = {story.kind for story in found.played.stories if not story.honest}
    honest = [move for move in moves if move.kind not in dishonest]
    if honest:
        slowest = max(honest, key=lambda move: (move.last is None, move.last or found.played.ended, move.kind))
        yield _when_and_who(slowest, f"caches that keep to TTLs ({len(honest)} kinds), the last: {slowest.kind}", found)
    for move in (move for move in moves if move.kind in dishonest):
        yield _when_and_who(move, move.kind, found)


def _when_and_who(move: Moved, who: str, found: Summary) -> tuple[str, str]:
    began = found.played.began
    never = "not for good" if move.back else "never"
    when = f"{_moment(move.last, began)}" if move.last else "not all of them" if move.first else never
    late = f", {duration(move.outdated_s)} after the servers" if move.outdated_s > 0 else ""
    return when, f"{who}{late}"


def _broken(found: Summary) -> Iterator[Line]:
    if not found.spans:
        yield unharmed_words(found), "ok" if found.played.ending != "between" else "plain"
        return
    yield "Broken, the gravest first:", "strong"
    groups = alike(found.spans)
    for span, kinds in groups[:MOST_SPANS]:
        yield f"  {span_words(span, kinds)}", "failed"
    if len(groups) > MOST_SPANS:
        yield f"  and {len(groups) - MOST_SPANS} more (--json lists all)", "failed"
    yield f"{total_words(found)}.", "failed"
    for kind, seconds in found.broken_by_kind().items():
        if seconds:
            yield f"  {seconds:>9,}  {kind}", "failed"


def unharmed_words(found: Summary) -> str:
    """Say that nobody was failed; of how many names, where some are not as they are to be."""
    if found.played.ending != "between":
        return "No user got a wrong answer, not for a second."
    names = len({story.want for story in found.played.stories})
    return f"No user of the {names} record sets that are asked for here got a wrong answer; of the others see below."


def total_words(found: Summary) -> str:
    """Return how much was broken for all users, for one of them at worst, and whether all are well again."""
    lasts = any(span.lasts for span in found.spans)
    more = "more than " if lasts else ""
    words = f"{found.broken_user_seconds:,} user-seconds broken, of {found.users:,} users"
    words += f"; at worst one user went without for {more}{duration(found.worst_s)} in one piece"
    return words + ("; not all are well again when the rehearsal ends" if lasts else "")


def span_words(span: Span, kinds: Sequence[str]) -> str:
    """Return one broken time as a line: whose, what, when, how long, how much in all, why, behind which caches."""
    since, until = span.since.astimezone(), span.until.astimezone()
    end = f"{until:%H:%M:%S}" if since.date() == until.date() else f"{until:%Y-%m-%d %H:%M:%S}"
    lasted = f"to {end}, {duration(span.longest_s)} at most"
    if span.lasts:
        lasted = f"until the rehearsal ends, {duration(span.longest_s)} later: it does not come right by itself"
    behind = kinds[0] if len(kinds) == 1 else f"{len(kinds)} kinds of caches"
    return (
        f"{span.want} ({span.want.service}), {since:%Y-%m-%d %H:%M:%S} {lasted}: {span.why}   "
        f"[{behind}, {span.user_seconds:,} s]"
    )


def _small_print(found: Summary) -> Iterator[Line]:
    played = found.played
    if played.asked:
        many = "one instruction" if len(played.asked) == 1 else f"{len(played.asked)} instructions"
        yield f"By hand: {many}, done by the rehearsal's person.", "plain"
    if played.assumed:
        yield f"Assumed: {'; '.join(played.assumed)}.", "changed"
    if played.not_rehearsed:
        yield f"Not rehearsed: {'; '.join(played.not_rehearsed)}.", "changed"


def _moment(when: datetime, began: datetime) -> str:
    local = when.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == began.astimezone().date() else f"{local:%m-%d %H:%M:%S}"
