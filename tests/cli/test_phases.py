"""Phases from the command line: shown, asked for, run, rolled back; and how each ends."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta
from pathlib import Path

import dns.name
import pytest

from cli.conftest import Project
from dnsrun.clock import VirtualClock
from dnsrun.journal.lock import FileHolds
from dnsrun.journal.store import FileJournal
from mailwords import smtp
from webworld import raw, reset
from worlds import NEW, OLD, PLAYBOOK, ROOT_ZONE


def www(project: Project) -> list[str]:
    return project.world.values(project.world.ns1)


def test_plan_shows_every_phase_and_writes_nothing(project: Project) -> None:
    result = project("plan")
    assert result.code == 0
    assert 'phase 1 "lower TTLs"   may start now' in result.out
    assert f"@, www   A   {OLD} → {NEW}        at old, by API" in result.out
    assert "If it fails: back by itself, last visitor well again after 10 min at most." in result.out
    assert "dnsrun rollback client.example" in result.out
    assert not project.state.exists()
    assert www(project) == [f"3600 {OLD}"]


def test_plan_shows_what_mail_rides_on(project: Project) -> None:
    lines = project("plan").out.splitlines()
    assert "    receiving  MX of client.example → mail.client.example → A 192.0.2.25" in lines
    assert "    reading    mail programs open mail.client.example (`mail.mailboxes`) → A 192.0.2.25" in lines
    assert "    sending    SPF of client.example: v=spf1 mx -all" in lines
    assert json.loads(project("plan", "--json").out)["mail"][0].startswith("receiving  MX of client.example")


def test_plan_looks_up_mail_hosts_elsewhere_and_the_names_of_senders(project: Project) -> None:
    """Relays, and what receivers look up of whoever sends."""
    front = "front: [mx.relay.example], senders: [{address: 192.0.2.25}]"
    project.write(PLAYBOOK.replace("mailboxes: [mail.client.example]", f"mailboxes: [mx.relay.example], {front}"))
    out = project("plan").out
    assert "mx.relay.example (`mail.mailboxes`) (a relay in front of the mailboxes, elsewhere; has no address)" in out
    assert (
        "192.0.2.25 sends (`mail.senders`, until always); has no name (PTR); many receivers turn such mail away" in out
    )


@pytest.mark.parametrize(
    ("banner", "words"),
    [
        ("220 Mail.Client.Example ESMTP", "is named mail.client.example; it greets so"),
        (
            "220 localhost ESMTP",
            "is named mail.client.example; it greets as localhost: if it sends under that name (HELO)",
        ),
        ("", "is named mail.client.example; what it calls itself (HELO) cannot be seen"),
    ],
)
def test_plan_compares_the_name_of_a_sender_with_its_greeting(project: Project, banner: str, words: str) -> None:
    root = project.world.root
    root.set_zone(dns.name.root, f"{ROOT_ZONE}25.2.0.192.in-addr.arpa. 300 PTR mail.client.example.\n")
    senders = "senders: [{address: 192.0.2.25}]"
    project.write(PLAYBOOK.replace("[mail.client.example]", f"[mail.client.example], {senders}"))
    with raw(smtp(banner=banner) if banner else reset) as place:
        project.world.places["192.0.2.25", 25] = place
        assert f"192.0.2.25 sends (`mail.senders`, until always); {words}" in project("plan").out


def test_apply_check_is_plan(project: Project) -> None:
    assert project("apply", "--check").out == project("plan").out


def test_apply_lowers_the_ttls_and_says_what_comes_next(project: Project) -> None:
    result = project("apply", "--phase", "lower TTLs", "--yes")
    assert result.code == 0
    assert www(project) == [f"600 {OLD}"]
    assert re.search(
        r"\d\d:\d\d:\d\d  changed; second has fetched the zone; ns1 ok, ns2 (still old .*… ns2 )?ok", result.err
    )
    assert "Next: `dnsrun apply client.example --phase 2`" in result.out
    assert result.out.splitlines()[-1] == "client.example  ok=3 changed=3 failed=0 rolled-back=0"


def test_too_early_is_75_with_local_time_then_utc(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        project("apply", "--phase", "1", "--yes")
        result = project("apply", "--phase", "2", "--yes")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert result.code == 75
    assert "phase 2 refused" in result.err
    assert re.search(r"2026-03-03 18:\d\d JST \(09:\d\d UTC\), in 24 h", result.err)
    assert "Run the same command after that time." in result.err


def test_the_wait_for_unknown_ttls_is_over_when_it_was_said_to_be(project: Project) -> None:
    """Nothing had to be lowered, so that no phase had begun before the switch was tried for the first time."""
    project.write(PLAYBOOK + "ttl: 3600\n")
    assert project("apply", "--yes").code == 75
    project.world.clock.advance(26 * 3600)
    result = project("apply", "--yes")
    assert result.code == 0, result.err
    assert www(project) == [f"3600 {NEW}"]


def test_a_phase_whose_gate_fails_reads_as_the_design_shows(lowered: Project) -> None:
    """The layout of a failed phase, line by line, times aside."""
    lowered.write(PLAYBOOK.replace("{kind: http,", "{kind: http, name: web, at: after,"))
    lowered.world.web_new.status = 503
    result = lowered("apply", "--phase", "2", "--accept-changes", typed="y\n")
    assert result.code == 3
    shown = [re.sub(r"\d\d:\d\d(:\d\d)?", "HH:MM", line) for line in result.err.splitlines()]
    begin = shown.index('client.example · phase 2 of 5 "switch A"')
    assert shown[begin + 1] == f"  @, www   A   {OLD} → {NEW}        at old, by API"
    assert "  Mail does not change: mailboxes are on mail.client.example (192.0.2.25)" in "\n".join(shown)
    assert "  If it fails: back by itself, last visitor well again after 10 min at most." in shown
    asked = next(number for number, line in enumerate(shown) if line.startswith("Run it now? [y/N]"))
    story = "\n".join(shown[asked:]).split("[y/N] ")[1].splitlines()
    assert story[0].startswith("HH:MM  changed; ")
    assert story[1:3] == [
        f"HH:MM  http://www.client.example/ answers 503 at {NEW}       3 times",
        f"HH:MM  ROLLING BACK  @, www → {OLD}",
    ]
    assert story[3].startswith("HH:MM  ns1 ok, ns2 ")
    assert story[3].endswith("web ok")
    told = re.sub(r"ok=\d+", "ok=N", re.sub(r"\d\d:\d\d", "HH:MM", result.out))
    assert told.splitlines() == [
        "Rolled back and checked. Until HH:MM some visitors may still see the new server. Nothing else was touched.",
        "Next: repair the new server, then run the same command again (no waiting needed).",
        "client.example  ok=N changed=2 failed=1 rolled-back=2",
    ]
    assert www(lowered) == [f"600 {OLD}"]


def test_a_gate_that_fails_before_the_write_is_5_and_changes_nothing(lowered: Project) -> None:
    lowered.world.web_new.status = 500
    before = lowered.world.ns1.serial(lowered.world.playbook().domain)
    result = lowered("apply", "--phase", "2", "--yes")
    assert result.code == 5
    assert f"http://www.client.example/ answers 500 at {NEW}" in result.err
    assert lowered.world.ns1.serial(lowered.world.playbook().domain) == before


def test_declining_is_5_and_changes_nothing(project: Project) -> None:
    result = project("apply", "--phase", "1", typed="n\n")
    assert result.code == 5
    assert "declined; nothing was changed" in result.err
    assert www(project) == [f"3600 {OLD}"]


def test_without_a_terminal_and_without_yes_nothing_runs(project: Project) -> None:
    result = project("apply", "--phase", "1")
    assert result.code == 5
    assert "not a terminal" in result.err
    assert www(project) == [f"3600 {OLD}"]


def test_rollback_says_the_effect_first_and_goes_back(lowered: Project) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    assert www(lowered) == [f"600 {NEW}"]
    result = lowered("rollback", typed="y\n")
    assert result.code == 3
    assert f'This takes back phase 2 "switch A": @, www → {OLD}' in result.err.splitlines()[0]
    assert www(lowered) == [f"600 {OLD}"]
    assert lowered("diff").code == 0
    assert "somebody else" not in lowered("plan").out


def test_rollback_works_without_a_playbook_file(lowered: Project) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    lowered.playbook.unlink()
    assert lowered("rollback", "client.example", "--yes").code == 3
    assert www(lowered) == [f"600 {OLD}"]


def test_rollback_all_gives_the_ttls_back(lowered: Project) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    assert lowered("rollback", "--all", "--yes").code == 3
    assert www(lowered) == [f"3600 {OLD}"]


def test_rollback_of_lowered_ttls_alone_proposes_all(lowered: Project) -> None:
    result = lowered("rollback", "--yes")
    assert result.code == 5
    assert "dnsrun rollback client.example --all" in result.err
    assert www(lowered) == [f"600 {OLD}"]


def test_an_edited_playbook_is_shown_and_needs_accept_changes(lowered: Project) -> None:
    """Fault 57."""
    lowered.write(PLAYBOOK.replace("The web site moves.", "The web site moves on."))
    refused = lowered("apply", "--phase", "2", "--yes")
    assert refused.code == 5
    assert "+goal: The web site moves on." in refused.err
    assert "--accept-changes" in refused.err
    assert www(lowered) == [f"600 {OLD}"]
    assert lowered("apply", "--phase", "2", "--yes", "--accept-changes").code == 0


def test_a_second_apply_while_a_phase_is_open_is_refused_with_the_way_on(lowered: Project) -> None:
    """Fault 14, for the time between two advances."""
    lowered.write(PLAYBOOK + "  - {kind: confirm, at: before, question: 'May it go?'}\n")
    assert lowered("apply", "--phase", "2", "--yes", "--accept-changes").code == 5  # nobody here to answer
    again = lowered("apply", "--phase", "2", "--yes")
    assert again.code == 5
    assert "dnsrun resume client.example" in again.err


def test_a_question_is_answered_at_the_terminal(lowered: Project) -> None:
    lowered.write(PLAYBOOK + "  - {kind: confirm, at: before, question: 'May it go?'}\n")
    result = lowered("apply", "--phase", "2", "--yes", "--accept-changes", typed="yes\n")
    assert "May it go?" in result.err
    assert result.code == 0
    assert www(lowered) == [f"600 {NEW}"]


def test_status_puts_first_what_needs_a_person(lowered: Project) -> None:
    other = PLAYBOOK.replace("domain: client.example", "domain: another.example")
    lowered.write(other.replace("[mail.client.example]", "[mail.another.example]"), "another.yaml")
    text = PLAYBOOK.replace("status: 200}", "status: 200, at: after, on_fail: pause}")
    lowered.write(text)
    lowered.world.web_new.status = 500
    lowered("apply", "client.example", "--phase", "2", "--yes", "--accept-changes")
    result = lowered("status")
    assert result.code == 7
    assert result.out.startswith('client.example   you must act: phase 2 "switch A"')
    assert "\nanother.example  not begun" in result.out


def test_status_says_when_the_next_phase_may_start(project: Project) -> None:
    """T1, from the journal alone: the same time that `apply` refuses with."""
    project("apply", "--phase", "1", "--yes")
    status, refused = project("status"), project("apply", "--phase", "2", "--yes")
    (when,) = re.findall(r"not before (\S+ \d\d:\d\d UTC)", status.out)
    assert f"refused until {when}" in refused.err
    project.world.clock.advance(26 * 3600)
    assert "not before" not in project("status").out


def test_who_holds_the_domain_is_named_to_the_second(lowered: Project) -> None:
    """Fault 14: pid, since when, and what it does; fault 16: the lock dies with its holder."""
    lowered.write(PLAYBOOK + "  - {kind: confirm, at: before, question: 'May it go?'}\n")
    lowered("apply", "--phase", "2", "--yes", "--accept-changes")
    journal = FileJournal(lowered.state, lowered.world.clock)
    with FileHolds(lowered.state, journal, lowered.world.clock).take("phase 2, going forward"):
        busy = lowered("resume", "client.example", typed="yes\n")
    assert busy.code == 6
    assert f"process {os.getpid()} is at work since" in busy.out
    assert "(phase 2, going forward)" in busy.out
    assert lowered("resume", "client.example", typed="yes\n").code == 0


def test_status_is_the_same_from_the_kept_look_and_from_the_journal(lowered: Project) -> None:
    first, kept = lowered("status"), lowered("status")
    assert first.out == kept.out
    (lowered.state / "status.json").unlink()
    assert lowered("status").out == first.out
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    assert 'phase 2 "switch A" done' in lowered("status").out
    assert "no cache holds the old records after" in lowered("status").out


def test_verify_asks_the_gates_and_writes_nothing(lowered: Project) -> None:
    head = (lowered.state / "journal.jsonl").read_bytes()
    ready = lowered("verify")
    assert ready.code == 0
    assert "(phase 2, before it runs)" in ready.out
    lowered.world.web_new.status = 500
    assert lowered("verify").code == 6
    assert (lowered.state / "journal.jsonl").read_bytes() == head


def test_verify_finds_what_no_longer_holds(lowered: Project) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    lowered.world.web_new.status = 500
    result = lowered("verify")
    assert result.code in (6, 7)
    assert "answers 500" in result.out


def test_verify_opens_the_mailbox_that_a_gate_names_by_its_account(project: Project) -> None:
    account = "{address: a@client.example, user: a, password: {env: MAIL_PASSWORD}, imap: mail.client.example}"
    text = PLAYBOOK.replace("[mail.client.example]}", f"[mail.client.example], accounts: {{test: {account}}}}}")
    project.write(f"{text}  - {{kind: imap, account: test}}\n")
    project.environment["MAIL_PASSWORD"] = "right-7"
    project.world.places["192.0.2.25", 993] = project.world.web_old.place
    assert project("apply", "--phase", "1", "--yes").code == 0
    found = " ".join(project("verify").out.split())
    assert "imap (phase 2, before it runs): mail.client.example:993 " in found
    assert "at 192.0.2.25" in found


def test_diff_names_somebody_elses_edit(lowered: Project) -> None:
    text = lowered.world.ns1.zone_text(lowered.world.playbook().domain)
    edited = text.replace("192.0.2.25", "192.0.2.26").replace(" 8 1800", " 99 1800").replace(" 9 1800", " 99 1800")
    lowered.world.ns1.set_zone(lowered.world.playbook().domain, edited)
    lowered.world.ns2.set_zone(lowered.world.playbook().domain, edited)
    result = lowered("diff")
    assert result.code == 7
    assert re.search(r"mail.client.example A +192.0.2.25 .* 192.0.2.26 .* not by this run", result.out)
    assert re.search(r"www.client.example A +192.0.2.10 \(TTL 3600\) +192.0.2.10 \(TTL 600\)", result.out)


def test_capture_keeps_the_zone_and_export_prints_it(project: Project, tmp_path: Path) -> None:
    kept = project("capture")
    assert kept.code == 0
    assert "complete: transfer from" in kept.out
    result = project("export", "--captured")
    assert f"www.client.example. 3600 IN A {OLD}" in result.out.splitlines()
    assert project("export", "-o", str(tmp_path / "out.zone")).code == 0
    assert f"www.client.example. 3600 IN A {OLD}\n" in (tmp_path / "out.zone").read_text()


def test_resume_all_does_what_is_due_and_says_when_to_come_again(lowered: Project) -> None:
    """Made for cron: it does not stay."""
    lowered.write(PLAYBOOK + "  - {kind: confirm, at: before, question: 'May it go?'}\n")
    lowered("apply", "--phase", "2", "--yes", "--accept-changes")
    result = lowered("resume", "--all")
    assert result.code == 5
    assert "May it go?" in result.out
    assert lowered("resume", "client.example", typed="yes\n").code == 0


def test_json_of_apply_names_outcome_and_exit(project: Project) -> None:
    result = project("apply", "--phase", "1", "--yes", "--json")
    data = json.loads(result.out)
    assert (data["outcome"], data["exit"], data["recap"]["changed"]) == ("done", 0, 3)


def test_json_on_everything(lowered: Project) -> None:
    for command in ("plan", "status", "verify", "capture", "diff", "export", "check", "providers"):
        result = lowered(command, "--json")
        assert result.code == 0, (command, result.err)
        json.loads(result.out)


def test_to_phase_takes_back_everything_after_it(lowered: Project) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    assert lowered("apply", "--phase", "3", "--yes").code == 0
    result = lowered("rollback", "--to-phase", "1", "--yes")
    assert result.code == 3
    assert www(lowered) == [f"600 {OLD}"]


def test_after_finish_nothing_can_be_taken_back(lowered: Project) -> None:
    for phase in ("2", "3"):
        assert lowered("apply", "--phase", phase, "--yes").code == 0
    lowered.world.clock.advance(7200)
    finished = lowered("apply", "--phase", "finish", "--yes")
    assert finished.code == 0
    assert "the old server may be switched off" in finished.out
    assert www(lowered) == [f"3600 {NEW}"]
    refused = lowered("rollback", "client.example", "--yes")
    assert refused.code == 5
    assert "the run is finished" in refused.err
    assert lowered("status").out == "client.example  finished\n"


class Hurried(VirtualClock):
    """Somebody presses Ctrl-C once the clock has passed a time."""

    def __init__(self, start: datetime, end: datetime) -> None:
        super().__init__(start)
        self.end = end

    def wait_until(self, when: datetime) -> None:
        super().wait_until(when)
        if self.now() >= self.end:
            raise KeyboardInterrupt


def test_a_watch_that_was_left_goes_on_with_cron(lowered: Project) -> None:
    """Until when it must run, and the line for cron; `resume --all` does a round and does not stay."""
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    now = lowered.world.clock.now()
    lowered.world.clock = Hurried(now, now + timedelta(minutes=3))
    left = lowered("apply", "--phase", "3", "--yes")
    assert left.code == 130
    assert re.search(r"watching until 2026-\S+ \d\d:\d\d UTC", left.err)
    assert f"*/5 * * * * cd {lowered.folder} && dnsrun resume --all" in left.err
    assert 'phase 3 "verify" goes on' in lowered("status").out
    lowered.world.clock = VirtualClock(now + timedelta(minutes=5))
    visit = lowered("resume", "--all")
    assert (visit.code, visit.all) == (75, "")
    shown = lowered("resume", "--all", typed="")
    assert re.search(r"next at 2026-\S+ \d\d:\d\d UTC", shown.out)
    assert lowered.world.clock.now() < now + timedelta(minutes=6)
    lowered.world.web_new.status = 500
    lowered.world.clock.advance(300)
    lowered("resume", "--all")
    lowered.world.clock.advance(300)
    back = lowered("resume", "--all")
    assert back.code == 3, back.all
    assert www(lowered) == [f"600 {OLD}"]
