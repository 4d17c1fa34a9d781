"""`dnsrun rehearse` from the command line: nothing real is touched, and what users would meet is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import worlds
from cli.conftest import Project
from dnsrun.rehearse import scenery


@pytest.fixture
def moving(project: Project) -> Project:
    """The demo's playbook in the folder, and its zone as a file."""
    project.write(scenery.playbook_text())
    (project.folder / "client.zone").write_text(scenery.FIRST_ZONE, encoding="ascii")
    return project


def test_rehearses_the_zone_as_it_is_now_and_writes_nothing_real(project: Project) -> None:
    before = project.world.ns1.zone_text(worlds.APEX)
    asked = len(project.world.ns1.log)
    result = project("rehearse")
    assert result.code == 0, result.all
    assert "client.example: rehearsed on this machine" in result.out
    assert "No user got a wrong answer, not for a second." in result.out
    assert project.world.ns1.zone_text(worlds.APEX) == before
    assert len(project.world.ns1.log) > asked  # it was read
    assert not any(record.kind == "update" for record in project.world.ns1.log)
    assert not (project.state / "journal.jsonl").exists()


def test_rehearses_the_newest_capture_without_asking_anybody(project: Project) -> None:
    assert project("capture").code == 0
    asked = len(project.world.ns1.log)
    assert project("rehearse").code == 0
    assert len(project.world.ns1.log) == asked


