"""What a trial comes to: when each name moved behind each kind of cache, every broken second with its cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from dnsrun.model.times import duration

from .played import PhasePlayed, Played, Story
from .population import Met
from .wants import Want


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which users of a kind of cache were failed. Times are UTC; `users` counts caches with a user each.

    `user_seconds` adds up the seconds of all of them; `longest_s` is the longest that one of them met in one piece.
    `causes` are what went wrong, each with the name servers whose word it was. `lasts`: somebody was still failed when
    the rehearsal ended.
    """

    kind: str
    honest: bool
    want: Want
    since: datetime
    until: datetime
    users: int
    user_seconds: int
    longest_s: int
    causes: tuple[tuple[str, tuple[str, ...]], ...]
    data: tuple[str, ...]
    keeps_servers_s: int
    lasts: bool = False

    @property
    def why(self) -> str:
        """The causes, whose words they are, and why these users go on asking there."""
        said = "; ".join(f"{', '.join(by)}: {cause}" if by else cause for cause, by in self.causes)
        asks = f"; asked for up to {duration(self.keeps_servers_s)} by whoever was told to"
        return said + (asks if any(by for _, by in self.causes) else "")


@dataclass(frozen=True, slots=True)
class Moved:
    """When the users of a kind of cache came to the new data: the first and the last of them (UTC; None: not at all).

    `outdated_s`: the longest that one of them still got the old data after every server gave the new. `back`: somebody
    came to it, and was taken back to the old.
    """

    kind: str
    want: Want
    first: datetime | None
    last: datetime | None
    outdated_s: int
    back: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole of it. `worst_s`: the longest that one user was failed in one piece, in seconds."""

    played: Played
    moves: tuple[Moved, ...]
    spans: tuple[Span, ...]
    undisturbed: tuple[Want, ...]

    @property
    def broken_user_seconds(self) -> int:
        """Seconds in which an answer failed a user, all users added up."""
        return sum(span.user_seconds for span in self.spans)

    @property
    def honest_user_seconds(self) -> int:
        """The same behind caches that keep to TTLs."""
        return sum(span.user_seconds for span in self.spans if span.honest)

    @property
    def users(self) -> int:
        """How many users there are: one for each name behind each cache."""
        return len(self.played.stories)

    @property
    def worst_s(self) -> int:
        """The longest that one user was failed in one piece, in seconds."""
        return max((span.longest_s for span in self.spans), default=0)

    def broken_by_kind(self) -> Mapping[str, int]:
        """Return the broken user-seconds of each kind of cache, none left out."""
        kinds = dict.fromkeys(story.kind for story in self.played.stories)
        return {kind: sum(span.user_seconds for span in self.spans if span.kind == kind) for kind in kinds}

    def last_broken(self, kind: str) -> datetime | None:
        """Return when the last user of a kind of cache was well again; None when none was failed."""
        return max((span.until for span in self.spans if span.kind == kind), default=None)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One stretch of one story, and all that was met in it."""

    story: Story
    since: datetime
    until: datetime
    met: tuple[Met, ...]

    @property
    def seconds(self) -> int:
        return round((self.until - self.since).total_seconds())


def summary(played: Played) -> Summary:
    """Return what the stories of a trial come to."""
    by_kind = _by_kind(played.stories)
    spans = spans_of(played.stories)
    served_at = dict(played.served_new_at)
    moving = [stories for stories in by_kind if any(met.state in {"old", "new"} for one in stories for met in one.met)]
    moves = [_moved(stories, served_at.get(stories[0].want)) for stories in moving]
    disturbed = {span.want for span in spans} | {move.want for move in moves}
    wants = dict.fromkeys(story.want for story in played.stories)
    return Summary(played, tuple(moves), spans, tuple(want for want in wants if want not in disturbed))


