"""Who is told what, by webhook and by mail, and what becomes of a run when that fails."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.name
import pytest
import trustme

from cli.conftest import Project, Result
from dnsrun.notify import notifier
from mailwords import CLOSE, PASSWORD, Script, smtp
from webworld import Web, hang, raw, web
from worlds import PARENT_ZONE, PLAYBOOK

HOOK_AT, SMTP_AT, MAIL_AT = "203.0.113.80", "203.0.113.87", "192.0.2.25"
TOKEN = "hunter2-token"
HOOK_URL = f"https://hooks.example/{TOKEN}"
HOSTS = f"""
hooks.example. 3600 A {HOOK_AT}
smtp.example. 3600 A {SMTP_AT}
twin.example. 3600 A {MAIL_AT}
inside.example. 3600 A 10.0.0.1
"""
WEBHOOK = "notify: [{webhook: {env: HOOK_URL}}]\n"
EMAIL = """notify:
  - email: [ops@example.net, me@example.org]
    from: dnsrun@example.net
    server: smtp.example
    password: {env: SMTP_PASSWORD}
"""


@dataclass
class Office:
    """A project whose people can be told: a webhook at hooks.example, a mail server at smtp.example."""

    project: Project
    hook: Web
    mail: Script

    def __call__(self, *arguments: str) -> Result:
        result = self.project(*arguments)
        for secret in (TOKEN, PASSWORD):
            assert secret not in result.all
        return result

    def lower(self, notify: str) -> Result:
        self.project.write(PLAYBOOK + notify)
        return self("apply", "--phase", "1", "--yes")

    def fail(self, notify: str) -> Result:
        """Run a phase whose gate fails after the write."""
        self.lower("")
        self.project.world.clock.advance(26 * 3600)
        self.project.world.web_new.status = 503
        self.project.write(PLAYBOOK.replace("{kind: http,", "{kind: http, at: after,") + notify)
        return self("apply", "--phase", "2", "--yes", "--accept-changes")

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.hook.posted]

    @property
    def letters(self) -> list[str]:
        return [words for words in self.mail.heard if "Subject:" in words]


def tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(trust)
    return trust


@pytest.fixture
def office(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    project.environment |= {"HOOK_URL": HOOK_URL, "SMTP_PASSWORD": PASSWORD}
    project.world.parent.set_zone(dns.name.from_text("example"), PARENT_ZONE + HOSTS)
    script = smtp(tls(authority, "smtp.example"), banner="220 smtp.example ESMTP")
    with ExitStack() as stack:
        hook = stack.enter_context(web({f"/{TOKEN}": (204, {}, b"")}, tls(authority, "hooks.example")))
        project.world.places[HOOK_AT, 443] = hook.place
        project.world.places[SMTP_AT, 587] = stack.enter_context(raw(script))
        yield Office(project, hook, script)


def test_a_webhook_hears_of_a_phase_that_is_done_once(office: Office) -> None:
    assert office.lower(WEBHOOK).code == 0
    (told,) = office.heard
    assert told.pop("run")
    assert told == {
        "event": "done",
        "domain": "client.example",
        "phase": 1,
        "phase_name": "lower TTLs",
        "text": 'phase 1 "lower TTLs" is done',
        "at": told["at"],
        "exit": 0,
    }
    ((_, fields),) = office.hook.heard
    assert fields["Content-Type"] == "application/json"
    office("resume", "--all")
    office("apply", "--phase", "1", "--yes")
    assert len(office.heard) == 1


def test_a_failed_gate_and_its_rollback_are_told_when_the_rollback_is_over(office: Office) -> None:
    assert office.fail(WEBHOOK).code == 3
    failed, back = office.heard[-2:]
    assert (failed["event"], failed["exit"]) == ("gate-failed", 3)
    assert failed["text"].startswith('phase 2 "switch A" failed and is being rolled back: http://www.client.example/')
    assert (back["event"], back["exit"]) == ("rolled-back", 3)
    assert back["text"].startswith('phase 2 "switch A" was rolled back and checked')


def test_only_what_is_asked_for_is_told_and_slack_gets_a_text(office: Office) -> None:
    office.fail("notify: [{webhook: {env: HOOK_URL}, format: slack, on: [rolled-back]}]\n")
    assert office.heard == [{"text": 'client.example: phase 2 "switch A" was rolled back and checked'}]


def test_people_are_told_by_mail_behind_tls_with_a_log_in(office: Office) -> None:
    assert office.lower(EMAIL).code == 0
    heard = office.mail.heard
    assert heard.index("STARTTLS") < next(at for at, words in enumerate(heard) if words.startswith("AUTH"))
    assert "mail FROM:<dnsrun@example.net>" in "\n".join(heard)
    assert [words for words in heard if words.startswith("rcpt")] == [
        "rcpt TO:<ops@example.net>",
        "rcpt TO:<me@example.org>",
    ]
    (letter,) = office.letters
    assert "Subject: client.example: done (phase 1)" in letter
    assert "To: ops@example.net, me@example.org" in letter
    assert 'client.example: phase 1 "lower TTLs" is done' in letter


def test_nobody_is_told_before_he_is_named(office: Office) -> None:
    """What happened long ago is no news to somebody who has just been named."""
    office.lower("")
    office.project.world.clock.advance(2 * 3600)
    office.project.write(PLAYBOOK + WEBHOOK)
    office("apply", "--phase", "1", "--yes", "--accept-changes")
    assert office.heard == []


def test_a_webhook_that_fails_changes_nothing_and_is_given_up_in_the_end(office: Office) -> None:
    office.hook.replies.clear()
    result = office.lower(WEBHOOK)
    assert result.code == 0
    assert "not told (done): the webhook (env: HOOK_URL): answers 404; tried again later" in result.err
    assert "answers 404; tried again later" in office("resume", "--all").err
    assert "answers 404; given up after 3 times" in office("resume", "--all").err
    assert office("resume", "--all").err == ""
    assert len(office.hook.posted) == 3


def test_who_could_not_be_told_is_told_later(office: Office) -> None:
    answers = dict(office.hook.replies)
    office.hook.replies.clear()
    office.lower(WEBHOOK)
    office.hook.replies.update(answers)
    assert office("resume", "--all").err == ""
    assert [told["event"] for told in office.heard] == ["done", "done"]


@pytest.mark.parametrize("notify", [WEBHOOK, EMAIL])
def test_silence_holds_up_no_rollback(office: Office, notify: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "WITHIN_S", 0.3)
    with raw(hang) as place:
        office.project.world.places |= {(HOOK_AT, 443): place, (SMTP_AT, 587): place}
        began = time.monotonic()
        result = office.fail(notify)
        assert time.monotonic() - began < 20
    assert result.code == 3
    assert "not told (gate-failed)" in result.err
    assert office.project.world.values(office.project.world.ns1) == ["600 192.0.2.10"]
    lines = result.err.splitlines()
    told = next(at for at, line in enumerate(lines) if line.startswith("not told"))
    assert told > next(at for at, line in enumerate(lines) if "ns1 ok" in line)


def test_a_mail_server_whose_certificate_is_for_another_name_gets_no_password(office: Office) -> None:
    wrong = smtp(tls(trustme.CA(), "smtp.example"))
    with raw(wrong) as place:
        office.project.world.places[SMTP_AT, 587] = place
        result = office.lower(EMAIL)
    assert "smtp.example cannot be believed: the certificate is not valid" in result.err
    assert not [words for words in wrong.heard if words.startswith("AUTH")]


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"EHLO": "250 smtp.example"}, "smtp.example offers no STARTTLS: passwords would go in the clear"),
        ({"AUTH": f"535 no {PASSWORD}"}, "answers 535 (its words repeat the password, and are not shown)"),
        ({"RCPT": "550 who?"}, "smtp.example answers 550 who?"),
        ({"MAIL": f"421 bye{CLOSE}"}, "smtp.example answers 421 bye"),
    ],
)
def test_what_a_mail_server_says_is_told(office: Office, replies: dict[str, str], words: str) -> None:
    office.mail.replies = {**office.mail.replies, **replies}
    result = office.lower(EMAIL)
    assert result.code == 0
    assert words in result.err
    assert office.letters == []


def test_nobody_is_told_through_a_mail_host_of_the_domain_under_another_name(office: Office) -> None:
    result = office.lower(EMAIL.replace("smtp.example", "twin.example"))
    assert (
        "twin.example is at 192.0.2.25, which is a mail host of the domain itself; name a server elsewhere"
    ) in result.err


def test_a_large_provider_that_the_domain_uses_too_may_tell(office: Office) -> None:
    """Who runs dnsrun sends by the same provider as the client: it does not depend on the client's domain."""
    used = "mail: {submission: [smtp.example], "
    office.project.write(PLAYBOOK.replace("mail: {", used) + EMAIL)
    result = office("apply", "--phase", "1", "--yes")

    assert result.code == 0, result.all
    assert "not told" not in result.err
    assert len(office.letters) == 1


