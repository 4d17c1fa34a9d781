"""The name servers move: copied, proved, switched, watched, taken back on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dns.rdatatype import RdataType

from dnsrun.engine.advance import Ended, NeedsPerson
from dnsrun.engine.picture import Picture, look_around
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare
from dnsrun.errors import Conflict
from dnsrun.model.act import WriteZone
from dnsrun.model.entry import RollbackAsked
from dnsrun.model.plan import Plan
from dnsrun.model.rrset import RRsetKey
from switchworld import (
    NEW_SERVERS,
    NS_ONLY,
    OLD_SERVERS,
    PARENT,
    PLAYBOOK,
    RECORDS,
    SwitchWorld,
    client_zone,
    parent_zone,
    switch_world,
)
from worlds import APEX

DS = "12345 13 2 " + "ab" * 32
WITH_REMOVE_DS = """phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - {name: unsign, steps: [{kind: remove-ds}]}
  - {name: switch, steps: [{kind: switch-ns}]}
"""
TURNED = """phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - {name: switch, steps: [{kind: switch-ns}]}
  - {name: records, steps: [{kind: switch-records}]}
"""
HANDED_OVER = (
    NS_ONLY[: NS_ONLY.index("gates:")]
    .replace("old: {use: rfc2136, server: 198.51.100.53, ", "old: {use: public, ")
    .replace("to: new", "to: new, capture: {file: client.zone, given_by: the operator, on: 2026-03-01, covers: all}")
    + """phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - name: switch
    steps: [{kind: switch-ns}]
    gates: [{kind: http, url: "http://portal-7f3a.client.example/", status: 200, at: after}]
"""
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SwitchWorld]:
    with switch_world(tmp_path) as made:
        yield made


def done(here: SwitchWorld, number: int, text: str = PLAYBOOK) -> None:
    """Run a phase when its time has come."""
    run = here.open(text)
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
    assert here.held(here.new, "www.client.example.", "A") == ["1800 203.0.113.20"]
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["1800 192.0.2.25"]
    assert here.open(PLAYBOOK).state.ended is not None


def switched(here: SwitchWorld, text: str = NS_ONLY) -> Run:
    """Copy, verify and begin to switch, until the parent delegates to the new host."""
    for number in (1, 3):
        done(here, number, text)
    run = here.open(text)
    here.start(run, 4)
    for _ in range(500):
        if here.delegated() == set(NEW_SERVERS) and run.switched:
            return run
        here.clock.wait_until(here.step(run))
    raise AssertionError("it is never switched")


def test_who_serves_what_is_seen_at_the_parent_too_while_the_name_servers_move(here: SwitchWorld) -> None:
    for number in (1, 3):
        done(here, number, NS_ONLY)
    run = here.open(NS_ONLY)
    here.start(run, 4)
    before = look_around(run, plan_of(run))
    assert told(before) == {("parent", "old"), ("name server", "old")}
    while not run.switched:
        here.clock.wait_until(here.step(run))
    here.clock.advance(11)
    assert told(look_around(run, plan_of(run))) == {("parent", "new"), ("name server", "new")}


def plan_of(run: Run) -> Plan:
    plan = run.active_plan()
    assert plan
    return plan


def told(seen: Picture) -> set[tuple[str, str]]:
    """Return what each kind of server tells of the domain's name servers."""
    key = RRsetKey(APEX, RdataType.NS)
    return {(row.kind, row.cells[key].told) for row in seen.rows if key in row.cells}


def test_a_value_that_changes_at_the_new_host_takes_both_sides_back(here: SwitchWorld) -> None:
    """D4: the new side gets its data back, and the delegation goes back."""
    run = switched(here)
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "rolled-back", ended
    assert here.delegated() == set(OLD_SERVERS)
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["600 192.0.2.25"]


def test_a_difference_at_the_new_host_is_confirmed_within_a_minute_of_the_first_look(here: SwitchWorld) -> None:
    """Whole zones are asked every quarter of an hour; what looks wrong then does not wait for another one."""
    run = switched(here)
    watching_at = here.clock.now() + timedelta(minutes=2)
    while here.clock.now() < watching_at:
        here.clock.wait_until(here.step(run))
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    edited_at = here.clock.now()
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "rolled-back"
    assert here.clock.now() - edited_at < timedelta(minutes=15 + 1 + 1)


def test_a_missing_name_comes_back_at_the_new_host_though_nobody_listed_it(here: SwitchWorld) -> None:
    """What the old servers answer now goes to the new side, the checkpoint's records with it."""
    run = switched(here)
    here.remove(here.new, "k9q._domainkey.client.example.")
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "rolled-back"
    assert here.held(here.new, "k9q._domainkey.client.example.", "TXT") == ['600 "v=DKIM1; p=abc"']


