"""Wait for a condition with a deadline: the only waiting that tests do."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

_BETWEEN_S = 0.02

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout_s: float = 10.0, what: str = "the condition") -> T:
    """Return the first true value of `condition`; raise AssertionError when `timeout_s` runs out.

    An exception of `condition` is not swallowed: a condition that may fail to ask says so itself.
    """
    deadline = time.monotonic() + timeout_s
    never_set = Event()
    while not (seen := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}; last seen: {seen!r}")
        never_set.wait(_BETWEEN_S)
    return seen
