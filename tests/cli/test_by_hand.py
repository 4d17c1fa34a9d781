"""What a person does: risks accepted singly, the way back printed first, programs only with consent."""

from __future__ import annotations

import pytest

from cli.conftest import Project
from worlds import APEX, NEW, OLD

BY_HAND = """dnsrun: 1
domain: client.example
providers:
  panel: {use: manual, name_servers: [ns1.client.example, ns2.client.example]}
zone: {from: panel, capture: {transfer: 198.51.100.53}}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
phases:
  - {name: switch A, steps: [{kind: switch-records}]}
"""
PROGRAM = """dnsrun: 1
domain: client.example
providers:
  old: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.client.example]}
  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}
zone: {from: old, secondaries: {old: [second]}}
mail: {mailboxes: [mail.client.example]}
phases:
  - {name: tell, steps: [{kind: command, run: [/bin/sh, -c, "echo ran >> %s"], undo: [/bin/true]}]}
"""


def typed_in(project: Project, old: str, new: str) -> None:
    """Do what a person does at the panel: at every server."""
    for server in (project.world.ns1, project.world.ns2):
        text = server.zone_text(APEX)
        server.set_zone(APEX, text.replace(f"IN A {old}", f"IN A {new}"))


def test_a_risk_needs_its_name_and_a_reason(project: Project) -> None:
    project.write(BY_HAND)
    refused = project("apply", "--yes")
    assert refused.code == 5
    assert "manual-rollback" in refused.err
    assert "--accept NAME=" in refused.err
    assert project("apply", "--yes", "--accept", "manual-rollback").code == 2
    assert not (project.state / "journal.jsonl").exists()


def test_a_risk_is_asked_for_by_name_on_a_terminal(project: Project) -> None:
    project.write(BY_HAND)
    declined = project("apply", typed="\n")
    assert declined.code == 5
    assert "Risk manual-rollback: to go back, a person must act at panel" in declined.err
    assert "the risk manual-rollback was not accepted; nothing was changed" in declined.err


def test_by_hand_without_a_terminal_is_6_then_resume_sees_it_done(project: Project) -> None:
    project.write(BY_HAND)
    asked = project("apply", "--yes", "--accept", "manual-rollback=the client is at the phone")
    assert asked.code == 6, asked.err
    assert "To go back by hand" in asked.err
    assert asked.err.index("To go back by hand") < asked.err.index("for panel, by hand:")
    assert list((project.state / "captures").glob("*.undo.txt"))
    assert NEW in asked.err
    status = project("status")
    assert status.code == 7
    assert "client.example  you must act: phase 1" in status.out
    typed_in(project, OLD, NEW)
    done = project("resume", "client.example")
    assert done.code == 0, done.all
    assert "done by" in done.err or "changed" in done.err


def test_rollback_by_hand_is_4_until_it_is_proved(project: Project) -> None:
    project.write(BY_HAND)
    project("apply", "--yes", "--accept", "manual-rollback=fine")
    typed_in(project, OLD, NEW)
    assert project("resume", "client.example").code == 0
    asked = project("rollback", "--yes")
    assert asked.code == 4, asked.all
    assert project("status").code == 7
    typed_in(project, NEW, OLD)
    proved = project("resume", "client.example")
    assert proved.code == 3, proved.all
    assert "Rolled back and checked." in proved.out


def test_programs_need_consent_which_an_edit_takes_back(project: Project) -> None:
    """Threat 9."""
    ran = project.folder / "ran"
    text = PROGRAM % ran
    project.write(text)
    accept = ("--yes", "--accept", "irreversible=fine", "--accept", "manual-rollback=fine")
    refused = project("apply", *accept)
    assert refused.code == 5
    assert "--allow-commands:\n  /bin/sh -c echo ran" in refused.err
    assert not ran.exists()
    assert not (project.state / "journal.jsonl").exists()
    assert project("apply", *accept, "--allow-commands").code == 0
    assert ran.read_text() == "ran\n"
    project.write(text.replace("echo ran", "echo again"))
    back = project("rollback", "--yes")
    assert back.code == 3, back.all
    assert 'This takes back phase 1 "tell": runs /bin/true' in back.err
    asked_again = project("apply", *accept, "--accept-changes")
    assert asked_again.code == 5
    assert "--allow-commands:\n  /bin/sh -c echo again" in asked_again.err


def test_the_windows_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from dnsrun.cli.main import main

    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit, match="use it inside WSL"):
        main()
