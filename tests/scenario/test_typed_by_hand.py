"""A new zone that somebody typed from the public records: refused with what is missing, then completed by copying."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended
from dnsrun.engine.start import begin, prepare
from dnsrun.errors import Refused
from switchworld import NEW_SERVERS, OLD_SERVERS, PLAYBOOK, RECORDS, SwitchWorld, switch_world

TYPED = "".join(line + "\n" for line in RECORDS.splitlines() if line.startswith(("client.example.", "www.")))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SwitchWorld]:
    with switch_world(tmp_path, new_records=TYPED) as made:
        yield made


def test_the_switch_is_refused_with_the_names_that_nobody_typed(here: SwitchWorld) -> None:
    with pytest.raises(Refused) as refused:
        prepare(here.open(PLAYBOOK), 4)
    lines = str(refused.value).splitlines()
    assert 'comes after phase 1 "lower TTLs"' in lines[0]
    listed = {tuple(line.split()[:2]) for line in lines if line.startswith("    ")}
    assert listed >= {("imap-7f3a", "A"), ("k9q._domainkey", "TXT"), ("mail", "A"), ("shop", "CNAME")}
    assert ("www", "A") not in listed
    assert here.delegated() == set(OLD_SERVERS)
    assert not [record for record in here.parent.log if record.kind == "update"]


def test_the_copy_need_not_wait_for_ttls_of_servers_that_nobody_asks(here: SwitchWorld) -> None:
    plan = prepare(here.open(PLAYBOOK), 1).plan
    assert plan.earliest is None or plan.earliest <= here.clock.now()


def test_the_copy_completes_it_and_the_switch_goes_through_to_the_end(here: SwitchWorld) -> None:
    for number in (1, 2, 3, 4):
        done(here, number)
    assert here.delegated() == set(NEW_SERVERS)
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["600 192.0.2.25"]
    reasons = prepare(here.open(PLAYBOOK), 5).plan.earliest_because
    assert not [reason for reason in reasons if "does not exist" in reason], "only TTLs change in the last phase"
    done(here, 5)


def done(here: SwitchWorld, number: int) -> None:
    """Run a phase when its time has come."""
    run = here.open(PLAYBOOK)
    prepared = prepare(run, number)
    if prepared.plan.earliest and prepared.plan.earliest > here.clock.now():
        here.clock.wait_until(prepared.plan.earliest + timedelta(seconds=1))
        prepared = prepare(run, number)
    begin(run, prepared, {hazard.name: "a test" for hazard in prepared.plan.hazards})
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "done", ended
