"""The spine on two embedded servers: phases 1 to 5, a gate that fails, the way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended
from dnsrun.engine.start import prepare
from dnsrun.errors import Conflict, Refused
from dnsrun.model.entry import Judged, RollbackAsked
from worlds import APEX, NEW, OLD, PLAYBOOK, World, world


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def lowered(small: World) -> None:
    run = small.open()
    small.start(run, 1)
    assert small.drive(run) == Ended("done", "done")
    small.clock.advance(25 * 3600)


def test_lower_ttl_changes_ttls_and_nothing_else(small: World) -> None:
    lowered(small)
    for server in (small.ns1, small.ns2):
        assert small.values(server) == [f"600 {OLD}"]
        assert small.values(server, "mail.client.example.") == ["3600 192.0.2.25"]


def test_switch_is_planned_no_earlier_than_a_day_after_lowering(small: World) -> None:
    """T1: 24 h are waited by default, counted from when the last server showed the low TTL."""
    run = small.open()
    small.start(run, 1)
    small.drive(run)
    lowered_at = small.clock.now()
    plan = prepare(small.open(), 2).plan
    assert plan.earliest is not None
    assert timedelta(hours=24) <= plan.earliest - lowered_at + timedelta(minutes=5) < timedelta(hours=26)


def test_phase_2_before_phase_1_is_refused(small: World) -> None:
    with pytest.raises(Refused, match=r'comes after phase 1 "lower TTLs"'):
        prepare(small.open(), 2)


def test_all_phases_end_in_the_target_and_give_the_ttls_back(small: World) -> None:
    lowered(small)
    for number in (2, 3, 5):
        run = small.open()
        small.start(run, number)
        assert small.drive(run) == Ended("done", "done"), number
    for server in (small.ns1, small.ns2):
        assert small.values(server) == [f"3600 {NEW}"]
        assert small.values(server, "client.example.") == [f"3600 {NEW}"]
        assert small.values(server, "mail.client.example.") == ["3600 192.0.2.25"]
    with pytest.raises(Refused, match="finished"):
        prepare(small.open(), 2)


def test_new_server_that_fails_before_the_switch_is_never_switched_to(small: World) -> None:
    lowered(small)
    small.web_new.status = 503
    run = small.open()
    small.start(run, 2)
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "refused"
    assert "503" in after.because
    assert small.values(small.ns1) == [f"600 {OLD}"]


def test_gate_that_fails_after_the_switch_rolls_back_at_both_servers(small: World) -> None:
    lowered(small)
    before = {server: small.values(server) for server in (small.ns1, small.ns2)}
    run = small.open()
    small.start(run, 2)
    while small.values(small.ns1) != [f"600 {NEW}"]:
        small.clock.wait_until(small.step(run))
    small.web_new.status = 503
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert {server: small.values(server) for server in (small.ns1, small.ns2)} == before
    assert small.ns1.serial(APEX) > 7, "a rollback never takes the serial back"


def test_after_a_rollback_the_same_phase_runs_again_without_waiting(small: World) -> None:
    test_gate_that_fails_after_the_switch_rolls_back_at_both_servers(small)
    small.web_new.status = 200
    run = small.open()
    prepared = small.start(run, 2)
    assert prepared.plan.earliest is None or prepared.plan.earliest <= small.clock.now()
    assert small.drive(run) == Ended("done", "done")


def test_rollback_asked_in_the_middle_takes_the_phase_back(small: World) -> None:
    lowered(small)
    run = small.open()
    small.start(run, 2)
    while small.values(small.ns1) != [f"600 {NEW}"]:
        small.clock.wait_until(small.step(run))
    other = small.open()
    other.append(RollbackAsked("newest", None, "second terminal"))
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert small.values(small.ns2) == [f"600 {OLD}"]


def test_rollback_of_everything_raises_the_ttls_last(small: World) -> None:
    lowered(small)
    run = small.open()
    small.start(run, 2)
    small.drive(run)
    run.append(RollbackAsked("all", None, "me"))
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert small.values(small.ns1) == [f"3600 {OLD}"]
    committed = [record for record in small.ns1.log if record.kind == "update" and record.changes]
    assert len(committed) == 4, "lower, switch, data back, TTLs back: one effect each"


def test_foreign_value_where_ours_was_to_go_refuses_and_names_it(small: World) -> None:
    """Fault 55."""
    lowered(small)
    text = small.ns1.zone_text(APEX).replace(
        f"www.client.example. 600 IN A {OLD}", "www.client.example. 600 IN A 192.0.2.99"
    )
    small.ns1.set_zone(APEX, text.replace(" 8 1800", " 9 1800"))
    small.ns2.refresh(APEX)
    with pytest.raises(Conflict, match=r"192\.0\.2\.99"):
        prepare(small.open(), 2)


def test_secondary_at_which_nobody_can_write_is_told_at_the_addresses_that_dns_shows(small: World) -> None:
    theirs = "{use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}"
    run = small.open(PLAYBOOK.replace(theirs, "{use: public, name_servers: [ns2.client.example]}"))
    small.start(run, 1)
    assert small.drive(run) == Ended("done", "done")
    assert small.values(small.ns2) == [f"600 {OLD}"]
    assert [record for record in small.ns2.log if record.kind == "notify"]


def test_the_clock_of_lowered_ttls_starts_with_the_first_of_three_equal_rounds(small: World) -> None:
    """T1: three rounds, at least 10 s apart."""
    run = small.open()
    small.start(run, 1)
    small.drive(run)
    rounds = [
        record.at
        for record in run.journal.read()
        if isinstance(record.entry, Judged) and record.entry.gate == "records" and record.entry.outcome == "pass"
    ]
    assert len(rounds) == 3
    assert rounds[2] - rounds[0] >= timedelta(seconds=20)


def test_an_edit_between_plan_and_write_is_refused_by_the_host_itself_and_changes_nothing(small: World) -> None:
    """Fault 55: compare-and-set closes what is left of the gap."""
    lowered(small)
    run = small.open()
    small.start(run, 2)
    while not small.ready_to_write(run):
        small.clock.wait_until(small.step(run))
    small.edit(small.ns1, "www.client.example.", "192.0.2.99")
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "refused"
    assert small.values(small.ns1) == ["600 192.0.2.99"]
    assert small.values(small.ns1, "client.example.") == [f"600 {OLD}"]
    assert run.state.wrote() == (1,), "nothing of it stands"
