"""A trial as one HTML page for a client: a timeline of bars, what failed whom and why. Pure.

Nothing is fetched and nothing runs: no scripts, no remote assets, everything escaped; light and dark, phone and desk.
Bars are drawn so that what takes minutes can be seen beside waits of days: the axis gives each stretch between two
events the logarithm of its length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from html import escape as escape_html
from itertools import pairwise
from math import log

from dnsrun.model.text import escape
from dnsrun.model.times import duration, full_time

from .played import PhasePlayed, Story
from .population import State
from .summary import Summary, alike, by_want
from .telling import (
    MOST_NAMES,
    OUTCOMES,
    ending_words,
    moved_words,
    span_words,
    stopped_words,
    total_words,
    unharmed_words,
)
from .wants import Want

_WIDE = 1000
_TALL = 16
_GRAVEST: tuple[State, ...] = ("broken", "old", "new", "well")
_LEGEND = {"old": "old data", "new": "new data", "well": "does not change", "broken": "broken"}
_LEAST_S = 20.0  # what a stretch counts at least, so that it can be seen

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --old: #9aa4af; --new: #2f81d6; --well: #cfe3f5; --broken: #d1242f; --good: #1a7f37; --mark: #1b1f24; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1318; --text: #e6edf3; --soft: #9aa7b4; --line: #30363d;
  --old: #6e7781; --new: #4c9aef; --well: #28527a; --broken: #f0524f; --good: #3fb950; --mark: #e6edf3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--ground); color: var(--text);
  font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.1rem 0 .2rem; } p { margin: .4rem 0; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--broken); }
.row { display: grid; grid-template-columns: 15rem 1fr; gap: .15rem .75rem; align-items: center; margin: .25rem 0; }
.row svg { display: block; width: 100%; height: 1.1rem; border-radius: 3px; }
.row span, .ends { font-size: .85rem; color: var(--soft); }
.ends { display: flex; justify-content: space-between; margin-left: 15.75rem; }
svg .old { fill: var(--old); } svg .new { fill: var(--new); } svg .well { fill: var(--well); }
svg .broken { fill: var(--broken); } svg .rest { fill: var(--line); } svg .done { fill: var(--good); }
svg line { stroke: var(--mark); stroke-width: 2; vector-effect: non-scaling-stroke; opacity: .55; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .85rem; color: var(--soft); }
.legend svg { width: .9rem; height: .9rem; margin-right: .35rem; vertical-align: -1px; }
ol, ul { padding-left: 1.3rem; margin: .4rem 0; } li { margin: .3rem 0; }
.big { font-size: 1.15rem; font-weight: 600; }
@media (max-width: 40rem) { .row { grid-template-columns: 1fr; } .ends { margin-left: 0; } body { padding: .75rem; } }
"""


def as_page(found: Summary) -> str:
    """Return the page."""
    title = _title(found)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(_body(found))
        + "\n</body></html>\n"
    )


def _title(found: Summary) -> str:
    by_hand = ", as people do it by hand" if found.played.outcome == "by hand" else ""
    return f"Rehearsal of {_text(found.played.domain)}{by_hand}"


def _body(found: Summary) -> Iterator[str]:
    played = found.played
    axis = _Axis(found)
    lasted = duration((played.ended - played.began).total_seconds())
    yield f"<h1>{_title(found)}</h1>"
    who = f"{found.users:,} users ask every second; nothing real was touched"
    yield f'<p class="soft">{full_time(played.began)}, {lasted}; played on one machine. {who}.</p>'
    yield _verdict(found)
    yield from (f'<p class="bad">INCIDENT: {_text(incident)}</p>' for incident in played.incidents)
    yield "<h2>Phases</h2>"
    yield _phase_bar(played.phases, axis)
    yield f'<div class="ends"><span>{full_time(played.began)}</span><span>{full_time(played.ended)}</span></div>'
    yield "<ol>" + "".join(_phase(phase) for phase in played.phases) + "</ol>"
    yield "<h2>What users get</h2>"
    yield _legend()
    keeping = dict.fromkeys(_text(story.kind) for story in played.stories if story.honest)
    yield f'<p class="soft">Caches that keep to TTLs: {", ".join(keeping)}.</p>'
    yield from _bars(found, axis)
    yield from _moves(found)
    if found.spans:
        yield "<h2>Every broken time, and why</h2>"
        yield "<ul>" + "".join(f"<li>{_text(span_words(*each))}</li>" for each in alike(found.spans)) + "</ul>"
    yield from _small_print(found)


