"""Playbook, journal and zone changed by others between phases (faults 55 to 60); what a gate is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

from dnsrun.engine.advance import Ended
from dnsrun.engine.cases import gate_case
from dnsrun.engine.rounds import as_before, facts_of
from dnsrun.engine.start import begin, prepare
from dnsrun.errors import JournalError, Refused
from dnsrun.model.entry import Captured, Opened, RollbackAsked
from dnsrun.model.observation import Endpoint, NoReply, Observation, Words
from dnsrun.model.plan import Check
from dnsrun.model.playbook import GateSpec
from dnsrun.wiring.project import as_domain, state_folder
from worlds import APEX, NEW, OLD, PLAYBOOK, START, World, world

DAY_S = 25 * 3600
FOREIGN = "192.0.2.99"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def lowered(small: World) -> None:
    run = small.open()
    small.start(run, 1)
    assert small.drive(run) == Ended("done", "done")
    small.clock.advance(DAY_S)


def edit(small: World, owner: str) -> None:
    """Change a record as somebody else does, at both name servers."""
    small.edit(small.ns1, owner, FOREIGN)
    small.ns2.refresh(APEX)


def test_fault_55_an_edit_beside_ours_is_shown_kept_and_joins_the_checkpoint(small: World) -> None:
    lowered(small)
    edit(small, "mail.client.example.")
    run = small.open()
    prepared = small.start(run, 2)
    assert prepared.foreign == ("mail.client.example A was 192.0.2.25, is 192.0.2.99",)
    assert small.drive(run) == Ended("done", "done")
    captured = [record.entry for record in run.journal.read() if isinstance(record.entry, Captured)]
    assert captured[-1].foreign == prepared.foreign
    for server in (small.ns1, small.ns2):
        assert small.values(server, "mail.client.example.") == [f"3600 {FOREIGN}"]
        assert small.values(server) == [f"600 {NEW}"]
    run.append(RollbackAsked("newest", None, "me"))
    small.drive(run)
    assert small.values(small.ns1, "mail.client.example.") == [f"3600 {FOREIGN}"]
    assert small.values(small.ns1) == [f"600 {OLD}"]


def test_fault_56_an_edit_of_ours_before_the_rollback_is_left_and_named_the_rest_goes_back(small: World) -> None:
    lowered(small)
    run = small.open()
    small.start(run, 2)
    assert small.drive(run) == Ended("done", "done")
    edit(small, "client.example.")
    run.append(RollbackAsked("newest", None, "me"))
    after = small.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert f"client.example A is {FOREIGN} now, set by somebody else; it was left alone" in after.because
    assert small.values(small.ns1, "client.example.") == [f"600 {FOREIGN}"]
    assert small.values(small.ns1) == [f"600 {OLD}"]


def test_fault_57_an_edited_playbook_is_refused_until_the_change_is_accepted(small: World) -> None:
    lowered(small)
    edited = PLAYBOOK.replace("The web site moves.", "The web site moves, and the words changed.")
    run = small.open(edited)
    prepared = prepare(run, 2)
    with pytest.raises(Refused, match=r"has been edited since this run began.*--accept-changes"):
        begin(run, prepared, {})
    assert small.values(small.ns1) == [f"600 {OLD}"]
    begin(run, prepared, {}, accept_changes=True)
    assert small.drive(run) == Ended("done", "done")
    opened = [record.entry for record in run.journal.read() if isinstance(record.entry, Opened)]
    assert len({entry.playbook for entry in opened}) == 2, "the journal keeps both"
    assert len({entry.run for entry in opened}) == 1
    assert "words changed" in run.journal.get(opened[-1].playbook)
    assert "words changed" not in run.journal.get(opened[0].playbook)


def journal_path(small: World) -> Path:
    return small.folder / "client.example" / "journal.jsonl"


def test_fault_58_a_changed_journal_stops_everything_and_names_the_last_good_record(small: World) -> None:
    lowered(small)
    path = journal_path(small)
    lines = path.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"phase": 1', '"phase": 2')
    path.write_text("".join(lines))
    before = small.ns1.serial(APEX)
    with pytest.raises(JournalError, match="3"):
        small.open()
    assert small.ns1.serial(APEX) == before


def test_fault_58_what_was_there_before_is_never_written_back_when_somebody_changed_it_on_disk(small: World) -> None:
    lowered(small)
    run = small.open()
    small.start(run, 2)
    while small.values(small.ns1) != [f"600 {NEW}"]:
        small.clock.wait_until(small.step(run))
    for path in (journal_path(small).parent / "captures").iterdir():
        path.write_text(path.read_text().replace(OLD, FOREIGN))
    other = small.open()
    other.append(RollbackAsked("newest", None, "me"))
    with pytest.raises(JournalError, match="changed since it was captured"):
        small.drive(other)
    assert FOREIGN not in small.ns1.zone_text(APEX)


def test_fault_59_a_journal_of_a_later_version_is_refused(small: World) -> None:
    lowered(small)
    path = journal_path(small)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record | {"v": 2}) + "\n" for record in records))
    with pytest.raises(JournalError, match="version"):
        small.open()


@pytest.mark.parametrize(
    "written",
    ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE.", "bücher.example."],
)
def test_fault_60_a_domain_has_one_state_folder_however_it_is_written(written: str, tmp_path: Path) -> None:
    domain = as_domain(written)
    assert domain is not None
    assert state_folder(tmp_path, domain) == tmp_path / ".dnsrun" / "xn--bcher-kva.example"


def test_a_gate_is_told_the_number_of_its_phase(small: World) -> None:
    lowered(small)
    run = small.open()
    plan = small.start(run, 2).plan
    index = next(index for index, move in enumerate(plan.moves) if isinstance(move, Check) and move.gate.kind == "http")
    move = plan.moves[index]
    assert isinstance(move, Check)
    assert gate_case(run, run.active_plan() or plan, index, move.gate).phase == 2


# --- "as it was before", for a rollback


def said(address: str = OLD, **facts: str) -> Observation:
    server = Endpoint(dns.name.from_text("www.client.example"), address, 443)
    return Observation("https://www.client.example/", server, START, Words("", tuple(facts.items())), "tcp")


def gate_as(*before: Observation) -> GateSpec:
    return GateSpec(
        "http", "http", {"as_before": dict(facts_of(before))}, every_s=10, within_s=300, successes=1, failures=2
    )


def test_a_certificate_renewed_meanwhile_is_no_difference_and_another_subject_is() -> None:
    before = said(
        status="200", certificate_subject="www.client.example", certificate_fingerprint="aa", not_after="2026-03-10"
    )
    renewed = said(
        status="200", certificate_subject="www.client.example", certificate_fingerprint="bb", not_after="2026-06-10"
    )
    other = said(status="200", certificate_subject="parked.example", certificate_fingerprint="cc")
    assert as_before(gate_as(before), (renewed,)).outcome == "pass"
    verdict = as_before(gate_as(before), (other,))
    assert (verdict.outcome, verdict.because) == (
        "fail",
        f"http: {OLD} certificate_subject was www.client.example, is parked.example",
    )


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ({"rcpt_code": "451", "rcpt_said": "4.7.1 Greylisted, try again"}, {"rcpt_code": "250", "rcpt_said": "ok"}),
        ({"rcpt_code": "250", "rcpt_said": "ok"}, {"rcpt_code": "451", "rcpt_said": "4.7.1 Greylisted, try again"}),
        (
            {"rcpt_code": "250", "server": "DB5EUR03FT049.mail.protection.outlook.com"},
            {"rcpt_code": "250", "server": "AM1EUR05FT012.mail.protection.outlook.com"},
        ),
        (
            {"certificate_subject": "a", "certificate_issuer": "R10"},
            {"certificate_subject": "a", "certificate_issuer": "R11"},
        ),
        ({"not_asked": "turns this machine away: 554 blocked"}, {"not_asked": "turns this machine away: 554 no"}),
        ({"not_asked": "turns this machine away: 554 blocked"}, {"rcpt_code": "250"}),
    ],
    ids=["greylisted before", "greylisted now", "a pool", "renewed by another intermediate", "never told", "told now"],
)
def test_what_every_mail_server_may_say_otherwise_the_next_time_keeps_nothing_from_going_back(
    was: dict[str, str], is_now: dict[str, str]
) -> None:
    facts = {f"{OLD} {name}": value for name, value in was.items() if name != "rcpt_said"}
    gate = GateSpec("smtp", "mail is taken", {"as_before": facts})

    assert as_before(gate, (said(**is_now),)).outcome == "pass"


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ({"rcpt_code": "250"}, {"rcpt_code": "550"}),
        ({"rcpt_code": "250"}, {"rcpt_code": "451", "rcpt_said": "4.3.0 disk full"}),
        ({"rcpt_code": "451"}, {"rcpt_code": "550"}),
        ({"server": "mail.client.example"}, {"server": "mail.parked.example"}),
        ({"server": "a.example"}, {"server": "b.example"}),
    ],
)
def test_what_is_worse_than_before_keeps_mail_from_going_back(was: dict[str, str], is_now: dict[str, str]) -> None:
    gate = GateSpec("smtp", "mail is taken", {"as_before": {f"{OLD} {name}": value for name, value in was.items()}})

    assert as_before(gate, (said(**is_now),)).outcome == "fail"


def test_an_old_place_that_is_silent_is_not_as_before_and_one_that_nothing_leads_to_does_not_count() -> None:
    gate = gate_as(said(status="200"))
    silent = Observation("x", said().server, START, NoReply("refused"), "tcp")
    assert as_before(gate, (silent,)).outcome == "fail"
    assert as_before(gate, ()).outcome == "unknown"
    assert as_before(gate, (said(FOREIGN, status="404"),)).outcome == "pass"
