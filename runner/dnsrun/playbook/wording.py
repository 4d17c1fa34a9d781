"""How messages quote what was written and suggest what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dnsrun.model.text import shorten

_MOST_LISTED = 12


def quoted(text: str) -> str:
    """Return the text in quotes, escaped and cut to a length that fits into a message (threat 16)."""
    return f"'{shorten(text, 60)}'"


def listed(words: Iterable[str]) -> str:
    """Return the words as `'a', 'b' and 'c'`."""
    shown = [quoted(word) for word in words]
    return " and ".join((", ".join(shown[:-1]), shown[-1])) if len(shown) > 1 else "".join(shown)


def meant(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` when a known word is near, else `; known are ...`."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word[:100].lower(), words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {quoted(near[0])}?"
    if not words:
        return ""
    more = f" and {len(words) - _MOST_LISTED} more" if len(words) > _MOST_LISTED else ""
    return f"; known here: {', '.join(words[:_MOST_LISTED])}{more}"
