"""The runs of a zone that moves whose every point is crashed: one to the end, and the ways back on both sides."""

from __future__ import annotations

from crash import movingwords as words
from crash.crashworld import Point, content
from crash.movingworld import MovingWorld
from crash.runs import Recording, record_runs
from dnsrun.model.entry import RollbackAsked

SWITCHED = -2  # the place in phase 2 at which the parent has just been seen to delegate to the new host


def record_moving(world: MovingWorld) -> Recording:
    """Make every run once and record its points."""
    return record_runs(world, _to_the_end, _MORE_RUNS)


def _to_the_end(world: MovingWorld) -> dict[int, Point]:
    ends = {}
    for number in range(1, words.LAST_PHASE + 1):
        run = world.begin(number)
        if number == 2:
            world.go_until_switched(run)
            ends[SWITCHED] = world.here("")
        assert world.go(run) == "done"
        assert_held(world, words.AT_THE_END_OF[number])
        ends[number] = world.here("")
    return ends


def assert_held(world: MovingWorld, expected: tuple[frozenset[str], ...], where: str = "") -> None:
    """Compare whole zones, those of the old host, the new one and the parent."""
    for name, zone, wanted in zip(("old host", "new host", "parent"), world.zones, expected, strict=True):
        assert content(zone) == wanted, f"{name}, {where}"


def _a_record_is_wrong_at_the_new_host(world: MovingWorld) -> None:
    """A gate fails after the switch: both sides go back."""
    run = world.open()
    world.small.edit(world.small.new, words.EDITED, words.WRONG)
    assert world.go(run) == "rolled-back"
    assert_held(world, words.AT_THE_END_OF[1])


def _asked_straight_before_the_call(world: MovingWorld) -> None:
    """Fault 17: the second terminal is first, and the call is never made."""
    world.asks = "before the call"
    run = world.begin(2)
    assert world.go(run) == "rolled-back"
    assert_held(world, words.AT_THE_END_OF[1])
    assert not any(commit.at == 2 for commit in world.commits)


def _asked_straight_after_the_call(world: MovingWorld) -> None:
    world.asks = "after the call"
    run = world.begin(2)
    assert world.go(run) == "rolled-back"
    assert_held(world, words.AT_THE_END_OF[1])


def _asked_for_everything(world: MovingWorld) -> None:
    """The TTLs are up again at the new host; the run is not finished yet."""
    run = world.begin(3)
    assert world.go(run, until=f"client.example. {words.HIGH_S} IN NS ns1.new") == "reached"
    run.append(RollbackAsked("all", None, "a second terminal"))
    assert world.go(run) == "rolled-back"
    assert_held(world, (words.ORIGINAL, words.RESTORED, words.HERE))


_MORE_RUNS = (
    (_a_record_is_wrong_at_the_new_host, SWITCHED),
    (_asked_straight_before_the_call, 1),
    (_asked_straight_after_the_call, 1),
    (_asked_for_everything, 2),
)
