"""The only place that prints: escaped, without secrets; results to stdout, progress to stderr."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, TextIO

from dnsrun.errors import Refused
from dnsrun.model.text import escape

Style = Literal["ok", "changed", "failed", "skipped", "strong", "plain"]
Part = str | tuple[str, Style]
# Of what passes, where a terminal does not tell its size. A line that wraps or scrolls away could not be taken back.
_COLUMNS, _ROWS = 101, 60

# Ansible's colours: ok green, changed yellow, failed red, skipped cyan.
_CODES: Mapping[Style, str] = {"ok": "32", "changed": "33", "failed": "31", "skipped": "36", "strong": "1"}


class Console:
    """Prints lines made of parts. Text from outside cannot steer the terminal (threat 16).

    `redact` takes secrets out; it is replaced as soon as there can be any. A line begun with `begin` may be
    continued; anything else that is printed ends it first.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        stdin: TextIO | None = None,
        interactive: bool | None = None,
    ) -> None:
        self.redact: Callable[[str], str] = str
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._stdin = stdin or sys.stdin
        self._environment = environment
        self._interactive = interactive
        self._open = False
        self._passing = 0

    @property
    def is_live(self) -> bool:
        """Tell whether what passes is shown: progress goes to a terminal."""
        return self._err.isatty()

    @property
    def is_interactive(self) -> bool:
        """Tell whether a person can be asked."""
        if self._interactive is not None:
            return self._interactive
        return self._stdin.isatty() and self._err.isatty()

    @property
    def is_open(self) -> bool:
        """Tell whether a line was begun and not ended."""
        return self._open

    def out(self, *parts: Part) -> None:
        """Print a line of results."""
        self.end()
        self._write(self._out, self._join(self._out, parts) + "\n")

    def err(self, *parts: Part) -> None:
        """Print a line of progress."""
        self.end()
        self._write_progress(self._join(self._err, parts) + "\n")

    def json(self, data: Any) -> None:
        """Print data as JSON, in ASCII only."""
        self.end()
        self._write(self._out, self.redact(json.dumps(data, indent=2, ensure_ascii=True)) + "\n")

    def begin(self, *parts: Part) -> None:
        """Begin a line of progress that may be continued."""
        self.end()
        self._write_progress(self._join(self._err, parts))
        self._open = True

    def more(self, *parts: Part) -> None:
        """Continue the line that was begun; begins one when none is open."""
        self._forget_passing()
        self._write_progress(self._join(self._err, parts))
        self._open = True

    def end(self) -> None:
        """End the line that was begun, if one was."""
        self._forget_passing()
        if self._open:
            self._open = False
            self._write_progress("\n")

    def passing(self, *lines: str | tuple[Part, ...]) -> None:
        """Show what goes on right now, on a terminal only; what is printed next takes its place.

        Each line is a text or parts; what does not fit onto the terminal is cut.
        """
        if self._open or not self.is_live:
            return
        self._forget_passing()
        columns, rows = _size(self._err)
        kept = [(line,) if isinstance(line, str) else line for line in lines[: max(1, rows - 1)]]
        shown = (self._join(self._err, tuple(self._cut(parts, columns - 1))) for parts in kept)
        self._write_progress("\n".join(shown))
        self._passing = len(kept)

    def ask_yes(self, question: str) -> bool:
        """Ask yes or no; no is what an empty answer means. Raises `Refused` without a terminal."""
        return self.ask(f"{question} [y/N]").strip().casefold() in {"y", "yes"}

    def ask(self, question: str) -> str:
        """Ask for a line of text. Raises `Refused` when nobody can answer."""
        self.end()
        if not self.is_interactive:
            raise Refused(f"{question.strip()} Nobody can answer here: this is not a terminal; nothing was changed")
        self._write_progress(f"{self._clean(question)} ")
        answer = self._stdin.readline()
        if not answer:
            raise Refused("no answer; nothing was changed")
        return answer.rstrip("\n")

    def _join(self, stream: TextIO, parts: tuple[Part, ...]) -> str:
        return "".join(
            self._clean(part) if isinstance(part, str) else self._styled(stream, *part) for part in parts
        ).rstrip(" ")

    def _cut(self, parts: tuple[Part, ...], columns: int) -> Iterator[Part]:
        """Yield the parts as far as they fit; secrets are taken out first, for half a secret would be shown."""
        for part in parts:
            text = self._clean(part if isinstance(part, str) else part[0])
            shown = _first(text, columns)
            yield shown if isinstance(part, str) else (shown, part[1])
            columns -= sum(map(_width, shown))
            if shown != text:
                return

    def _styled(self, stream: TextIO, text: str, style: Style) -> str:
        shown = self._clean(text)
        if style not in _CODES or not stream.isatty() or self._environment.get("NO_COLOR"):
            return shown
        return f"\x1b[{_CODES[style]}m{shown}\x1b[0m"

    def _clean(self, text: str) -> str:
        return escape(self.redact(text))

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(_fitting(text, stream))
        stream.flush()

    def _write_progress(self, text: str) -> None:
        """Whoever watched may have gone (fault 8): the work goes on."""
        with suppress(OSError):
            self._write(self._err, text)

    def _forget_passing(self) -> None:
        if self._passing:
            above = "\x1b[1A\r\x1b[K" * (self._passing - 1)
            self._passing = 0
            self._write_progress(f"\r\x1b[K{above}")


def _size(stream: TextIO) -> tuple[int, int]:
    """Return columns and rows of a terminal."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return _COLUMNS, _ROWS
    return size.columns or _COLUMNS, size.lines or _ROWS


def _first(text: str, columns: int) -> str:
    """Return as much of a text as fits into so many columns."""
    for index, char in enumerate(text):
        columns -= _width(char)
        if columns < 0:
            return text[:index]
    return text


def _width(char: str) -> int:
    """Return the columns that a character takes: East Asian wide ones take two."""
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitting(text: str, stream: TextIO) -> str:
    """Return the text with what the stream cannot show replaced."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
