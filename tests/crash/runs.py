"""The runs whose every point is crashed: one to the end, and every way back. Recorded once for each test process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crash.crashworld import CrashWorld, Point, PointWorld, content
from crash.words import AT_THE_END_OF, LAST_PHASE, LATE, LOWERED, ORIGINAL
from dnsrun.model.entry import Planned, Record, RollbackAsked
from worlds import NEW

W = TypeVar("W", bound=PointWorld)


@dataclass(frozen=True, slots=True)
class Recording:
    """All points of all runs, those that leave the same only once; and what the runs journaled and did.

    `ends` are the ends of the phases that ended well.
    """

    points: tuple[Point, ...]
    records: tuple[Record, ...]
    acts: frozenset[type]
    ends: dict[int, Point]
    calls: int
    counted: int

    def __str__(self) -> str:
        return (
            f"{len(self.records)} journal records and {self.calls} provider calls: "
            f"{len(self.records) + 2 * self.calls} places, {self.counted} points, {len(self.points)} of them different"
        )


def record(world: CrashWorld) -> Recording:
    """Make every run of a zone that stays, and record its points."""
    return record_runs(world, _to_the_end, _MORE_RUNS)


def record_runs(
    world: W, to_the_end: Callable[[W], dict[int, Point]], more_runs: Sequence[tuple[Callable[[W], None], int]]
) -> Recording:
    """Make every run once and record its points: one to the end, then those from one of the places it came by."""
    world.recording = True
    ends = to_the_end(world)
    records, acts = _journaled(world, 0)
    calls = world.calls
    for make, start in more_runs:
        world.start_at(ends[start])
        seq = world.open().state.head[0]
        make(world)
        more, more_acts = _journaled(world, seq)
        records, acts, calls = records + more, acts | more_acts, calls + world.calls
    world.recording = False
    different = {point.left: point for point in world.points}
    return Recording(tuple(different.values()), records, acts, ends, calls, len(world.points))


def _journaled(world: PointWorld, after: int) -> tuple[tuple[Record, ...], frozenset[type]]:
    """Return the records after a seq, and the kinds of act in their plans."""
    run = world.open()
    records = tuple(run.journal.read(after))
    plans = [run.plan(record.entry.plan) for record in records if isinstance(record.entry, Planned)]
    return records, frozenset(type(act) for plan in plans for act in plan.acts)


def _to_the_end(world: CrashWorld) -> dict[int, Point]:
    ends = {}
    for number in range(1, LAST_PHASE + 1):
        run = world.begin(number)
        assert world.go(run) == "done"
        assert [content(zone) for zone in world.zones] == [AT_THE_END_OF[number]] * 2
        ends[number] = world.here("")
    return ends


def _gate_fails(world: CrashWorld) -> None:
    run = world.begin(2)
    assert world.go(run, until=f"www.client.example. 600 IN A {NEW}") == "reached"
    world.small.web_new.status = 503
    assert world.go(run) == "rolled-back"
    assert [content(zone) for zone in world.zones] == [LOWERED] * 2


def _asked_in_the_middle(world: CrashWorld) -> None:
    run = world.begin(3)
    assert world.go(run, until=f"late.client.example. 600 IN A {NEW}") == "reached"
    run.append(RollbackAsked("to-phase", 1, "a second terminal"))
    assert world.go(run) == "rolled-back"
    assert [content(zone) for zone in world.zones] == [LOWERED] * 2


def _asked_for_everything(world: CrashWorld) -> None:
    assert [content(zone) for zone in world.zones] == [LATE] * 2
    run = world.open()
    run.append(RollbackAsked("all", None, "somebody"))
    assert world.go(run) == "rolled-back"
    assert [content(zone) for zone in world.zones] == [ORIGINAL] * 2


def _asked_for_the_newest(world: CrashWorld) -> None:
    run = world.open()
    run.append(RollbackAsked("newest", None, "somebody"))
    assert world.go(run) == "rolled-back"
    assert [content(zone) for zone in world.zones] == [LOWERED] * 2


def _stumbles(world: CrashWorld) -> None:
    """A host that does not answer and a person who says no first: the phase waits, and goes on when told so."""
    world.stumbles = world.declines = 1
    run = world.begin(2)
    assert world.go(run) == "done"
    assert [content(zone) for zone in world.zones] == [AT_THE_END_OF[2]] * 2


_MORE_RUNS: tuple[tuple[Callable[[CrashWorld], None], int], ...] = (
    (_gate_fails, 1),
    (_asked_in_the_middle, 2),
    (_asked_for_everything, 3),
    (_asked_for_the_newest, 2),
    (_stumbles, 1),
)
