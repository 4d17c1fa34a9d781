"""Going on after a crash where a zone moves (P1, P2): target or checkpoint at three places, one effect each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crash import movingwords as words
from crash.crashworld import STALE_LOCK, Point, Variant, content
from crash.movingruns import assert_held
from crash.movingworld import MovingWorld
from crash.recovery import can_go_back, goes_back, in_turn, nothing_is_open, one_effect_each
from dnsrun.engine.run import Run
from dnsrun.model.act import SetDelegation
from dnsrun.model.entry import Intended, RollbackAsked
from dnsrun.model.plan import Do

Held = tuple[frozenset[str], frozenset[str], frozenset[str]]


def recover_all_moving(world: MovingWorld, points: Sequence[Point], variant: Variant) -> None:
    """Crash at each of these points and go on, at once and hours later in turn."""
    for point, after_s in in_turn(points):
        recover_moving(world, point, variant, after_s=after_s)


def recover_moving(world: MovingWorld, point: Point, variant: Variant, *, after_s: int) -> None:
    """Go on from a point in a fresh process `after_s` seconds later, and hold the outcome to what was promised."""
    world.start_at(point, after_s=after_s, lock=STALE_LOCK)
    run = world.open()
    if variant == "rollback" and can_go_back(run.state):
        run.append(RollbackAsked("all", None, "somebody"))
        assert world.go(run) == "rolled-back", point.where
        expected = _back(world, words.ORIGINAL)
    else:
        expected = _resumed(world, run, point)
    assert_held(world, expected, point.where)
    one_effect_each(world, point)
    nothing_is_open(world, point)


def around_delegation(world: MovingWorld, points: Iterable[Point]) -> Iterator[Point]:
    """Yield the points at which a change of the delegation is intended: its call was made, or it was not."""
    for point in points:
        world.start_at(point)
        run = world.open()
        plan, last = run.active_plan(), list(run.journal.read())[-1:]
        if plan and last and isinstance(last[0].entry, Intended):
            move = plan.moves[last[0].entry.move]
            if isinstance(move, Do) and isinstance(plan.acts[move.act], SetDelegation):
                yield point


def _resumed(world: MovingWorld, run: Run, point: Point) -> Held:
    state = run.state
    is_broken = words.WRONG in point.zones[1]
    scope = state.asked_back.scope if state.asked_back else None
    raises = scope == "all" or (state.going_back is not None and state.going_back.raise_ttls)
    is_high = content(point.zones[0]) == words.ORIGINAL
    back = goes_back(state) or is_broken
    assert world.go(run) == ("rolled-back" if back else "done"), point.where
    if back:
        return _back(world, words.ORIGINAL if raises or is_high else words.LOWERED)
    if point.phase == words.LAST_PHASE:
        assert run.state.ended, f"{point.where}: the run was not closed"
    return words.AT_THE_END_OF[point.phase]


def _back(world: MovingWorld, old: frozenset[str]) -> Held:
    """Return what stays behind: what was written where nobody asks any more is right, and is not deleted."""
    written = {commit.at for commit in world.commits}
    restored = any(line.startswith("120 ") for c in world.commits if c.at == 1 for line in c.change.after)
    new = words.RESTORED if restored else words.COPIED if 1 in written else words.EMPTY
    return old, new, words.HERE
