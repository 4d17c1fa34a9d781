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
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from .sections import find_rrset, is_between

_FAILED = (dns.exception.DNSException, ValueError)  # ValueError: a key that is none
_DENIALS = (RdataType.NSEC, RdataType.NSEC3)


_NOT_SIGNED = "not signed, and the parent has a DS"
_OTHER_KEYS = "signed with other keys than the DS at the parent points to"


class BogusError(Exception):
    """There should be a chain of trust, and there is none; says why in words."""


class Source(Protocol):
    """Where keys come from: the resolver itself."""

    def rrset(self, name: Name, rdtype: RdataType) -> RRset | None:
        """Look an RRset up, validated; None where there is none. Raises `BogusError` where nobody can tell."""
        ...

    def parent_of(self, zone: Name) -> Name:
        """Return the zone that `zone` is delegated from."""
        ...


class Proofs:
    """Judges answers by a trust anchor, a DS RRset."""

    def __init__(self, anchor: RRset) -> None:
        self._anchor = anchor

    def flaw(
        self, zone: Name, name: Name, rdtype: RdataType, response: Message, *, now: datetime, source: Source
    ) -> str:
        """Return in words why an answer of the servers of `zone` is not believed.

        Empty where it is proved, or belongs to what is not signed.
        """
        zone = _signer(response, zone, name)
        try:
            if rdtype == RdataType.DNSKEY and name == zone:
                return self._flaw_of_keys(zone, response, now, source)
            keys = self._keys(zone, source)
        except BogusError as err:
            return str(err)
        return "" if keys is None else _flaw(response, zone, name, rdtype, keys, now)

    def _flaw_of_keys(self, zone: Name, response: Message, now: datetime, source: Source) -> str:
        keys, trusted = find_rrset(response.answer, zone, RdataType.DNSKEY), self._ds(zone, source)
        if trusted is None:
            return ""
        if keys is None:
            return _NOT_SIGNED
        matching = _matching(keys, trusted)
        return _OTHER_KEYS if matching is None else _flaw_of_signature(keys, response.answer, matching, now)

    def _keys(self, zone: Name, source: Source) -> RRset | None:
        """Return the keys of a zone, None for one that is not signed.

        Raises:
            BogusError: It should be signed, and has no keys that can be believed.
        """
        if self._ds(zone, source) is None:
            return None
        keys = source.rrset(zone, RdataType.DNSKEY)
        if keys is None:
            raise BogusError(_NOT_SIGNED)
        return keys

    def _ds(self, zone: Name, source: Source) -> RRset | None:
        if zone == self._anchor.name:
            return self._anchor
        if not zone.is_subdomain(self._anchor.name):
            return None
        trusted = source.rrset(zone, RdataType.DS)
        return None if self._keys(source.parent_of(zone), source) is None else trusted


def _signer(response: Message, zone: Name, name: Name) -> Name:
    """Return the zone that signed: one below `zone` when the same servers have both."""
    for rrset in (*response.answer, *response.authority):
        for rdata in rrset:
            if isinstance(rdata, RRSIG) and is_between(rdata.signer, zone, name):
                return rdata.signer
    return zone


def _flaw(response: Message, zone: Name, name: Name, rdtype: RdataType, keys: RRset, now: datetime) -> str:
    data = [rrset for rrset in response.answer if rrset.rdtype != RdataType.RRSIG and rrset.name.is_subdomain(zone)]
    denials = [rrset for rrset in response.authority if rrset.rdtype in (RdataType.SOA, *_DENIALS)]
    for rrsets, section in ((data, response.answer), (denials, response.authority)):
        for rrset in rrsets:
            if flaw := _flaw_of_signature(rrset, section, keys, now):
                return flaw
    absent = [(rrset.name, rrset.rdtype) for rrset in data if _is_expanded(rrset.name, response.answer)]
    owner = _end_of_chain(data, name, rdtype)
    if find_rrset(data, owner, rdtype) is None and owner.is_subdomain(zone):
        absent.append((owner, rdtype))
    proved = all(any(_denies(rrset, *each) for rrset in denials) for each in absent)
    return "" if proved else "nothing proves that there is no such record"


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


def _flaw_of_signature(rrset: RRset, section: Iterable[RRset], keys: RRset, now: datetime) -> str:
    for signatures in section:
        if signatures.name == rrset.name and signatures.covers == rrset.rdtype:
            try:
                dns.dnssec.validate(rrset, signatures, {keys.name: keys}, now=now.timestamp())
            except _FAILED:
                return _why(signatures, keys, now.timestamp())
            return ""
    return _NOT_SIGNED


def _why(signatures: RRset, keys: RRset, now_s: float) -> str:
    """Return why none of the signatures holds."""
    made = [one for one in signatures if isinstance(one, RRSIG)]
    tags = {dns.dnssec.key_id(key) for key in keys if isinstance(key, DNSKEY)}
    if not any(one.key_tag in tags for one in made):
        return _OTHER_KEYS
    if all(one.expiration < now_s for one in made):
        return "its signatures have run out"
    return "its signatures do not hold"


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
