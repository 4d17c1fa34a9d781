"""Gates `imap` and `pop3`: mail programs can read: TLS with a valid certificate, and the inbox opens."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from dnsrun.errors import UsageError
from dnsrun.gates import options, services
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .accounts import keys_for, login_of
from .asking import ACCOUNT, CA, HOST, PORT, PRIVATE, TIMEOUT, TIMEOUT_S, ask_host, way_to


def _fragment(what: str, at_once: int, later: int) -> Fragment:
    return Fragment(
        f"mail programs can read by {what}: TLS, and with an account the mailbox opens",
        {
            "host": {**HOST, "description": "the name that mail programs open; the account's unless said"},
            "port": {**PORT, "description": f"{at_once} (TLS at once) unless said; {later} has STARTTLS"},
            "account": ACCOUNT,
            "allow_private": PRIVATE,
            "ca": CA,
            "timeout": TIMEOUT,
        },
        defaults=SERVICE_TIMING,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """Greet, TLS, capabilities; with an account log in and count the messages. Nothing is changed."""

    kind: str
    usual_port: int
    fragment: Fragment

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every address once; touches the network, and the disk for certificates."""
        from .mailbox import READERS, Visit, visit

        host, port = self._place(spec, case)
        nobody = services.Service(self.kind, ".", port, allow_private=False)
        if not host:
            return nobody.not_asked("needs `host` or `account`")
        timeout_s = options.number(spec, "timeout", TIMEOUT_S)
        try:
            keys = keys_for(spec, case)
        except UsageError as err:
            return nobody.not_asked(str(err))

        def ask(address: str, trust: ssl.SSLContext) -> Words | NoReply:
            to = Visit(host, trust, at_once=port == self.usual_port, login=keys)
            return visit(way_to(spec, net, view, address, port), lambda wire: READERS[self.kind](wire, to), timeout_s)

        return ask_host(f"{host}:{port}", (host, port), case, (view, net), spec, ask)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        host, port = self._place(spec, case)
        return services.judge(f"{host}:{port}", seen, _problem, lambda words: _good(words, self.kind))

    def _place(self, spec: GateSpec, case: GateCase) -> tuple[str, int]:
        login = login_of(spec, case)
        account = login.account if login else None
        given = options.text(spec, "host")
        own = account.imap.to_text() if account and account.imap else ""
        is_own = account is not None and not given and self.kind == "imap"
        usual = account.imap_port if account and is_own else self.usual_port
        return (given or own).rstrip("."), options.number(spec, "port", usual)


IMAP = Reading("imap", 993, _fragment("IMAP", 993, 143))  # RFC 9051
POP3 = Reading("pop3", 995, _fragment("POP3", 995, 110))  # RFC 1939


def _problem(words: Words) -> str | None:
    if words.fact("login") == "refused":
        return f"refuses the log-in: {shorten(words.fact('login_said') or '', 120)}"
    return "takes the log-in, and does not open the inbox" if words.fact("inbox") else None


def _good(words: Words, kind: str) -> str:
    count = words.fact("messages")
    return f"opens the mailbox, {count} messages" if count else f"speaks {kind.upper()} with TLS"
