"""Gate `submission`: mail programs can send: TLS with a valid certificate, log-in offered or done. Nothing is sent."""

from __future__ import annotations

import ssl

from dnsrun.errors import UsageError
from dnsrun.gates import options, services
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .accounts import keys_for, login_of
from .asking import (
    ACCOUNT,
    CA,
    GREETED,
    HOST,
    NO_TLS,
    PORT,
    PRIVATE,
    SUBMISSION_PORT,
    SUBMISSIONS_PORT,
    TIMEOUT,
    TIMEOUT_S,
    ask_host,
    way_to,
)


class Submission:
    """Greet, EHLO, STARTTLS (or TLS at once at port 465), AUTH; with an account, log in."""

    kind = "submission"
    fragment = Fragment(
        "mail programs can send: TLS, and a log-in; nothing is sent",
        {
            "host": {**HOST, "description": "the name that mail programs send through; the account's unless said"},
            "port": {**PORT, "description": "587 unless said; at 465 TLS comes first"},
            "account": ACCOUNT,
            "allow_private": PRIVATE,
            "ca": CA,
            "timeout": TIMEOUT,
        },
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every address once; touches the network, and the disk for certificates."""
        from .smtpline import Talk, converse

        host, port = _place(spec, case)
        nobody = services.Service("submission", ".", port, allow_private=False)
        if not host:
            return nobody.not_asked("needs `host` or `account`")
        timeout_s = options.number(spec, "timeout", TIMEOUT_S)
        try:
            keys = keys_for(spec, case)
        except UsageError as err:
            return nobody.not_asked(str(err))

        def ask(address: str, trust: ssl.SSLContext) -> Words | NoReply:
            talk = Talk(host, trust, at_once=port == SUBMISSIONS_PORT, insists=True, login=keys)
            return converse(way_to(spec, net, view, address, port), talk, timeout_s)

        return ask_host(f"{host}:{port}", (host, port), case, (view, net), spec, ask)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        host, port = _place(spec, case)
        return services.judge(f"{host}:{port}", seen, _problem, _good)


def _place(spec: GateSpec, case: GateCase) -> tuple[str, int]:
    """Return host and port as the playbook says them, else the account's."""
    login = login_of(spec, case)
    account = login.account if login else None
    given = options.text(spec, "host")
    own = account.submission.to_text() if account and account.submission else ""
    usual = account.submission_port if account and not given else SUBMISSION_PORT
    return (given or own).rstrip("."), options.number(spec, "port", usual)


def _problem(words: Words) -> str | None:
    greeting, tls = words.fact("greeting") or "", words.fact("tls")
    if greeting != str(GREETED):
        return f"turns away: {greeting} {shorten(words.fact('banner') or '', 120)}".rstrip()
    if tls == "not offered":
        return NO_TLS
    if tls not in {"offered", "at once"}:
        return f"does not come to TLS, which is {shorten(tls or 'not tried', 160)}"
    if words.fact("auth") != "offered":
        return "offers no log-in"
    if words.fact("login") == "refused":
        return f"refuses the log-in: {shorten(words.fact('login_said') or '', 120)}"
    return None


def _good(words: Words) -> str:
    return "logs in" if words.fact("login") else "offers TLS and a log-in"
