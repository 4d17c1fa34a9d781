"""Clocks that jump, and time zones (faults 18 to 20, rule T9)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsrun.clock import SystemClock, VirtualClock
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from worlds import NEW, START, World, world

DAY = timedelta(days=1)
WAIT = timedelta(minutes=20)
MORE = timedelta(minutes=6)  # than the wait itself: what comes before and after it
WAITS = """dnsrun: 1
domain: client.example
goal: The web site moves, and somebody waits a while.
providers:
  old: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.client.example]}
  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}
zone: {from: old, secondaries: {old: [second]}}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}
phases:
  - name: switch
    steps: [{kind: switch-records}, {kind: wait, for: 20m}]
"""


class Machine(VirtualClock):
    """The system's clock on a machine whose wall clock somebody can set, and where time passes when asked to."""

    def __init__(self, wall: datetime = START) -> None:
        super().__init__(START)
        self.wall = wall
        self.passed_s = 100.0
        self._clock = SystemClock(lambda: self.wall, lambda: self.passed_s)

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic_s(self) -> float:
        return self.passed_s

    def passes(self, time: timedelta) -> None:
        """Let time pass, as it really does."""
        self.wall += time
        self.passed_s += time.total_seconds()


def waiting(small: World, machine: Machine) -> tuple[Run, datetime]:
    """Bring a run into its wait; return when that is over."""
    small.clock = machine
    run = small.open(WAITS)
    small.start(run, 1)
    for _ in range(200):
        after = advance(run)
        assert isinstance(after, DueAt), after
        if run.state.active and any(move.due for move in run.state.active.moves.values()):
            due = next(move.due.until for move in run.state.active.moves.values() if move.due)
            return run, due
        machine.passes(max(after.when - machine.now(), timedelta()))
    raise AssertionError("the wait does not begin")


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["fault 18, forward", "fault 19, back"])
def test_faults_18_and_19_a_wait_lasts_as_long_as_it_should_when_the_wall_clock_is_set(
    jump: timedelta, tmp_path: Path
) -> None:
    machine = Machine()
    with world(tmp_path) as small:
        run, due = waiting(small, machine)
        began = machine.passed_s
        machine.wall += jump
        for _ in range(200):
            after = advance(run)
            if isinstance(after, Ended):
                break
            assert isinstance(after, DueAt)
            assert timedelta() <= after.when - machine.now() <= WAIT, "no negative wait, none longer than asked"
            machine.passes(after.when - machine.now())
        assert after == Ended("done", "done")
        assert WAIT - MORE <= timedelta(seconds=machine.passed_s - began) <= WAIT + MORE
        assert small.values(small.ns2) == [f"3600 {NEW}"]
        assert due - START <= WAIT + MORE, "the journal keeps absolute times"


def test_fault_19_a_later_process_whose_clock_is_behind_keeps_the_deadline(tmp_path: Path) -> None:
    with world(tmp_path) as small:
        _, due = waiting(small, Machine())
        small.clock = Machine(START - 2 * DAY)
        later = small.open(WAITS)
        after = advance(later)
        assert isinstance(after, DueAt)
        moves = later.state.active.moves.values() if later.state.active else ()
        assert [move.due.until for move in moves if move.due] == [due]


def test_time_passes_while_the_machine_sleeps() -> None:
    """A closed lid: the wall clock and the machine's count go on together."""
    machine = Machine()
    machine.passes(8 * WAIT)
    assert machine.now() == START + 8 * WAIT


SCRIPT = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from datetime import timedelta
from dnsrun.clock import SystemClock
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import DueSet
from worlds import world
clock = SystemClock()
with world(Path(sys.argv[1])) as small:
    run = small.open()
    small.start(run, 1)
    small.drive(run)
journal = FileJournal(Path(sys.argv[1]) / "now", clock)
journal.append(DueSet(0, clock.now() + timedelta(hours=1), "a wait"), head=(0, ""))
"""


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns"])
def test_fault_20_the_journal_stays_utc_in_any_time_zone(zone: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, env={**os.environ, "TZ": zone})
    lines = (tmp_path / "client.example" / "journal.jsonl").read_text().splitlines()
    told = [json.loads(line)["at"] for line in lines]
    assert told[0] == "2026-03-02T09:00:00.000Z"
    assert all(at.endswith("Z") for at in told)
    now = tmp_path / "now" / "journal.jsonl"
    (line,) = now.read_text().splitlines()
    record = json.loads(line)
    at, until = (datetime.fromisoformat(text) for text in (record["at"], record["entry"]["until"]))
    assert record["entry"]["until"].endswith("Z")
    assert abs(at.timestamp() - now.stat().st_mtime) < 60
    assert timedelta(minutes=59) < until - at < timedelta(minutes=61)
