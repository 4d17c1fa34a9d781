"""Gate `old-server-refuses`: the old server takes no more mail for the domain; and how it says so.

An answer that is temporary (4xx) or a closed port has senders try again, at the new server. A final one (5xx) has
them give the message back at once, so it counts only where the playbook says that it is meant.
"""

from __future__ import annotations

import ssl
from dataclasses import replace

from dnsrun.gates import options, services
from dnsrun.gates.silence import BROKEN
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import CA, CLOSES, HOST, PORT, PRIVATE, RCPT, SMTP_PORT, TIMEOUT, TIMEOUT_S, VIA, ask_host, way_to
from .refusals import fair, is_greylisting

_GENTLE = ("4xx", "closed")
WAYS = (*_GENTLE, "5xx")


class OldServerRefuses:
    """Announce a message for a mailbox of the domain at the old server; nothing is sent."""

    kind = "old-server-refuses"
    fragment = Fragment(
        "the old server takes no more mail for the domain; nothing is sent",
        {
            "address": {"description": "the old server's address", "type": "string", "format": "address"},
            "host": {**HOST, "description": "the old server's own name, if it has one that does not move"},
            "port": {**PORT, "description": "25 unless said"},
            "rcpt": {**RCPT, "description": "a mailbox of the domain to ask for: postmaster unless said"},
            "how": {
                "description": "what counts: 4xx and closed unless said; with 5xx senders give messages back at once",
                "type": "array",
                "items": {"type": "string", "enum": list(WAYS)},
                "minItems": 1,
            },
            "via": VIA,
            "allow_private": PRIVATE,
            "ca": CA,
            "timeout": TIMEOUT,
        },
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask once; touches the network."""
        from .smtpline import Talk, converse

        port, timeout_s = options.number(spec, "port", SMTP_PORT), options.number(spec, "timeout", TIMEOUT_S)
        name = options.text(spec, "host").rstrip(".") or options.text(spec, "address")
        host = options.text(spec, "address") or name
        if not host:
            return services.Service("the old server", ".", port, allow_private=False).not_asked("needs `address`")
        rcpt = options.text(spec, "rcpt") or f"postmaster@{case.apex.to_text(omit_final_dot=True)}"

        def ask(address: str, trust: ssl.SSLContext) -> Words | NoReply:
            return _as_refusal(
                converse(way_to(spec, net, view, address, port), Talk(name, trust, rcpt=rcpt), timeout_s)
            )

        return ask_host(host, (host, port), case, (view, net), spec, ask)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - what it says decides
        """Judge one round; pure. A server that still takes mail is not yet there."""
        counts = options.texts(spec, "how") or _GENTLE
        verdict = services.judge("the old server", seen, lambda words: _problem(words, counts), _good)
        takes = [one for one in seen if isinstance(one.got, Words) and how(one.got) == "takes"]
        return replace(verdict, not_yet=verdict.outcome == "fail" and bool(takes))


def _as_refusal(got: Words | NoReply) -> Words | NoReply:
    """Return what it says of mail for the domain: here a closed port is an answer, and no sign of trouble."""
    if isinstance(got, NoReply):
        return Words("closed", (("closed", "yes"),)) if got.why == "refused" else got
    if got.fact(BROKEN) == CLOSES:
        return Words(CLOSES, (("closed", "yes"),))
    if code := got.fact("refused_code"):  # before anybody could be asked for
        return fair(services.with_facts(got.text, {"rcpt_code": code, "rcpt_said": got.fact("refused_said") or ""}))
    return fair(got)


def how(words: Words) -> str:
    """Return how a server meets a message for the domain: `4xx`, `5xx`, `closed`, or `takes` it."""
    if words.fact("closed"):
        return "closed"
    code = words.fact("rcpt_code") or words.fact("greeting") or ""
    if is_greylisting(words) or not code.startswith(("4", "5")):
        return "takes"
    return f"{code[0]}xx"


def _problem(words: Words, counts: tuple[str, ...]) -> str | None:
    way = how(words)
    if way == "takes":
        return "still takes mail for the domain"
    if way not in counts:
        bounce = ", so that senders give messages back at once; say `how: [5xx]` if that is meant" * (way == "5xx")
        return f"refuses with {_words(words)}{bounce}"
    return None


def _good(words: Words) -> str:
    return f"takes no more mail: {_words(words)}"


def _words(words: Words) -> str:
    code = words.fact("rcpt_code") or words.fact("greeting")
    said = shorten(words.fact("rcpt_said") or words.fact("banner") or "", 120)
    return f"{code} {said}".rstrip() if code else "it closes the connection"
