"""What a signed zone adds to an answer for those who set DO: its signatures and NSEC RRsets (RFC 4035 section 3.1).

The zone brings them along; nothing is signed here, and NSEC3 is not looked for. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset

from dnsrun.rehearse.lookup import Lookup
from dnsrun.rehearse.zonestore import TypeKey, ZoneContent, ancestry

_NSEC_KEY: TypeKey = (RdataType.NSEC, RdataType.NONE)
_DS_KEY: TypeKey = (RdataType.DS, RdataType.NONE)


def add_proofs(zone: ZoneContent, name: Name, found: Lookup) -> None:
    """Add signatures to an answer about `name`, and what proves that there is no more; nothing when unsigned."""
    if _NSEC_KEY not in zone.nodes[zone.apex]:
        return
    if not found.authoritative:
        found.authority += _about_cut(zone, found.authority[0].name)
    elif any(rrset.rdtype == RdataType.SOA for rrset in found.authority):
        found.authority += _denials(zone, _end(found, name), found.rcode)
    found.authority += [nsec for rrset in found.answer if not zone.exists(rrset.name) for nsec in _before(zone, rrset)]
    for section in (found.answer, found.authority):
        section += [signature for rrset in section for signature in _signatures(zone, rrset)]


def _end(found: Lookup, name: Name) -> Name:
    for rrset in found.answer:
        if rrset.rdtype == RdataType.CNAME and rrset.name == name:
            name = rrset[0].target
    return name


def _about_cut(zone: ZoneContent, cut: Name) -> Iterator[RRset]:
    """Yield the DS RRset of a delegation, else the NSEC RRset that shows that it has none."""
    for key in (_DS_KEY, _NSEC_KEY):
        rrset = zone.rrset(cut, key)
        if rrset is not None:
            yield rrset
            return


def _denials(zone: ZoneContent, name: Name, rcode: Rcode) -> list[RRset]:
    """Return the NSEC RRsets at or before a name, and before the wildcard that would have covered it."""
    names = [name]
    if rcode == Rcode.NXDOMAIN:
        encloser = next(above for above in ancestry(name, zone.apex) if zone.exists(above))
        names.append(Name((b"*", *encloser.labels)))
    owners = dict.fromkeys(_last_before(zone, each) for each in names)
    return [rrset for owner in owners if (rrset := zone.rrset(owner, _NSEC_KEY)) is not None]


def _before(zone: ZoneContent, expanded: RRset) -> Iterator[RRset]:
    """Yield the NSEC RRset that shows that a wildcard was right to answer: the name itself is not there."""
    nsec = zone.rrset(_last_before(zone, expanded.name), _NSEC_KEY)
    if nsec is not None and expanded.name.is_subdomain(zone.apex):
        yield nsec


def _last_before(zone: ZoneContent, name: Name) -> Name:
    return max(owner for owner, node in zone.nodes.items() if _NSEC_KEY in node and owner <= name)


def _signatures(zone: ZoneContent, rrset: RRset) -> Iterator[RRset]:
    key = (RdataType.RRSIG, rrset.rdtype)
    signature = zone.rrset(rrset.name, key)
    if signature is None and not zone.exists(rrset.name):  # from a wildcard, whose signature says so
        encloser = next(above for above in ancestry(rrset.name, zone.apex) if zone.exists(above))
        stored = zone.nodes.get(Name((b"*", *encloser.labels)), {}).get(key)
        signature = None if stored is None else stored.rrset(rrset.name)
    if signature is not None:
        yield signature
