"""The clock that everything takes its time from: the system's, or one that jumps.

Journal times are aware UTC; time-outs use the monotonic part. Nothing else in dnsrun reads a clock or sleeps.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """What the engine takes time from."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        ...

    def wait_until(self, when: datetime) -> None:
        """Return at `when` (UTC) or soon after; at once when it has passed."""
        ...


def now_utc() -> datetime:
    """Return the system's time, aware, UTC, whole milliseconds."""
    now = datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        return now_utc()

    def monotonic_s(self) -> float:
        """Return seconds that never go back and do not follow the wall clock."""
        return time.monotonic()

    def wait_until(self, when: datetime) -> None:
        """Block until `when` (UTC) or a signal; looks again each minute, so that a woken laptop notices."""
        while (left := (when - self.now()).total_seconds()) > 0:
            Event().wait(min(left, 60.0))


class VirtualClock:
    """A clock that stands still until somebody waits, and then jumps. For rehearsal and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start

    def now(self) -> datetime:
        """Return the virtual time, aware, UTC."""
        return self._now

    def monotonic_s(self) -> float:
        """Return the virtual seconds since the start."""
        return (self._now - self._start).total_seconds()

    def wait_until(self, when: datetime) -> None:
        """Jump to `when`; never back."""
        self._now = max(self._now, when)

    def advance(self, seconds: float) -> None:
        """Move the time on by `seconds`."""
        self._now += timedelta(seconds=seconds)
