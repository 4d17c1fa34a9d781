"""A report for a terminal or plain paper: 100 columns, escaped (threat 16). Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import assert_never

from dnsrun.model.text import escape

from .document import DETAIL, Block, Commands, Heading, Items, Paragraph, Sheet, Table, document
from .value import Report

WIDTH = 100
LEAST = 30  # columns that a long text gets, however wide its neighbours are


def as_text(report: Report) -> str:
    """Return the report as text of at most 100 columns wherever words allow it; ends with a newline."""
    blocks = document(report)
    before = (None, *blocks)
    lines = [
        line.rstrip()
        for last, block in zip(before, blocks, strict=False)
        for line in (*_gap(last, block), *_lines(block))
    ]
    return "\n".join(lines).strip("\n") + "\n"


def _gap(last: Block | None, block: Block) -> tuple[str, ...]:
    """Return an empty line before a block, but for what follows its heading."""
    return () if isinstance(last, Heading) and not isinstance(block, Heading) else ("",)


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(level=level, text=text):
            shown = escape(text)
            yield from textwrap.wrap(shown, WIDTH)
            yield from (("=" if level == 1 else "-") * min(WIDTH, len(shown)),) if level < 3 else ()
        case Paragraph(text=text):
            yield from textwrap.wrap(escape(text), WIDTH)
        case Items(texts=texts):
            for text in texts:
                yield from _hanging("  - ", text)
        case Table():
            yield from _table(block)
        case Sheet(lines=lines):
            yield from (f"    {escape(line)}" for line in lines)
        case Commands(lines=commands):
            for line, does in commands:
                yield f"    {escape(line)}"
                yield from _hanging("        ", does)
        case _:
            assert_never(block)


def _hanging(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        escape(text), WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )


def _table(table: Table) -> Iterator[str]:
    head = [table.titles] if any(table.titles) else []
    rows = [tuple(map(escape, row)) for row in (*head, *table.rows)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(table.titles) - 1)]
    for row in rows:
        lead = "  " + "".join(f"{cell:<{width}}  " for cell, width in zip(row[:-1], widths, strict=True))
        yield from _cell(lead, row[-1])


def _cell(lead: str, text: str) -> list[str]:
    room = max(WIDTH - len(lead), LEAST)
    indent = " " * len(DETAIL) if text.startswith(DETAIL) else ""
    lines = textwrap.wrap(text, room, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return [f"{lead if number == 0 else ' ' * len(lead)}{line}" for number, line in enumerate(lines)]
