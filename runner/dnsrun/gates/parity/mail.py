"""Mail hosts and aliases of the expected content that no server can make right (M1, N4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX

from dnsrun.gates.outside import Outside, addresses_in, is_alias
from dnsrun.model.observation import Endpoint, Observation
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot

from .names import Served

_OF_HOST = "mail host "
_MOST_HOSTS = 20
_ADDRESSES = (RdataType.A, RdataType.AAAA)
_BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})


def ask_mail_hosts(outside: Outside, content: ZoneSnapshot, at: datetime, asked: Endpoint) -> Iterator[Observation]:
    """Yield the addresses of each mail host outside the zone, as the servers from the roots down tell them.

    Touches the network. Hosts inside the zone are part of the content.
    """
    hosts = sorted({host for _, host in _mail_hosts(content) if not host.is_subdomain(content.apex)})
    for host in hosts[:_MOST_HOSTS]:
        yield Observation(f"{_OF_HOST}{host}", asked, at, outside.host(host))


def defects(
    content: ZoneSnapshot, served: Served, seen: Iterable[Observation], changed: frozenset[RRsetKey]
) -> Iterator[tuple[bool, str]]:
    """Yield what is wrong, and whether a change of this playbook brings it; what was so before is no news. Pure."""
    told = {str(one.of): one for one in seen if str(one.of).startswith(_OF_HOST)}
    for rrset, host in _mail_hosts(content):
        problem = _mail_problem(rrset, host, served, told)
        if problem:
            keys = {rrset.key, *(RRsetKey(host, rdtype) for rdtype in (*_ADDRESSES, RdataType.CNAME))}
            yield bool(keys & changed), problem
    yield from _alias_problems(content, changed)


def _mail_hosts(content: ZoneSnapshot) -> Iterator[tuple[RRset, Name]]:
    for rrset in content.rrsets.values():
        if rrset.key.rdtype == RdataType.MX:
            for rdata in rrset.rdatas:
                if isinstance(rdata, MX) and (rdata.exchange != dns.name.root or len(rrset.rdatas) > 1):
                    yield rrset, rdata.exchange


def _mail_problem(rrset: RRset, host: Name, served: Served, told: Mapping[str, Observation]) -> str | None:
    shown = shorten(f"{rrset.key}: the mail host {host.to_text(omit_final_dot=True)}")
    if host == dns.name.root:
        return f"{rrset.key}: a null MX is alone (RFC 7505 section 3)"
    if _is_address(host):
        return f"{shown} is an address, not a name"
    if not host.is_subdomain(served.apex):
        seen = told.get(f"{_OF_HOST}{host}")
        if seen is None:
            return None
        if is_alias(seen):
            return f"{shown} is an alias (RFC 2181 section 10.3)"
        return f"{shown} has no address" if addresses_in(seen) == () else None
    if served.is_cut(host):
        return None
    answers = [served.answer(RRsetKey(host, rdtype)) for rdtype in _ADDRESSES]
    if any(one.rrset and one.rrset.key.rdtype == RdataType.CNAME for one in answers):
        return f"{shown} is an alias (RFC 2181 section 10.3)"
    return None if any(one.rrset for one in answers) else f"{shown} has no address"


def _is_address(host: Name) -> bool:
    try:
        ip_address(host.to_text(omit_final_dot=True))
    except ValueError:
        return False
    return True


def _alias_problems(content: ZoneSnapshot, changed: frozenset[RRsetKey]) -> Iterator[tuple[bool, str]]:
    """Yield each alias that is not alone at its name (N4; RFC 2181 section 10.1)."""
    aliases = [key for key in content.rrsets if key.rdtype == RdataType.CNAME]
    if not aliases:
        return
    held = content.at_owners(key.labels for key in aliases)
    for alias in aliases:
        beside = [rrset.key for rrset in held[alias.labels] if rrset.key.rdtype not in _BESIDE_CNAME]
        if beside:
            yield bool({alias, *beside} & changed), f"{alias} is not alone: beside it is {beside[0]}"