def spans_of(stories: Iterable[Story]) -> tuple[Span, ...]:
    """Return every time in which users of a kind of cache were failed, in the order of their beginnings."""
    spans = [span for together in _by_kind(stories) for span in _spans(together)]
    spans.sort(key=lambda span: (span.since, span.want.service, span.want.name, not span.honest, span.kind))
    return tuple(spans)


def _by_kind(stories: Iterable[Story]) -> list[list[Story]]:
    return [list(found) for _, found in groupby(sorted(stories, key=_kind_and_want), key=_kind_and_want)]


def _kind_and_want(story: Story) -> tuple[bool, str, str, Any, int]:
    return not story.honest, story.kind, story.want.service, story.want.name, int(story.want.rdtype)


def _pieces(story: Story, state: str) -> Iterator[_Piece]:
    """Yield the stretches in one state, whatever was met in them."""
    ends = [met.since for met in story.met[1:]] + [story.until]
    for here, group in groupby(zip(story.met, ends, strict=False), key=lambda pair: pair[0].state == state):
        pairs = list(group)
        if here and pairs[-1][1] > pairs[0][0].since:
            yield _Piece(story, pairs[0][0].since, pairs[-1][1], tuple(met for met, _ in pairs))


def _spans(stories: list[Story]) -> Iterator[Span]:
    """Yield a span for each time without a break in which somebody was failed."""
    for together in _overlapping([piece for one in stories for piece in _pieces(one, "broken")]):
        yield _span(together)


