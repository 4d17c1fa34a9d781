"""The world of a zone that moves, with its points: the old host, the new one and the parent are held to account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crash import movingwords as words
from crash.crashworld import Kept, PointWorld
from crash.disk import watching_fsync
from dnsrun.engine.run import Run
from switchworld import NEW_SERVERS, PARENT, SwitchWorld, switch_world
from worlds import APEX


class MovingWorld(PointWorld):
    """Old host, new host and parent zone, in this order."""

    small: SwitchWorld

    def __init__(self, small: SwitchWorld, base: Path) -> None:
        small.old.set_zone(APEX, words.old_zone())
        small.new.set_zone(APEX, words.new_zone())
        small.parent.set_zone(PARENT, words.parent())
        keeps = (Kept(small.old, APEX), Kept(small.new, APEX), Kept(small.parent, PARENT))
        super().__init__(small, base, keeps, words.TEXT)

    def go_until_switched(self, run: Run) -> None:
        """Advance until the parent delegates to the new host, and the journal says so."""
        for _ in range(200):
            if run.switched and self.small.delegated() == set(NEW_SERVERS):
                return
            self.small.clock.wait_until(self.small.step(run))
        raise AssertionError("it is never switched")


@contextmanager
def moving_world(base: Path) -> Iterator[MovingWorld]:
    """Start the servers; ends what it started."""
    with switch_world(base / "none") as small:
        made = MovingWorld(small, base)
        with watching_fsync(made.synced):
            yield made
