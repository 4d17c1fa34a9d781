"""Which names users ask all the time: those of the web, of the mail graph, and of the playbook's gates. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.gates import options
from dnsrun.gates.weburl import BadUrlError, is_address, parse
from dnsrun.model.rrset import RRsetKey
from dnsrun.plan.mail.graph import mail_graph

from .setting import ADDRESS_TYPES, Setting

Service = Literal["web", "mail", "mail policy", "other"]
_POLICY = (RdataType.TXT, RdataType.TLSA)


@dataclass(frozen=True, slots=True)
class Want:
    """A question that users ask, and what for."""

    service: Service
    name: Name
    rdtype: RdataType

    def __str__(self) -> str:
        return f"{self.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(self.rdtype)}"


def wants_of(setting: Setting) -> tuple[Want, ...]:
    """Return the questions, web first, each once; names that neither zone has are left out."""
    found: dict[tuple[Name, RdataType], Want] = {}
    for want in (*_mail(setting), *_web(setting), *_changed(setting)):
        if not want.name.is_wild():
            found.setdefault((want.name, want.rdtype), want)
    order = ("web", "mail", "mail policy", "other")
    return tuple(sorted(found.values(), key=lambda want: (order.index(want.service), want.name, want.rdtype)))


def _mail(setting: Setting) -> Iterator[Want]:
    for zone in (setting.zone, setting.target):
        graph = mail_graph(setting.playbook.mail, zone)
        for key in graph.keys:
            if key.rdtype == RdataType.CNAME:
                yield Want("mail", key.owner, RdataType.A)
            else:
                yield Want("mail policy" if key.rdtype in _POLICY else "mail", key.owner, key.rdtype)


def _web(setting: Setting) -> Iterator[Want]:
    playbook = setting.playbook
    gates = [gate for phase in playbook.phases for gate in phase.gates]
    gates += [gate for phase in playbook.phases for step in phase.steps for gate in step.gates]
    hosts = []
    for gate in gates:
        if gate.kind == "http":
            try:
                hosts.append(parse(options.text(gate, "url")).host)
            except BadUrlError:
                continue
        elif gate.kind == "tls":
            hosts.append(options.text(gate, "host"))
    names = [dns.name.from_text(host) for host in hosts if not is_address(host)]
    names += [setting.apex, dns.name.Name((b"www", *setting.apex.labels))]
    yield from (want for name in names for want in _addresses(setting, name, "web"))


def _changed(setting: Setting) -> Iterator[Want]:
    for spec in setting.playbook.records:
        for key in spec.rrset_keys():
            if key.rdtype in {*ADDRESS_TYPES, RdataType.CNAME}:
                yield from _addresses(setting, key.owner, "web")
            else:
                yield Want("other", key.owner, key.rdtype)


def _addresses(setting: Setting, name: Name, service: Service) -> Iterator[Want]:
    for rdtype in ADDRESS_TYPES:
        keys = (RRsetKey(name, rdtype), RRsetKey(name, RdataType.CNAME))
        if any(key in zone.rrsets for key in keys for zone in (setting.zone, setting.target)):
            yield Want(service, name, rdtype)
