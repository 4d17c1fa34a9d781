"""The set of name servers to be delegated to, before any server is asked: names, addresses, size (D7, D9). Pure.

What blocks: DELEGATION01/02/03/05, ADDRESS01, NAMESERVER06, SYNTAX01 to 04, 07 and 08 of Zonemaster's table. A defect
that the old set has too is a warning. ADDRESS01 takes the address ranges of documentation, where laboratories are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.gates.findings import Found, failing, unsure, warning
from dnsrun.gates.outside import addresses_in, is_alias
from dnsrun.model.observation import Answer, Endpoint, Observation
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import Delegation
from dnsrun.ports.gate import ZoneMove

from .probe import OVER_UDP, RESOLVES
from .zone import by_server

_HOST_LABEL = re.compile(rb"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_NAME = 255  # octets, RFC 1035 section 2.3.4
_SMALLEST = 512  # octets of an answer that every resolver takes, RFC 1035 section 4.2.1
_LABORATORY = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "127.0.0.0/8", "::1/128"))
)


def judge_set(apex: Name, move: ZoneMove, seen: Sequence[Observation], hidden: Iterable[Endpoint]) -> list[Found]:
    """Return what is wrong with the names and addresses of the set; `hidden` are those out of reach from here."""
    endpoints = [*by_server(seen), *hidden]
    found = [*_legal(apex, move, seen), *_counted(move, endpoints)]
    size = referral_size(apex, move.target)
    if size > _SMALLEST:
        what = f"the referral takes {size} octets for the longest name"
        found.append(failing(f"{what}, {_SMALLEST} fit without EDNS (D9)"))
    return [*found, *_resolving(move, seen, endpoints), *_glued(apex, move.target)]


def referral_size(apex: Name, delegation: Delegation) -> int:
    """Return the octets of the referral for the longest possible name, without EDNS, with all glue (RFC 9471)."""
    query = dns.message.make_query(_longest_below(apex), "A", flags=0)
    response = dns.message.make_response(query)
    ns = [name.to_text() for name in sorted(delegation.ns)]
    response.authority.append(dns.rrset.from_text(apex, 86400, "IN", "NS", *ns))
    for name, addresses in delegation.glue.items():
        for address in addresses:
            rdtype = "AAAA" if ":" in address else "A"
            response.additional.append(dns.rrset.from_text(name, 86400, "IN", rdtype, address))
    return len(response.to_wire(max_size=65535))


def _longest_below(apex: Name) -> Name:
    name = apex
    while (left := _LONGEST_NAME - len(name.to_wire() or b"")) > 1:
        name = dns.name.Name((b"x" * min(63, left - 1), *name.labels))
    return name


def _legal(apex: Name, move: ZoneMove, seen: Sequence[Observation]) -> Iterator[Found]:
    if not _is_host(apex):
        yield failing(f"{apex.to_text(omit_final_dot=True)} is no legal domain name")
    named: list[tuple[str, Name]] = [("name server", name) for name in sorted(move.target.ns)]
    for rrset in move.content.rrsets.values():
        if rrset.key.rdtype == RdataType.MX:
            hosts = (rdata.exchange for rdata in rrset.rdatas if isinstance(rdata, MX))
            named += [("mail host", host) for host in sorted(hosts) if host != dns.name.root]
    soas = list(_soas(seen))[:1]
    named += [("primary in the SOA (MNAME)", soa.mname) for soa in soas]
    for what, name in named:
        if not _is_host(name):
            yield failing(f"{name.to_text(omit_final_dot=True)} is no legal name of a {what}")
    for soa in soas:
        if len(soa.rname) < 3:
            yield warning(f"{soa.rname} in the SOA (RNAME) is no mail address")
        if RRsetKey(soa.mname, RdataType.CNAME) in move.content.rrsets:
            yield warning(f"{soa.mname} in the SOA (MNAME) is an alias")


def _soas(seen: Iterable[Observation]) -> Iterator[SOA]:
    for one in seen:
        if one.of == OVER_UDP and isinstance(one.got, Answer) and one.got.rrset is not None:
            yield from (rdata for rdata in one.got.rrset.rdatas if isinstance(rdata, SOA))


def _is_host(name: Name) -> bool:
    """Tell whether every label is one of a host name (RFC 1123 section 2.1)."""
    return len(name) > 1 and all(_HOST_LABEL.fullmatch(label) for label in name.labels[:-1])


def _counted(move: ZoneMove, endpoints: Sequence[Endpoint]) -> Iterator[Found]:
    """Check how many servers and addresses there are, and that addresses can be reached; what was so before warns."""
    old = [one.address for one in move.old_servers]
    if len(move.target.ns) < 2:
        found = warning if len(move.delegation.ns) < 2 else failing
        yield found(f"only {len(move.target.ns)} name server; two at least are asked for")
    names: dict[str, set[Name]] = {}
    for one in endpoints:
        names.setdefault(one.address, set()).add(one.name)
    for address, shared in names.items():
        if len(shared) > 1:
            shown = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in shared))
            found = warning if len(set(old)) < len(move.delegation.ns) else failing
            yield found(f"{shown} have one address, {address}")
    for address in names:
        if not _is_public(address):
            found = warning if not all(map(_is_public, old)) else failing
            yield found(f"{address} cannot be reached from everywhere")


def _is_public(address: str) -> bool:
    parsed = ip_address(address)
    return parsed.is_global or any(_holds(net, address) for net in _LABORATORY)


def _holds(net: IPv4Network | IPv6Network, address: str) -> bool:
    return ip_address(address) in net


def _resolving(move: ZoneMove, seen: Sequence[Observation], endpoints: Sequence[Endpoint]) -> Iterator[Found]:
    told = {str(one.of): one for one in seen if str(one.of).startswith(RESOLVES)}
    placed = {one.name for one in endpoints}
    for name in sorted(move.target.ns):
        shown = name.to_text(omit_final_dot=True)
        outside = told.get(f"{RESOLVES}{name}")
        if RRsetKey(name, RdataType.CNAME) in move.content.rrsets or (outside and is_alias(outside)):
            yield failing(f"the name server {shown} is an alias (RFC 2181 section 10.3)")
        elif outside and addresses_in(outside) == ():
            yield failing(f"the name server {shown} has no address")
        elif outside and addresses_in(outside) is None:
            yield unsure(f"the addresses of the name server {shown} could not be found out")
        elif name not in placed:
            yield failing(f"the name server {shown} has no address")


def _glued(apex: Name, target: Delegation) -> Iterator[Found]:
    for name in sorted(target.ns):
        if name.is_subdomain(apex) and not target.glue.get(name):
            yield failing(
                f"{name.to_text(omit_final_dot=True)} lies within the domain and needs glue: give its addresses"
            )
