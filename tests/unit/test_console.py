"""What passes on a terminal fits onto it: else it could not be taken back, and would pile up."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator

import pytest

from dnsrun.cli.console import Console


class Screen:
    """A terminal of 40 columns and 5 rows, and what was written to it."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        termios.tcsetwinsize(self._slave, (5, 40))
        self.stream = os.fdopen(self._slave, "w", encoding="utf-8")

    def lines(self) -> list[str]:
        self.stream.flush()
        return os.read(self._master, 65536).decode().replace("\r\n", "\n").split("\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


def test_what_passes_is_cut_to_the_terminal_and_taken_back_whole(screen: Screen) -> None:
    console = Console({"NO_COLOR": "1"}, err=screen.stream)
    console.passing("x" * 200, ("name server  ", ("n" * 100, "ok")), "切替" * 30, "4", "5", "6")

    assert screen.lines() == ["x" * 39, "name server  " + "n" * 26, "切替" * 9 + "切", "4"]

    console.passing("again")
    assert screen.lines()[0].count("\x1b[1A") == 3, "as many lines up as there are"


def test_half_a_secret_is_not_shown_where_a_line_is_cut(screen: Screen) -> None:
    console = Console({"NO_COLOR": "1"}, err=screen.stream)
    console.redact = lambda text: text.replace("s3cr3t-t0ken", "***")
    console.passing(("x" * 33, "s3cr3t-t0ken"))

    assert screen.lines() == ["x" * 33 + "***"]
