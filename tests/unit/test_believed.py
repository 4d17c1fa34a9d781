"""T9 between processes: a wall clock that was set does not make a wait shorter (faults 18, 19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsrun.wiring.believed import believed_now

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(folder: Path, wall: datetime, up: timedelta, *, boot: str = "this") -> datetime:
    """Ask as a process does that starts when the machine has been up for so long."""
    return believed_now(folder, boot=boot, wall=lambda: wall, passed_s=up.total_seconds)


def test_time_passes_as_the_machine_counts_it(tmp_path: Path) -> None:
    assert at(tmp_path, NOON, HOUR) == NOON
    assert at(tmp_path, NOON + HOUR, 2 * HOUR) == NOON + HOUR


def test_a_clock_set_forward_does_not_end_a_wait(tmp_path: Path) -> None:
    at(tmp_path, NOON, HOUR)
    assert at(tmp_path, NOON + 25 * HOUR, 2 * HOUR) == NOON + HOUR


def test_a_clock_set_back_makes_a_wait_longer(tmp_path: Path) -> None:
    at(tmp_path, NOON, HOUR)
    assert at(tmp_path, NOON - HOUR, 2 * HOUR) == NOON - HOUR


def test_after_a_restart_the_wall_clock_counts(tmp_path: Path) -> None:
    at(tmp_path, NOON, 9 * HOUR)
    assert at(tmp_path, NOON + 3 * HOUR, HOUR, boot="next") == NOON + 3 * HOUR
    assert at(tmp_path, NOON + 30 * HOUR, 2 * HOUR, boot="next") == NOON + 4 * HOUR


@pytest.mark.parametrize("text", ["", "this", "this x y", "this 1.0 2026-03-02T12:00:00+00:00 more"])
def test_a_mark_that_cannot_be_read_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    assert at(tmp_path, NOON, HOUR) == NOON
    assert at(tmp_path, NOON + 25 * HOUR, 2 * HOUR) == NOON + HOUR


def test_without_a_state_folder_nothing_is_written(tmp_path: Path) -> None:
    assert at(tmp_path / "none", NOON, HOUR) == NOON
    assert not (tmp_path / "none").exists()
