"""Gate `smtp`: every mail host of the domain takes mail, at every address. Nothing is sent."""

from __future__ import annotations

import ssl
from dataclasses import replace

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError
from dnsrun.gates import options, services
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import (
    CA,
    GREETED,
    HOST,
    PORT,
    PRIVATE,
    RCPT,
    SMTP_PORT,
    TIMEOUT,
    TIMEOUT_S,
    VIA,
    ask_host,
    mail_hosts,
    way_to,
)
from .refusals import fair, is_greylisting

_CARRYING = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME})
_WAYS_OUT = (
    "nothing answers at port {port} from here, as in many networks: mail hosts were not checked. "
    "Say `via: socks5://HOST:PORT`, or check by a `mail-round-trip` through an account elsewhere"
)
_ANOTHER = (
    " (every mail server must take mail for that mailbox, and some do not: `gates: [{kind: smtp, rcpt: MAILBOX}]` at "
    "the phase asks for another one)"
)


class Smtp:
    """Greet, EHLO, STARTTLS, and ask for a mailbox: as senders do, up to where the message would come."""

    kind = "smtp"
    fragment = Fragment(
        "every mail host of the domain takes mail; nothing is sent",
        {
            "domain": {**HOST, "description": "whose mail hosts: the playbook's domain unless said"},
            "host": {**HOST, "description": "only this host, in place of the MX"},
            "address": {"description": "only this address", "type": "string", "format": "address"},
            "port": {**PORT, "description": "25 unless said"},
            "rcpt": RCPT,
            "tls": {
                "description": "offered (unless said): STARTTLS is there; required: with a valid certificate; off",
                "type": "string",
                "enum": ["offered", "required", "off"],
            },
            "via": VIA,
            "allow_private": PRIVATE,
            "ca": CA,
            "timeout": TIMEOUT,
        },
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every address of every mail host once; touches the network, and the disk for certificates."""
        hosts = _hosts(spec, case, view)
        if isinstance(hosts, Words):
            place = services.Service(_of(spec, case), ".", options.number(spec, "port", SMTP_PORT), allow_private=False)
            return place.nowhere(hosts)
        return tuple(one for host in hosts for one in _ask(host, spec, case, view, net))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        verdict = services.judge(_of(spec, case), seen, lambda words: _problem(words, spec), _good)
        weak = [words for one in seen if isinstance(one.got, Words) and (words := _weakness(one.got, spec))]
        verdict = replace(verdict, warnings=(*verdict.warnings, *dict.fromkeys(weak)))
        if verdict.outcome == "unknown" and _nothing_came(seen) and not _is_touched(spec, case, seen):
            return _not_checked(spec, verdict, seen)
        return verdict


def _hosts(spec: GateSpec, case: GateCase, view: View) -> tuple[str, ...] | Words:
    given = options.text(spec, "address") or options.text(spec, "host").rstrip(".")
    if given:
        return (given,)
    try:
        hosts = mail_hosts(_domain(spec, case), view)
    except OutsideError as err:
        return services.not_asked(f"cannot be asked, its mail hosts are not known: {err}")
    return hosts if isinstance(hosts, tuple) else services.broken(hosts)


def _ask(host: str, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
    from .smtpline import Talk, converse

    port, timeout_s = options.number(spec, "port", SMTP_PORT), options.number(spec, "timeout", TIMEOUT_S)

    def ask(address: str, trust: ssl.SSLContext) -> Words | NoReply:
        talk = Talk(
            options.text(spec, "host").rstrip(".") or host,
            trust,
            tls=_tls(spec) != "off",
            insists=_tls(spec) == "required",
            rcpt=options.text(spec, "rcpt") or None,
        )
        return fair(converse(way_to(spec, net, view, address, port), talk, timeout_s))

    return ask_host(host, (host, port), case, (view, net), spec, ask)


def _domain(spec: GateSpec, case: GateCase) -> Name:
    given = options.text(spec, "domain")
    return dns.name.from_text(given) if given else case.apex


def _of(spec: GateSpec, case: GateCase) -> str:
    given = options.text(spec, "address") or options.text(spec, "host").rstrip(".")
    return f"mail at {given}" if given else f"mail for {_domain(spec, case).to_text(omit_final_dot=True)}"


def _tls(spec: GateSpec) -> str:
    return options.text(spec, "tls", "offered")


def _problem(words: Words, spec: GateSpec) -> str | None:
    greeting, code = words.fact("greeting") or "", words.fact("rcpt_code")
    if greeting != str(GREETED):
        return f"is turned away: {greeting} {shorten(words.fact('banner') or '', 120)}".rstrip()
    tls = words.fact("tls") or ""
    if _tls(spec) == "required" and tls != "offered":
        return f"is not encrypted: STARTTLS is {shorten(tls, 160)}"
    if code is not None and not code.startswith("2") and not is_greylisting(words):
        said = shorten(words.fact("rcpt_said") or "", 120)
        refusal = f"for {shorten(options.text(spec, 'rcpt'))} is refused: {code} {said}".rstrip()
        return f"{refusal}{_ANOTHER if spec.lenient else ''}"
    return None


def _weakness(words: Words, spec: GateSpec) -> str | None:
    """Return what senders put up with, and what should be looked at all the same."""
    tls = words.fact("tls") or ""
    if _tls(spec) != "offered" or tls in {"offered", "at once", ""}:
        return None
    return f"STARTTLS at a mail host: {shorten(tls)}"


def _good(words: Words) -> str:
    if is_greylisting(words):
        return "is taken when it comes again (greylisting)"
    return "is taken" if words.fact("rcpt_code") else "is greeted"


def _nothing_came(seen: tuple[Observation, ...]) -> bool:
    asked = [one for one in seen if not one.control]
    silent = [one for one in asked if isinstance(one.got, NoReply) and one.got.why != "refused"]
    return bool(asked) and len(silent) == len(asked)


def _is_touched(spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> bool:
    """Tell whether this plan changes who takes the mail, or where: then not knowing is not enough."""
    domain, hosts = _domain(spec, case), {one.server.name for one in seen}
    given = options.text(spec, "address")
    return any(
        (change.key.rdtype == RdataType.MX and change.key.owner == domain)
        or (change.key.rdtype in _CARRYING and change.key.owner in hosts)
        or (given and change.after is not None and given in change.after.texts())
        for change in case.changes
        if not change.ttl_only
    )


def _not_checked(spec: GateSpec, verdict: Verdict, seen: tuple[Observation, ...]) -> Verdict:
    port = options.number(spec, "port", SMTP_PORT)
    places = tuple(f"{one.of} at {one.server.address}, port {port}" for one in seen if not one.control)
    return replace(
        verdict,
        outcome="pass",
        because=f"port {port} cannot be reached from here; not checked",
        not_checked=(*verdict.not_checked, *places),
        warnings=(*verdict.warnings, _WAYS_OUT.format(port=port)),
    )
