"""The clock that everything takes its time from: the system's, or one that jumps.

Journal times are aware UTC; time-outs use the monotonic part. Nothing else in dnsrun reads a clock or sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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


def awake_and_asleep_s() -> float:
    """Return seconds since some moment, the time that the machine slept included; never goes back.

    Linux counts sleep in CLOCK_BOOTTIME, macOS in CLOCK_MONOTONIC.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SystemClock:
    """The machine's own clock, read once: from then on time passes as the machine counts it (rule T9).

    A wall clock that somebody sets meanwhile, forward or back, is not believed: no wait becomes shorter or longer
    (faults 18, 19). Deadlines in the journal are absolute UTC.
    `wall` and `passed_s` are where time comes from; other sources are for tests.
    """

    def __init__(
        self, wall: Callable[[], datetime] = now_utc, passed_s: Callable[[], float] = awake_and_asleep_s
    ) -> None:
        self._passed_s = passed_s
        self._began, self._began_s = wall(), passed_s()

    def now(self) -> datetime:
        """Return the current time, aware, UTC, whole milliseconds."""
        passed = timedelta(milliseconds=int((self._passed_s() - self._began_s) * 1000))
        return self._began + passed

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
