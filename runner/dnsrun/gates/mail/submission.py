"""Gate `submission`: mail programs can send: TLS with a valid certificate, log-in offered or done. Nothing is sent."""

from __future__ import annotations

import ssl

from dnsrun.gates import options, services
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import (
    ACCOUNT,
    CA,
    GREETED,
    HOST,
    PORT,
    PRIVATE,
    SUBMISSION_PORT,
    SUBMISSIONS_PORT,
    TIMEOUT,
    TIMEOUT_S,
    ask_host,
    login_of,
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
        if not host:
            return services.Service("submission", ".", port, allow_private=False).not_asked("needs `host` or `account`")
        login, timeout_s = login_of(spec, case), options.number(spec, "timeout", TIMEOUT_S)

        def ask(address: str, trust: ssl.SSLContext) -> Words | NoReply:
            keys = (login.account.user, login.password()) if login else None
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
    greeting, login = words.fact("greeting") or "", words.fact("login")
    if greeting != str(GREETED):
        return f"turns away: {greeting} {shorten(words.fact('banner') or '', 120)}".rstrip()
    if words.fact("tls") == "not offered":
        return "offers no STARTTLS: passwords would go in the clear"
    if words.fact("auth") != "offered":
        return "offers no log-in"
    return f"refuses the log-in: {shorten(login, 120)}" if login not in {None, "ok"} else None


def _good(words: Words) -> str:
    return "logs in" if words.fact("login") else "offers TLS and a log-in"
