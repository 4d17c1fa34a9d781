"""Find things by iteration from the roots; the system's resolver never decides (fault 65).

Nothing is remembered beyond one `Walk`, which is made for one round. Work is bounded: so many queries a
walk, aliases a host, servers without address inside each other. Addresses that a referral brings count only
within the zone that gave the referral.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
from dns.message import Message
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint, Transport
from dnsrun.model.rrset import IN
from dnsrun.ports.net import Net

from .answers import MalformedError, alias_chain, check_answer, referral_cut

QUERY_TIMEOUT_S = 3.0
_MOST_QUERIES = 400
_MOST_ALIASES = 10
_MOST_SILENCES = 2  # a zone whose servers all were silent is asked no more: everything below it would wait for them
_DEEPEST = 5  # server names that must be looked up to look up server names
_READ_ON_WITHOUT_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})
_ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)

# https://www.iana.org/domains/root/servers, read 2026-11-20
_IANA = {
    "a": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b": ("170.247.170.2", "2801:1b8:10::b"),
    "c": ("192.33.4.12", "2001:500:2::c"),
    "d": ("199.7.91.13", "2001:500:2d::d"),
    "e": ("192.203.230.10", "2001:500:a8::e"),
    "f": ("192.5.5.241", "2001:500:2f::f"),
    "g": ("192.112.36.4", "2001:500:12::d0d"),
    "h": ("198.97.190.53", "2001:500:1::53"),
    "i": ("192.36.148.17", "2001:7fe::53"),
    "j": ("192.58.128.30", "2001:503:c27::2:30"),
    "k": ("193.0.14.129", "2001:7fd::1"),
    "l": ("199.7.83.42", "2001:500:9f::42"),
    "m": ("202.12.27.33", "2001:dc3::35"),
}


@dataclass(frozen=True, slots=True)
class Roots:
    """Where iteration starts: the servers of the root zone."""

    servers: tuple[Endpoint, ...]

    @classmethod
    def iana(cls) -> Roots:
        """Return the thirteen root servers of the Internet."""
        return cls.of({f"{letter}.root-servers.net.": addresses for letter, addresses in _IANA.items()})

    @classmethod
    def of(cls, servers: Mapping[str, Iterable[str]], port: int = 53) -> Roots:
        """Return roots from absolute server names and their addresses."""
        return cls(
            tuple(
                Endpoint(dns.name.from_text(n), address, port)
                for n, addresses in servers.items()
                for address in addresses
            )
        )


@dataclass(slots=True)
class Zone:
    """A zone on the way down: its apex, the servers known by address, the names of servers still to be found."""

    apex: Name
    servers: list[Endpoint]
    nameless: list[Name] = field(default_factory=list)
    ns: frozenset[Name] = frozenset()


def addresses_from_roots(net: Net, host: Name, roots: Roots) -> tuple[str, ...]:
    """Return a host's IPv4 and IPv6 addresses, IPv4 first, sorted; empty when it has none.

    Follows CNAMEs. Raises `OutsideError` when no server of a zone on the way gives a usable answer, or the
    work is too much. Touches the network.
    """
    return Walk(net, roots).addresses(host)


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return addresses once each, IPv4 first, then by number."""
    return tuple(sorted(set(addresses), key=_address_order))


def _address_order(address: str) -> tuple[int, IPv4Address | IPv6Address]:
    parsed = ip_address(address)
    return parsed.version, parsed


