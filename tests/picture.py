"""The picture of the README: the timelines of a rehearsal's page for the ready-made `zone-move`, by hand and by dnsrun.

`make picture` draws it anew. It stands on its own: no script, no font, no remote asset; light and dark.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from answers import answered
from dnsrun.model.times import duration
from dnsrun.rehearse.trial.byhand import switch_by_hand
from dnsrun.rehearse.trial.drive import Script
from dnsrun.rehearse.trial.page import _Axis, _rows, _worst
from dnsrun.rehearse.trial.summary import Summary
from dnsrun.rehearse.trial.wants import Want
from readymade import client
from trialworld import Trials

FILE = Path(__file__).with_suffix(".svg")
_SHOWN = ("www.client.example.jp A", "imap-7f3a.client.example.jp A")
_WIDE, _LEFT, _BAR, _EDGE = 680, 256, 404, 20
_ROW, _TALL = 21, 14
_LEGEND = (("old", "old data", 0), ("new", "new data", 92), ("well", "does not change", 188), ("broken", "broken", 330))
_STYLE = """
svg { --ground: #fff; --text: #1b1f24; --soft: #57606a; --edge: #d0d7de; --good: #1a7f37;
  --old: #9aa4af; --new: #2f81d6; --well: #cfe3f5; --broken: #d1242f; }
@media (prefers-color-scheme: dark) { svg { --ground: #0f1318; --text: #e6edf3; --soft: #9aa7b4; --edge: #30363d;
  --good: #3fb950; --old: #6e7781; --new: #4c9aef; --well: #28527a; --broken: #f0524f; } }
text { font: 13px system-ui, sans-serif; fill: var(--text); }
.head { font-size: 17px; font-weight: 600; } .name { font-weight: 600; } .soft { fill: var(--soft); }
.ground { fill: var(--ground); stroke: var(--edge); } .good { fill: var(--good); }
.bad, .broken { fill: var(--broken); }
.old { fill: var(--old); } .new { fill: var(--new); } .well { fill: var(--well); }
line { stroke: var(--text); stroke-width: 1.5; opacity: .55; }
"""


@dataclass
class _Pen:
    """Where the next line goes."""

    y: int = 0

    def text(self, words: str, kind: str = "", *, x: float = _EDGE, down: int = _ROW) -> str:
        self.y += down
        return f'<text x="{x:g}" y="{self.y}" class="{kind}">{escape(words)}</text>'


def played() -> tuple[Summary, Summary]:
    """Play the ready-made move of a zone by hand, where what everybody finds is typed, and with dnsrun."""
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), answered("zone-move"), client("ns1.old.example", "ns2.old.example"))
        return trials.found(Script(instead=switch_by_hand), name="by-hand"), trials.found(Script(), name="dnsrun")


def picture(by_hand: Summary, with_dnsrun: Summary) -> str:
    """Return the picture as SVG. Pure."""
    pen = _Pen(0)
    drawn = [*_panel("By hand", by_hand, pen), *_panel("With dnsrun", with_dnsrun, pen), *_legend(pen)]
    tall = pen.y + _EDGE
    frame = f'<rect class="ground" x=".5" y=".5" width="{_WIDE - 1}" height="{tall - 1}" rx="8"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {tall}" role="img" aria-labelledby="what">\n'
        '<title id="what">What users get while a zone moves: by hand mail breaks, with dnsrun nothing does</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join([frame, *drawn]) + "\n</svg>\n"
    )


def _panel(title: str, found: Summary, pen: _Pen) -> Iterator[str]:
    axis, phases = _Axis(found), found.played.phases
    lasted = duration((found.played.ended - found.played.began).total_seconds())
    yield pen.text(f"{title}, {lasted}", "head", down=36)
    yield pen.text(*_verdict(found))
    yield pen.text("phases", "soft", down=26)
    yield pen.text(" · ".join(f"{phase.number} {phase.name}" for phase in phases), "soft", x=_LEFT, down=0)
    pen.y += _ROW
    yield from (pen.text(str(phase.number), "soft", x=_place(axis.place(phase.began)) - 3, down=0) for phase in phases)
    wants = {str(story.want): story.want for story in found.played.stories}
    for name in _SHOWN:
        yield from _bars(wants[name], found, axis, pen)


def _verdict(found: Summary) -> tuple[str, str]:
    if not found.spans:
        return "No user got a wrong answer, not for a second.", "good"
    worst = duration(found.worst_s)
    return f"{found.broken_user_seconds:,} user-seconds broken; one user went without for {worst} in one piece.", "bad"


def _bars(want: Want, found: Summary, axis: _Axis, pen: _Pen) -> Iterator[str]:
    yield pen.text(f"{want} ({want.service})", "name", down=25)
    stories = [story for story in found.played.stories if story.want == want]
    for words, behind in _rows(stories, {span.kind for span in found.spans if span.want == want}):
        yield pen.text(words, "soft")
        for since, until, state in _worst(behind, found.played.began):
            left, right = _place(axis.place(since)), _place(axis.place(until))
            yield f'<rect class="{state}" x="{left:.1f}" y="{pen.y - 11}" width="{right - left:.1f}" height="{_TALL}"/>'
        for phase in found.played.phases:
            at = _place(axis.place(phase.began))
            yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{pen.y - 11}" y2="{pen.y - 11 + _TALL}"/>'


def _place(thousandths: float) -> float:
    return _LEFT + thousandths / 1000 * _BAR


def _legend(pen: _Pen) -> Iterator[str]:
    pen.y += 30
    for state, words, right in _LEGEND:
        x = _EDGE + right
        yield f'<rect class="{state}" x="{x}" y="{pen.y - 11}" width="12" height="12"/>'
        yield pen.text(words, "soft", x=x + 17, down=0)
    yield pen.text("| a phase begins; not to scale", "soft", x=_EDGE + 412, down=0)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(picture(*played()), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