def _verdict(found: Summary) -> str:
    words = stopped_words(found.played)
    stopped = f'<p class="big bad">{_text(words)}</p>' if words else ""
    left = f" {', '.join(found.played.left_over[:MOST_NAMES])}" if found.played.left_over else ""
    ending = _text(ending_words(found.played) + left)
    if not found.spans:
        style = "soft" if stopped or found.played.ending == "between" else "good"
        return f'{stopped}<p class="big {style}">{unharmed_words(found)}</p><p>{ending}</p>'
    kinds = "".join(
        f"<li>{seconds:,}: {_text(kind)}</li>" for kind, seconds in found.broken_by_kind().items() if seconds
    )
    return f'{stopped}<p class="big bad">{_text(total_words(found))}.</p><ul>{kinds}</ul><p>{ending}</p>'


class _Axis:
    """Where a time stands between 0 and 1000."""

    def __init__(self, found: Summary) -> None:
        played = found.played
        times = {played.began, played.ended}
        times |= {when for phase in played.phases for when in (phase.began, phase.ended)}
        times |= {met.since for story in played.stories for met in story.met[1:]}
        self._times = sorted(when for when in times if played.began <= when <= played.ended)
        weights = [log(1 + (later - earlier).total_seconds() / _LEAST_S) for earlier, later in pairwise(self._times)]
        total = sum(weights) or 1.0
        self._places = [0.0]
        for weight in weights:
            self._places.append(self._places[-1] + weight / total * _WIDE)

    def place(self, when: datetime) -> float:
        """Return the place of a time; those between two events lie on a line."""
        if when <= self._times[0]:
            return 0.0
        for (earlier, later), (left, right) in zip(pairwise(self._times), pairwise(self._places), strict=True):
            if when <= later:
                share = (when - earlier) / (later - earlier)
                return left + share * (right - left)
        return float(_WIDE)


def _phase_bar(phases: Sequence[PhasePlayed], axis: _Axis) -> str:
    rects = [_rect(0, _WIDE, "rest", "waiting")]
    for phase in phases:
        kind = "done" if phase.outcome in {"done", "nothing"} else "broken"
        title = f"{phase.number} {phase.name}: {OUTCOMES.get(phase.outcome, phase.outcome)}"
        rects.append(_rect(axis.place(phase.began), axis.place(phase.ended), kind, title))
    label = "phases: " + ", ".join(phase.name for phase in phases)
    return f'<div class="row"><span>phases</span>{_svg(label, [*rects, *_marks(phases, axis)])}</div>'


def _marks(phases: Sequence[PhasePlayed], axis: _Axis) -> list[str]:
    """Return a line where each phase begins."""
    places = (axis.place(phase.began) for phase in phases)
    return [f'<line x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{_TALL}"/>' for place in places]


def _phase(phase: PhasePlayed) -> str:
    good = phase.outcome in {"done", "nothing"}
    start = f"may start {full_time(phase.earliest)}" if phase.earliest else "may start at once"
    outcome = _text(OUTCOMES.get(phase.outcome, phase.outcome))
    why = phase.failed or ("" if good else phase.because)
    said = f' <span class="bad">{_text(why)}</span>' if why else ""
    return (
        f'<li value="{phase.number}"><b>{_text(phase.name)}</b>: {start}; '
        f'<span class="{"good" if good else "bad"}">{outcome}</span> {full_time(phase.ended)}.{said}</li>'
    )


def _legend() -> str:
    square = '<svg viewBox="0 0 1 1" aria-hidden="true"><rect class="{}" width="1" height="1"/></svg>'
    items = "".join(f"<span>{square.format(state)}{words}</span>" for state, words in _LEGEND.items())
    return f'<p class="legend">{items}<span>| a phase begins</span> <span>stretches between are not to scale</span></p>'


