"""What a validating resolver believes: signed by keys that a chain of DS RRsets leads to (RFC 4035 section 5).

NSEC is checked against the name and type that it denies, of NSEC3 only the signatures. A zone without signatures is
told from a signed one at its cut, so an unsigned zone on the same servers as its signed parent is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import dns.dnssec
import dns.exception
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from .sections import find_rrset, is_between

_FAILED = (dns.exception.DNSException, ValueError)  # ValueError: a key that is none
_DENIALS = (RdataType.NSEC, RdataType.NSEC3)


class BogusError(Exception):
    """There should be a chain of trust, and there is none."""


class Source(Protocol):
    """Where keys come from: the resolver itself."""

    def rrset(self, name: Name, rdtype: RdataType) -> tuple[Rcode, RRset | None]:
        """Look an RRset up, validated."""
        ...

    def parent_of(self, zone: Name) -> Name:
        """Return the zone that `zone` is delegated from."""
        ...


class Proofs:
    """Judges answers by a trust anchor, a DS RRset."""

    def __init__(self, anchor: RRset) -> None:
        self._anchor = anchor

    def accepts(
        self, zone: Name, name: Name, rdtype: RdataType, response: Message, *, now: datetime, source: Source
    ) -> bool:
        """Tell whether an answer of the servers of `zone` is proved, or belongs to what is not signed."""
        zone = _signer(response, zone, name)
        try:
            if rdtype == RdataType.DNSKEY and name == zone:
                return self._accepts_keys(zone, response, now, source)
            keys = self._keys(zone, source)
        except BogusError:
            return False
        return keys is None or _is_proved(response, zone, name, rdtype, keys, now)

    def _accepts_keys(self, zone: Name, response: Message, now: datetime, source: Source) -> bool:
        keys, trusted = find_rrset(response.answer, zone, RdataType.DNSKEY), self._ds(zone, source)
        if trusted is None:
            return True
        matching = None if keys is None else _matching(keys, trusted)
        return keys is not None and matching is not None and _is_signed(keys, response.answer, matching, now)

    def _keys(self, zone: Name, source: Source) -> RRset | None:
        """Return the keys of a zone, None for one that is not signed.

        Raises:
            BogusError: It should be signed, and has no keys that can be believed.
        """
        if self._ds(zone, source) is None:
            return None
        _, keys = source.rrset(zone, RdataType.DNSKEY)
        if keys is None:
            raise BogusError
        return keys

    def _ds(self, zone: Name, source: Source) -> RRset | None:
        if zone == self._anchor.name:
            return self._anchor
        if not zone.is_subdomain(self._anchor.name):
            return None
        rcode, trusted = source.rrset(zone, RdataType.DS)
        if rcode == Rcode.SERVFAIL:
            raise BogusError
        return None if self._keys(source.parent_of(zone), source) is None else trusted


def _signer(response: Message, zone: Name, name: Name) -> Name:
    """Return the zone that signed: one below `zone` when the same servers have both."""
    for rrset in (*response.answer, *response.authority):
        for rdata in rrset:
            if isinstance(rdata, RRSIG) and is_between(rdata.signer, zone, name):
                return rdata.signer
    return zone


def _is_proved(response: Message, zone: Name, name: Name, rdtype: RdataType, keys: RRset, now: datetime) -> bool:
    data = [rrset for rrset in response.answer if rrset.rdtype != RdataType.RRSIG and rrset.name.is_subdomain(zone)]
    if not all(_is_signed(rrset, response.answer, keys, now) for rrset in data):
        return False
    denials = [rrset for rrset in response.authority if rrset.rdtype in (RdataType.SOA, *_DENIALS)]
    if not all(_is_signed(rrset, response.authority, keys, now) for rrset in denials):
        return False
    absent = [(rrset.name, rrset.rdtype) for rrset in data if _is_expanded(rrset.name, response.answer)]
    owner = _end_of_chain(data, name, rdtype)
    if find_rrset(data, owner, rdtype) is None and owner.is_subdomain(zone):
        absent.append((owner, rdtype))
    return all(any(_denies(rrset, *each) for rrset in denials) for each in absent)


def _is_expanded(owner: Name, section: Iterable[RRset]) -> bool:
    """Tell whether a name came from a wildcard: its signature is about fewer labels (RFC 4035 section 5.3.4)."""
    found = [rdata for rrset in section if rrset.name == owner for rdata in rrset if isinstance(rdata, RRSIG)]
    return any(rdata.labels < len(owner) - 1 for rdata in found)


def _end_of_chain(data: Iterable[RRset], name: Name, rdtype: RdataType) -> Name:
    aliases = {rrset.name: rrset[0].target for rrset in data if rrset.rdtype == RdataType.CNAME}
    while rdtype != RdataType.CNAME and name in aliases:
        name = aliases.pop(name)
    return name


def _matching(keys: RRset, trusted: RRset) -> RRset | None:
    """Return the keys that DS RRs point to, None when there are none."""
    found = RRset(keys.name, keys.rdclass, keys.rdtype)
    pointers = [ds for ds in trusted if isinstance(ds, DS)]
    for key in keys:
        if isinstance(key, DNSKEY) and any(_points_to(ds, keys.name, key) for ds in pointers):
            found.add(key)
    return found or None


def _points_to(ds: DS, zone: Name, key: DNSKEY) -> bool:
    try:
        made: object = dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True)
    except _FAILED:
        return False
    return bool(ds == made)


def _is_signed(rrset: RRset, section: Iterable[RRset], keys: RRset, now: datetime) -> bool:
    for signatures in section:
        if signatures.name == rrset.name and signatures.covers == rrset.rdtype:
            try:
                dns.dnssec.validate(rrset, signatures, {keys.name: keys}, now=now.timestamp())
            except _FAILED:
                return False
            return True
    return False


def _denies(rrset: RRset, name: Name, rdtype: RdataType) -> bool:
    if rrset.rdtype == RdataType.NSEC3:
        return True
    nsec = rrset[0]
    if not isinstance(nsec, NSEC):
        return False
    if rrset.name == name:
        return not _lists(nsec, rdtype)
    return bool(rrset.name < name) and bool(name < nsec.next or nsec.next <= rrset.name)


def _lists(nsec: NSEC, rdtype: RdataType) -> bool:
    window, place = divmod(rdtype, 256)
    octets = dict(nsec.windows).get(window, b"")
    return place // 8 < len(octets) and bool(octets[place // 8] & (0x80 >> place % 8))
