"""The mail gates on real Postfix and Dovecot: they pass, and each real refusal is seen and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.name
import pytest
import trustme

from dnsrun.gates.all import built_in
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import MailAccount, SecretRef
from dnsrun.ports.gate import Login
from gateworld import NEW, case, net, spec
from mailwords import HOST, MX_HOST, MailView, Told
from servers import Dovecot, Postfix
from servers.starter import Starter
from webworld import hang, raw

INSIDE, OUTSIDE = "client.example", "other.example"
OUTSIDE_HOST, ELSEWHERE = "mail.other.example", "198.51.100.9"
RCPT, PASSWORD = f"test@{INSIDE}", "right-7"


@dataclass
class Pair:
    """The domain's servers at `NEW`, and somebody else's at `ELSEWHERE`."""

    inside: Postfix
    inbox: Dovecot
    outbox: Dovecot
    places: dict[tuple[str, int], tuple[str, int]]
    ca: str

    def look(self, kind: str, *, password: str = PASSWORD, **options: Any) -> Verdict:
        """Observe and judge one round of a gate."""
        hosts = {HOST: (NEW,), MX_HOST: (NEW,), OUTSIDE_HOST: (ELSEWHERE,), "wrong.client.example": (NEW,)}
        view = MailView(net(self.places), hosts=hosts, mx=("10 mx.client.example.",))
        gate = built_in()[kind]
        written = spec(gate, **{"ca": self.ca, **options})
        told = case(
            accounts={
                "inside": _login("inside", HOST, INSIDE, password),
                "outside": _login("outside", OUTSIDE_HOST, OUTSIDE, PASSWORD),
            }
        )
        return gate.judge(written, told, gate.observe(written, told, view, view.net))


def _login(name: str, host: str, domain: str, password: str) -> Login:
    at = dns.name.from_text(host)
    address = f"test@{domain}"
    return Login(MailAccount(name, address, "test", SecretRef("env", ("MAIL",)), at, 993, at, 587), Told(password))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start both pairs once; whoever switches a domain off switches it on again."""
    folder = tmp_path_factory.mktemp("mail")
    folder.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with ExitStack() as stack:
        start = Starter(stack)
        ours, theirs = _pem(authority, folder, HOST, MX_HOST), _pem(authority, folder, OUTSIDE_HOST)
        inbox, outbox = start(Dovecot({"test": PASSWORD}, ours)), start(Dovecot({"test": PASSWORD}, theirs))
        outside = Postfix("mail.other.example.", [OUTSIDE], outbox, theirs)
        inside = Postfix("mail.client.example.", [INSIDE], inbox, ours, routes={OUTSIDE: outside.port})
        outside._routes = {INSIDE: inside.port}
        start(outside)
        start(inside)
        places = _places(inside, inbox, NEW) | _places(outside, outbox, ELSEWHERE)
        yield Pair(inside, inbox, outbox, places, str(folder / "ca.pem"))


def _pem(authority: trustme.CA, folder: Path, *names: str) -> Path:
    path = folder / f"{names[0]}.pem"
    authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)
    return path


def _places(post: Postfix, box: Dovecot, address: str) -> dict[tuple[str, int], tuple[str, int]]:
    ports = {
        25: post.port,
        587: post.submission_port,
        465: post.submissions_port,
        993: box.port,
        143: box.starttls_port,
        995: box.pop3s_port,
    }
    return {(address, real): ("127.0.0.1", port) for real, port in ports.items()}


