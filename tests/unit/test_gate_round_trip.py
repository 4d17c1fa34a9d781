"""Gate `mail-round-trip`: where a message goes, where it is lost, and that nothing else is deleted."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
import trustme

from dnsrun.gates.mail.round_trip import MailRoundTrip
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import Json
from gateworld import NEW, Places, case, net, spec
from mailwords import CLOSE, HOST, MX_HOST, OTHER_HOST, PASSWORD, Behaviour, MailView, Script, imap, login, quiet, smtp
from webworld import hang, raw

GATE = MailRoundTrip()
OUTSIDE_HOST, OUTSIDE, SECOND = "mail.other.example", "198.51.100.9", "203.0.113.21"
TOKEN = "dnsrun-0123456789abcdef01234567"


def header(message_id: str) -> str:
    """Return what a server answers to FETCH."""
    field = f"Message-ID: <{message_id}>\r\n\r\n"
    return f"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] {{{len(field)}}}\r\n{field})\r\n{{tag}} OK done"


FOUND = {
    "UID SEARCH": "* SEARCH 7\r\n{tag} OK done",
    "UID FETCH": header(f"{TOKEN}@dnsrun.invalid"),
    "UID STORE": "{tag} OK done",
    "UID EXPUNGE": "* 1 EXPUNGE\r\n{tag} OK done",
    "NOOP": "{tag} OK done",
}
NOTHING = {**FOUND, "UID SEARCH": "* SEARCH\r\n{tag} OK done"}

Start = Callable[[Behaviour], tuple[str, int]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behave: stack.enter_context(raw(behave))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, MX_HOST, OUTSIDE_HOST).configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def known_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: TOKEN.removeprefix("dnsrun-"))


def mailbox(tls: ssl.SSLContext, replies: dict[str, str] = FOUND) -> Script:
    played: Any = replies
    return imap(tls, **played)


def look(places: Places, ca: str, direction: str = "in", **options: Json) -> Verdict:
    hosts = {HOST: (NEW,), MX_HOST: (NEW,), OTHER_HOST: (SECOND,), OUTSIDE_HOST: (OUTSIDE,)}
    view = MailView(net(places), hosts=hosts, mx=("10 mx.client.example.", "20 mx2.client.example."))
    written = spec(GATE, **{"account": "inside", "direction": direction, "ca": ca, "timeout": 2, **options})
    accounts = {"inside": login(), "outside": login("outside", host=OUTSIDE_HOST, domain="other.example")}
    told = case(accounts=accounts)
    return GATE.judge(written, told, GATE.observe(written, told, view, view.net))


def test_in_goes_to_the_mail_host_and_is_found_and_only_it_is_deleted(
    start: Start, tls: ssl.SSLContext, ca: str
) -> None:
    host, box = smtp(), mailbox(tls)
    verdict = look({(NEW, 25): start(host), (NEW, 993): start(box)}, ca)
    assert (verdict.outcome, verdict.warnings) == ("pass", ())
    assert verdict.because.startswith("mail in arrives after ")
    letter = message_from_string(next(said for said in host.heard if "Subject" in said))
    assert letter["Subject"] == f"dnsrun test {TOKEN}"
    assert letter["Message-ID"] == f"<{TOKEN}@dnsrun.invalid>"
    assert letter["Auto-Submitted"] == "auto-generated"
    said = [line.partition(" ")[2] for line in box.heard]
    assert "UID STORE 7 +FLAGS (\\Deleted)" in said
    assert "UID EXPUNGE 7" in said
    assert "EXPUNGE" not in said


def test_lines_end_as_the_protocol_wants_them(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    """RFC 5321 section 2.3.8: many servers turn away a bare line feed."""
    host = smtp()
    look({(NEW, 25): start(host), (NEW, 993): start(mailbox(tls))}, ca)
    letter = next(said for said in host.heard if "Subject" in said)
    assert "\n" not in letter.replace("\r\n", "")


def test_a_search_that_finds_another_message_deletes_nothing(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    other, odd = header("of@another.example"), "* SEARCH 1:*\r\n{tag} OK done"
    for replies in ({**FOUND, "UID FETCH": other}, {**FOUND, "UID SEARCH": odd}):
        box = mailbox(tls, replies)
        verdict = look({(NEW, 25): start(smtp()), (NEW, 993): start(box)}, ca)
        assert verdict.outcome == "fail"
        assert not [line for line in box.heard if "STORE" in line or "EXPUNGE" in line]


def test_without_uidplus_it_is_left_and_said(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    box = mailbox(tls, {**FOUND, "CAPABILITY": "* CAPABILITY IMAP4rev1\r\n{tag} OK done"})
    verdict = look({(NEW, 25): start(smtp()), (NEW, 993): start(box)}, ca)
    assert verdict.outcome == "pass"
    assert "marked as deleted" in verdict.warnings[0]
    assert TOKEN in verdict.warnings[0]
    assert not [line for line in box.heard if "EXPUNGE" in line]


def test_a_message_that_does_not_come_says_who_took_it_and_how_to_find_it(
    start: Start, tls: ssl.SSLContext, ca: str
) -> None:
    verdict = look({(NEW, 25): start(smtp()), (NEW, 993): start(mailbox(tls, NOTHING))}, ca)
    assert verdict.outcome == "fail"
    assert verdict.because == (
        f"mail in was accepted, and did not come into the inbox at {HOST} (subject: dnsrun test {TOKEN}); "
        f"it was taken by {MX_HOST}: 2.0.0 queued as 1"
    )


@pytest.mark.parametrize(
    ("replies", "outcome", "words"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, "fail", f"{MX_HOST} refuses the message: 550 5.1.1 no such user"),
        ({"DATA": "554 no"}, "fail", "refuses the message: 554 no"),
        ({".": "552 too big"}, "fail", "refuses the message: 552 too big"),
        ({".": "nonsense"}, "fail", "does not speak SMTP"),
        ({"RCPT": "450 4.7.1 greylisted"}, "unknown", "450 4.7.1 greylisted"),
        ({"RCPT": "554 5.7.1 Client host [192.0.2.7] blocked"}, "unknown", "Client host"),
        ({"MAIL": CLOSE}, "fail", "closes the connection in the middle"),
    ],
)
def test_where_it_is_refused(
    start: Start, tls: ssl.SSLContext, ca: str, replies: dict[str, str], outcome: str, words: str
) -> None:
    played: Any = replies
    verdict = look({(NEW, 25): start(smtp(**played)), (NEW, 993): start(mailbox(tls))}, ca)
    assert verdict.outcome == outcome
    assert words in verdict.because


def test_the_second_mail_host_is_tried_where_the_first_does_not_take_it(
    start: Start, tls: ssl.SSLContext, ca: str
) -> None:
    with raw(hang) as closed:
        pass
    for first in (closed, start(smtp(RCPT="451 later")), None):
        second = smtp()
        places = {(SECOND, 25): start(second), (NEW, 993): start(mailbox(tls))} | ({(NEW, 25): first} if first else {})
        assert look(places, ca).outcome == "pass"
        assert "DATA" in [line.upper() for line in second.heard]


def test_tls_is_taken_where_it_is_offered_and_a_bad_certificate_does_not_hold_the_mail_up(
    start: Start, tls: ssl.SSLContext, ca: str
) -> None:
    good = smtp(tls)
    assert look({(NEW, 25): start(good), (NEW, 993): start(mailbox(tls))}, ca).outcome == "pass"
    assert good.heard.count("STARTTLS") == 1
    bad = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("other.example").configure_cert(bad)
    assert look({(NEW, 25): start(smtp(bad)), (NEW, 993): start(mailbox(tls))}, ca).outcome == "pass"


def test_both_directions_through_both_accounts(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    inside, outside = smtp(tls), smtp(tls)
    places = {(NEW, 587): start(inside), (OUTSIDE, 587): start(outside)}
    places |= {(NEW, 993): start(mailbox(tls)), (OUTSIDE, 993): start(mailbox(tls))}
    verdict = look(places, ca, "both", other="outside")
    assert verdict.outcome == "pass"
    assert "mail in arrives" in verdict.because
    assert "mail out arrives" in verdict.because
    assert "mail FROM:<test@client.example>" in inside.heard
    assert "rcpt TO:<test@client.example>" in outside.heard


def test_trouble_at_the_account_elsewhere_is_no_evidence(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    for replies in ({"AUTH": "535 no"}, {"RCPT": "550 no"}):
        script: Any = smtp(tls, **replies)
        places = {(OUTSIDE, 587): start(script), (NEW, 993): start(mailbox(tls))}
        assert look(places, ca, "in", other="outside").outcome == "unknown"
        own = {(NEW, 587): start(script), (OUTSIDE, 993): start(mailbox(tls))}
        assert look(own, ca, "out", other="outside").outcome == "fail"


def test_threat_2_no_password_without_tls_and_none_in_words(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    plain = smtp(EHLO="250-x\r\n250 AUTH PLAIN")
    verdict = look({(NEW, 587): start(plain), (OUTSIDE, 993): start(mailbox(tls))}, ca, "out", other="outside")
    assert "offers no STARTTLS" in verdict.because
    assert not [line for line in plain.heard if "AUTH" in line]
    for replies in ({"AUTH": f"535 {PASSWORD}"}, {"RCPT": f"550 {PASSWORD}"}, {".": f"250 {PASSWORD}"}):
        script: Any = smtp(tls, **replies)
        places = {(NEW, 587): start(script), (OUTSIDE, 993): start(mailbox(tls, NOTHING))}
        verdict = look(places, ca, "out", other="outside", timeout=1)
        assert (verdict.outcome, "ary" in repr(verdict)) == ("fail", False)


@pytest.mark.parametrize("missing", ["nobody", "silent mail host", "silent mailbox", "no account", "no outside"])
def test_what_could_not_be_asked_is_no_evidence(start: Start, tls: ssl.SSLContext, ca: str, missing: str) -> None:
    box = {(NEW, 993): start(mailbox(tls))}
    verdict = {
        "nobody": lambda: look({}, ca),
        "silent mail host": lambda: look({(NEW, 25): start(quiet)} | box, ca, timeout=1),
        "silent mailbox": lambda: look({(NEW, 25): start(smtp()), (NEW, 993): start(quiet)}, ca, timeout=1),
        "no account": lambda: look(box, ca, account="stranger"),
        "no outside": lambda: look(box, ca, "out"),
    }[missing]()
    assert verdict.outcome == "unknown"


def test_a_mailbox_that_cannot_be_opened_gets_no_message(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    for replies, words in (
        ({"LOGIN": "{tag} NO wrong"}, "refuses the log-in: wrong"),
        ({"SELECT": "{tag} NO locked"}, "does not open the inbox"),
        ({"CAPABILITY": CLOSE}, "closes the connection in the middle"),
    ):
        host, box = smtp(), mailbox(tls, {**FOUND, **replies})
        verdict = look({(NEW, 25): start(host), (NEW, 993): start(box)}, ca)
        assert (verdict.outcome, words in verdict.because) == ("fail", True)
        assert host.heard == []
