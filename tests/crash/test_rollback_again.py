"""P7 and P10: a rollback can be cut short, repeated and made elsewhere; the same run writes the same journal."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from crash.crashworld import CrashWorld, Point, content
from crash.recovery import recover
from crash.runs import Recording
from crash.words import ORIGINAL
from dnsrun.model.entry import RollbackAsked


@pytest.fixture(scope="module")
def late(recording: Recording) -> Point:
    """The end of phase 3: as much as possible is to be taken back."""
    return recording.ends[3]


def ask_for_everything(world: CrashWorld) -> str:
    run = world.open()
    run.append(RollbackAsked("all", None, "somebody"))
    return world.go(run)


def test_a_rollback_is_finished_from_a_copy_of_the_state_folder(crashing: CrashWorld, late: Point) -> None:
    crashing.start_at(late)
    run = crashing.open()
    run.append(RollbackAsked("all", None, "somebody"))
    assert crashing.go(run, until="late.client.example. 600 IN A 192.0.2.10") == "reached"
    copied = crashing.here("copied to another machine")
    crashing.start_at(copied)
    assert crashing.go(crashing.open()) == "rolled-back"
    assert [content(zone) for zone in crashing.zones] == [ORIGINAL] * 2


def test_a_second_rollback_changes_nothing(crashing: CrashWorld, late: Point) -> None:
    crashing.start_at(late)
    assert ask_for_everything(crashing) == "rolled-back"
    zones, commits, calls = crashing.zones, crashing.commits, crashing.calls
    assert ask_for_everything(crashing) == "rolled-back"
    assert (crashing.zones, crashing.commits, crashing.calls) == (zones, commits, calls)
    assert crashing.lines("done") == ["run", "undo"]


def test_a_rollback_that_dies_again_and_again_ends_in_the_checkpoint(crashing: CrashWorld, late: Point) -> None:
    """Fault 7: the second rollback is killed as well, and the third completes."""
    crashing.start_at(late)
    again = points_of_a_rollback(crashing)
    crashing.start_at(again[len(again) // 2], after_s=60)
    third = points_of_a_rollback(crashing)
    for point in third[:: max(1, len(third) // 8)]:
        recover(crashing, point, "resume", after_s=60)


def points_of_a_rollback(world: CrashWorld) -> list[Point]:
    """Return the points of a rollback from here on, of those that leave the same one."""
    known, world.points, world.recording = world.points, [], True
    ask_for_everything(world)
    points, world.points, world.recording = world.points, known, False
    asked = [point for point in points if b"RollbackAsked" in point.disk["client.example/journal.jsonl"]]
    return list({point.left: point for point in asked}.values())


def test_the_same_run_writes_the_same_octets(
    crashing: CrashWorld, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10. The one thing that differs otherwise is the name of the run, drawn by lot so that two runs never share one.

    It stands in the first record and in the plans, and so in every digest after it.
    """
    monkeypatch.setattr(secrets, "token_hex", lambda octets: "5e" * octets)
    assert whole_run(crashing, recording) == whole_run(crashing, recording)


def whole_run(world: CrashWorld, recording: Recording) -> dict[str, bytes]:
    world.start_at(replace(recording.points[0], disk={}))
    for number in (1, 2, 3, 4):
        assert world.go(world.begin(number)) == "done"
    return dict(world.disk.tree())
