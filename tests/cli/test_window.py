"""A phase that may start only at certain times, from the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from cli.conftest import Project
from dnsrun.cli.console import Console
from worlds import PLAYBOOK

# The world begins on Monday 2026-03-02 at 18:00 in Tokyo; `lowered` is on Tuesday at 20:00.
WINDOW = "window: {days: [sat, sun, holiday], hours: 09:00-15:00, timezone: Asia/Tokyo, holidays: JP}\n"
WORDS = "outside the window: sat, sun or a holiday, 09:00\N{EN DASH}15:00 Asia/Tokyo"


@pytest.fixture(autouse=True)
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_apply_outside_the_window_is_75_and_says_when_and_why(lowered: Project) -> None:
    lowered.write(PLAYBOOK + WINDOW)
    result = lowered("apply", "--phase", "2", "--yes", "--accept-changes")
    assert result.code == 75
    assert (
        f"phase 2 refused: {WORDS}; next: 2026-03-07 09:00 JST (00:00 UTC), in 3 days 13 h. "
        "Run the same command after that time."
    ) in result.err
    assert lowered.world.values(lowered.world.ns1) == ["600 192.0.2.10"]


def test_apply_inside_the_window_runs(lowered: Project) -> None:
    lowered.write(PLAYBOOK + WINDOW)
    lowered.world.clock.advance(4 * 86400 + 15 * 3600)
    result = lowered("apply", "--phase", "2", "--yes", "--accept-changes")
    assert result.code == 0, result.err


def test_a_window_that_closes_while_a_person_is_asked_starts_nothing(
    lowered: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_late(_console: Console, _question: str) -> bool:
        lowered.world.clock.advance(6 * 3600)
        return True

    lowered.write(PLAYBOOK + WINDOW)
    lowered.world.clock.advance(4 * 86400 - 10 * 3600)  # Saturday at 10:00
    monkeypatch.setattr(Console, "ask_yes", answer_late)
    result = lowered("apply", "--phase", "2", "--accept-changes")
    assert result.code == 75
    assert "outside the window, which has closed meanwhile" in result.err
    assert "next: 2026-03-08 09:00 JST (00:00 UTC)" in result.err
    assert lowered.world.values(lowered.world.ns1) == ["600 192.0.2.10"]


def test_plan_takes_the_window_and_the_old_ttl_together(project: Project) -> None:
    project.write(PLAYBOOK + WINDOW)
    result = project("plan")
    assert 'phase 1 "lower TTLs"   may start now' in result.out
    assert 'phase 2 "switch A"   not before 2026-03-07 09:00 JST (00:00 UTC), in 4 days 15 h' in result.out
    assert f"  {WORDS}" in result.out


def test_status_says_when_the_window_opens_next(project: Project) -> None:
    project.write(PLAYBOOK + WINDOW)
    project("apply", "--phase", "1", "--yes")
    assert "(not before 2026-03-07 09:00 JST (00:00 UTC))" in project("status").out
    project.world.clock.advance(6 * 86400)  # Sunday, after it has closed
    assert json.loads(project("status", "--json").out)[0]["opens"] == "2026-03-14T00:00:00Z"


def test_a_rollback_and_what_has_begun_wait_for_no_window(lowered: Project) -> None:
    lowered.write(PLAYBOOK + WINDOW)
    lowered.world.clock.advance(4 * 86400 + 15 * 3600)
    lowered("apply", "--phase", "2", "--yes", "--accept-changes")
    lowered.world.clock.advance(86400)
    result = lowered("rollback", "client.example", "--yes")
    assert result.code == 3, result.err
    assert lowered.world.values(lowered.world.ns1) == ["600 192.0.2.10"]


def test_check_refuses_a_window_that_never_opens(project: Project) -> None:
    freeze = "freezes: [{from: 2026-01-01, to: 2027-12-31, why: closed}]"
    project.write(PLAYBOOK + f"window: {{timezone: UTC, {freeze}}}\n")
    result = project("check")
    assert result.code == 2
    assert (
        'playbooks/client.yaml:1:1: phase 2 "switch A" can never start: its window (every day UTC) does not open '
        "within a year; look at its freezes"
    ) in result.err