def test_an_address_inside_a_network_is_not_told_unless_said(office: Office) -> None:
    office.project.environment["HOOK_URL"] = f"https://inside.example/{TOKEN}"
    assert "its address is not a public one; say `allow_private: true`" in office.lower(WEBHOOK).err


def test_a_webhook_on_this_machine_may_do_without_tls(office: Office) -> None:
    with web({f"/{TOKEN}": (200, {}, b"")}) as here:
        office.project.world.places[here.place] = here.place
        office.project.environment["HOOK_URL"] = f"http://127.0.0.1:{here.port}/{TOKEN}"
        assert office.lower(WEBHOOK).code == 0
        assert len(here.posted) == 1


def test_a_secret_that_is_not_there_is_said_and_stops_nothing(office: Office) -> None:
    del office.project.environment["HOOK_URL"]
    result = office.lower(WEBHOOK)
    assert result.code == 0
    assert "not told (done): the webhook (env: HOOK_URL): the secret (env: HOOK_URL) is not set" in result.err


def test_a_person_who_is_needed_is_told_once(office: Office) -> None:
    lever = f"Pull the lever ({HOOK_URL})."  # which its author had better not written there
    phases = f"phases: [{{name: go, steps: [{{kind: manual, operator: us, text: {lever}}}]}}]\n"
    text = PLAYBOOK[: PLAYBOOK.index("records:")] + phases + WEBHOOK
    office.project.write(text)
    office.project("apply", "--yes", "--accept", "irreversible=yes")
    office.project("resume", "--all")
    (told,) = office.heard
    assert told["event"] == "needs-person"
    assert "Pull the lever (" in told["text"]
    assert TOKEN not in told["text"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://hooks.client.example/x", "lies inside client.example, and may fail together with it"),
        ("http://hooks.example/x", "must begin with https://; http is for this machine only"),
        ("hooks.example/x", "is not an https URL"),
    ],
)
def test_check_refuses_a_webhook_that_must_not_be_told(office: Office, url: str, words: str) -> None:
    office.project.environment["HOOK_URL"] = url + TOKEN
    office.project.write(PLAYBOOK + WEBHOOK)
    result = office("check")
    assert result.code == 2
    assert f"playbooks/client.yaml:14:10: the webhook (env: HOOK_URL) {words}" in result.err
    assert "not told" in office.lower(WEBHOOK).err  # and nothing goes there when nobody checked


