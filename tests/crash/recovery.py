"""Going on after a crash, and what must be true then (P1, P2): target or checkpoint, one effect each, no more.

The default run takes every k-th point; `-m long` takes all points, every second one in CI.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import cycle

from crash.crashworld import STALE_LOCK, CrashWorld, Point, PointWorld, Variant, content
from crash.words import AT_THE_END_OF, LAST_PHASE, LOWERED, ORIGINAL
from dnsrun.engine.advance import Ended, advance
from dnsrun.engine.run import Run
from dnsrun.journal.fold import RunState
from dnsrun.model.entry import RollbackAsked

K = 6
LONG_K = 1
CHUNKS = 8
AT_ONCE_S, HOURS_LATER_S = 5, 7 * 3600


def recover_all(world: CrashWorld, points: Sequence[Point], variant: Variant) -> None:
    """Crash at each of these points and go on, at once and hours later in turn."""
    for point, after_s in in_turn(points):
        recover(world, point, variant, after_s=after_s)


def in_turn(points: Iterable[Point]) -> Iterable[tuple[Point, int]]:
    """Pair points with how much later, in seconds, somebody goes on."""
    return zip(points, cycle((AT_ONCE_S, HOURS_LATER_S)), strict=False)


def recover(world: CrashWorld, point: Point, variant: Variant, *, after_s: int) -> None:
    """Go on from a point in a fresh process `after_s` seconds later, and hold the outcome to what was promised."""
    world.start_at(point, after_s=after_s, lock=STALE_LOCK)
    run = world.open()
    if variant == "rollback" and can_go_back(run.state):
        run.append(RollbackAsked("all", None, "somebody"))
        assert world.go(run) == "rolled-back", point.where
        expected = ORIGINAL
    else:
        expected = _resumed(world, run, point)
    for zone in world.zones:
        assert content(zone) == expected, point.where
    one_effect_each(world, point)
    nothing_is_open(world, point)


def can_go_back(state: RunState) -> bool:
    """Tell whether there is a run, and it is not closed."""
    return state.opened is not None and state.ended is None


def _resumed(world: CrashWorld, run: Run, point: Point) -> frozenset[str]:
    state = run.state
    back = goes_back(state) or 503 in point.web
    scope = state.asked_back.scope if state.asked_back else None
    raises = scope == "all" or (state.going_back is not None and state.going_back.raise_ttls)
    raised = content(point.zones[0]) == ORIGINAL and point.phase == LAST_PHASE - 1
    outcome = world.go(run)
    assert outcome == ("rolled-back" if back else "done"), point.where
    if back:
        return ORIGINAL if raises or raised else LOWERED
    if point.phase == LAST_PHASE:
        assert run.state.ended, f"{point.where}: the run was not closed"
    return AT_THE_END_OF[point.phase]


def goes_back(state: RunState) -> bool:
    """Tell whether the journal says that something is being taken back, or was last."""
    if state.asked_back or state.going_back:
        return True
    last = max(state.phases.values(), key=lambda phase: str(phase.ended_at or ""), default=None)
    return state.active is None and last is not None and last.outcome == "rolled-back"


def one_effect_each(world: PointWorld, point: Point) -> None:
    """Nothing took effect twice, and nothing was written that was there."""
    twice = [change for change, times in Counter(world.commits).items() if times > 1]
    assert not twice, f"{point.where}: committed twice"
    assert not world.vain_updates, f"{point.where}: written although it was there"
    done = Counter(world.lines("done"))
    assert done["run"] <= 1, f"{point.where}: the program was run twice"


def nothing_is_open(world: PointWorld, point: Point) -> None:
    """A process that comes later finds nothing left to do, and nobody else's lock."""
    run = world.open()
    assert run.state.active is None, point.where
    assert run.state.going_back is None, point.where
    before = run.state.head
    assert isinstance(advance(run), Ended), point.where
    assert run.state.head == before, f"{point.where}: it was not over"
