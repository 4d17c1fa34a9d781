"""The name servers move: copied, proved, switched, watched, taken back on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended
from switchworld import NEW_SERVERS, NS_ONLY, OLD_SERVERS, PLAYBOOK, SwitchWorld, switch_world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SwitchWorld]:
    with switch_world(tmp_path) as made:
        yield made


def done(here: SwitchWorld, number: int, text: str = PLAYBOOK) -> None:
    """Run a phase when its time has come."""
    run = here.open(text)
    from dnsrun.engine.start import begin, prepare

    prepared = prepare(run, number)
    if prepared.plan.earliest and prepared.plan.earliest > here.clock.now():
        here.clock.wait_until(prepared.plan.earliest + timedelta(seconds=1))
        prepared = prepare(run, number)
    begin(run, prepared, {hazard.name: "a test" for hazard in prepared.plan.hazards})
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "done", ended


def test_all_five_phases_move_the_zone_and_close_the_run(here: SwitchWorld) -> None:
    for number in (1, 2, 3):
        done(here, number)
    assert here.delegated() == set(OLD_SERVERS)
    done(here, 4)
    assert here.delegated() == set(NEW_SERVERS)
    done(here, 5)
    assert here.held(here.new, "www.client.example.", "A") == ["3600 203.0.113.20"]
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["3600 192.0.2.25"]
    assert here.open().state.ended is not None