@pytest.fixture
def switched_off(pair: Pair) -> Iterator[Callable[[str], None]]:
    """Switch the domain off for one test."""
    yield lambda how: pair.inside.refuse_domain(INSIDE, how)  # type: ignore[arg-type] # one of the two
    pair.inside.accept_domain(INSIDE)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("smtp", {"rcpt": RCPT, "tls": "required"}, f"mail for {INSIDE} is taken at {NEW}"),
        ("submission", {"host": HOST}, f"{HOST}:587 offers TLS and a log-in at {NEW}"),
        ("submission", {"account": "inside"}, f"{HOST}:587 logs in at {NEW}"),
        ("submission", {"account": "inside", "port": 465}, f"{HOST}:465 logs in at {NEW}"),
        ("imap", {"host": HOST}, f"{HOST}:993 speaks IMAP with TLS at {NEW}"),
        ("imap", {"account": "inside"}, f"{HOST}:993 opens the mailbox, 0 messages at {NEW}"),
        ("imap", {"account": "inside", "port": 143}, f"{HOST}:143 opens the mailbox, 0 messages at {NEW}"),
        ("pop3", {"account": "inside", "host": HOST}, f"{HOST}:995 opens the mailbox, 0 messages at {NEW}"),
    ],
)
def test_each_gate_passes_on_the_real_servers(pair: Pair, kind: str, options: dict[str, Any], words: str) -> None:
    verdict = pair.look(kind, **options)
    assert (verdict.outcome, verdict.because, verdict.warnings) == ("pass", words, ())


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("smtp", {"rcpt": "nobody@elsewhere.example"}, "is refused: 554 5.7.1"),
        ("smtp", {"host": "wrong.client.example", "tls": "required"}, "the certificate is not valid"),
        ("submission", {"host": "wrong.client.example"}, "the certificate is not valid"),
        ("imap", {"host": "wrong.client.example"}, "the certificate is not valid"),
        ("imap", {"host": "wrong.client.example", "port": 143}, "the certificate is not valid"),
        ("pop3", {"host": "wrong.client.example"}, "the certificate is not valid"),
        ("submission", {"account": "inside", "password": "wrong-8"}, "refuses the log-in: 535 5.7.8"),
        ("imap", {"account": "inside", "password": "wrong-8"}, "refuses the log-in: [AUTHENTICATIONFAILED]"),
        ("pop3", {"account": "inside", "host": HOST, "password": "wrong-8"}, "refuses the log-in: -ERR [AUTH]"),
        ("mail-round-trip", {"account": "inside", "direction": "in", "password": "wrong-8"}, "refuses the log-in"),
    ],
)
def test_each_real_refusal_is_told(pair: Pair, kind: str, options: dict[str, Any], words: str) -> None:
    verdict = pair.look(kind, **options)
    assert verdict.outcome == "fail"
    assert words in verdict.because
    assert "wrong-8" not in repr(verdict)


def test_a_domain_that_is_switched_off(pair: Pair, switched_off: Callable[[str], None]) -> None:
    before = pair.look("old-server-refuses", address=NEW)
    assert (before.outcome, before.not_yet) == ("fail", True)
    for how, counts, outcome in (("450", ("4xx",), "pass"), ("550", ("4xx", "closed"), "fail")):
        switched_off(how)
        assert pair.look("old-server-refuses", address=NEW, how=counts).outcome == outcome
        refused = pair.look("smtp", rcpt=RCPT)
        assert (refused.outcome, f"is refused: {how}" in refused.because) == ("fail", True)
        lost = pair.look("mail-round-trip", account="inside", direction="in")
        assert (lost.outcome, f"refuses the message: {how}" in lost.because) == ("fail", True)
    assert pair.look("old-server-refuses", address=NEW, how=("5xx",)).outcome == "pass"


def test_a_closed_port_is_told(pair: Pair) -> None:
    with raw(hang) as closed:
        pass
    dead = Pair(pair.inside, pair.inbox, pair.outbox, dict.fromkeys(pair.places, closed), pair.ca)
    assert "refuses the connection" in dead.look("smtp", rcpt=RCPT).because
    assert "refuses the connection" in dead.look("imap", host=HOST).because
    assert dead.look("old-server-refuses", address=NEW).outcome == "pass"


@pytest.mark.parametrize(
    ("direction", "options"), [("in", {}), ("in", {"other": "outside"}), ("both", {"other": "outside"})]
)
def test_a_message_travels_and_is_gone_again(pair: Pair, direction: str, options: dict[str, Any]) -> None:
    verdict = pair.look("mail-round-trip", account="inside", direction=direction, timeout=20, **options)
    assert (verdict.outcome, verdict.warnings) == ("pass", ())
    assert "arrives after" in verdict.because
    assert (pair.inbox.messages("test"), pair.outbox.messages("test")) == ([], [])
