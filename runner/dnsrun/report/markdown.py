"""A report in Markdown, for a mail or a wiki. Every text is inert: no link, no HTML, no markup (threat 17). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from dnsrun.model.text import escape

from .document import Block, Commands, Heading, Items, Paragraph, Sheet, Table, document
from .value import Report

# Entities where HTML begins; a backslash before what CommonMark, tables or mathematics give a meaning to.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"([\\`*_{}\[\]#|~$!])")
# Renderers make links of bare addresses: the colon and the first dot are written so that none is seen.
_BARE_LINK = re.compile(r"(?i)\b(https?|ftps?|mailto|xmpp|javascript|data|vbscript|file):")
_BARE_HOST = re.compile(r"(?i)\bwww\.")
_AT_BEGIN = re.compile(r"^(\s*)([-+=]|\d+[.)])")


def as_markdown(report: Report) -> str:
    """Return the report in GitHub's Markdown; ends with a newline."""
    return "\n".join(line for block in document(report) for line in (*_lines(block), "")).rstrip("\n") + "\n"


def inert(text: str) -> str:
    """Return a text within a line or a cell of Markdown such that it is shown as it is and nothing else happens."""
    shown = _MARKUP.sub(r"\\\1", "".join(_ENTITIES.get(char, char) for char in escape(text)))
    shown = _BARE_HOST.sub(lambda found: f"{found[0][:-1]}&#46;", shown)
    return _BARE_LINK.sub(lambda found: f"{found[1]}&#58;", shown).replace("@", "&#64;")


def line(text: str) -> str:
    """Return a text that stands at the beginning of a line: no list and no rule begins with it."""
    return _AT_BEGIN.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", inert(text))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(level=level, text=text):
            yield f"{'#' * level} {inert(text)}"
        case Paragraph(text=text):
            yield line(text)
        case Items(texts=texts):
            yield from (f"- {line(text)}" for text in texts)
        case Table(titles=titles, rows=rows):
            yield from map(_row, (titles, ("---",) * len(titles)))
            yield from (_row(tuple(map(inert, row))) for row in rows)
        case Sheet(lines=lines):
            yield from _code(*lines, indent=4)
        case Commands(lines=commands):
            for command, does in commands:
                yield from (f"- {line(does)}:", "", *_code(command, indent=6), "")
        case _:
            assert_never(block)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(*lines: str, indent: int) -> Iterator[str]:
    """Yield lines as an indented block, in which nothing has a meaning."""
    yield from (f"{' ' * indent}{escape(each)}" for each in lines)
