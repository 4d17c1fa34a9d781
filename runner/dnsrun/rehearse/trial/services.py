"""Web and mail of a trial: which address serves which host, and gates that ask it.

Pages over HTTP are fetched from web servers on loopback by the real gate. Nobody here has certificates for the
playbook's hosts, and nobody sends mail: gates that speak TLS or a mail protocol look up addresses as they really do
and are told by the stage whether the host is served there. What stays untested is said in `NOT_REHEARSED`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dns.name
from dns.name import Name

from dnsrun.clock import now_utc
from dnsrun.errors import OutsideError
from dnsrun.gates import options, services
from dnsrun.gates.mail.asking import mail_hosts
from dnsrun.gates.weburl import BadUrlError, is_address, parse
from dnsrun.model.observation import Endpoint, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec, Playbook
from dnsrun.plan.mail.graph import mail_graph
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.net import Net, View

from .setting import ADDRESS_TYPES, Setting
from .truth import Truth

_SPOKEN = {
    "http": 443, "tls": 443, "smtp": 25, "submission": 587, "imap": 993, "pop3": 995, "mail-round-trip": 25,
}  # fmt: skip
NOT_REHEARSED = {
    "http": "pages over HTTPS: certificate and content",
    "tls": "certificates",
    "smtp": "what mail servers say",
    "submission": "what mail servers say",
    "imap": "what mailboxes say",
    "pop3": "what mailboxes say",
    "mail-round-trip": "whether a message arrives",
    "old-server-refuses": "how the old mail server refuses",
    "command": "the programs of gates: counted as passed",
}


@dataclass(slots=True)
class Services:
    """Who is served where. `hosts`: the addresses at which a host is served, before and after the migration.

    `left`: those among them that only the old zone has, for hosts of mail. `down`: addresses at which everything has
    broken down. `off`: hosts of the zone whose mail is switched off, so that nobody is served at what is left.
    """

    hosts: Mapping[Name, frozenset[str]]
    left: Mapping[Name, frozenset[str]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)

    def is_on(self, provider: str) -> bool:
        """Tell whether mail is on at a host of the zone."""
        return provider not in self.off

    def switch(self, provider: str, *, on: bool) -> None:
        """Switch mail on or off at a host."""
        (self.off.discard if on else self.off.add)(provider)

    def flaw(self, host: Name, addresses: Iterable[str]) -> str:
        """Return what is wrong with a service at the first address that does not serve the host; empty: nothing."""
        known = self.hosts.get(host)
        for address in addresses:
            if address in self.down:
                return f"{address} is down"
            if known is not None and address not in known:
                return f"{address} does not serve {host.to_text(omit_final_dot=True)}"
            if self.off and address in self.left.get(host, ()):
                return f"mail is switched off at {address}"
        return ""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A gate whose addresses are looked up as ever, and whose conversation is left out."""

    kind: str
    fragment: Fragment
    services: Services

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Look up every host of the gate through the view. Touches the network."""
        try:
            hosts = _hosts(self.kind, spec, case, view)
        except OutsideError as err:
            hosts = services.not_asked(str(err))
        if isinstance(hosts, Words):
            return services.Service(self.kind, ".", 0, allow_private=True).nowhere(hosts)
        port = options.number(spec, "port", _SPOKEN[self.kind])
        return tuple(seen for host in hosts for seen in self._at(host, port, case, view, net))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - addresses decide
        """Judge one round; pure."""
        of = ", ".join(dict.fromkeys(one.of for one in seen if isinstance(one.of, str))) or self.kind
        return services.judge(of, seen, lambda _: None, lambda words: words.text)

    def _at(self, host: str, port: int, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        service = services.Service(f"{host}:{port}", host, port, allow_private=True)
        name = dns.name.root if is_address(host) else dns.name.from_text(host)

        def ask(address: str) -> Words:
            if flaw := self.services.flaw(name, (address,)):
                return services.broken(f"fails: {flaw}")
            return services.with_facts("is served (what it says is not rehearsed)", {"served": "yes"})

        return services.observe(service, case, view, net, ask)


@dataclass(frozen=True, slots=True)
class WebGate:
    """The gate `http`: the real one for HTTP, a stand-in for HTTPS."""

    kind: str
    fragment: Fragment
    real: Gate
    stand_in: StandIn

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask one round. Touches the network."""
        return self._for(spec).observe(spec, case, view, net)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        return self._for(spec).judge(spec, case, seen)

    def _for(self, spec: GateSpec) -> Gate:
        return self.stand_in if options.text(spec, "url").startswith("https:") else self.real


