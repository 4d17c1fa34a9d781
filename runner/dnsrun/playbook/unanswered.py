"""Open questions: a value that is only `?` waits for an answer, and no playbook is good before it has one."""

from __future__ import annotations

import re

from dnsrun.model.playbook import Mark
from dnsrun.model.text import shorten

OPEN = frozenset({"?", "？"})  # noqa: RUF001 - the full-width one is what a Japanese keyboard types
NOT_ANSWERED = "not answered"  # what every message about an open question begins with
_LONGEST = 300
_REMARK = re.compile(r"\s#\s*(.*)$")
_ASKS = re.compile(r"\?\s*(.*)")


def is_open(text: str) -> bool:
    """Tell whether a text stands for an answer that is still missing. Pure."""
    return text.strip() in OPEN


def told(lines: list[str], mark: Mark) -> str:
    """Return the message for an open question. Pure.

    What is asked stands in the comment: behind the value, or in the lines straight above it, from the last one that
    begins with `# ?` on.
    """
    asked = _beside(lines, mark) or _above(lines, mark)
    return f"{NOT_ANSWERED}: {shorten(asked, _LONGEST)}; ask the client" if asked else _BARE


_BARE = f"{NOT_ANSWERED}: a value that is only ? waits for an answer; write the answer in its place"


def _beside(lines: list[str], mark: Mark) -> str:
    behind = lines[mark.line - 1][mark.column :] if mark.line <= len(lines) else ""
    found = _REMARK.search(behind)
    return _without_mark(found.group(1)) if found else ""


def _above(lines: list[str], mark: Mark) -> str:
    block: list[str] = []
    for line in reversed(lines[: mark.line - 1]):
        bare = line.strip()
        if not bare.startswith("#"):
            break
        remark = bare.lstrip("#").strip()
        block.insert(0, _without_mark(remark))
        if _ASKS.match(remark):
            break
    return " ".join(block)


def _without_mark(remark: str) -> str:
    found = _ASKS.fullmatch(remark)
    return (found.group(1) if found else remark).strip()
