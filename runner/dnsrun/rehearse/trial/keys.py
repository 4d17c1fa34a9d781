"""Keys that a trial makes up, and zones signed with them.

Whoever signs the real zone has the real keys and nobody else. Keys here follow from their names, and Ed25519 signatures
from key and data (RFC 8080 section 3): a trial that is played again has the same octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

import dns.dnssec
import dns.name
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dns.dnssectypes import Algorithm, DSDigest
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset
from dns.transaction import Transaction

from dnsrun.model.rrset import rdata_text
from dnsrun.rehearse.zonestore import ZoneContent

_BEFORE = timedelta(days=60)  # caches live some days before a trial begins
_AFTER = timedelta(days=400)
_ENTRY = 257  # RFC 4034 section 2.1.1: a zone key that a DS points to
_Known = tuple[Name, RdataType, int, frozenset[Rdata]]


@dataclass(frozen=True)
class MadeUpKey:
    """A key of a zone; the same for the same zone and name."""

    zone: Name
    name: str

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        """The private key."""
        return Ed25519PrivateKey.from_private_bytes(sha256(f"{self.zone} {self.name}".encode()).digest())

    @cached_property
    def public(self) -> DNSKEY:
        """The DNSKEY RDATA."""
        return dns.dnssec.make_dnskey(self.private.public_key(), Algorithm.ED25519, flags=_ENTRY)

    @property
    def ds(self) -> str:
        """The DS RDATA at the parent, in master-file form."""
        return rdata_text(dns.dnssec.make_ds(self.zone, self.public, DSDigest.SHA256))

    @property
    def anchor(self) -> RRset:
        """The same as the trust anchor of whoever validates."""
        return dns.rrset.from_text(self.zone, 0, "IN", "DS", self.ds)


@dataclass(slots=True)
class Signer:
    """Signs every version of a zone with one key; what has not changed keeps its signature.

    Signatures are valid from two months before `start` (UTC) to more than a year after it.
    """

    key: MadeUpKey
    start: datetime
    _made: dict[_Known, RRSIG] = field(default_factory=dict)

    def signed(self, text: str) -> ZoneContent:
        """Return a zone in master-file form, ready to answer, with keys, signatures and NSEC RRsets."""
        zone = dns.zone.from_text(text, origin=self.key.zone, relativize=False, allow_include=False)
        dns.dnssec.sign_zone(zone, keys=[(self.key.private, self.key.public)], rrset_signer=self._sign)
        return ZoneContent.from_zone(zone)

    def _sign(self, zone: Transaction, rrset: RRset) -> None:
        what = (rrset.name, rrset.rdtype, rrset.ttl, frozenset(rrset))
        if what not in self._made:
            self._made[what] = dns.dnssec.sign(
                rrset,
                self.key.private,
                self.key.zone,
                self.key.public,
                inception=self.start - _BEFORE,
                expiration=self.start + _AFTER,
            )
        zone.add(rrset.name, rrset.ttl, self._made[what])


def content_from(apex: Name, text: str, signer: Signer | None) -> ZoneContent:
    """Return a zone in master-file form, ready to answer, signed where somebody signs it."""
    return signer.signed(text) if signer else ZoneContent.from_text(apex, text)