@dataclass(frozen=True, slots=True)
class Waved:
    """A gate that cannot be rehearsed at all: it passes, and that is said."""

    kind: str
    fragment: Fragment

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - nobody is asked
        """Ask nobody."""
        return (Observation(spec.name, Endpoint(case.apex, "0.0.0.0"), now_utc(), Words("not rehearsed"), "process"),)  # noqa: S104 - names no address

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - nothing was asked
        """Pass, and say that this proves nothing."""
        return Verdict("pass", f"{spec.name} is not rehearsed", warnings=(f"{spec.name}: not rehearsed",))


def rehearsed(gates: Mapping[str, Gate], played: Services) -> Mapping[str, Gate]:
    """Return the gates for a trial: those that ask the DNS as they are, the others played as far as they can be."""
    found = dict(gates)
    for kind in _SPOKEN:
        found[kind] = StandIn(kind, gates[kind].fragment, played)
    found["http"] = WebGate(
        "http", gates["http"].fragment, gates["http"], StandIn("http", gates["http"].fragment, played)
    )
    for kind in ("command", "old-server-refuses"):
        found[kind] = Waved(kind, gates[kind].fragment)
    return found


def left_out(playbook: Playbook) -> tuple[str, ...]:
    """Return what the gates of a playbook do that a trial does not, in words, each once."""
    gates = [gate for phase in playbook.phases for gate in phase.gates if not gate.off]
    gates += [gate for phase in playbook.phases for step in phase.steps for gate in step.gates if not gate.off]
    kinds = [gate.kind for gate in gates if gate.kind != "http" or options.text(gate, "url").startswith("https:")]
    programs = any(step.kind == "command" for phase in playbook.phases for step in phase.steps)
    said = [NOT_REHEARSED[kind] for kind in kinds if kind in NOT_REHEARSED]
    return tuple(dict.fromkeys((*said, *(("the programs of steps: counted as done",) if programs else ()))))


def _hosts(kind: str, spec: GateSpec, case: GateCase, view: View) -> tuple[str, ...] | Words:
    """Return the hosts whose addresses a gate is about, or why they are not known."""
    if kind == "http":
        try:
            return (parse(options.text(spec, "url")).host,)
        except BadUrlError as err:
            return services.not_asked(str(err))
    if given := options.text(spec, "host").rstrip("."):
        return (given,)
    account = case.accounts.get(options.text(spec, "account"))
    if account is not None and kind in {"imap", "submission"}:
        host = account.account.imap if kind == "imap" else account.account.submission
        if host:
            return (host.to_text(omit_final_dot=True),)
    if kind in {"smtp", "mail-round-trip"}:
        text = options.text(spec, "domain")
        found = mail_hosts(dns.name.from_text(text) if text else case.apex, view)
        return services.broken(found) if isinstance(found, str) else tuple(found)
    return services.not_asked("needs `host` or `account`")


def services_of(setting: Setting) -> Services:
    """Return the services of a setting, all of them well."""
    truth = Truth(setting)
    graph = mail_graph(setting.playbook.mail, setting.zone)
    hosts: dict[Name, frozenset[str]] = {}
    left: dict[Name, frozenset[str]] = {}
    for name in sorted({key.owner for zone in (setting.zone, setting.target) for key in zone.rrsets}):
        both = [truth.of(name, rdtype) for rdtype in ADDRESS_TYPES]
        old, new = (frozenset[str]().union(*found) for found in zip(*both, strict=True))
        hosts[name] = old | new
        if name in graph.hosts:
            left[name] = old - new
    return Services({name: addresses for name, addresses in hosts.items() if addresses}, left)
