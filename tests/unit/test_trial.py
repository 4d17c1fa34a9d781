"""A whole migration beforehand: what users meet with dnsrun, by hand, and when something goes wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dnsrun.errors import UsageError
from dnsrun.rehearse import scenery
from dnsrun.rehearse.trial.byhand import switch_by_hand
from dnsrun.rehearse.trial.drills import Drill, Rounds, script_of
from dnsrun.rehearse.trial.drive import Script
from dnsrun.rehearse.trial.faults import Faulted, faulted, faults
from dnsrun.rehearse.trial.page import as_page
from dnsrun.rehearse.trial.setting import Delays, Wishes
from dnsrun.rehearse.trial.summary import Summary, as_data, recovery_s
from dnsrun.rehearse.trial.tables import drill_lines, fault_lines
from dnsrun.rehearse.trial.telling import lines
from trialworld import DAY_S, PLAIN, WEB_MOVE, Trials, broken

BY_HAND = (
    scenery.playbook_text()
    .replace("new_host: {use: rfc2136, server: 203.0.113.53,", "new_host: {use: manual, panel: other,")
    .replace("{use: parent-rfc2136, zone: example., server: 198.51.100.2}", "{use: manual-registrar, panel: other}")
)


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trials, Summary]:
    trials = Trials(tmp_path_factory.mktemp("well"))
    return trials, trials.found(Script())


def test_web_site_and_name_servers_move_and_no_user_gets_a_wrong_answer(well: tuple[Trials, Summary]) -> None:
    _, found = well
    played = found.played
    assert [(phase.name, phase.outcome) for phase in played.phases] == [
        ("lower TTLs", "done"), ("switch A", "done"), ("verify", "done"), ("switch NS", "done"), ("finish", "done"),
    ]  # fmt: skip
    assert (found.broken_user_seconds, played.ending) == (0, "target")
    assert {str(want) for want in found.undisturbed} >= {"imap-k7.client.example A", "client.example MX"}


def test_two_days_of_waiting_are_jumped_over_and_told_when_they_end(well: tuple[Trials, Summary]) -> None:
    _, found = well
    switch, finish = found.played.phases[1], found.played.phases[4]
    assert switch.earliest is not None
    assert finish.earliest is not None
    # The zone's TTL is 900 s, and a day at least is what TTLs seen for the first time may have been yesterday.
    assert (switch.earliest - found.played.began).days == 1
    assert (finish.earliest - found.played.phases[3].began).total_seconds() > DAY_S


def test_everybody_has_the_new_address_within_the_low_ttl_of_the_servers(well: tuple[Trials, Summary]) -> None:
    _, found = well
    late = {move.kind: move.outdated_s for move in found.moves if str(move.want) == "www.client.example A"}
    assert max(late[kind] for kind in ("bind", "unbound", "powerdns-recursor", "parent-centric")) <= 60
    assert 60 < late["ttl-stretching"] <= 3600


def test_the_same_seed_has_the_same_journal_octet_by_octet(well: tuple[Trials, Summary]) -> None:
    """P10."""
    trials, _ = well
    trials.found(Script(), name="again")
    trials.found(Script(seed=2), name="other")
    assert trials.journal() == trials.journal("again")
    assert trials.journal() != trials.journal("other")


def test_the_same_seed_has_the_same_journal_wherever_the_sheets_are_kept(tmp_path: Path) -> None:
    """P10: what is typed by hand has sheets, and their paths are in the journal."""
    aliases = "".join(f"alias{number} 900 CNAME www\n" for number in range(12))
    trials = Trials(tmp_path, text=WEB_MOVE, zone=f"{scenery.FIRST_ZONE}\n{aliases}")
    trials.found(name="one")
    trials.found(name="other")
    assert b"sheets/phase-1-panel/" in trials.journal("one")
    assert trials.journal("one") == trials.journal("other")


def test_by_hand_mail_breaks_while_the_web_is_fine_and_dnsrun_prevents_it(well: tuple[Trials, Summary]) -> None:
    """Story A: what everybody can look up is typed, the name servers are switched, the page looks fine."""
    trials, with_dnsrun = well
    found = trials.found(Script(instead=switch_by_hand), name="hand")
    assert broken(found, "web") == 0
    assert broken(found, "mail") > DAY_S
    first = found.spans[0]
    assert (first.since - found.played.phases[1].ended).total_seconds() > -2 * 3600
    assert re.search(r"ns[12]\.new-host\.example: no such name; asked for up to", first.why)
    assert {str(span.want) for span in found.spans} >= {"imap-k7.client.example A", "smtp-k7.client.example A"}
    assert found.worst_s == DAY_S  # putting the name servers back does not help who has just learned the new ones
    assert broken(with_dnsrun, "mail") == 0


def test_a_web_move_typed_by_hand_is_waited_for(tmp_path: Path) -> None:
    found = Trials(tmp_path, text=WEB_MOVE).found()
    assert {phase.outcome for phase in found.played.phases} <= {"done", "nothing"}
    assert (found.played.ending, found.broken_user_seconds) == ("target", 0)
    assert len(found.played.asked) == 3  # lower the TTLs, change the records, raise the TTLs
    lower = found.played.phases[0]
    assert (lower.ended - lower.began).total_seconds() >= Delays().person_s


def test_whoever_types_a_zone_and_leaves_out_a_line_harms_nobody(tmp_path: Path) -> None:
    made = faulted(faults()["wrong-step"], lambda script: Trials(tmp_path, text=BY_HAND).found(script(PLAIN)))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("HOLD", True, 0)


def test_a_step_that_nobody_does_ends_in_a_stop_that_says_so(tmp_path: Path) -> None:
    made = faulted(faults()["forgotten-step"], lambda script: Trials(tmp_path, text=BY_HAND).found(script(PLAIN)))
    assert made.found is not None
    assert made.found.played.outcome == "waiting"
    assert "nobody did this within a day" in made.found.played.phases[-1].because


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("kill-3", "TGT"),
        ("busy", "TGT"),
        ("half-batch", "TGT"),
        ("busy-for-long", "HOLD"),
        ("stale-secondary", "CAP"),
        ("empty-twin", "CAP"),
    ],
)
def test_a_fault_ends_as_the_matrix_says_and_fails_nobody(tmp_path: Path, name: str, outcome: str) -> None:
    made = faulted(faults()[name], lambda script: Trials(tmp_path).found(script(PLAIN)))
    assert (made.outcome, made.is_allowed) == (outcome, True)


def test_a_process_that_is_killed_after_asking_a_person_goes_on(tmp_path: Path) -> None:
    """What a plan says about going back by hand is asked for beforehand: it is no call, and nobody does it."""
    made = faulted(faults()["kill-1"], lambda script: Trials(tmp_path, text=WEB_MOVE).found(script(PLAIN)))
    assert (made.outcome, made.is_allowed) == ("TGT", True)


def test_a_person_who_takes_most_of_a_day_is_waited_for(tmp_path: Path) -> None:
    made = faulted(faults()["late-step"], lambda script: Trials(tmp_path, text=WEB_MOVE).found(script(PLAIN)))
    assert (made.outcome, made.is_allowed) == ("TGT", True)


def test_a_registrar_that_is_late_is_overtaken_by_the_rollback(tmp_path: Path) -> None:
    """Fault 51: the order to go back is given at once, and polled until the parent shows the old servers."""
    made = faulted(faults()["registrar-pending"], lambda script: Trials(tmp_path).found(script(PLAIN)))
    assert made.found is not None
    assert (made.outcome, made.found.broken_user_seconds) == ("CAP", 0)


def test_a_fault_that_cannot_happen_is_not_played(tmp_path: Path) -> None:
    made = faulted(faults()["empty-twin"], lambda script: Trials(tmp_path, text=WEB_MOVE).found(script(PLAIN)))
    assert (made.found, made.outcome, made.is_allowed) == (None, "-", True)
    assert "-" in "".join(text for text, _ in fault_lines([made]))


def test_an_outcome_that_fails_users_is_not_allowed(tmp_path: Path) -> None:
    trials = Trials(tmp_path)
    hurt = trials.found(replace(PLAIN, instead=switch_by_hand))
    made = Faulted(faults()["busy"], hurt)
    assert not made.is_allowed
    assert any("NOT ALLOWED" in text for text, _ in fault_lines([made]))


@pytest.mark.long
def test_half_way_through_the_switch_a_rollback_on_both_sides_costs_a_ttl_and_by_hand_a_day(tmp_path: Path) -> None:
    """D4: a name is lost at the new host when half of all caches ask it."""
    trials, drill = Trials(tmp_path), Drill(4, "http", "http", "half-way")
    ours = trials.found(script_of(drill, PLAIN, by_hand=False), name="ours")
    hand = trials.found(script_of(drill, PLAIN, by_hand=True), name="hand")
    assert ours.played.outcome == "rolled-back"
    assert 0 < recovery_s(ours)["bind"] <= 300 + 60 + 60  # negative TTL, the low TTL, the time to notice
    assert recovery_s(hand)["bind"] > 12 * 3600
    assert hand.broken_user_seconds > 50 * ours.broken_user_seconds


def test_a_new_address_that_breaks_down_is_rolled_back_within_the_low_ttl(tmp_path: Path) -> None:
    found = Trials(tmp_path).found(script_of(Drill(2, "http", "http", "after"), PLAIN, by_hand=False))
    assert (found.played.outcome, found.played.ending) == ("rolled-back", "checkpoint")
    assert recovery_s(found)["bind"] <= 90
    assert {span.why for span in found.spans} == {"203.0.113.20 is down"}


@pytest.mark.parametrize(("gate", "kind"), [("parity", "parity"), ("mail is taken", "smtp")])
def test_a_gate_that_fails_before_its_write_changes_nothing(tmp_path: Path, gate: str, kind: str) -> None:
    """A gate that nobody wrote lets be what failed before the phase, so only what fails then is a drill."""
    found = Trials(tmp_path).found(script_of(Drill(4, gate, kind, "before"), PLAIN, by_hand=False))
    assert (found.played.outcome, found.broken_user_seconds) == ("refused", 0)


def test_drills_are_made_for_every_gate_that_is_asked(tmp_path: Path) -> None:
    rounds = Rounds()
    Trials(tmp_path).found(replace(PLAIN, arrange=rounds.arrange))
    drills = set(rounds.drills())
    assert {Drill(2, "http", "http", when) for when in ("before", "after")} <= drills
    assert Drill(4, "delegation", "delegation", "half-way") in drills
    assert Drill(4, "parity", "parity", "before") in drills
    assert not any(drill.phase == 2 and drill.when == "half-way" for drill in drills)


def test_an_old_ttl_of_two_days_moves_the_start_of_the_switch(tmp_path: Path) -> None:
    found = Trials(tmp_path, text=WEB_MOVE, wishes=Wishes(old_ttl_s=2 * DAY_S)).found()
    switch = found.played.phases[1]
    assert switch.earliest is not None
    assert (switch.earliest - found.played.phases[0].began).total_seconds() > 2 * DAY_S


def test_a_capture_in_csv_is_played_with_the_ttls_that_are_asked_for(tmp_path: Path) -> None:
    text = WEB_MOVE.replace("client.zone", "client.csv")
    found = Trials(tmp_path, text=text, wishes=Wishes(old_ttl_s=DAY_S // 2)).found()
    assert {phase.outcome for phase in found.played.phases} <= {"done", "nothing"}


def test_a_zone_without_name_servers_anywhere_cannot_be_played(tmp_path: Path) -> None:
    text = WEB_MOVE.replace(", name_servers: [ns1.old-host.example, ns2.old-host.example]", "")
    zone = re.sub(r"(?m)^.* NS .*\n", "", scenery.FIRST_ZONE)
    with pytest.raises(UsageError, match="names the servers that are delegated to; nothing was rehearsed"):
        Trials(tmp_path, text=text, zone=zone).setting()


def test_the_page_loads_nothing_runs_nothing_and_shows_the_outage(tmp_path: Path) -> None:
    found = Trials(tmp_path).found(replace(PLAIN, instead=switch_by_hand))
    page = as_page(found)
    assert not re.search(r"<script|\bon\w+=|\bsrc=|\bhref=|url\(|@import|https?://", page)
    assert "default-src 'none'" in page
    assert '<rect class="broken"' in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert "imap-k7.client.example A" in page
    assert "at worst one user went without for 24 h in one piece" in page


def test_the_page_shows_hostile_words_as_text(well: tuple[Trials, Summary]) -> None:
    _, found = well
    hostile = replace(
        found.played.phases[0], name="<img src=x onerror=alert(1)>", because="\x1b[31m", outcome="refused"
    )
    page = as_page(replace(found, played=replace(found.played, phases=(hostile,), domain="<b>x</b>")))
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img" not in page
    assert "<b>x</b>" not in page
    assert "\x1b" not in page


def test_the_story_names_phases_times_and_what_was_assumed(well: tuple[Trials, Summary]) -> None:
    _, found = well
    told = "\n".join(text for text, _ in lines(found))
    assert re.search(r"2  switch A +may start from 2026-12-03 09:0\d", told)
    assert "No user got a wrong answer, not for a second." in told
    assert "Assumed: the parent delegates to" in told
    data = as_data(found)
    assert (data["broken_user_seconds"], data["ending"], len(data["phases"])) == (0, "target", 5)


def test_the_table_of_drills_tells_both_costs(tmp_path: Path) -> None:
    from dnsrun.rehearse.trial.drills import drilled

    trials = Trials(tmp_path)
    numbers = iter(range(9))
    found = drilled(
        [Drill(2, "http", "http", "after")],
        lambda script: trials.found(script(PLAIN), name=f"n{next(numbers)}"),
        lambda _: None,
    )
    told = [text for text, _ in drill_lines(found)]
    assert any(re.search(r"dnsrun +[\d,]+ user-seconds", text) for text in told)
    assert any(re.search(r"by hand +[\d,]+ user-seconds", text) for text in told)
    assert told[-1] == "1 of 1 drills ended as promised."