def test_dead_old_servers_keep_the_delegation_where_it_is_and_the_new_side_is_repaired(here: SwitchWorld) -> None:
    """Fault 62: the old zone was purged at the switch; the data is put right, a person decides about the rest."""
    run = switched(here)
    here.old.set_zone(APEX, client_zone(records=""))
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "paused"
    assert "not going back" in ended.because
    assert here.delegated() == set(NEW_SERVERS)
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["600 192.0.2.25"]


def test_a_web_site_that_fails_through_the_new_servers_only_takes_the_delegation_back(here: SwitchWorld) -> None:
    run = switched(here)
    here.web_old.status = 503
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "paused", "it fails through the old name servers too: going back does not help"
    assert "through the old name servers too" in ended.because


def test_finish_is_locked_until_no_cache_asks_the_old_servers(here: SwitchWorld) -> None:
    """D1: after the watch of phase 4 the run may close; not a minute earlier than the delegation's life."""
    run = switched(here)
    at = here.clock.now()
    ended = here.drive(run)
    assert isinstance(ended, Ended), ended
    assert ended.outcome == "done"
    assert here.clock.now() - at > timedelta(seconds=900 + 1800)


def test_after_a_rollback_the_new_zone_must_live_on_as_long(here: SwitchWorld) -> None:
    """D10: the parent's TTL, then those of the new host for its NS and its data; the old host's are longer."""
    run = switched(here)
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    here.drive(run)
    moving = prepare(here.open(NS_ONLY), 4).situation.moving
    assert moving is not None
    assert moving.clean_at is not None
    assert timedelta(seconds=900 + 600 + 600) < moving.clean_at - here.clock.now() < timedelta(minutes=40)


def test_what_only_the_new_host_holds_is_refused_and_listed(tmp_path: Path) -> None:
    with switch_world(tmp_path, new_records="parked.client.example. 600 A 203.0.113.99\n") as here:
        run = here.open(NS_ONLY)
        with pytest.raises(Conflict, match=r"parked\.client\.example A"):
            prepare(run, 1)
        removing = NS_ONLY.replace("registrar: registry}", "registrar: registry, extras: remove}")
        done(here, 1, removing)
        assert here.held(here.new, "parked.client.example.", "A") == []


def test_a_probed_zone_never_reaches_the_name_servers(here: SwitchWorld) -> None:
    text = NS_ONLY.replace("old: {use: rfc2136, server: 198.51.100.53, ", "old: {use: public, ")
    text += "phases:\n  - {name: copy, steps: [{kind: copy-zone}]}\n  - {name: switch, steps: [{kind: switch-ns}]}\n"
    with pytest.raises(Conflict, match="only known from public questions"):
        prepare(here.open(text), 1)


def test_saving_records_that_switches_the_name_servers_is_an_incident_and_goes_back(here: SwitchWorld) -> None:
    """Onamae.com's check box: while records are typed there the parent is watched."""
    new = "new: {use: rfc2136, server: 203.0.113.53, name_servers: [ns1.new.example, ns2.new.example]}"
    text = NS_ONLY.replace(new, "new: {use: manual, panel: onamae, name_servers: [ns1.new.example, ns2.new.example]}")
    run = here.open(text)
    prepared = prepare(run, 1)
    begin(run, prepared, {hazard.name: "a test" for hazard in prepared.plan.hazards})
    assert isinstance(here.drive(run), NeedsPerson)
    here.parent.set_zone(PARENT, parent_zone(*NEW_SERVERS))
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "paused"
    assert "INCIDENT" in ended.because
    run.append(RollbackAsked("newest", None, "a test"))
    here.drive(run)
    assert here.delegated() == set(OLD_SERVERS)


def test_a_ds_that_the_new_side_cannot_answer_for_refuses_the_switch(tmp_path: Path) -> None:
    """S0, fault 63: the refusal names the step that helps."""
    with switch_world(tmp_path, parent_more=f"client.example. 600 DS {DS}\n") as here:
        for number in (1, 3):
            done(here, number, NS_ONLY)
        run = here.open(NS_ONLY)
        here.start(run, 4)
        refused = here.drive(run)
        assert isinstance(refused, Ended)
        assert refused.outcome == "refused"
        assert "remove-ds" in refused.because
        assert here.delegated() == set(OLD_SERVERS)


def test_the_ds_goes_first_and_waits_for_the_caches_that_hold_it(tmp_path: Path) -> None:
    with switch_world(tmp_path, parent_more=f"client.example. 600 DS {DS}\n") as here:
        text = NS_ONLY + WITH_REMOVE_DS
        done(here, 1, text)
        at = here.clock.now()
        done(here, 2, text)
        assert here.clock.now() - at >= timedelta(seconds=600 + 60)
        done(here, 3, text)
        assert here.delegated() == set(NEW_SERVERS)


