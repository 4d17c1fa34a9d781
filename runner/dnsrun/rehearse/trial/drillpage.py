"""Drills as one HTML page: a table for each, with the time to recovery behind every kind of cache. Pure.

Nothing is fetched and nothing runs, everything is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape as escape_html

from dnsrun.model.text import escape
from dnsrun.model.times import duration

from .drills import WAYS, Drilled
from .summary import recovery_s
from .tables import WORDS, cost
from .telling import OUTCOMES

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --bad: #b42318;
  --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1318; --text: #e6edf3; --soft: #9aa7b4; --line: #30363d;
  --bad: #ff7b72; --good: #3fb950; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--ground); color: var(--text);
  font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .3rem; } p { margin: .4rem 0; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
"""


def as_drill_page(domain: str, drilled: Sequence[Drilled]) -> str:
    """Return the page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Drills of {_text(domain)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(_body(domain, drilled))
        + "\n</body></html>\n"
    )


def _body(domain: str, drilled: Sequence[Drilled]) -> Iterator[str]:
    good = sum(one.is_allowed for one in drilled)
    yield f"<h1>Drills of {_text(domain)}</h1>"
    yield '<p class="soft">Every gate fails once; played on one machine, nothing real was touched.</p>'
    style = "good" if good == len(drilled) else "bad"
    yield f'<p class="{style}">{good} of {len(drilled)} drills ended as promised.</p>'
    played = {way for one in drilled for way, _ in one.ways}
    yield "<ul>" + "".join(f"<li>{_text(WORDS[way])}.</li>" for way in WAYS[1:] if way in played) + "</ul>"
    for one in drilled:
        yield from _drill(one)


def _drill(one: Drilled) -> Iterator[str]:
    verdict = '<span class="good">ok</span>' if one.is_allowed else '<span class="bad">not as promised</span>'
    yield f"<h2>{_text(str(one.drill))}: {verdict}</h2>"
    rows = [("", [way for way, _ in one.ways])]
    rows.append(("how it ended", [_outcome(found.played.outcome) for _, found in one.ways]))
    rows.append(("users failed", [cost(found) for _, found in one.ways]))
    each = [recovery_s(found) for _, found in one.ways]
    kinds = dict.fromkeys(kind for took in each for kind in took)
    hurt = [kind for kind in kinds if any(took.get(kind) for took in each)]
    rows += [(f"all well behind {kind} after", [_after(took.get(kind, 0)) for took in each]) for kind in hurt]
    lines = (f"<tr><th>{_text(name)}</th>{_cells(cells)}</tr>" for name, cells in rows)
    yield f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _outcome(word: str) -> str:
    return OUTCOMES.get(word, word)


def _after(seconds: int) -> str:
    return duration(seconds) if seconds else "never failed"


def _cells(cells: Sequence[str]) -> str:
    return "".join(f"<td>{_text(cell)}</td>" for cell in cells)


def _text(text: str) -> str:
    return escape_html(escape(text))
