"""Text from outside, made fit to be shown (threat 16)."""

from __future__ import annotations

import unicodedata

# Controls, formats (bidirectional overrides, zero-width characters), lone surrogates, line and paragraph separators.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escape(text: str) -> str:
    r"""Return `text` with everything that could steer a terminal or reorder a line written as `\xNN` or `\uNNNN`.

    Newlines and tabs too: what comes from outside stays within its line. Escaping twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNFIT else char for char in text)


def shorten(text: str, limit: int = 200) -> str:
    """Return `text` escaped and cut to at most `limit` characters; an ellipsis says that something was cut."""
    shown = escape(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
