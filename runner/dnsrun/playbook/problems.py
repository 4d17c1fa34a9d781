"""Collects everything that is wrong in one file, to be told at once."""

from __future__ import annotations

from dnsrun.errors import PlaybookError, Problem
from dnsrun.model.playbook import Mark

MOST_PROBLEMS = 100


class Wrong(ValueError):
    """A text does not mean what its place wants; the message says what is wrong and what to do."""


class Unknowable(Exception):
    """A text cannot be judged because something it depends on is wrong, and reported, elsewhere."""


class Problems:
    """The problems of one file so far."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: set[Problem] = set()

    def add(self, mark: Mark, text: str) -> None:
        """Note a problem; raises `PlaybookError` when there are so many that the list helps nobody."""
        self._found.add(Problem(self._file, mark.line, mark.column, text))
        if len(self._found) >= MOST_PROBLEMS:
            note = (
                f"there may be more: only the first {MOST_PROBLEMS} problems are listed; repair these and check again"
            )
            last = max(self._found)
            self._found.add(Problem(self._file, last.line, last.column + 1, note))
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise `PlaybookError` with everything that was noted."""
        if self._found:
            raise PlaybookError(list(self._found))
