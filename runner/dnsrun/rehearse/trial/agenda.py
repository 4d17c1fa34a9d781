"""A clock that jumps from one thing that is due to the next: engine, caches, secondaries and registrar share it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from dnsrun.clock import VirtualClock

Happening = Callable[[], None]


class Agenda(VirtualClock):
    """Stands still until somebody waits; on the way everything happens that is due, in the order of its time.

    `version` counts the changes of the world: while it is the same, every server answers the same.
    """

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.version = 0
        self._due: list[tuple[datetime, int, Happening]] = []
        self._number = count()
        self._before: list[Callable[[datetime], None]] = []
        self._after: list[Happening] = []

    def witness(self, before: Callable[[datetime], None], after: Happening) -> None:
        """Have `before` called with the time (UTC) straight before each change of the world, `after` after it."""
        self._before.append(before)
        self._after.append(after)

    def at(self, when: datetime, what: Happening) -> None:
        """Have something happen at `when` (UTC); what is due already happens when somebody waits next."""
        heapq.heappush(self._due, (when, next(self._number), what))

    def later(self, seconds: float, what: Happening) -> None:
        """Have something happen in some seconds."""
        self.at(self.now() + timedelta(seconds=seconds), what)

    def change(self, what: Happening) -> None:
        """Change the world now; who lives in it has lived up to now."""
        for live in self._before:
            live(self.now())
        what()
        self.version += 1
        for look in self._after:
            look()

    @property
    def next_due(self) -> datetime | None:
        """When (UTC) the world changes next by itself, as far as that is known."""
        return self._due[0][0] if self._due else None

    def wait_until(self, when: datetime) -> None:
        """Jump to `when` (UTC), through everything that is due on the way; never back."""
        while self._due and self._due[0][0] <= when:
            due, _, what = heapq.heappop(self._due)
            super().wait_until(due)
            what()
        super().wait_until(when)