def test_a_removed_ds_comes_back_while_the_name_servers_have_not_moved(tmp_path: Path) -> None:
    """S2, first rows: the old zone is signed with the same keys still, else the DS stays away."""
    with switch_world(tmp_path, parent_more=f"client.example. 600 DS {DS}\n") as here:
        text = NS_ONLY + WITH_REMOVE_DS
        done(here, 1, text)
        done(here, 2, text)
        run = here.open(text)
        run.append(RollbackAsked("newest", None, "a test"))
        ended = here.drive(run)
        assert isinstance(ended, Ended)
        assert ended.outcome == "paused", "the old zone is not signed: its DS would break it"
        assert "DS" not in here.parent.zone_text(PARENT)


def test_records_change_on_both_sides_while_caches_ask_both(here: SwitchWorld) -> None:
    """Between switch-ns and D1 every write goes to both sides."""
    text = PLAYBOOK.replace("gates:", TURNED + "gates:")
    done(here, 1, text)
    done(here, 2, text)
    assert here.delegated() == set(NEW_SERVERS)
    run = here.open(text)
    prepared = prepare(run, 3)
    assert {act.provider for act in prepared.plan.acts if isinstance(act, WriteZone)} == {"old", "new"}
    done(here, 3, text)
    for server in (here.old, here.new):
        assert [value.split()[1] for value in here.held(server, "www.client.example.", "A")] == ["203.0.113.20"]


def test_taking_everything_back_writes_the_old_address_at_both_hosts(here: SwitchWorld) -> None:
    """Rolling back the name servers alone keeps phase 2's address; `--all` takes it back on both sides."""
    for number in (1, 2, 3, 4):
        done(here, number)
    run = here.open(PLAYBOOK)
    run.append(RollbackAsked("newest", None, "a test"))
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)
    for server in (here.old, here.new):
        assert here.held(server, "www.client.example.", "A") == ["600 203.0.113.20"]
    run.append(RollbackAsked("all", None, "a test"))
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "rolled-back"
    assert here.held(here.old, "www.client.example.", "A") == ["1800 192.0.2.10"]


def test_taking_all_four_phases_back_at_once_reaches_both_hosts(here: SwitchWorld) -> None:
    for number in (1, 2, 3, 4):
        done(here, number)
    run = here.open(PLAYBOOK)
    run.append(RollbackAsked("all", None, "a test"))
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "rolled-back", ended
    assert here.delegated() == set(OLD_SERVERS)
    assert here.held(here.old, "www.client.example.", "A") == ["1800 192.0.2.10"]
    assert here.held(here.new, "www.client.example.", "A") == ["600 192.0.2.10"]


def test_a_name_added_at_the_old_host_after_the_switch_comes_along_when_it_goes_back(here: SwitchWorld) -> None:
    """D4: nobody knew the name beforehand, but the old host lists it."""
    run = switched(here)
    here.add(here.old, "late-x81.client.example. 600 A 192.0.2.88")
    here.edit(here.new, "imap-7f3a.client.example.", "192.0.2.99")
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "rolled-back"
    assert here.held(here.new, "late-x81.client.example.", "A") == ["600 192.0.2.88"]


def test_a_name_that_only_a_gate_mentions_comes_along_when_it_goes_back(tmp_path: Path) -> None:
    """D4: the file that was handed over lacks it, and no dictionary has it."""
    with switch_world(tmp_path, records=RECORDS + "portal-7f3a.client.example. 600 A 192.0.2.10\n") as here:
        file = client_zone(records=RECORDS)
        for number in (1, 2):
            run = here.open(HANDED_OVER)
            run.ports = here.with_files(run.ports, {"client.zone": file})
            here.start(run, number)
            ended = here.drive(run)
        assert isinstance(ended, Ended)
        assert ended.outcome == "rolled-back", ended
        assert here.delegated() == set(OLD_SERVERS)
        assert here.held(here.new, "portal-7f3a.client.example.", "A") == ["600 192.0.2.10"]


def test_a_mail_host_spoiled_at_the_new_host_takes_minutes_to_go_back(here: SwitchWorld) -> None:
    """Names of mail are asked every minute of the watch, not every quarter of an hour."""
    run = switched(here)
    watching_at = here.clock.now() + timedelta(minutes=2)
    while here.clock.now() < watching_at:
        here.clock.wait_until(here.step(run))
    here.edit(here.new, "mail.client.example.", "192.0.2.98")
    spoiled_at = here.clock.now()
    ended = here.drive(run)
    assert isinstance(ended, Ended)
    assert ended.outcome == "rolled-back"
    assert here.clock.now() - spoiled_at < timedelta(minutes=4)
    assert here.held(here.new, "mail.client.example.", "A") == ["600 192.0.2.25"]


def test_the_copy_has_the_ttl_that_its_step_says(here: SwitchWorld) -> None:
    done(here, 1, NS_ONLY + WITH_REMOVE_DS.replace("{kind: copy-zone}", "{kind: copy-zone, ttl: 120}"))
    assert here.held(here.new, "imap-7f3a.client.example.", "A") == ["120 192.0.2.25"]
