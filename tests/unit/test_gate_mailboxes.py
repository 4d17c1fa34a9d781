"""Gates `submission`, `imap` and `pop3`: TLS first, the log-in, and passwords that go nowhere else."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trustme

from dnsrun.gates.mail.reading import IMAP, POP3
from dnsrun.gates.mail.submission import Submission
from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import Json
from dnsrun.model.rrset import rrset
from dnsrun.ports.gate import Gate, Login
from gateworld import NEW, OLD, case, change, net, spec
from mailwords import CLOSE, HOST, PASSWORD, Behaviour, MailView, Script, imap, login, pop3, smtp
from webworld import hang, raw, reset

SUBMISSION = Submission()
PORTS = {"submission": 587, "imap": 993, "pop3": 995}
LATER = {"imap": 143, "pop3": 110}
GATES: tuple[Gate, ...] = (SUBMISSION, IMAP, POP3)

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
    authority.issue_cert(HOST).configure_cert(context)
    return context


def server(gate: Gate, tls: ssl.SSLContext, **replies: str) -> Script:
    make: dict[str, Callable[..., Script]] = {"submission": smtp, "imap": imap, "pop3": pop3}
    return make[gate.kind](tls, **replies)


def look(
    gate: Gate, place: tuple[str, int], ca: str, account: Login | None = None, *, port: int = 0, **options: Json
) -> tuple[Verdict, tuple[Observation, ...]]:
    """Observe and judge one round."""
    at = port or PORTS[gate.kind]
    view = MailView(net({(NEW, at): place}), hosts={HOST: (NEW,)})
    named: dict[str, Json] = {"account": "inside"} if account else {"host": HOST}
    written = spec(gate, ca=ca, **named, **({"port": port} if port else {}), **options)
    told = case(accounts={"inside": account} if account else {})
    seen = gate.observe(written, told, view, view.net)
    return gate.judge(written, told, seen), seen


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_tls_and_capabilities_are_enough_without_an_account(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate
) -> None:
    heard = server(gate, tls)
    verdict, (seen,) = look(gate, start(heard), ca)
    assert verdict.outcome == "pass"
    assert isinstance(seen.got, Words)
    assert seen.got.fact("certificate_subject") == HOST
    assert not [line for line in heard.heard if "AUTH PLAIN" in line or "LOGIN" in line or "PASS" in line]


@pytest.mark.parametrize(
    ("gate", "words"),
    [(SUBMISSION, "logs in"), (IMAP, "opens the mailbox, 3 messages"), (POP3, "opens the mailbox, 3 messages")],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_with_an_account_it_logs_in_and_counts(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate, words: str
) -> None:
    heard = server(gate, tls)
    options: dict[str, Any] = {"host": HOST} if gate is POP3 else {}
    verdict, _ = look(gate, start(heard), ca, login(), **options)
    assert (verdict.outcome, verdict.because) == ("pass", f"{HOST}:{PORTS[gate.kind]} {words} at {NEW}")


def test_imap_opens_the_inbox_for_reading_only_and_quotes_what_it_sends(
    start: Start, tls: ssl.SSLContext, ca: str
) -> None:
    heard = imap(tls)
    look(IMAP, start(heard), ca, login())
    said = [line.partition(" ")[2] for line in heard.heard]
    assert 'LOGIN "te st" "c4n\\"ary\\\\77"' in said
    assert "EXAMINE INBOX" in said
    assert said[-1] == "LOGOUT"


@pytest.mark.parametrize("gate", [IMAP, POP3], ids=lambda gate: gate.kind)
def test_the_port_without_tls_begins_it_before_anything_else(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate
) -> None:
    heard = server(gate, tls, at_once=False)  # type: ignore[arg-type] # a keyword of the maker
    verdict, _ = look(gate, start(heard), ca, login(), port=LATER[gate.kind], host=HOST)
    assert verdict.outcome == "pass"
    begun = next(number for number, line in enumerate(heard.heard) if line.endswith(("STARTTLS", "STLS")))
    assert not [line for line in heard.heard[:begun] if "canary" in line or "te st" in line]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_threat_2_where_tls_is_not_offered_no_password_is_sent(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate
) -> None:
    plain: dict[str, dict[str, Any]] = {
        "submission": {"EHLO": "250-x\r\n250 AUTH PLAIN LOGIN"},
        "imap": {"at_once": False, "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done"},
        "pop3": {"at_once": False, "CAPA": "+OK\r\nUSER\r\n."},
    }
    heard = server(gate, tls, **plain[gate.kind])
    verdict, _ = look(gate, start(heard), ca, login(), port=LATER.get(gate.kind, 587), host=HOST)
    assert verdict.outcome == "fail"
    assert "offers no STARTTLS: passwords would go in the clear" in verdict.because
    assert not [line for line in heard.heard if line.startswith(("AUTH", "USER", "PASS")) or "LOGIN" in line]


@pytest.mark.parametrize(
    ("gate", "replies"),
    [
        (SUBMISSION, {"STARTTLS": "454 4.7.0 not now"}),
        (IMAP, {"at_once": False, "STARTTLS": "{tag} NO not now"}),
        (POP3, {"at_once": False, "STLS": "-ERR not now"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_threat_2_where_tls_is_refused_no_password_is_sent(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate, replies: dict[str, Any]
) -> None:
    heard = server(gate, tls, **replies)
    verdict, _ = look(gate, start(heard), ca, login(), port=LATER.get(gate.kind, 587), host=HOST)
    assert verdict.outcome == "fail"
    assert not [line for line in heard.heard if line.startswith(("AUTH", "USER", "PASS")) or "LOGIN" in line]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_threat_20_a_certificate_for_another_name_fails_before_the_password(
    start: Start, authority: trustme.CA, ca: str, gate: Gate
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    heard = server(gate, context)
    verdict, _ = look(gate, start(heard), ca, login(), host=HOST)
    assert verdict.outcome == "fail"
    assert "the certificate is not valid" in verdict.because
    assert not [line for line in heard.heard if "AUTH" in line or "LOGIN" in line or "PASS" in line]


def _echoes(gate: Gate) -> list[dict[str, str]]:
    sent = "AHRlIHN0AGM0biJhcnlcNzc="  # what AUTH PLAIN sends
    quoted = 'c4n\\"ary\\\\77'
    return {
        "submission": [{"AUTH": f"535 no: {PASSWORD}"}, {"AUTH": f"535 no: {sent}"}, {"AUTH": f"535 {CLOSE}"}],
        "imap": [
            {"LOGIN": f"{{tag}} NO {PASSWORD}"},
            {"LOGIN": f"{{tag}} NO {quoted}"},
            {"LOGIN": f"{{tag}} BAD {quoted}"},
            {"LOGIN": f"{{tag}} BAD {PASSWORD}"},
        ],
        "pop3": [{"PASS": f"-ERR {PASSWORD}"}],
    }[gate.kind]


@pytest.mark.parametrize(
    ("gate", "echo"),
    [(gate, echo) for gate in GATES for echo in _echoes(gate)],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_threat_2_a_server_that_repeats_the_password_does_not_get_it_shown(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate, echo: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    verdict, seen = look(gate, start(server(gate, tls, **echo)), ca, login(), host=HOST)
    assert verdict.outcome == "fail"
    assert "refuses the log-in" in verdict.because or "closes" in verdict.because
    shown = repr((verdict, seen)) + "".join(capfd.readouterr())
    for form in ("ary", "AHRlIHN0", "YzRuImFyeV"):
        assert form not in shown


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_a_server_that_refuses_with_the_word_ok_is_not_believed(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate
) -> None:
    refusal = {"submission": {"AUTH": "535 ok"}, "imap": {"LOGIN": "{tag} NO ok"}, "pop3": {"PASS": "-ERR ok"}}
    verdict, _ = look(gate, start(server(gate, tls, **refusal[gate.kind])), ca, login(), host=HOST)
    assert verdict.outcome == "fail"
    assert "refuses the log-in" in verdict.because


def test_a_server_that_has_no_log_in_is_not_taken_for_logged_in(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    verdict, _ = look(SUBMISSION, start(smtp(tls, AUTH="503 5.5.1 authentication not enabled")), ca, login())
    assert verdict.because.startswith(f"{HOST}:587 refuses the log-in: 503 5.5.1 authentication not enabled")
    none, _ = look(SUBMISSION, start(smtp(tls, EHLO="250-x\r\n250 STARTTLS")), ca)
    assert none.because == f"{HOST}:587 offers no log-in at {NEW}"


def test_an_inbox_that_does_not_open_fails(start: Start, tls: ssl.SSLContext, ca: str) -> None:
    for gate, replies in ((IMAP, {"EXAMINE": "{tag} NO locked"}), (POP3, {"STAT": "-ERR locked"})):
        verdict, _ = look(gate, start(server(gate, tls, **replies)), ca, login(), host=HOST)
        assert (verdict.outcome, "does not open the inbox" in verdict.because) == ("fail", True)


@pytest.mark.parametrize(
    ("gate", "replies"),
    [
        (POP3, {"STAT": "+OK"}),
        (POP3, {"STAT": "+OK many 3"}),
        (POP3, {"CAPA": "+OK\r\n\r\n."}),
        (IMAP, {"CAPABILITY": "* CAPABILITY \xff\r\n{tag} OK done"}),
        (IMAP, {"CAPABILITY": "{tag} OK done"}),
        (IMAP, {"banner": "* BYE too many connections"}),
        (POP3, {"banner": "-ERR too many connections"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_answers_that_lack_what_the_protocol_says_are_failures(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate, replies: dict[str, str]
) -> None:
    verdict, _ = look(gate, start(server(gate, tls, **replies)), ca, login(), host=HOST)
    assert verdict.outcome == "fail"
    words = "breaks off: " if "banner" in replies else "answers otherwise than its protocol says"
    assert words in verdict.because
    assert ("too many connections" in verdict.because) == ("banner" in replies)


@pytest.mark.parametrize("password", ["pässwort", "two\r\nDELE 1", "nul\0"])
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_a_password_that_cannot_be_sent_is_our_trouble_and_no_evidence(
    start: Start, tls: ssl.SSLContext, ca: str, gate: Gate, password: str
) -> None:
    heard = server(gate, tls)
    verdict, _ = look(gate, start(heard), ca, login(password=password), host=HOST)
    assert (verdict.outcome, heard.heard) == ("unknown", [])
    assert "printable ASCII" in verdict.because
    assert password not in verdict.because


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_an_account_that_is_not_known_asks_nobody(start: Start, tls: ssl.SSLContext, ca: str, gate: Gate) -> None:
    heard = server(gate, tls)
    view = MailView(net({(NEW, PORTS[gate.kind]): start(heard)}), hosts={HOST: (NEW,)})
    written = spec(gate, host=HOST, account="stranger", ca=ca)
    assert gate.judge(written, case(), gate.observe(written, case(), view, view.net)).outcome == "unknown"
    assert heard.heard == []


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_silence_is_told_by_an_old_address(start: Start, ca: str, gate: Gate) -> None:
    moves = change(rrset(HOST, 600, "A", OLD), rrset(HOST, 600, "A", NEW))
    port = PORTS[gate.kind]
    view = MailView(net({(NEW, port): start(hang), (OLD, port): start(_greets)}), hosts={HOST: (NEW,)})
    written, told = spec(gate, host=HOST, ca=ca, timeout=1), case(moves)
    verdict = gate.judge(written, told, gate.observe(written, told, view, view.net))
    assert (verdict.outcome, verdict.because) == ("fail", f"{HOST}:{port} does not answer at {NEW}")
    without = case()
    assert gate.judge(written, without, gate.observe(written, without, view, view.net)).outcome == "unknown"


def _greets(connection: socket.socket, over: Event) -> None:
    connection.sendall(b"220 here\r\n")


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.kind)
def test_a_closed_port_is_evidence(ca: str, gate: Gate) -> None:
    with raw(reset) as closed:
        pass
    assert "refuses the connection" in look(gate, closed, ca)[0].because
