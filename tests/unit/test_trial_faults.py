"""Faults of the matrix, played: what comes of each, and what users met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import POLL_MAX_S
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Astray
from dnsrun.rehearse import scenery
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial import mishaps
from dnsrun.rehearse.trial.drive import Play, Script
from dnsrun.rehearse.trial.faults import Faulted, faulted, faults
from dnsrun.rehearse.trial.summary import Summary
from dnsrun.rehearse.trial.tables import fault_lines, faults_as_data
from trialworld import DAY_S, NS_MOVE, PLAIN, START, TEN_MINUTES, WEB_MOVE, Trials

ONE = replace(PLAIN, kinds=(POPULATION["bind"],))


def played(folder: Path, name: str, text: str = NS_MOVE, script: Script = ONE) -> Faulted:
    def play(change: Callable[[Script], Script]) -> Summary:
        return Trials(folder, text=text, wishes=TEN_MINUTES).found(change(script))

    return faulted(faults()[name], play)


def last_words(made: Faulted) -> str:
    assert made.found is not None
    last = made.found.played.phases[-1]
    return last.failed or last.because


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        pytest.param("error-once", "TGT", marks=pytest.mark.long),
        pytest.param("lost-answer", "TGT", marks=pytest.mark.long),
        pytest.param("late-effect", "TGT", marks=pytest.mark.long),
        pytest.param("replayed", "TGT", marks=pytest.mark.long),
        ("no-v6", "-"),
        ("web-blips", "-"),
        ("no-certificate", "-"),
        pytest.param("back-fails", "CAP", marks=pytest.mark.long),
        pytest.param("back-pending", "CAP", marks=pytest.mark.long),
        pytest.param("back-edited", "CAP", marks=pytest.mark.long),
    ],
)
def test_a_fault_that_comes_and_goes_fails_nobody(tmp_path: Path, name: str, outcome: str) -> None:
    made = played(tmp_path, name)
    assert (made.outcome, made.is_allowed) == (outcome, True)
    assert made.found is None or made.found.broken_user_seconds == 0


@pytest.mark.parametrize(
    ("name", "outcome", "words"),
    [
        ("lying", "CAP", "accepted, but the servers do not show it"),
        ("lying-data", "HOLD", "client.example A is 198.51.100"),
        pytest.param("expired-token", "HOLD", "401 Unauthorized: the token has expired", marks=pytest.mark.long),
        ("lame", "CAP", "answers REFUSED"),
        ("no-tcp", "CAP", "ns1 ok, ns2 refuses the connection over TCP"),
        pytest.param(
            "registrar-rejects",
            "HOLD",
            "refused: the registry's check of the name servers failed",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_fault_that_stays_stops_the_run_before_anybody_is_failed(
    tmp_path: Path, name: str, outcome: str, words: str
) -> None:
    made = played(tmp_path, name)
    assert (made.outcome, made.is_allowed) == (outcome, True)
    assert made.found is not None
    assert made.found.broken_user_seconds == 0
    assert words in last_words(made)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("", "imap-k7 is not there itself, a wildcard answers for it at all 2 servers"),
        pytest.param("* A 192.0.2.25\n", "any name below imap-k7 A should be no such name", marks=pytest.mark.long),
    ],
    ids=["the new host's", "the zone's"],
)
def test_a_name_that_a_wildcard_hides_is_missed_before_the_switch(tmp_path: Path, own: str, words: str) -> None:
    """Fault 61: whoever asks for its address gets the right one, so that the copy seems whole."""
    trials = Trials(tmp_path, text=NS_MOVE, zone=scenery.FIRST_ZONE + own, wishes=TEN_MINUTES)
    made = faulted(faults()["hidden-record"], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("HOLD", True, 0)
    assert [phase.outcome for phase in made.found.played.phases] == ["done", "refused"]
    assert last_words(made).startswith(words)


def test_a_new_web_server_without_a_certificate_is_found_before_anybody_is_sent_there(tmp_path: Path) -> None:
    """Fault 49: the gate asks the new server, whatever the old one answers."""
    made = played(tmp_path, "no-certificate", WEB_MOVE.replace("http://", "https://"))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("HOLD", True, 0)
    assert made.found.played.outcome == "refused"
    assert "203.0.113.20" in last_words(made)
    assert "certificate" in last_words(made)


WITH_V6 = NS_MOVE.replace(
    "ns2.new-host.example]", "{name: ns2.client.example, addresses: [203.0.113.54, '2001:db8::54']}]"
)


@pytest.mark.parametrize(
    ("name", "text", "outcome", "words"),
    [
        ("dead-v6", WITH_V6, "CAP", "ns2 (2001:db8::54) refuses the connection"),
        pytest.param("no-v6", WITH_V6, "TGT", "done", marks=pytest.mark.long),
        (
            "no-v6",
            WITH_V6.replace("zone: {", "zone: {require_v6: true, "),
            "HOLD",
            "ns2.client.example (2001:db8::54) cannot be asked: there is no IPv6 from here",
        ),
    ],
    ids=["dead", "not checked", "demanded"],
)
def test_ipv6_that_is_dead_fails_and_ipv6_that_is_not_here_is_not_checked(
    tmp_path: Path, name: str, text: str, outcome: str, words: str
) -> None:
    """Fault 42."""
    trials = Trials(tmp_path, text=text, wishes=TEN_MINUTES)
    made = faulted(faults()[name], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == (outcome, True, 0)
    assert words in last_words(made)
    if outcome == "TGT":
        assert b'"not_checked": ["ns2.client.example (2001:db8::54)"]' in trials.journal()


def test_ipv6_that_fails_in_the_middle_stops_whoever_demands_it(tmp_path: Path) -> None:
    """Fault 42: the copy is there, and is not switched to."""

    def fail_later(play: Play) -> None:
        play.agenda.later(3, lambda: mishaps.no_v6(play))

    trials = Trials(tmp_path, text=WITH_V6.replace("zone: {", "zone: {require_v6: true, "), wishes=TEN_MINUTES)
    played_out = trials.found(replace(ONE, arrange=fail_later)).played
    assert played_out.outcome == "paused"
    assert "(2001:db8::54) cannot be asked, and the playbook says `require_v6: true`" in played_out.phases[-1].because


def test_a_server_without_edns_is_warned_of_and_asked_without(tmp_path: Path) -> None:
    """Fault 44: an unsigned zone is served all the same."""
    trials = Trials(tmp_path, text=NS_MOVE, wishes=TEN_MINUTES)
    made = faulted(faults()["no-edns"], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("TGT", True, 0)
    assert b"ns2.new-host.example answers only without EDNS" in trials.journal()


@pytest.mark.long
@pytest.mark.parametrize("name", ["no-tcp", "hidden-record", "empty-twin", "lame"])
def test_a_target_that_is_reached_past_a_broken_new_server_is_not_allowed(tmp_path: Path, name: str) -> None:
    made = played(tmp_path, name)
    assert made.found is not None
    assert made.is_allowed
    done = replace(made.found.played.phases[-1], outcome="done")
    arrived = replace(made.found.played, phases=(*made.found.played.phases[:-1], done), ending="target")
    assert not replace(made, found=replace(made.found, played=arrived)).is_allowed


@pytest.mark.long
def test_whoever_looks_at_no_certificate_sends_users_to_a_server_without_one(tmp_path: Path) -> None:
    unasked = WEB_MOVE.replace("http://", "https://").replace('"Client"}', '"Client", advisory: true}')
    made = played(tmp_path, "no-certificate", unasked)
    assert made.found is not None
    assert (made.outcome, made.is_allowed) == ("TGT", False)
    assert made.found.broken_user_seconds > 0


def test_a_placeholder_is_told_with_its_ttl_and_fails_whoever_learned_it(tmp_path: Path) -> None:
    """Fault 54, incident 6."""
    made = played(tmp_path, "placeholder")
    assert made.found is not None
    assert (made.outcome, made.is_allowed) == ("TGT", True)
    (incident,) = made.found.played.incidents
    assert "neither the old nor the new name servers: ns.parked.example; caches keep that up to 600 s" in incident
    assert {by for span in made.found.spans for _, by in span.causes} == {("the placeholder",)}
    assert 300 < made.found.worst_s <= 14_400
    told = "\n".join(text for text, _ in fault_lines([made]))
    assert f"{made.harm_s:,} s of it behind caches that keep to TTLs: whoever learned the placeholder" in told
    assert f"told: {incident}" in told
    assert faults_as_data([made])[0]["not_ours_s"] == made.harm_s == made.found.broken_user_seconds > 0
    records = list(FileJournal(tmp_path / "run", VirtualClock(START)).read())
    (seen_at, seen), (gone_at, gone) = ((each.at, each.entry) for each in records if isinstance(each.entry, Astray))
    assert {what for _, what in seen.served} == {"ns.parked.example"}
    assert (seen.servers, seen.ttl_s, gone.served) == (len(seen.served), 600, ())
    assert 300 <= (gone_at - seen_at).total_seconds() <= 300 + POLL_MAX_S


@pytest.mark.long
def test_a_placeholder_leaves_the_same_journal_twice(tmp_path: Path) -> None:
    """P10."""
    journals = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        played(tmp_path / name, "placeholder")
        journals.append((tmp_path / name / "run" / "journal.jsonl").read_bytes())
    one, other = journals
    assert one.count(b'"is": "Astray"') == 2
    assert one == other


BY_API = {
    "one server tells": "{use: rfc2136, server: 192.0.2.53,",
    "all servers tell": "{use: powerdns, api_url: 'https://192.0.2.53/', api_key: {env: KEY},",
}


@pytest.mark.parametrize(
    "host", [pytest.param(BY_API["one server tells"], marks=pytest.mark.long), BY_API["all servers tell"]]
)
def test_a_server_that_is_ten_minutes_late_is_waited_for(tmp_path: Path, host: str) -> None:
    """Fault 39: phase 2 may start a day after the last server showed the low TTL, and then all goes by itself."""
    made = played(tmp_path, "stale-for-a-while", WEB_MOVE.replace("{use: manual, panel: other,", host))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("TGT", True, 0)
    lowered, switched, *_ = made.found.played.phases
    assert lowered.ended - lowered.began >= timedelta(minutes=10)
    assert switched.earliest is not None
    assert switched.earliest - lowered.began >= timedelta(days=1, minutes=10)
    back = replace(made.found.played, phases=(*made.found.played.phases[:-1], replace(lowered, outcome="rolled-back")))
    assert not replace(made, found=replace(made.found, played=back)).is_allowed


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (WEB_MOVE.replace("{use: manual, panel: other,", BY_API["one server tells"]), "HOLD"),
        (scenery.playbook_text(), "CAP"),
    ],
    ids=["a TTL", "a copy"],
)
def test_a_server_that_never_follows_is_given_up_after_an_hour(tmp_path: Path, text: str, outcome: str) -> None:
    """Fault 40: where nothing but TTLs are at stake a person is asked."""
    made = played(tmp_path, "stale-secondary", text)
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == (outcome, True, 0)
    assert "ns2 still old" in last_words(made)
    (phase,) = made.found.played.phases
    assert phase.ended - phase.began == timedelta(hours=1)


@pytest.mark.long
def test_harm_that_the_fault_does_not_explain_or_that_was_not_told_is_not_allowed(tmp_path: Path) -> None:
    made = played(tmp_path, "placeholder")
    assert made.found is not None
    untold = replace(made.found, played=replace(made.found.played, incidents=()))
    assert not replace(made, found=untold).is_allowed
    other = replace(made.found.spans[0], causes=(("other data", ("ns1.new-host.example",)),))
    assert not replace(made, found=replace(made.found, spans=(other,))).is_allowed


@pytest.mark.long
def test_a_host_that_writes_something_else_where_users_ask_stops_the_run_at_once(tmp_path: Path) -> None:
    """Nobody can tell it from somebody's edit, so it is not overwritten (P3); users meet what the host wrote."""
    text = WEB_MOVE.replace("{use: manual, panel: other,", "{use: rfc2136, server: 192.0.2.53,")
    made = played(tmp_path, "lying-data", text)
    assert made.found is not None
    assert (made.outcome, made.is_allowed) == ("HOLD", True)
    assert "set by somebody else" in last_words(made)
    assert {cause for span in made.found.spans for cause, _ in span.causes} == {"other data"}


