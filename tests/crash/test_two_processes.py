"""Faults 14 and 17: a process that was stopped wakes up after another has acted, and its next call is not made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from crash.children import child, wait_until_stopped
from dnsrun.engine.advance import Busy, Ended, advance
from dnsrun.model.entry import RollbackAsked
from worlds import APEX, OLD, World, world

SWITCH = 2


@pytest.fixture
def lowered(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        run = made.open()
        made.start(run, 1)
        assert made.drive(run) == Ended("done", "done")
        yield made


def updates(small: World) -> int:
    """Count what was asked of the primary, whether it did something or not."""
    return sum(record.kind == "update" for record in small.ns1.log)


@pytest.mark.parametrize("where", ["before Intended", "after Intended"])
def test_a_stopped_process_that_wakes_after_a_rollback_does_not_write(lowered: World, where: str) -> None:
    """Fault 17: somebody took its lock away and went back meanwhile."""
    before = updates(lowered)
    with child(lowered, SIGSTOP, where, (SWITCH,)) as process:
        wait_until_stopped(process)
        (lowered.folder / "client.example/lock").unlink()
        run = lowered.open()
        run.append(RollbackAsked("newest", None, "a second terminal"))
        after = lowered.drive(run)
        assert isinstance(after, Ended)
        assert after.outcome == "rolled-back"
        head = run.state.head
        process.send_signal(SIGCONT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert updates(lowered) == before
    assert lowered.values(lowered.ns1) == lowered.values(lowered.ns2) == [f"600 {OLD}"]
    assert run.catch_up().head == head, "it had nothing to add"


def test_a_second_operator_is_told_who_is_at_work_and_may_still_ask_for_the_way_back(lowered: World) -> None:
    """Fault 14: the one that holds the domain answers the request, and its own call is not made."""
    before = updates(lowered)
    with child(lowered, SIGSTOP, "after Intended", (SWITCH,)) as process:
        wait_until_stopped(process)
        run = lowered.open()
        busy = advance(run)
        assert isinstance(busy, Busy)
        assert f"process {process.pid} is at work" in busy.because
        assert "phase 2, going forward" in busy.because
        run.append(RollbackAsked("newest", None, "a second terminal"))
        process.send_signal(SIGCONT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert updates(lowered) == before
    assert lowered.ns1.zone_text(APEX).count(OLD) == lowered.ns2.zone_text(APEX).count(OLD) == 2
    assert run.catch_up().phase(SWITCH).outcome == "rolled-back"
    assert isinstance(advance(run), Ended), "the dead process left no lock"
