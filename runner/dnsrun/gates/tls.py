"""Gate `tls`: the certificate is valid for the name, long enough, at every address that clients will see."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import dns.name

from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options, services
from .caa import ask_caa, caa_problem

_TIMEOUT_S = 10
_DAYS = 7


class Tls:
    """Shake hands at each address with the name as SNI; TLS from the first octet on."""

    kind = "tls"
    fragment = Fragment(
        "the certificate is valid at every address that clients will see",
        {
            "host": {"description": "the name that clients use", "type": "string", "format": "host-name"},
            "port": {"description": "443 unless said", "type": "integer", "minimum": 1, "maximum": 65535},
            "days": {"description": "days that it must still be valid: 7 unless said", "type": "integer", "minimum": 0},
            "allow_private": {"description": "addresses inside a network are meant", "type": "boolean"},
            "ca": {"description": "file with the certificates to trust in place of the system's", "type": "string"},
            "timeout": {"description": "for one try at one address: 10s", "type": "string", "format": "duration"},
        },
        required=("host",),
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Shake hands at every address once; touches the network, and the disk for certificates."""
        from .secured import context, shake

        host = options.text(spec, "host").rstrip(".")
        service = services.Service(_of(spec), host, _port(spec), options.flag(spec, "allow_private"))
        try:
            trust = context(options.text(spec, "ca"))
        except OSError as err:
            return service.not_asked(f"the certificates to trust cannot be read: {err.strerror or err}")
        timeout_s = options.number(spec, "timeout", _TIMEOUT_S)
        shaken = services.observe(
            service, case, view, net, lambda address: shake(net, (address, service.port), host, trust, timeout_s)
        )
        return (*shaken, *ask_caa(dns.name.from_text(host), case.apex, view))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the certificate alone decides
        """Judge one round; pure. Days are counted from the time of the observations."""
        days = options.number(spec, "days", _DAYS)
        at = seen[0].at if seen else None
        shaken = [one for one in seen if not isinstance(one.of, RRsetKey)]
        verdict = services.judge(_of(spec), shaken, lambda words: _problem(words, at, days), _good)
        issuers = {one.got.fact("certificate_authority") or "" for one in shaken if isinstance(one.got, Words)}
        problems = [words for issuer in sorted(issuers) if (words := caa_problem(issuer, seen))]
        return replace(verdict, warnings=(*verdict.warnings, *problems))


def _of(spec: GateSpec) -> str:
    return f"{options.text(spec, 'host').rstrip('.')}:{_port(spec)}"


def _port(spec: GateSpec) -> int:
    return options.number(spec, "port", 443)


def _problem(words: Words, at: datetime | None, days: int) -> str | None:
    not_after = words.fact("not_after")
    if not_after is None or at is None:
        return "gives no certificate"
    if datetime.fromisoformat(not_after) < at + timedelta(days=days):
        return f"has a certificate that ends on {not_after[:10]}, in less than {days} days"
    return None


def _good(words: Words) -> str:
    subject = shorten(words.fact("certificate_subject") or "", 80)
    return f"has a certificate for {subject} until {(words.fact('not_after') or '')[:10]}"