def _bars(found: Summary, axis: _Axis) -> Iterator[str]:
    shown = {move.want for move in found.moves} | {span.want for span in found.spans}
    wants = dict.fromkeys(story.want for story in found.played.stories)
    for want in (one for one in wants if one in shown):
        yield f'<h3>{_text(str(want))} <span class="soft">({want.service})</span></h3>'
        yield from _bars_of(want, found, axis)
    if found.undisturbed:
        names = ", ".join(_text(str(want)) for want in found.undisturbed)
        yield f'<p><span class="good">Never anything but the right answer:</span> {names}.</p>'


def _bars_of(want: Want, found: Summary, axis: _Axis) -> Iterator[str]:
    marks = _marks(found.played.phases, axis)
    stories = [story for story in found.played.stories if story.want == want]
    for words, behind in _rows(stories, {span.kind for span in found.spans if span.want == want}):
        rects = [
            _rect(axis.place(since), axis.place(until), state, f"{_LEGEND[state]}: {_span_of_time(since, until)}")
            for since, until, state in _worst(behind, found.played.began)
        ]
        label = f"{want} behind {', '.join(dict.fromkeys(story.kind for story in behind))}"
        yield f'<div class="row"><span>{_text(words)}</span>{_svg(label, [*rects, *marks])}</div>'


def _rows(stories: Sequence[Story], hurt: Collection[str]) -> Iterator[tuple[str, list[Story]]]:
    """Yield one row for all caches that keep to TTLs and fail nobody, and one for each other kind."""
    well = [story for story in stories if story.honest and story.kind not in hurt]
    if well:
        yield f"caches that keep to TTLs ({len({story.kind for story in well})} kinds)", well
    for kind in dict.fromkeys(story.kind for story in stories if story not in well):
        yield kind, [story for story in stories if story.kind == kind]


def _worst(stories: Sequence[Story], began: datetime) -> Iterator[tuple[datetime, datetime, State]]:
    """Yield what the users of a kind of cache get: of several at once the gravest."""
    until = max(story.until for story in stories)
    times = sorted({began, until, *(met.since for story in stories for met in story.met if began < met.since < until)})
    current: tuple[datetime, datetime, State] | None = None
    for since, end in pairwise(times):
        states = {_state_at(story, since) for story in stories}
        state: State = next((one for one in _GRAVEST if one in states), "well")
        if current and current[2] == state:
            current = (current[0], end, state)
            continue
        if current:
            yield current
        current = (since, end, state)
    if current:
        yield current


def _state_at(story: Story, when: datetime) -> State | None:
    return next((met.state for met in reversed(story.met) if met.since <= when), None)


def _moves(found: Summary) -> Iterator[str]:
    """Yield when the last user behind each kind of cache came to the new data, in words."""
    if found.moves:
        yield "<h2>Who came to the new data when</h2>"
    for want, moves in by_want(found.moves).items():
        each = "".join(f"<li>{_text(f'{when}: {who}')}</li>" for when, who in moved_words(moves, found))
        yield f"<h3>{_text(str(want))}</h3><ul>{each}</ul>"


def _small_print(found: Summary) -> Iterator[str]:
    played = found.played
    if played.assumed or played.not_rehearsed:
        yield "<h2>What this does not show</h2>"
        items = [f"Assumed: {text}" for text in played.assumed]
        items += [f"Not rehearsed: {text}" for text in played.not_rehearsed]
        yield "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"


def _svg(title: str, parts: Iterable[str]) -> str:
    label = _text(title)
    return (
        f'<svg viewBox="0 0 {_WIDE} {_TALL}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def _rect(left: float, right: float, kind: str, title: str) -> str:
    width = max(right - left, 1.5)
    return (
        f'<rect class="{kind}" x="{left:.1f}" width="{width:.1f}" height="{_TALL}"><title>{_text(title)}</title></rect>'
    )


def _span_of_time(since: datetime, until: datetime) -> str:
    start, end = since.astimezone(), until.astimezone()
    shown = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} to {shown}"


def _text(text: str) -> str:
    return escape_html(escape(text), quote=True)
