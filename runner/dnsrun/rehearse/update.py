"""Carry out a dynamic update (RFC 2136) on a zone version, giving the next one. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dns.serial
from dns.name import Name
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset
from dns.update import UpdateMessage

from dnsrun.rehearse.zonestore import (
    CNAME_KEY,
    NS_KEY,
    SOA_KEY,
    Draft,
    Node,
    Stored,
    TypeKey,
    ZoneContent,
    type_key,
)

# Types that exist only in questions; nothing may be added to or deleted from a zone under them.
_QUESTION_TYPES = frozenset(
    {RdataType.ANY, RdataType.AXFR, RdataType.IXFR, RdataType.MAILA, RdataType.MAILB, RdataType.OPT}
)
_MAY_STAND_BESIDE_CNAME = frozenset({RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})
_SINGLETONS = frozenset({RdataType.CNAME, RdataType.DNAME})


@dataclass(frozen=True, slots=True)
class RRsetChange:
    """What an update did to one RRset, as sorted lines `TTL RDATA`; empty means no such RRset."""

    owner: Name
    rdtype: RdataType
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """The outcome of an update: without NOERROR, or without an effect, `zone` is the old version."""

    rcode: Rcode
    zone: ZoneContent
    changes: tuple[RRsetChange, ...] = ()


def apply_update(zone: ZoneContent, message: UpdateMessage) -> Updated:
    """Check and carry out `message` on `zone`, all of it or nothing.

    The serial goes up by one (RFC 1982) when the data changed and the update did not raise it.
    """
    rcode = _failed_prerequisite(zone, message.prerequisite) or _malformed(zone.apex, message.update)
    if rcode:
        return Updated(rcode, zone)
    draft = Draft(zone)
    for rrset in message.update:
        _EDITS[rrset.deleting](draft, rrset)
    return _commit(draft)


def _commit(draft: Draft) -> Updated:
    changed = draft.changes()
    if not changed:
        return Updated(Rcode.NOERROR, draft.base)
    if all(key != SOA_KEY for _, key, _, _ in changed):
        raise_serial(draft)
    return Updated(
        Rcode.NOERROR,
        draft.finish(),
        tuple(RRsetChange(owner, key[0], _lines(before), _lines(after)) for owner, key, before, after in changed),
    )


def _lines(stored: Stored | None) -> tuple[str, ...]:
    return stored.lines() if stored else ()


def raise_serial(draft: Draft) -> None:
    """Add one to the SOA serial in serial arithmetic, leaving out zero as BIND does."""
    soa = draft.base.soa
    serial = (soa.serial + 1) % 2**32 or 1
    ttl_s = draft.base.nodes[draft.base.apex][SOA_KEY].ttl_s
    draft.put(draft.base.apex, SOA_KEY, Stored(ttl_s, (soa.replace(serial=serial),)))


def _failed_prerequisite(zone: ZoneContent, prerequisites: list[RRset]) -> Rcode | None:
    """Return the error of RFC 2136 section 3.2, or None when all prerequisites hold."""
    wanted: dict[tuple[Name, TypeKey], set[Rdata]] = {}
    for rrset in prerequisites:
        rcode = _bad_prerequisite(zone, rrset)
        if rcode:
            return rcode
        if rrset.deleting is None:
            wanted.setdefault((rrset.name, type_key(rrset[0])), set()).add(rrset[0])
    for (owner, key), rdatas in wanted.items():
        stored = zone.nodes.get(owner, {}).get(key)
        if stored is None or set(stored.rdatas) != rdatas:
            return Rcode.NXRRSET
    return None


def _bad_prerequisite(zone: ZoneContent, rrset: RRset) -> Rcode | None:
    if not rrset.name.is_subdomain(zone.apex):
        return Rcode.NOTZONE
    if rrset.ttl or rrset.rdclass != RdataClass.IN:
        return Rcode.FORMERR
    if rrset.deleting is None:
        return Rcode.FORMERR if rrset.rdtype in _QUESTION_TYPES else None
    node = zone.nodes.get(rrset.name, {})
    exists = bool(node) if rrset.rdtype == RdataType.ANY else bool(_keys(node, rrset.rdtype))
    if exists == (rrset.deleting == RdataClass.ANY):
        return None
    if rrset.rdtype == RdataType.ANY:
        return Rcode.YXDOMAIN if exists else Rcode.NXDOMAIN
    return Rcode.YXRRSET if exists else Rcode.NXRRSET


def _malformed(apex: Name, updates: list[RRset]) -> Rcode | None:
    """Look through the update section before anything is done (RFC 2136 section 3.4.1)."""
    for rrset in updates:
        if not rrset.name.is_subdomain(apex):
            return Rcode.NOTZONE
        may_be_any = rrset.deleting == RdataClass.ANY and rrset.rdtype == RdataType.ANY
        if rrset.rdtype in _QUESTION_TYPES and not may_be_any:
            return Rcode.FORMERR
        if rrset.rdclass != RdataClass.IN or (rrset.deleting is not None and rrset.ttl):
            return Rcode.FORMERR
    return None


def _keys(node: Node, rdtype: RdataType) -> list[TypeKey]:
    return [key for key in node if key[0] == rdtype]


def _add(draft: Draft, rrset: RRset) -> None:
    rdata, key = rrset[0], type_key(rrset[0])
    node = draft.node(rrset.name)
    if key == SOA_KEY:
        _add_soa(draft, rrset, rdata)
    elif not _excluded_by_cname(node, rrset.rdtype):
        old = node.get(key)
        keeps = old.rdatas if old and rrset.rdtype not in _SINGLETONS else ()
        rdatas = (*(kept for kept in keeps if kept != rdata), rdata)
        draft.put(rrset.name, key, Stored(rrset.ttl, rdatas))


def _add_soa(draft: Draft, rrset: RRset, rdata: Rdata) -> None:
    old = draft.node(rrset.name).get(SOA_KEY)
    if old is None or not isinstance(rdata, SOA):
        return
    held = old.rdatas[0]
    if isinstance(held, SOA) and dns.serial.Serial(rdata.serial) > dns.serial.Serial(held.serial):
        draft.put(rrset.name, SOA_KEY, Stored(rrset.ttl, (rdata,)))


def _excluded_by_cname(node: Node, rdtype: RdataType) -> bool:
    """A CNAME beside other data is silently left out, either way round (RFC 2136 section 3.4.2.2)."""
    if rdtype in _MAY_STAND_BESIDE_CNAME:
        return False
    if rdtype != RdataType.CNAME:
        return CNAME_KEY in node
    return any(key != CNAME_KEY and key[0] not in _MAY_STAND_BESIDE_CNAME for key in node)


def _delete_rrsets(draft: Draft, rrset: RRset) -> None:
    node = draft.node(rrset.name)
    keys = list(node) if rrset.rdtype == RdataType.ANY else _keys(node, rrset.rdtype)
    for key in keys:
        # RFC 2136 section 3.4.2.3: the apex keeps its SOA and NS.
        if rrset.name != draft.base.apex or key not in (SOA_KEY, NS_KEY):
            draft.put(rrset.name, key, None)


def _delete_rdata(draft: Draft, rrset: RRset) -> None:
    key = type_key(rrset[0])
    stored = draft.node(rrset.name).get(key)
    if stored is None or key == SOA_KEY:
        return
    rest = tuple(rdata for rdata in stored.rdatas if rdata != rrset[0])
    # RFC 2136 section 3.4.2.4: the last NS of the apex stays.
    if rest or rrset.name != draft.base.apex or key != NS_KEY:
        draft.put(rrset.name, key, Stored(stored.ttl_s, rest))


_EDITS: dict[RdataClass | None, Callable[[Draft, RRset], None]] = {
    None: _add,
    RdataClass.ANY: _delete_rrsets,
    RdataClass.NONE: _delete_rdata,
}
