"""The time that one try may take."""

from __future__ import annotations

from datetime import timedelta

from dnsrun.clock import SystemClock


class Budget:
    """Seconds left for one try, whatever it does. Real time: servers do not follow a virtual clock."""

    def __init__(self, seconds: float) -> None:
        self._clock = SystemClock()
        self._ends_s = self._clock.monotonic_s() + seconds

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass; raises `TimeoutError` when they are not left."""
        if self.left_s() < seconds:
            raise TimeoutError("the time for this try is used up")
        self._clock.wait_until(self._clock.now() + timedelta(seconds=seconds))

    def left_s(self) -> float:
        """Return what is left, in seconds; raises `TimeoutError` when nothing is."""
        left = self._ends_s - self._clock.monotonic_s()
        if left <= 0:
            raise TimeoutError("the time for this try is used up")
        return left