class Walk:
    """Iteration with a memory of the zones it has passed; made for one round. Every method touches the network."""

    def __init__(self, net: Net, roots: Roots, *, most_queries: int = _MOST_QUERIES) -> None:
        self.net = net
        self._left = most_queries
        self._zones: dict[Name, Zone] = {dns.name.root: Zone(dns.name.root, list(roots.servers))}
        self._found: dict[tuple[Name, RdataType], tuple[Message, Name]] = {}
        self._addresses: dict[Name, tuple[str, ...]] = {}
        self._looking_for: list[Name] = []
        self._dead: set[Endpoint] = set()
        self._silences: dict[Name, int] = {}

    def addresses(self, host: Name) -> tuple[str, ...]:
        """Return a host's addresses; see `addresses_from_roots`."""
        if host not in self._addresses:
            found = (rdata for rdtype in _ADDRESS_TYPES for rdata in self._data(host, rdtype))
            self._addresses[host] = in_order(rdata.address for rdata in found if isinstance(rdata, A | AAAA))
        return self._addresses[host]

    def find(self, owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        """Return the RDATA of a type at a name, aliases followed; empty when there is none. Raises `OutsideError`."""
        return frozenset(self._data(owner, rdtype))

    def is_alias(self, host: Name) -> bool:
        """Tell whether a host's name is a CNAME. Raises `OutsideError`."""
        message, _ = self._look_up(host, RdataType.A)
        return len(alias_chain(message, host)) > 1

    def zone_above(self, domain: Name) -> Zone:
        """Return the deepest zone whose apex is a true ancestor of `domain`: the one that may delegate it.

        Found by asking each ancestor for NS, never guessed from dots. Raises `OutsideError` when an ancestor
        does not exist.
        """
        zone = self._zones[dns.name.root]
        for depth in range(2, len(domain)):
            ancestor = domain.split(depth)[1]
            zone = self._zones.get(ancestor) or self._zone_at(ancestor, zone)
        return zone

    def servers(self, zone: Zone) -> tuple[Endpoint, ...]:
        """Return every address of every server of a zone, as far as they can be found."""
        return tuple(self._servers(zone))

    def query(self, server: Endpoint, owner: Name, rdtype: RdataType) -> Message:
        """Ask one server without recursion: UDP, TCP when truncated, without EDNS when it cannot read it.

        Raises `OutsideError`.
        """
        message = dns.message.make_query(owner, rdtype, flags=0, use_edns=0, payload=1232)
        answer = self._exchange(server, message, "udp")
        if answer.rcode() in _READ_ON_WITHOUT_EDNS:
            message = dns.message.make_query(owner, rdtype, flags=0)
            answer = self._exchange(server, message, "udp")
        return self._exchange(server, message, "tcp") if answer.flags & dns.flags.TC else answer

    def _exchange(self, server: Endpoint, message: Message, transport: Transport) -> Message:
        if self._left <= 0:
            raise _unknown(f"too many queries on the way to {message.question[0].name}")
        self._left -= 1
        return next(self.net.exchange(server, message, timeout_s=QUERY_TIMEOUT_S, transport=transport))

    def _data(self, host: Name, rdtype: RdataType) -> Iterator[Rdata]:
        owner, seen = host, {host}
        while True:
            message, zone = self._look_up(owner, rdtype)
            last = _last_within(alias_chain(message, owner), zone)
            found = message.get_rrset(message.answer, last, IN, rdtype) if last.is_subdomain(zone) else None
            if found or last == owner:
                break
            if last in seen or len(seen) > _MOST_ALIASES:
                raise _unknown(f"{host} is an alias that leads nowhere")
            seen.add(last)
            owner = last
        yield from found or ()

    def _look_up(self, owner: Name, rdtype: RdataType) -> tuple[Message, Name]:
        """Return the authoritative answer and the apex of its zone, going down from the deepest zone known."""
        if (owner, rdtype) not in self._found:
            zone = self._deepest(owner)
            while True:
                message, cut = self._ask_zone(zone, owner, rdtype)
                if cut is None:
                    break
                zone = self._descend(zone, cut, message)
            self._found[owner, rdtype] = (message, zone.apex)
        return self._found[owner, rdtype]

    def _deepest(self, owner: Name) -> Zone:
        return next(self._zones[name] for name in _ancestry(owner) if name in self._zones)

    def _zone_at(self, ancestor: Name, above: Zone) -> Zone:
        message, cut = self._ask_zone(above, ancestor, RdataType.NS)
        if cut is not None:
            return self._descend(above, cut, message)
        if message.rcode() == dns.rcode.NXDOMAIN:
            raise _unknown(f"{ancestor} does not exist, say the servers of {above.apex}", retryable=False)
        ns = message.get_rrset(message.answer, ancestor, IN, RdataType.NS)
        if ns is None:
            return above
        # Servers of both zones answer for the child and give no referral.
        return self._add_zone(above, ancestor, _targets(ns), message)

    def _ask_zone(self, zone: Zone, owner: Name, rdtype: RdataType) -> tuple[Message, Name | None]:
        """Return the first usable answer of the zone's servers, with the cut when it is a referral."""
        if self._silences.get(zone.apex, 0) >= _MOST_SILENCES:
            raise _unknown(f"no server of {zone.apex} gives an answer for {owner}: they were silent before")
        heard, silences = [], 0
        for server in self._servers(zone):
            try:
                message = self.query(server, owner, rdtype)
                cut = _usable(message, owner, rdtype, zone.apex)
            except (OutsideError, MalformedError) as err:
                if self._left <= 0:
                    raise
                self._dead.add(server)
                heard.append(str(err))
                silences += isinstance(err, OutsideError)
                continue
            return message, cut
        if silences == len(heard):
            self._silences[zone.apex] = self._silences.get(zone.apex, 0) + silences
        said = "; ".join(heard) or "none is known by address"
        raise _unknown(f"no server of {zone.apex} gives an answer for {owner}: {said}")

    def _servers(self, zone: Zone) -> Iterator[Endpoint]:
        yield from sorted(zone.servers, key=lambda server: server in self._dead)
        while zone.nameless:
            name = zone.nameless.pop(0)
            found = [Endpoint(name, address) for address in self._server_addresses(name)]
            zone.servers.extend(found)
            yield from found

    def _server_addresses(self, name: Name) -> tuple[str, ...]:
        """Find the addresses of a server that came without any; none when that needs itself."""
        if name in self._looking_for or len(self._looking_for) >= _DEEPEST:
            return ()
        self._looking_for.append(name)
        try:
            return self.addresses(name)
        except OutsideError:
            if self._left <= 0:
                raise
            return ()
        finally:
            self._looking_for.pop()

    def _descend(self, zone: Zone, cut: Name, message: Message) -> Zone:
        if cut not in self._zones:
            ns = message.get_rrset(message.authority, cut, IN, RdataType.NS)
            self._add_zone(zone, cut, _targets(ns), message)
        return self._zones[cut]

    def _add_zone(self, above: Zone, apex: Name, ns: Iterable[Name], message: Message) -> Zone:
        names = sorted(ns)
        glue = glue_in(message, names, within=above.apex)
        servers = [Endpoint(name, address) for name in names for address in glue.get(name, ())]
        servers.sort(key=lambda server: server.is_v6)
        nameless = [name for name in names if name not in glue]
        zone = self._zones[apex] = Zone(apex, servers, nameless, frozenset(names))
        return zone


def glue_in(message: Message, names: Iterable[Name], *, within: Name) -> dict[Name, tuple[str, ...]]:
    """Return the addresses that a message brings for server names within a zone; others are not believed."""
    found: dict[Name, tuple[str, ...]] = {}
    for name in names:
        if not name.is_subdomain(within):
            continue
        rrsets = (message.get_rrset(message.additional, name, IN, rdtype) for rdtype in _ADDRESS_TYPES)
        addresses = in_order(rdata.address for one in rrsets for rdata in one or () if isinstance(rdata, A | AAAA))
        if addresses:
            found[name] = addresses
    return found


def _last_within(chain: tuple[Name, ...], zone: Name) -> Name:
    """Return the end of a chain of aliases, or its first name outside the zone: that is for others to say."""
    return next((name for name in chain if not name.is_subdomain(zone)), chain[-1])


def _targets(ns: Iterable[object] | None) -> frozenset[Name]:
    return frozenset(rdata.target for rdata in ns or () if isinstance(rdata, NS))


def _usable(message: Message, owner: Name, rdtype: RdataType, zone: Name) -> Name | None:
    """Return the cut of a referral downwards, None for an authoritative answer; raise `MalformedError` for others."""
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise MalformedError(f"answers {dns.rcode.to_text(message.rcode())}")
    check_answer(message, owner, rdtype)
    cut = referral_cut(message, owner)
    if cut is not None and (cut == zone or not cut.is_subdomain(zone)):
        raise MalformedError(f"refers upward, to {cut}")
    if cut is None and not message.flags & dns.flags.AA:
        raise MalformedError("answers without authority")
    return cut


def _ancestry(name: Name) -> Iterator[Name]:
    for depth in range(len(name), 0, -1):
        yield name.split(depth)[1]


def _unknown(why: str, *, retryable: bool = True) -> OutsideError:
    certainty: Literal["not-applied"] = "not-applied"
    return OutsideError(why, retryable=retryable, certainty=certainty)
