"""Gate `old-server-refuses`: how the old server turns mail away, and what only looks like it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trustme

from dnsrun.gates.mail.refusing import OldServerRefuses
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import Json
from gateworld import NEW, OLD, case, net, spec
from mailwords import CLOSE, MX_HOST, Behaviour, MailView, Script, cut, smtp
from webworld import hang, raw

GATE = OldServerRefuses()
RCPT = "postmaster@client.example"


def look(*behaviours: Behaviour, **options: Json) -> Verdict:
    """Observe and judge one round at the old server, the first; the second is the new mail host."""
    view = MailView(net({}), hosts={MX_HOST: (NEW,)}, mx=("10 mx.client.example.",))
    with running(*behaviours) as places:
        view.net = net(dict(zip([(OLD, 25), (NEW, 25)], places, strict=False)))
        written = spec(GATE, address=OLD, **options)
        return GATE.judge(written, case(), GATE.observe(written, case(), view, view.net))


@contextmanager
def running(*behaviours: Behaviour) -> Iterator[list[tuple[str, int]]]:
    with ExitStack() as stack:
        yield [stack.enter_context(raw(behave)) for behave in behaviours]


def test_a_server_that_still_takes_mail_is_not_yet_there_and_nothing_is_sent() -> None:
    server = smtp()
    verdict = look(server)
    assert (verdict.outcome, verdict.not_yet) == ("fail", True)
    assert verdict.because == f"the old server still takes mail for the domain at {OLD}"
    assert server.heard == ["ehlo [127.0.0.1]", "mail FROM:<>", f"rcpt TO:<{RCPT}>", "rset", "quit"]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (smtp(RCPT="450 4.2.1 switched off"), "450 4.2.1 switched off"),
        (smtp(RCPT=f"421 4.3.2 going down{CLOSE}"), "421 4.3.2 going down"),
        (smtp(banner="421 no service"), "421 no service"),
        (smtp(EHLO="421 no service", HELO="421 no service"), "421 no service"),
        (smtp(banner=CLOSE), "it closes the connection"),
        (smtp(EHLO=CLOSE), "it closes the connection"),
        (cut, "it closes the connection"),
    ],
)
def test_what_senders_come_again_for_passes(server: Behaviour, words: str) -> None:
    verdict = look(server)
    assert (verdict.outcome, verdict.because) == ("pass", f"the old server takes no more mail: {words} at {OLD}")


def test_a_closed_port_passes() -> None:
    with raw(hang) as closed:
        pass
    view = MailView(net({(OLD, 25): closed}))
    written = spec(GATE, address=OLD)
    verdict = GATE.judge(written, case(), GATE.observe(written, case(), view, view.net))
    assert (verdict.outcome, "it closes the connection" in verdict.because) == ("pass", True)


@pytest.mark.parametrize(
    "server", [smtp(RCPT="550 5.7.1 relaying denied"), smtp(banner="554 no"), smtp(EHLO="550 no", HELO="550 no")]
)
def test_a_bounce_counts_only_where_it_is_meant(server: Script) -> None:
    verdict = look(server)
    assert (verdict.outcome, verdict.not_yet) == ("fail", False)
    assert "say `how: [5xx]` if that is meant" in verdict.because
    assert look(server, how=("5xx",)).outcome == "pass"
    assert look(smtp(RCPT="450 no"), how=("5xx",)).outcome == "fail"


@pytest.mark.parametrize(
    ("server", "outcome", "words"),
    [
        (smtp(RCPT="450 4.2.0 Greylisted for 300 seconds"), "fail", "still takes mail"),
        (smtp(RCPT="450 4.7.1 Client host rejected: cannot find your reverse hostname"), "unknown", "this machine"),
        (smtp(RCPT="554 5.7.1 Client host [192.0.2.7] blocked using zen.spamhaus.org"), "unknown", "this machine"),
        (smtp(banner="421 your IP has too many connections"), "unknown", "this machine"),
        (smtp(MAIL="530 5.7.0 Must issue a STARTTLS command first"), "unknown", "wants TLS first"),
        (smtp(banner="* OK IMAP"), "fail", "does not speak SMTP"),
        (smtp(RCPT="x" * 9000), "fail", "does not speak SMTP"),
        (hang, "unknown", "does not answer"),
    ],
)
def test_what_only_looks_like_a_refusal_does_not_pass(server: Behaviour, outcome: str, words: str) -> None:
    verdict = look(server, how=("4xx", "5xx", "closed"), timeout=1)
    assert verdict.outcome == outcome
    assert words in verdict.because


def test_silence_while_the_new_server_speaks_is_no_refusal() -> None:
    verdict = look(hang, smtp(), timeout=1)
    assert (verdict.outcome, verdict.because) == ("fail", f"the old server does not answer at {OLD}")


def test_tls_that_does_not_hold_is_no_reason_to_stop_asking() -> None:
    """By address no certificate is valid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("old.example").configure_cert(context)
    assert look(smtp(context, RCPT="450 off")).outcome == "pass"
    assert look(smtp(context)).not_yet


def test_the_mailbox_and_the_name_may_be_given() -> None:
    server = smtp(RCPT="450 off")
    assert look(server, rcpt="info@client.example").outcome == "pass"
    assert "rcpt TO:<info@client.example>" in server.heard


def test_without_an_address_nobody_is_asked() -> None:
    view = MailView(net({}))
    assert GATE.judge(spec(GATE), case(), GATE.observe(spec(GATE), case(), view, view.net)).outcome == "unknown"