def test_check_says_when_it_cannot_see_the_url(office: Office) -> None:
    del office.project.environment["HOOK_URL"]
    office.project.write(PLAYBOOK + WEBHOOK)
    result = office("check")
    assert result.code == 0
    assert "warning: playbooks/client.yaml:14:10: the host of the webhook (env: HOOK_URL) is not checked" in result.err


def test_check_network_asks_whoever_is_to_be_told_and_sends_nothing(office: Office) -> None:
    office.project.write(PLAYBOOK + EMAIL + "  - {webhook: {env: HOOK_URL}}\n")
    shown = office("check", "--network").out
    assert "client.yaml: ops@example.net, me@example.org by mail: answers; nothing was sent" in shown
    assert "client.yaml: the webhook (env: HOOK_URL): answers; nothing was sent" in shown
    assert office.hook.posted == []
    assert office.letters == []
    office.project.world.places[HOOK_AT, 443] = ("127.0.0.1", 9)
    assert "the webhook (env: HOOK_URL): refuses the connection" in office("check", "--network").out


def test_no_file_of_the_project_holds_a_secret(office: Office) -> None:
    office.lower(EMAIL + "  - {webhook: {env: HOOK_URL}}\n")
    files = [path for path in office.project.folder.rglob("*") if path.is_file()]
    assert any(path.name == "told.json" for path in files)
    for path in files:
        assert TOKEN not in path.read_text(encoding="utf-8")
        assert PASSWORD not in path.read_text(encoding="utf-8")
