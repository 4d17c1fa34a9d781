"""Web and mail of a trial: which address serves which host, where mail is, and what has broken down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dns.name import Name

from dnsrun.gates import options
from dnsrun.gates.weburl import is_address
from dnsrun.model.playbook import GateSpec, MailSpec, Phase, Playbook, Step
from dnsrun.plan.mail.graph import mail_graph

from .setting import ADDRESS_TYPES, Setting
from .truth import Truth

MAIL_KINDS = frozenset({"smtp", "submission", "imap", "pop3", "old-server-refuses"})
MAIL_SERVICE = "mail-service"


@dataclass(slots=True)
class Services:
    """Who is served where. `hosts`: the addresses at which a host is served, before and after the migration.

    `mail`: addresses of mail servers. `left`: addresses of hosts of mail that only the old zone has. `leaving`: mail
    servers where mail is switched off once it is `off` anywhere; `refusal` is how they then refuse it. `down`:
    addresses at which everything has broken down. `bare`: addresses at which certificates are missing. `off`: hosts of
    the zone whose mail is switched off, so that nobody is served at what is left.
    """

    hosts: Mapping[Name, frozenset[str]]
    mail: frozenset[str] = frozenset()
    left: Mapping[Name, frozenset[str]] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    refusal: str = "4xx"
    down: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)

    @property
    def addresses(self) -> frozenset[str]:
        """Every address at which anybody lives."""
        return frozenset[str]().union(self.mail, *self.hosts.values())

    def is_on(self, provider: str) -> bool:
        """Tell whether mail is on at a host of the zone."""
        return provider not in self.off

    def switch(self, provider: str, *, on: bool) -> None:
        """Switch mail on or off at a host."""
        (self.off.discard if on else self.off.add)(provider)

    def is_off_at(self, address: str) -> bool:
        """Tell whether a mail server has been told to take no more mail."""
        return bool(self.off) and address in self.leaving

    def serves(self, host: Name, address: str) -> bool:
        """Tell whether an address serves a host, when all is well there; hosts that nobody knows are served."""
        return address in self.hosts.get(host, (address,))

    def flaw(self, host: Name, addresses: Iterable[str]) -> str:
        """Return what is wrong with a service at the first address that does not serve the host; empty: nothing."""
        for address in addresses:
            if address in self.down:
                return f"{address} is down"
            if not self.serves(host, address):
                return f"{address} does not serve {host.to_text(omit_final_dot=True)}"
            if address in self.bare:
                return f"{address} has no certificate for {host.to_text(omit_final_dot=True)}"
            if self.off and address in self.left.get(host, ()):
                return f"mail is switched off at {address}"
        return ""


def gates_of(phases: Iterable[Phase]) -> tuple[GateSpec, ...]:
    """Return the gates that a playbook writes in some phases, those of steps too. Pure."""
    found = [gate for phase in phases for gate in (*phase.gates, *(one for step in phase.steps for one in step.gates))]
    return tuple(gate for gate in found if not gate.off)


def services_of(setting: Setting) -> Services:
    """Return the services of a setting, all of them well. Pure."""
    truth = Truth(setting)
    gates, steps = gates_of(setting.playbook.phases), _switching(setting.playbook)
    graphs = [mail_graph(setting.playbook.mail, zone) for zone in (setting.zone, setting.target)]
    mail_hosts = {name for graph in graphs for name in graph.servers} | set(_named(gates, setting.playbook.mail))
    names = {key.owner for zone in (setting.zone, setting.target) for key in zone.rrsets}
    names |= mail_hosts | set(setting.outside) | {name for gate in gates for name in options.hosts(gate)}
    hosts, gone = {}, {}
    for name in sorted(names):
        both = [truth.of(name, rdtype) for rdtype in ADDRESS_TYPES]
        old, new = (frozenset[str]().union(*found) for found in zip(*both, strict=True))
        hosts[name], gone[name] = old | new, old - new
    left = {name: gone[name] for name in graphs[0].hosts if name in gone}
    told = frozenset(_switched_at(gates, steps))
    return Services(
        hosts={name: addresses for name, addresses in hosts.items() if addresses},
        mail=told.union(*(hosts[name] for name in mail_hosts), _addressed(gates)),
        left=left,
        leaving=told.union(*left.values()),
        refusal=_refusal(gates, steps),
    )


def _switching(playbook: Playbook) -> tuple[Step, ...]:
    return tuple(step for phase in playbook.phases for step in phase.steps if step.kind == MAIL_SERVICE)


def _named(gates: Iterable[GateSpec], mail: MailSpec | None) -> Iterator[Name]:
    """Yield the hosts that gates of mail and accounts speak of."""
    for gate in gates:
        if gate.kind in MAIL_KINDS:
            yield from options.hosts(gate)
    for account in mail.accounts.values() if mail else ():
        yield from (host for host in (account.imap, account.submission) if host)


def _addressed(gates: Iterable[GateSpec]) -> frozenset[str]:
    return frozenset(
        text
        for gate in gates
        if gate.kind in MAIL_KINDS
        for option in ("address", "host")
        if (text := options.text(gate, option)) and is_address(text)
    )


def _switched_at(gates: Iterable[GateSpec], steps: Iterable[Step]) -> Iterator[str]:
    """Yield the addresses of servers whose mail is to be switched off, as far as the playbook says them."""
    asked = [gate.options for gate in gates if gate.kind == "old-server-refuses"]
    for said in (*asked, *(step.options for step in steps)):
        if said.get("address"):
            yield str(said["address"])


def _refusal(gates: Iterable[GateSpec], steps: Iterable[Step]) -> str:
    """Return how an old server refuses: as the playbook expects it, for now unless it says otherwise."""
    asked = [gate.options for gate in gates if gate.kind == "old-server-refuses"]
    ways = [how for said in (*asked, *(step.options for step in steps)) for how in _ways(said.get("how"))]
    return "4xx" if not ways or "4xx" in ways else str(ways[0])


def _ways(said: object) -> tuple[object, ...]:
    return said if isinstance(said, tuple) else (said,) if said else ()
