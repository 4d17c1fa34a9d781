"""SIGINT, SIGTERM and SIGHUP while something is being done: finish the current call, then stop (fault 8)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import TypeVar

from dnsrun.clock import Clock

from .console import Console
from .ending import Interrupted

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopper:
    """Knows whether somebody asked to stop. A first signal lets the current call finish, a second abandons it."""

    def __init__(self, console: Console, words: str) -> None:
        self._console = console
        self._words = words
        self._asked = False
        self._waiting = False

    def check(self) -> None:
        """Raise `Interrupted` when somebody asked to stop."""
        if self._asked:
            raise Interrupted(self._words)

    def wait(self, clock: Clock, when: datetime) -> None:
        """Wait until `when` (UTC); a signal ends the wait at once with `Interrupted`."""
        self._interruptible(lambda: clock.wait_until(when))

    def ask(self, question: str) -> str:
        """Ask a person; a signal ends the wait at once with `Interrupted`."""
        return self._interruptible(lambda: self._console.ask(question))

    def _interruptible(self, wait: Callable[[], T]) -> T:
        self.check()
        self._waiting = True
        try:
            return wait()
        finally:
            self._waiting = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal; may raise `Interrupted` wherever the main thread is."""
        if self._asked or self._waiting:
            self._asked = True
            raise Interrupted(self._words)
        self._asked = True
        self._console.err("stopping when the current call is over; once more stops at once")


@contextmanager
def stopping(console: Console, words: str) -> Iterator[Stopper]:
    """Take the signals over for a while; `words` say how to go on afterwards."""
    stopper = Stopper(console, words)
    before = {number: signal.signal(number, stopper.handle) for number in SIGNALS}
    try:
        yield stopper
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