def test_rehearses_a_zone_file_and_a_move_of_name_servers(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--set", "ns_ttl=24h")
    assert result.code == 0, result.all
    assert "  4  switch NS" in result.out
    assert "At the end every name server holds what the playbook wants." in result.out


def test_by_hand_ends_with_findings_and_says_who_was_failed(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--set", "ns_ttl=24h", "--by-hand", "--json")
    data = json.loads(result.out)
    assert result.code == 7
    assert data["worst_for_a_user_s"] == 86_400
    assert {(each["service"], each["name"]) for each in data["broken"]} >= {("mail", "imap-k7.client.example")}


def test_what_if_the_parent_has_a_ds_breaks_who_validates_by_hand(moving: Project) -> None:
    asked = ("rehearse", "--zone", "client.zone", "--set", "signed=yes", "--set", "ns_ttl=1h", "--set", "ds_ttl=2h")
    result = moving(*asked, "--by-hand", "--json")
    data = json.loads(result.out)
    assert result.code == 7
    assert data["broken_user_seconds_by_cache"]["validating"] > 0
    assert any("not signed, and the parent has a DS" in each["cause"] for each in data["broken"])
    assert any("made up" in text for text in data["assumed"])


@pytest.mark.long
def test_a_page_and_the_journal_are_kept_on_request(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--html", "page.html", "--keep", "kept")
    assert result.code == 0, result.all
    assert (moving.folder / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (moving.folder / "kept" / "journal.jsonl").read_text(encoding="utf-8").count('"Judged"') > 10
    again = moving("rehearse", "--zone", "client.zone", "--keep", "kept")
    assert again.code == 2
    assert "holds a journal already; name a new folder" in again.err


@pytest.mark.long
def test_a_fault_is_told_in_a_table(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--fault", "empty-twin", "--fault", "kill-2")
    assert result.code == 0, result.all
    assert "empty-twin" in result.out
    assert "2 of 2 outcomes are allowed." in result.out


def test_drills_are_told_as_data_and_as_a_page(moving: Project) -> None:
    off = "[{kind: untouched, off: drilled}]"
    switch = f"phases:\n  - {{name: switch A, steps: [{{kind: switch-records}}], gates: {off}}}\n"
    moving.write(worlds.PLAYBOOK.partition("gates:")[0] + switch)
    result = moving("rehearse", "--zone", "client.zone", "--drill", "--json", "--html", "drills.html")
    assert result.code == 0, result.all
    drills = json.loads(result.out)
    assert {(each["gate"], each["when"]) for each in drills} == {("records", "after")}
    assert {(each["outcome"], each["allowed"]) for each in drills} == {("rolled-back", True)}
    page = (moving.folder / "drills.html").read_text(encoding="utf-8")
    assert "1 of 1 drills ended as promised." in page


def test_an_unknown_fault_lists_those_that_are_known(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--fault", "meteor")
    assert result.code == 2
    assert "stale-secondary" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "colour=3"), "say NAME=DURATION, NAME one of old_ttl"),
        (("--set", "old_ttl=soon"), "--set old_ttl:"),
        (("--set", "signed=perhaps"), "or signed=yes, signed=no"),
        (("--drill", "--by-hand"), "stand alone"),
        (("--faults", "all", "--html", "x.html"), "--html shows one play, or drills"),
        (("--new-zone", "client.zone"), "--new-zone goes with --zone"),
    ],
)
def test_options_that_mean_nothing_are_refused(moving: Project, arguments: tuple[str, ...], words: str) -> None:
    result = moving("rehearse", *arguments)
    assert result.code == 2
    assert words in result.err


def test_programs_of_the_playbook_are_not_run(project: Project, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    text = worlds.PLAYBOOK.replace("gates:", f'gates:\n  - {{kind: command, run: [touch, "{trace}"]}}')
    project.write(text)
    result = project("rehearse")
    assert result.code == 0, result.all
    assert not trace.exists()
    assert "the programs of gates: counted as passed" in result.out


def test_what_stays_as_it_was_is_told_where_the_switch_goes_back(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--set", "registrar_delay=12h")
    assert result.code == 7
    assert "the parent names ns1.old-host.example, ns2.old-host.example." in result.out
    assert "every name server holds what the playbook wants" not in result.out


def test_by_hand_names_each_cause_once_and_says_that_it_is_by_hand(moving: Project) -> None:
    page = moving.folder / "page.html"
    result = moving("rehearse", "--zone", "client.zone", "--set", "ns_ttl=1h", "--by-hand", "--html", str(page))
    assert "client.example: as people do it by hand" in result.out
    assert result.out.count("imap-k7.client.example A (mail)") == 1
    assert "[11 kinds of caches, 115,200 s]" in result.out
    assert "not for good     caches that keep to TTLs (8 kinds)" in result.out
    text = page.read_text(encoding="utf-8")
    assert "<h1>Rehearsal of client.example, as people do it by hand</h1>" in text
    assert "Who came to the new data when" in text


def test_the_same_seed_and_start_give_the_same_journal(moving: Project) -> None:
    """P10."""
    for name in ("one", "two"):
        asked = ("--zone", "client.zone", "--start", "2026-03-01T09:00Z", "--seed", "5", "--keep", name)
        assert moving("rehearse", *asked).code == 0
    one, two = ((moving.folder / name / "journal.jsonl").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"2026-03-01T09:00:" in one


@pytest.mark.parametrize(
    ("asked", "zone", "code", "words"),
    [
        (["--html", "missing/page.html"], scenery.FIRST_ZONE, 2, "the page cannot be written there; nothing was reh"),
        (["--start", "tomorrow"], scenery.FIRST_ZONE, 2, "give a time as 2026-12-01T09:00Z"),
        ([], "other 300 A 192.0.2.1\n", 2, "the zone holds none of the names of the playbook for client.example"),
    ],
)
def test_what_cannot_be_played_is_said_before_it_is_played(
    moving: Project, asked: list[str], zone: str, code: int, words: str
) -> None:
    (moving.folder / "client.zone").write_text(zone, encoding="ascii")
    result = moving("rehearse", "--zone", "client.zone", *asked)
    assert (result.code, words in result.all) == (code, True), result.all
    assert "rehearsed on this machine" not in result.out


def test_no_fault_is_played_where_it_does_not_end_well_without_one(moving: Project) -> None:
    result = moving("rehearse", "--zone", "client.zone", "--set", "signed=yes", "--fault", "busy")
    assert result.code == 5
    assert "without any fault phase 4 ends refused" in result.all
    assert "no fault was played" in result.all