def _overlapping(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    current: list[_Piece] = []
    for piece in sorted(pieces, key=lambda one: one.since):
        if current and piece.since > max(one.until for one in current):
            yield current
            current = []
        current.append(piece)
    if current:
        yield current


def _span(pieces: list[_Piece]) -> Span:
    story = pieces[0].story
    met = [one for piece in pieces for one in piece.met]
    causes = {cause: sorted({one.by for one in met if one.cause == cause and one.by}) for cause in _in_order(met)}
    return Span(
        kind=story.kind,
        honest=story.honest,
        want=story.want,
        since=min(piece.since for piece in pieces),
        until=max(piece.until for piece in pieces),
        users=len({piece.story.number for piece in pieces}),
        user_seconds=sum(piece.seconds for piece in pieces),
        longest_s=max(piece.seconds for piece in pieces),
        causes=tuple((cause, tuple(by)) for cause, by in causes.items()),
        data=tuple(sorted({text for one in met for text in one.data})),
        keeps_servers_s=story.keeps_servers_s,
        lasts=any(piece.until == piece.story.until for piece in pieces),
    )


def _in_order(met: Iterable[Met]) -> Iterable[str]:
    """Return the causes as they came, each once."""
    return dict.fromkeys(one.cause for one in sorted(met, key=lambda one: one.since))


def _moved(stories: list[Story], served_at: datetime | None) -> Moved:
    ended = [(one, one.met[-1]) for one in stories if one.met and one.met[-1].state == "new"]
    came = [_came_to_new(one) for one, _ in ended]
    everybody = len(ended) == len(stories)
    return Moved(
        kind=stories[0].kind,
        want=stories[0].want,
        first=min(came, default=None),
        last=max(came) if came and everybody else None,
        outdated_s=max((_outdated_s(one, served_at) for one in stories), default=0) if served_at else 0,
        back=any(met.state == "new" for one in stories for met in one.met) and not ended,
    )


def _came_to_new(story: Story) -> datetime:
    """Return since when a story stays with the new data."""
    since = story.met[-1].since
    for met in reversed(story.met):
        if met.state != "new":
            break
        since = met.since
    return since


def _outdated_s(story: Story, served_at: datetime) -> int:
    pieces = _pieces(story, "old")
    return max((round((piece.until - max(piece.since, served_at)).total_seconds()) for piece in pieces), default=0)


def alike(spans: Iterable[Span]) -> tuple[tuple[Span, tuple[str, ...]], ...]:
    """Return spans of one name and cause as one, with the kinds of caches behind which it was met; gravest first."""
    found: dict[Any, list[Span]] = {}
    for span in spans:
        found.setdefault((span.want, span.causes), []).append(span)
    groups = sorted(found.values(), key=lambda each: -sum(span.user_seconds for span in each))
    return tuple((_as_one(each), tuple(dict.fromkeys(span.kind for span in each))) for each in groups)


def _as_one(spans: list[Span]) -> Span:
    return replace(
        spans[0],
        honest=any(span.honest for span in spans),
        since=min(span.since for span in spans),
        until=max(span.until for span in spans),
        users=sum(span.users for span in spans),
        user_seconds=sum(span.user_seconds for span in spans),
        longest_s=max(span.longest_s for span in spans),
        keeps_servers_s=max(span.keeps_servers_s for span in spans),
        lasts=any(span.lasts for span in spans),
    )


def recovery_s(found: Summary) -> Mapping[str, int]:
    """Return for each kind of cache when the last user was well again, in seconds from the first failure on."""
    first = min((span.since for span in found.spans), default=None)
    kinds = dict.fromkeys(story.kind for story in found.played.stories)
    ended = {kind: found.last_broken(kind) for kind in kinds}
    return {kind: round((at - first).total_seconds()) if at and first else 0 for kind, at in ended.items()}


def as_data(found: Summary) -> dict[str, Any]:
    """Return a trial as JSON data; times as ISO 8601, UTC."""
    played = found.played
    return {
        "domain": played.domain,
        "began": played.began.isoformat(),
        "ended": played.ended.isoformat(),
        "outcome": played.outcome,
        "ending": played.ending,
        "left_over": list(played.left_over),
        "phases": [_phase_data(phase) for phase in played.phases],
        "moved": [_moved_data(move) for move in found.moves],
        "broken": [_span_data(span) for span in found.spans],
        "undisturbed": [str(want) for want in found.undisturbed],
        "users": found.users,
        "broken_user_seconds": found.broken_user_seconds,
        "broken_user_seconds_by_cache": dict(found.broken_by_kind()),
        "worst_for_a_user_s": found.worst_s,
        "incidents": list(played.incidents),
        "by_hand": list(played.asked),
        "assumed": list(played.assumed),
        "not_rehearsed": list(played.not_rehearsed),
    }


def _phase_data(phase: PhasePlayed) -> dict[str, Any]:
    return {
        "number": phase.number,
        "name": phase.name,
        "earliest": _iso(phase.earliest),
        "began": phase.began.isoformat(),
        "ended": phase.ended.isoformat(),
        "outcome": phase.outcome,
        "because": phase.because,
        "went_back_at": _iso(phase.went_back_at),
        "failed": phase.failed,
        "worst_recovery_s": phase.worst_recovery_s,
        "accepted": list(phase.hazards),
    }


def _moved_data(move: Moved) -> dict[str, Any]:
    return {
        "cache": move.kind,
        **_want(move.want),
        "first": _iso(move.first),
        "last": _iso(move.last),
        "outdated_s": max(0, move.outdated_s),
    }


def _span_data(span: Span) -> dict[str, Any]:
    return {
        "cache": span.kind,
        "honest": span.honest,
        **_want(span.want),
        "since": span.since.isoformat(),
        "until": span.until.isoformat(),
        "users": span.users,
        "user_seconds": span.user_seconds,
        "longest_s": span.longest_s,
        "cause": span.why,
        "data": list(span.data),
    }


def _want(want: Want) -> dict[str, str]:
    return {"service": want.service, "name": str(want).split(" ", maxsplit=1)[0], "type": want.rdtype.name}


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def by_want(moves: Iterable[Moved]) -> Mapping[Want, tuple[Moved, ...]]:
    """Return the moves of each name, in their order."""
    wants = dict.fromkeys(move.want for move in moves)
    return {want: tuple(move for move in moves if move.want == want) for want in wants}
