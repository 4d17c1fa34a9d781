"""A small name space on loopback: a root, two parents, a hoster, a client's zone on two servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import dns.name

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.walk import Roots
from dnsrun.model.observation import Endpoint
from dnsrun.rehearse.authority import Authority

ROOT, EXAMPLE = dns.name.root, dns.name.from_text("example.")
HOSTER, CLIENT = dns.name.from_text("hoster.example."), dns.name.from_text("client.example.")
_SOA = "SOA ns nobody 1 3600 600 86400 300"
ROOT_ZONE = f"""$TTL 86400
@ {_SOA}
@ NS a.root.
a.root. A 192.0.2.1
example. NS ns1.nic.example.
example. NS ns2.nic.example.
ns1.nic.example. A 192.0.2.11
ns2.nic.example. A 192.0.2.12
ns2.nic.example. AAAA 2001:db8::12
"""
EXAMPLE_ZONE = f"""$TTL 3600
@ {_SOA}
@ NS ns1.nic
@ NS ns2.nic
ns1.nic A 192.0.2.11
ns2.nic A 192.0.2.12
ns2.nic AAAA 2001:db8::12
hoster 172800 NS ns1.hoster
ns1.hoster 172800 A 192.0.2.21
client 86400 NS ns1.client
client 86400 NS ns.hoster
client DS 12345 8 2 {"ab" * 32}
ns1.client 86400 A 192.0.2.31
loop1 NS ns.loop2
loop2 NS ns.loop1
"""
HOSTER_ZONE = f"""$TTL 600
@ {_SOA}
@ NS ns1
ns1 A 192.0.2.21
ns A 192.0.2.32
ns AAAA 2001:db8::32
web A 192.0.2.80
web AAAA 2001:db8::80
round CNAME round.client.example.
back CNAME www.client.example.
"""
CLIENT_ZONE = f"""$TTL 300
@ {_SOA}
@ NS ns1
@ NS ns.hoster.example.
ns1 A 192.0.2.31
www A 192.0.2.10
www AAAA 2001:db8::10
shop CNAME www
blog CNAME web.hoster.example.
round CNAME round.hoster.example.
far CNAME back.hoster.example.
mail MX 10 www
a.b A 192.0.2.66
*.wild A 192.0.2.77
sub NS ns1.sub
ns1.sub A 192.0.2.41
"""


@dataclass
class DnsWorld:
    """The servers by real address, and the net that reaches them."""

    servers: dict[str, Authority]
    places: dict[tuple[str, int], tuple[str, int]]

    @property
    def net(self) -> MappedNet:
        return MappedNet(self.places, SystemClock())

    @property
    def roots(self) -> Roots:
        return Roots.of({"a.root.": ["192.0.2.1"]})

    def cut_off(self, address: str) -> None:
        """Make an address unreachable."""
        del self.places[address, 53]


ZONES: Mapping[str, Mapping[dns.name.Name, str]] = {
    "192.0.2.1": {ROOT: ROOT_ZONE},
    "192.0.2.11": {EXAMPLE: EXAMPLE_ZONE},
    "192.0.2.12": {EXAMPLE: EXAMPLE_ZONE},
    "192.0.2.21": {HOSTER: HOSTER_ZONE},
    "192.0.2.31": {CLIENT: CLIENT_ZONE},
    "192.0.2.32": {CLIENT: CLIENT_ZONE},
}


@contextmanager
def dns_world(zones: Mapping[str, Mapping[dns.name.Name, str]] = ZONES) -> Iterator[DnsWorld]:
    """Start one embedded server for each address."""
    with ExitStack() as stack:
        servers = {address: stack.enter_context(Authority(held)) for address, held in zones.items()}
        places = {(address, 53): ("127.0.0.1", server.port) for address, server in servers.items()}
        yield DnsWorld(servers, places)


def end(name: str, address: str) -> Endpoint:
    """Return an endpoint on port 53."""
    return Endpoint(dns.name.from_text(name), address)