def test_an_old_host_that_deletes_the_zone_too_early_fails_those_who_still_ask_it(tmp_path: Path) -> None:
    """Fault 62, incident 16: the run goes on to the target, says so, and does not go back to dead servers."""
    made = played(tmp_path, "purged")
    assert made.found is not None
    assert (made.outcome, made.is_allowed) == ("TGT", True)
    assert any("ns1.old-host.example does not serve the zone" in text for text in made.found.played.incidents)
    assert {cause for span in made.found.spans for cause, _ in span.causes} == {"no server answers"}
    assert 0 < made.found.worst_s <= 600


@pytest.mark.parametrize("old_ttl_s", [600, pytest.param(3_600, marks=pytest.mark.long)])
def test_a_ttl_floor_is_planned_with_on_both_sides_and_the_target_reached(tmp_path: Path, old_ttl_s: int) -> None:
    """Fault 32, also where the floor is the TTL that was there before."""
    lowering = NS_MOVE.replace("[{kind: copy-zone}]", "[{kind: lower-ttl, wait_at_least: 1h}, {kind: copy-zone}]")
    trials = Trials(tmp_path, text=lowering, wishes=replace(TEN_MINUTES, old_ttl_s=old_ttl_s))
    made = faulted(faults()["ttl-floor"], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert (made.outcome, made.found.broken_user_seconds) == ("TGT", 0)
    assert b"is served with TTL 600: this host raises it" in trials.journal()


def test_a_ttl_floor_at_a_panel_is_seen_by_nobody_but_whoever_types(tmp_path: Path) -> None:
    """Fault 32: where the floor is the TTL that was there before, the person is asked whether it was typed."""
    steps = ("{kind: lower-ttl, ttl: 60}", "{kind: switch-records}")
    phases = ", ".join(f"{{name: phase {number}, steps: [{step}]}}" for number, step in enumerate(steps, start=1))
    text = f"{WEB_MOVE.partition('gates:')[0]}phases: [{phases}]\n"
    trials = Trials(tmp_path, text=text, wishes=replace(TEN_MINUTES, old_ttl_s=600))
    made = faulted(faults()["ttl-floor"], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert (made.outcome, made.found.broken_user_seconds) == ("TGT", 0)
    asked = "client.example A (600 s), www.client.example A (600 s). A host that keeps them looks just so;"
    assert any(asked in text for text in made.found.played.asked)
    assert b"www.client.example A is served with TTL 600: this host raises it" in trials.journal()


@pytest.mark.long
def test_what_a_colleague_edits_after_the_copy_is_carried_to_the_new_host(tmp_path: Path) -> None:
    """Fault 55: shown while both sides are watched, copied again before the switch."""
    text = scenery.playbook_text().partition("  - name: finish")[0].replace("watch, for: 5m", "watch, for: 1m")
    trials = Trials(tmp_path, text=text, wishes=TEN_MINUTES)
    made = faulted(faults()["colleague"], lambda change: trials.found(change(ONE)))
    assert made.found is not None
    assert last_words(made) == "done"
    assert (made.outcome, made.found.played.left_over, made.found.broken_user_seconds) == ("TGT", (), 0)
    assert b"edited at the old side since the copy, to be copied again before the switch: " in trials.journal()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_server_that_fails_every_fifth_question_changes_no_verdict(tmp_path: Path, seed: int) -> None:
    """Fault 46."""
    made = played(tmp_path, "servfail", script=replace(ONE, seed=seed))
    assert made.found is not None
    assert (made.outcome, made.is_allowed, made.found.broken_user_seconds) == ("TGT", True, 0)


@pytest.mark.long
def test_the_same_fault_has_the_same_journal_octet_by_octet(tmp_path: Path) -> None:
    """P10."""
    trials = Trials(tmp_path, text=NS_MOVE, wishes=TEN_MINUTES)
    for name in ("one", "two"):
        faulted(faults()["placeholder"], lambda change, name=name: trials.found(change(ONE), name=name))  # type: ignore[misc]
    assert trials.journal("one") == trials.journal("two")


@pytest.mark.long
@pytest.mark.parametrize("name", ["web-blips", "registrar-lock"])
def test_a_whole_migration_with_a_fault_ends_as_allowed(tmp_path: Path, name: str) -> None:
    made = faulted(faults()[name], lambda change: Trials(tmp_path).found(change(PLAIN)))
    assert (made.outcome, made.is_allowed) == ("HOLD" if name == "registrar-lock" else "TGT", True)
    assert made.found is not None
    assert made.found.worst_s < DAY_S
