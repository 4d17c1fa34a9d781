"""Gate `smtp`: what mail hosts say, what they keep silent about, and port 25 that is closed here."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
import trustme

from dnsrun.gates.mail.smtp import Smtp
from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import Json
from dnsrun.model.rrset import Change, rrset
from gateworld import APEX, NEW, OLD, WEB_MOVES, Places, case, change, net, spec
from mailwords import CLOSE, MX_HOST, OTHER_HOST, Behaviour, MailView, Script, smtp
from webworld import hang, raw, reset

GATE = Smtp()
SECOND = "203.0.113.21"
RCPT = "info@client.example"
MX_MOVES = change(rrset(APEX, 600, "MX", "10 old.example."), rrset(APEX, 600, "MX", "10 mx.client.example."))
HOST_MOVES = change(rrset(MX_HOST, 600, "A", OLD), rrset(MX_HOST, 600, "A", NEW))

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


def tls(authority: trustme.CA, name: str = MX_HOST) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def look(
    places: Places,
    *changes: Change,
    mx: tuple[str, ...] | None = ("10 mx.client.example.",),
    hosts: Mapping[str, tuple[str, ...]] | None = None,
    **options: Json,
) -> tuple[Verdict, tuple[Observation, ...]]:
    """Observe and judge one round."""
    view = MailView(net(places), hosts=hosts or {MX_HOST: (NEW,)}, mx=mx)
    written, told = spec(GATE, **options), case(*changes)
    seen = GATE.observe(written, told, view, view.net)
    return GATE.judge(written, told, seen), seen


def at(place: tuple[str, int], address: str = NEW) -> Places:
    return {(address, 25): place}


def test_the_mailbox_is_asked_for_and_nothing_is_sent(start: Start) -> None:
    server = smtp()
    verdict, _ = look(at(start(server)), rcpt=RCPT)
    assert (verdict.outcome, verdict.because) == ("pass", f"mail for client.example is taken at {NEW}")
    assert verdict.warnings == ("STARTTLS at a mail host: not offered",)
    assert server.heard == ["ehlo [127.0.0.1]", "mail FROM:<>", f"rcpt TO:<{RCPT}>", "rset", "quit"]


def test_without_a_mailbox_the_server_is_only_greeted(start: Start) -> None:
    server = smtp()
    assert look(at(start(server)))[0].because == f"mail for client.example is greeted at {NEW}"
    assert server.heard == ["ehlo [127.0.0.1]", "quit"]


def test_every_address_of_every_mail_host_is_asked(start: Start) -> None:
    good, bad = smtp(), smtp(RCPT="550 5.1.1 no such user")
    hosts = {MX_HOST: (NEW, SECOND), OTHER_HOST: ("203.0.113.22",)}
    places = at(start(good)) | at(start(good), SECOND) | at(start(bad), "203.0.113.22")
    verdict, seen = look(places, mx=("10 mx.client.example.", "20 mx2.client.example."), hosts=hosts, rcpt=RCPT)
    assert verdict.because == f"mail for client.example for {RCPT} is refused: 550 5.1.1 no such user at 203.0.113.22"
    assert len(seen) == 3


def test_without_mx_it_is_the_domains_own_host(start: Start) -> None:
    """RFC 5321 section 5.1."""
    assert look(at(start(smtp())), mx=(), hosts={"client.example": (NEW,)})[0].outcome == "pass"


def test_a_null_mx_fails_in_words() -> None:
    """RFC 7505."""
    verdict, _ = look({}, mx=("0 .",))
    assert verdict.outcome == "fail"
    assert verdict.because == "mail for client.example says that it takes no mail (a null MX)"


def test_name_servers_that_do_not_answer_are_no_evidence() -> None:
    assert look({}, mx=None)[0].outcome == "unknown"


def test_only_the_given_host_or_address_is_asked(start: Start) -> None:
    place = start(smtp())
    assert look(at(place), mx=None, host=f"{MX_HOST}.")[0].because == f"mail at {MX_HOST} is greeted at {NEW}"
    assert look(at(place), mx=None, address=NEW)[0].because == f"mail at {NEW} is greeted at {NEW}"
    assert look({(NEW, 2525): place}, mx=None, address=NEW, port=2525)[0].outcome == "pass"


@pytest.mark.parametrize(
    ("server", "outcome", "words"),
    [
        (smtp(banner="554 no mail here"), "fail", "is turned away: 554 no mail here"),
        (smtp(banner="421 too busy"), "fail", "is turned away: 421 too busy"),
        (smtp(RCPT="450 4.2.1 mailbox is moving"), "fail", "450 4.2.1 mailbox is moving"),
        (smtp(MAIL="451 4.3.0 later"), "fail", "451 4.3.0 later"),
        (smtp(RCPT=f"550 no{CLOSE}"), "fail", "is refused: 550 no"),
        (smtp(EHLO="502 no", HELO="250 old"), "pass", "is taken"),
        (smtp(EHLO="421 bye", HELO="421 bye"), "fail", "answers 421 bye"),
        (smtp(EHLO=CLOSE), "fail", "closes the connection in the middle"),
        (smtp(banner="+OK POP3"), "fail", "does not speak SMTP"),
        (smtp(RCPT="25 short"), "fail", "does not speak SMTP"),
        (smtp(RCPT="2_5 odd"), "fail", "does not speak SMTP"),
        (smtp(RCPT="450 4.7.1 Greylisted, come again"), "pass", "is taken when it comes again (greylisting)"),
        (smtp(RCPT="554 5.7.1 Client host [192.0.2.7] blocked using zen"), "unknown", "turns this machine away"),
        (smtp(banner="554 5.7.1 your IP is on a block list"), "unknown", "turns this machine away"),
        (smtp(MAIL="530 5.7.0 Must issue a STARTTLS command first"), "unknown", "wants TLS first"),
    ],
)
def test_what_a_server_says_decides(start: Start, server: Script, outcome: str, words: str) -> None:
    verdict, _ = look(at(start(server)), rcpt=RCPT)
    assert verdict.outcome == outcome
    assert words in verdict.because


def test_a_valid_certificate_is_told(start: Start, authority: trustme.CA, ca: str) -> None:
    verdict, (seen,) = look(at(start(smtp(tls(authority)))), rcpt=RCPT, ca=ca, tls="required")
    assert (verdict.outcome, verdict.warnings) == ("pass", ())
    assert isinstance(seen.got, Words)
    assert (seen.got.fact("tls"), seen.got.fact("certificate_subject")) == ("offered", MX_HOST)


def test_a_bad_certificate_warns_as_senders_do_not_look_and_fails_where_it_is_required(
    start: Start, authority: trustme.CA, ca: str
) -> None:
    server = smtp(tls(authority, "other.example"))
    verdict, _ = look(at(start(server)), rcpt=RCPT, ca=ca)
    assert verdict.outcome == "pass"
    assert verdict.warnings[0].startswith("STARTTLS at a mail host: the certificate is not valid")
    assert server.heard[-3:] == [f"rcpt TO:<{RCPT}>", "rset", "quit"]
    required, _ = look(at(start(smtp(tls(authority, "other.example")))), ca=ca, tls="required")
    assert required.outcome == "fail"
    assert "the certificate is not valid" in required.because


@pytest.mark.parametrize(("option", "outcome"), [("offered", "pass"), ("required", "fail"), ("off", "pass")])
def test_starttls_that_is_offered_and_refused(
    start: Start, authority: trustme.CA, ca: str, option: str, outcome: str
) -> None:
    server = smtp(tls(authority), STARTTLS="454 4.7.0 TLS not available")
    verdict, _ = look(at(start(server)), rcpt=RCPT, ca=ca, tls=option)
    assert verdict.outcome == outcome
    assert ("STARTTLS" in server.heard) == (option != "off")
    assert bool(verdict.warnings) == (option == "offered")


def test_no_starttls_fails_only_where_it_is_required(start: Start) -> None:
    assert "STARTTLS is not offered" in look(at(start(smtp())), tls="required")[0].because


@pytest.mark.parametrize("behave", [hang, smtp(EHLO=""), smtp(RCPT="")])
def test_fault_48_silence_is_a_failure_only_where_another_host_speaks(start: Start, behave: Behaviour) -> None:
    """Silence after the banner too: smtplib calls it a closed connection, which it is not."""
    quiet = start(behave) if behave is hang else start(_then_hang(behave))
    verdict, seen = look(at(quiet) | at(start(smtp()), OLD), HOST_MOVES, rcpt=RCPT, timeout=1)
    assert (verdict.outcome, verdict.because) == ("fail", f"mail for client.example does not answer at {NEW}")
    assert [one.server.address for one in seen if one.control] == [OLD]


def test_fault_48_silence_alone_proves_nothing(start: Start) -> None:
    assert look(at(start(hang)), HOST_MOVES, rcpt=RCPT, timeout=1)[0].outcome == "unknown"


def _then_hang(script: Behaviour) -> Behaviour:
    def behave(connection: socket.socket, over: Event) -> None:
        assert isinstance(script, Script)
        muted = {command: reply for command, reply in script.replies.items() if reply}
        quiet = next(command for command, reply in script.replies.items() if not reply)
        Script(script.banner, {**muted, quiet: ""})(connection, over)

    return behave


def test_port_25_closed_here_is_not_checked_and_the_ways_out_are_said() -> None:
    verdict, _ = look({}, WEB_MOVES)
    assert verdict.outcome == "pass"
    assert verdict.because == "port 25 cannot be reached from here; not checked"
    assert verdict.not_checked == (f"{MX_HOST} at {NEW}, port 25",)
    assert "socks5://HOST:PORT" in verdict.warnings[0]
    assert "mail-round-trip" in verdict.warnings[0]


@pytest.mark.parametrize("moves", [MX_MOVES, HOST_MOVES])
def test_port_25_closed_here_is_not_enough_where_the_mail_moves(moves: Change) -> None:
    assert look({}, moves)[0].outcome == "unknown"


def test_a_new_address_that_is_asked_by_address_is_not_skipped() -> None:
    assert look({}, HOST_MOVES, address=NEW)[0].outcome == "unknown"
    assert look({}, HOST_MOVES, address=SECOND)[0].outcome == "pass"


def test_a_control_that_takes_the_connection_and_says_nothing_is_none(start: Start) -> None:
    """Networks that block port 25 answer for everybody, or leave connections hanging."""
    verdict, seen = look(at(start(hang), OLD), change(rrset("www.client.example", 600, "A", OLD), None), timeout=1)
    assert [one.server.address for one in seen if one.control] == [OLD]
    assert verdict.because == "port 25 cannot be reached from here; not checked"


def test_other_mail_hosts_are_controls_for_one_that_is_asked_alone(start: Start) -> None:
    hosts = {MX_HOST: (NEW,), OTHER_HOST: (SECOND,)}
    mx = ("10 mx.client.example.", "20 mx2.client.example.")
    verdict, _ = look(at(start(hang)) | at(start(smtp()), SECOND), mx=mx, hosts=hosts, host=MX_HOST, timeout=1)
    assert verdict.because == f"mail at {MX_HOST} does not answer at {NEW}"


def test_a_refused_connection_is_evidence(start: Start) -> None:
    with raw(reset) as closed:
        pass
    assert look(at(closed))[0].because == f"mail for client.example refuses the connection at {NEW}"


def test_threat_11_an_inside_address_is_not_asked(start: Start) -> None:
    server = smtp()
    places = at(start(server), "10.0.0.1")
    verdict, _ = look(places, hosts={MX_HOST: ("10.0.0.1",)})
    assert (verdict.outcome, server.heard) == ("unknown", [])
    assert look(places, hosts={MX_HOST: ("10.0.0.1",)}, allow_private=True)[0].outcome == "pass"


def test_threat_16_a_servers_words_are_escaped_and_cut(start: Start) -> None:
    server = smtp(RCPT="550 \x1b]0;x\x07\x00\xe2\x80\xae" + "long " * 500)
    verdict, _ = look(at(start(server)), rcpt=RCPT)
    assert verdict.outcome == "fail"
    assert verdict.because.isprintable()
    assert "\u202e" not in verdict.because
    assert len(verdict.because) < 600


def test_certificates_that_cannot_be_read_are_no_evidence(start: Start) -> None:
    assert look(at(start(smtp())), ca="/nowhere/ca.pem")[0].outcome == "unknown"
