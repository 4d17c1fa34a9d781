"""The report on a switch of the name servers that was taken back: both sets of name servers, both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsrun.cli.moved import moved
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare
from dnsrun.model.codec import decode
from dnsrun.model.plan import Plan
from dnsrun.model.zonetext import from_text
from dnsrun.report.make import report
from dnsrun.report.source import Source, plans_named, runs_of, zones_named
from dnsrun.report.text import as_text
from dnsrun.report.value import Report
from switchworld import NEW_SERVERS, NS_ONLY, OLD_SERVERS, SwitchWorld, switch_world

OLD_SET, NEW_SET = ", ".join(sorted(OLD_SERVERS)), ", ".join(sorted(NEW_SERVERS))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SwitchWorld]:
    with switch_world(tmp_path) as made:
        yield made


def begun(here: SwitchWorld, number: int) -> Run:
    run = here.open(NS_ONLY)
    prepared = prepare(run, number)
    begin(run, prepared, {hazard.name: "a test" for hazard in prepared.plan.hazards})
    return run


def told(here: SwitchWorld, run: Run) -> Report:
    run.catch_up()
    newest = runs_of(run.journal.read())[-1]
    plans: dict[str, Plan] = {
        digest: decode(Plan, json.loads(run.journal.get(digest))) for digest in plans_named(newest)
    }
    zones = {digest: from_text(run.journal.get(digest)) for digest in zones_named(newest, plans.values())}
    return report(Source(newest, plans, run.playbook, here.clock.now(), zones=zones))


def test_a_switch_of_the_name_servers_is_told_with_its_way_back(here: SwitchWorld) -> None:
    for number in (1, 3):
        here.drive(begun(here, number))
    run = begun(here, 4)
    while here.delegated() != set(NEW_SERVERS) or not run.switched:
        here.clock.wait_until(here.step(run))
    switched = told(here, run)
    (back, _) = switched.way_back
    assert f"name servers: {NEW_SET} → {OLD_SET}" in back.does
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    here.drive(run)
    assert here.delegated() == set(OLD_SERVERS)
    after = told(here, run)
    text = " ".join(as_text(after).split())
    assert f"name servers: {OLD_SET} → {NEW_SET}" in text
    assert f"name servers: {NEW_SET} → {OLD_SET}" in text
    cause = after.causes[-1]
    assert f"name servers: {OLD_SET} → {NEW_SET}" in cause.guarded
    assert any("192.0.2.99" in seen for seen in (cause.says, *cause.seen))
    assert cause.affected is not None
    assert cause.affected.until is not None
    lock = next(lock for lock in after.locks if "name server" in lock.says)
    assert lock.until is not None
    locked_s = (lock.until - here.clock.now()).total_seconds()
    assert 900 + 600 + 600 < locked_s < 2_400, "D10: the parent's, then the new host's for its NS and its data"
    known = moved(run.journal, run.catch_up(), run.playbook)
    assert known is not None
    assert lock.until == known.clean_at, "report and status say the same"
    assert {phase.number: phase.state for phase in after.phases} == (
        {1: "done", 2: "no work", 3: "done", 4: "rolled back", 5: "later"}
    )
    assert not any("removed" in back.does for back in after.way_back), "what was copied stays at the new host"
