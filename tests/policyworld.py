"""A zone with SPF, DKIM and DMARC on two servers, beside another domain; gates ask it as it is or as it will be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dnsrun.dnsio.views import current_view, future_view
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import GateSpec, Json
from dnsrun.model.rrset import Change, RRset, RRsetKey, from_texts, key
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.rehearse.authority import Authority
from dnsworld import CLIENT, HOSTER, HOSTER_ZONE, DnsWorld, dns_world
from moveworld import MoveWorld, snapshot

SERVERS = ("192.0.2.31", "192.0.2.32")
ZONE = """@ 300 SOA ns1 nobody 1 3600 600 86400 300
@ 300 NS ns1
@ 300 NS ns.hoster.example.
ns1 300 A 192.0.2.31
@ 300 A 192.0.2.10
@ 300 MX 10 mail
mail 300 A 192.0.2.25
"""
SPF = '@ 300 TXT "v=spf1 mx -all"\n'


@dataclass
class PolicyWorld:
    """The servers, and what they hold; `text` is the client's zone."""

    dns: DnsWorld
    text: str = ZONE

    @property
    def servers(self) -> tuple[Authority, ...]:
        """The client's servers, in the order of their addresses."""
        return tuple(self.dns.servers[address] for address in SERVERS)

    def hold(self, records: str, *, at: Iterable[int] = (0, 1)) -> None:
        """Let the client's servers hold the zone with these records."""
        self.text = ZONE + records
        for index in at:
            self.servers[index].set_zone(CLIENT, self.text)

    def hoster(self, records: str) -> None:
        """Let the other domain hold these records, too."""
        self.dns.servers["192.0.2.21"].set_zone(HOSTER, HOSTER_ZONE + records)

    def verdict(
        self, gate: Gate, *changes: Change, options: Mapping[str, Json] | None = None, **more: object
    ) -> Verdict:
        """Let a gate judge one round in which the changes are planned."""
        spec = GateSpec(gate.kind, gate.kind, options or {})
        view = future_view(current_view(self.dns.net, CLIENT, self.dns.roots), changes)
        case = GateCase(CLIENT, changes, snapshot(self.text), **more)  # type: ignore[arg-type] # fields of GateCase
        return gate.judge(spec, case, gate.observe(spec, case, view, self.dns.net))


@contextmanager
def policy_world() -> Iterator[PolicyWorld]:
    """Start everything; ends what it started."""
    with dns_world() as dns:
        world = PolicyWorld(dns)
        world.hold(SPF)
        yield world


def moved(world: MoveWorld, gate: Gate, *, options: Mapping[str, Json] | None = None, **more: object) -> Verdict:
    """Let a gate judge the new servers of a zone that moves."""
    spec = GateSpec(gate.kind, gate.kind, options or {}, side="new")
    case, view = replace(world.case, **more), world.view  # type: ignore[arg-type] # fields of GateCase
    return gate.judge(spec, case, gate.observe(spec, case, view, view.net))


def becomes(owner: str, rdtype: str, before: str | None, after: str | None) -> Change:
    """Return the change of one value at a name of the client's zone; None: there is none."""
    of = key(owner if owner.endswith(".") else f"{owner}.client.example.", rdtype)
    return Change(of, _one(of, before), _one(of, after))


def _one(of: RRsetKey, value: str | None) -> RRset | None:
    return None if value is None else from_texts(of, 300, (value,))
