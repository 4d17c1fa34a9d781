"""Answer one question from one zone, as RFC 1034 section 4.3.2 tells an authoritative server to.

With the later parts: wildcards (RFC 4592), DNAME (RFC 6672), DS at the parent side (RFC 4035
section 3.1.4.1), negative answers (RFC 2308). Pure functions over a `ZoneContent`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import dns.name
import dns.rcode
import dns.rrset
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME
from dns.rdtypes.ANY.NS import NS
from dns.rrset import RRset

from dnsrun.rehearse.zonestore import (
    CNAME_KEY,
    DNAME_KEY,
    NS_KEY,
    SOA_KEY,
    Node,
    ZoneContent,
    ancestry,
)

_MAX_CHAIN = 11  # links of one alias chain, as BIND's max-query-restarts
_ADDRESS_KEYS = ((RdataType.A, RdataType.NONE), (RdataType.AAAA, RdataType.NONE))
# Types that may stand beside a CNAME, so that asking for them does not follow it (RFC 4034, RFC 2535).
_BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.ANY, RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})


@dataclass(slots=True)
class Lookup:
    """The sections of an answer; the RRsets are new and may be changed by the caller."""

    rcode: Rcode = Rcode.NOERROR
    authoritative: bool = True
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Match:
    kind: Literal["data", "nodata", "nxdomain", "alias", "referral", "too-long"]
    rrsets: tuple[RRset, ...] = ()
    target: Name = dns.name.root  # alias: where to go on; referral: the zone cut


def look_up(zone: ZoneContent, qname: Name, qtype: RdataType, *, ns_beside: bool = False) -> Lookup:
    """Answer `qname`/`qtype` from `zone`; `qname` is at or below its apex.

    Aliases are followed as long as they stay inside the zone; a loop is SERVFAIL, as at BIND. With `ns_beside`
    the zone's NS RRset stands beside data, as BIND has it unless told otherwise.
    """
    found = Lookup()
    name, seen = qname, {qname}
    while True:
        match = _match(zone, name, qtype)
        if match.kind != "alias":
            _conclude(zone, found, match)
            if ns_beside and match.kind == "data" and qtype != RdataType.DS:
                _add_servers(zone, found)
            return found
        found.answer.extend(match.rrsets)
        name = match.target
        if qtype in (RdataType.CNAME, RdataType.ANY) or not name.is_subdomain(zone.apex):
            return found  # a CNAME that DNAME made is what was asked for
        if name in seen or len(seen) > _MAX_CHAIN:
            found.rcode = Rcode.SERVFAIL
            return found
        seen.add(name)


def _conclude(zone: ZoneContent, found: Lookup, match: _Match) -> None:
    if match.kind == "data":
        found.answer.extend(match.rrsets)
        if len(match.rrsets) == 1:
            found.additional = _addresses(zone, match.rrsets[0])
    elif match.kind == "referral":
        servers = zone.nodes[match.target][NS_KEY].rrset(match.target)
        found.authoritative = bool(found.answer)
        found.authority, found.additional = [servers], _addresses(zone, servers)
    elif match.kind == "too-long":
        found.answer.extend(match.rrsets)
        found.rcode = Rcode.YXDOMAIN
    else:
        found.rcode = Rcode.NXDOMAIN if match.kind == "nxdomain" else Rcode.NOERROR
        found.authority = [negative_soa(zone)]


def _add_servers(zone: ZoneContent, found: Lookup) -> None:
    servers = zone.nodes[zone.apex][NS_KEY].rrset(zone.apex)
    if servers in found.answer:
        return
    found.authority.append(servers)
    found.additional += [rrset for rrset in _addresses(zone, servers) if rrset not in found.answer]


def negative_soa(zone: ZoneContent) -> RRset:
    """Return the SOA of a negative answer, its TTL the lower of SOA TTL and MINIMUM (RFC 2308 section 3)."""
    stored = zone.nodes[zone.apex][SOA_KEY]
    return dns.rrset.from_rdata_list(zone.apex, min(stored.ttl_s, zone.soa.minimum), stored.rdatas)


def _addresses(zone: ZoneContent, servers: RRset) -> list[RRset]:
    """Return what the zone knows of the addresses of an NS RRset; nothing for other types."""
    targets = sorted(rdata.target for rdata in servers if isinstance(rdata, NS))
    found = [zone.rrset(target, key) for target in targets for key in _ADDRESS_KEYS]
    return [rrset for rrset in found if rrset is not None]


def _match(zone: ZoneContent, name: Name, qtype: RdataType) -> _Match:
    for owner in reversed(ancestry(name, zone.apex)):
        node = zone.nodes.get(owner)
        if node is None:
            continue
        if NS_KEY in node and owner != zone.apex and not (owner == name and qtype == RdataType.DS):
            return _Match("referral", target=owner)
        if DNAME_KEY in node and owner != name:
            return _through_dname(node, owner, name)
    if zone.exists(name):
        return _at_node(zone.nodes.get(name, {}), name, qtype)
    encloser = next(above for above in ancestry(name, zone.apex) if zone.exists(above))
    wildcard = Name((b"*", *encloser.labels))
    if zone.exists(wildcard):
        return _at_node(zone.nodes.get(wildcard, {}), name, qtype)
    return _Match("nxdomain")


def _through_dname(node: Node, owner: Name, name: Name) -> _Match:
    stored = node[DNAME_KEY]
    dname = stored.rdatas[0]
    assert isinstance(dname, DNAME)  # noqa: S101 - the key says so; this tells mypy
    shown = stored.rrset(owner)
    try:
        target = name.relativize(owner).concatenate(dname.target)
    except dns.name.NameTooLong:
        return _Match("too-long", (shown,))
    alias = dns.rrset.from_text(name, stored.ttl_s, dname.rdclass, RdataType.CNAME, target.to_text())
    return _Match("alias", (shown, alias), target)


def _at_node(node: Node, name: Name, qtype: RdataType) -> _Match:
    if CNAME_KEY in node and qtype not in _BESIDE_CNAME:
        alias = node[CNAME_KEY].rdatas[0]
        assert isinstance(alias, CNAME)  # noqa: S101 - the key says so; this tells mypy
        return _Match("alias", (node[CNAME_KEY].rrset(name),), alias.target)
    wanted = tuple(stored.rrset(name) for key, stored in node.items() if qtype in (key[0], RdataType.ANY))
    return _Match("data", wanted) if wanted else _Match("nodata")
