"""Fault 6: who comes back after hours judges by what is there now, not by the last look before."""

from __future__ import annotations

from crash.crashworld import CrashWorld, content
from crash.runs import Recording
from crash.words import AT_THE_END_OF
from dnsrun.engine.advance import DueAt, advance
from dnsrun.engine.run import Run
from dnsrun.model.entry import Done, Judged
from worlds import APEX


def dones(run: Run) -> int:
    return sum(isinstance(record.entry, Done) for record in run.journal.read())


def test_a_server_that_was_late_when_the_process_died_is_asked_again_before_anything_is_taken_back(
    crashing: CrashWorld, recording: Recording
) -> None:
    crashing.start_at(recording.ends[2])
    old, run = crashing.zones[1], crashing.begin(3)
    done = dones(run)
    while dones(run) < done + 2:
        assert isinstance(advance(run), DueAt)
    new = crashing.zones[1]
    assert old != new
    crashing.small.ns2.set_zone(APEX, old)
    assert isinstance(advance(run), DueAt)
    last = list(run.journal.read())[-1].entry
    assert isinstance(last, Judged)
    assert last.not_yet, "the secondary serves the old value for a moment"
    crashing.start_at(crashing.here("dead"), after_s=7 * 3600)
    crashing.small.ns2.set_zone(APEX, new)
    assert crashing.go(crashing.open()) == "done"
    assert [content(zone) for zone in crashing.zones] == [AT_THE_END_OF[3]] * 2
