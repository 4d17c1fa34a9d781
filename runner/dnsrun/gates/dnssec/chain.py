"""Whether a server's keys and signatures fit the DS at the parent, for now and long enough (S0). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from dnsrun.model.text import shorten

_ZONE_KEY = 0x0100  # RFC 4034 section 2.1.1


@dataclass(frozen=True, slots=True)
class Signed:
    """The RRsets of one answer with the signatures that cover them."""

    rrsets: tuple[RRset, ...]

    @classmethod
    def from_text(cls, text: str) -> Signed:
        """Read an answer in master-file form, one line for each record, all of it written out.

        Raises `DNSException` or `ValueError`.
        """
        found: dict[tuple[Name, RdataType, RdataType], list[Rdata]] = {}
        for line in text.splitlines():
            if line.startswith(";"):
                continue  # what came instead of an answer
            owner, _, _, rdtype, data = line.split(None, 4)
            rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, data, origin=dns.name.root, relativize=False)
            found.setdefault((dns.name.from_text(owner), rdata.rdtype, rdata.covers()), []).append(rdata)
        return cls(tuple(dns.rrset.from_rdata_list(owner, 0, rdatas) for (owner, _, _), rdatas in found.items()))

    def of(self, rdtype: RdataType) -> RRset | None:
        """Return the RRset of a type."""
        return next((one for one in self.rrsets if one.rdtype == rdtype), None)

    def signatures(self, rdtype: RdataType) -> RRset | None:
        """Return the signatures over the RRset of a type."""
        found = (one for one in self.rrsets if one.rdtype == RdataType.RRSIG and one.covers == rdtype)
        return next(found, None)


def read_ds(texts: Iterable[str]) -> tuple[DS, ...]:
    """Return DS RDATA from master-file form; raises `DNSException`."""
    found = (dns.rdata.from_text(dns.rdataclass.IN, RdataType.DS, text) for text in sorted(texts))
    return tuple(one for one in found if isinstance(one, DS))


def chain_problem(
    apex: Name, keys_text: str, soa_text: str, signers: tuple[DS, ...], *, now: datetime, ttl_s: int
) -> str | None:
    """Return what breaks the chain from the DS over the keys to the SOA, None when it holds.

    The texts are answers in master-file form with their signatures. Signatures must be valid from `now` (UTC) on for
    twice `ttl_s`, the longest TTL of the zone in seconds.
    """
    try:
        keys, soa = Signed.from_text(keys_text), Signed.from_text(soa_text)
    except (DNSException, ValueError) as err:
        return f"keys or signatures cannot be read: {shorten(str(err))}"
    dnskey = keys.of(RdataType.DNSKEY)
    if dnskey is None:
        return "has no DNSKEY"
    entry = matching_keys(apex, dnskey, signers)
    if not entry:
        tags = ", ".join(str(one.key_tag) for one in signers)
        return f"no DNSKEY fits the DS at the parent (key tag {tags})"
    until = now + timedelta(seconds=2 * ttl_s)
    problem = _problem_of(apex, dnskey, keys.signatures(RdataType.DNSKEY), entry, now=now, until=until)
    found = soa.of(RdataType.SOA)
    if problem or found is None:
        return problem or "has no SOA"
    zone_keys = [key for key in dnskey if isinstance(key, DNSKEY)]
    return _problem_of(apex, found, soa.signatures(RdataType.SOA), zone_keys, now=now, until=until)


def matching_keys(apex: Name, keys: RRset, signers: Iterable[DS]) -> tuple[DNSKEY, ...]:
    """Return the keys that a DS points to (RFC 4035 section 5.2): tag, algorithm and digest."""
    return tuple(key for key in keys if isinstance(key, DNSKEY) and any(_points_to(one, key, apex) for one in signers))


def _points_to(signer: DS, key: DNSKEY, apex: Name) -> bool:
    if not key.flags & _ZONE_KEY or (signer.algorithm, signer.key_tag) != (key.algorithm, dns.dnssec.key_id(key)):
        return False
    try:
        return bool(dns.dnssec.make_ds(apex, key, signer.digest_type, validating=True) == signer)
    except (DNSException, ValueError):
        return False  # a digest that nobody computes any more


def _problem_of(
    apex: Name, rrset: RRset, signatures: RRset | None, keys: Iterable[DNSKEY], *, now: datetime, until: datetime
) -> str | None:
    """Return what is wrong with the signatures of an RRset, None when one is valid from now on `until` (UTC)."""
    what = dns.rdatatype.to_text(rrset.rdtype)
    if signatures is None:
        return f"{what} is not signed"
    valid = list(_valid(apex, rrset, signatures, list(keys), now))
    if not valid:
        return f"no signature of {what} is valid: {_why(signatures, now)}"
    end = max(datetime.fromtimestamp(one.expiration, tz=now.tzinfo) for one in valid)
    if end < until:
        return f"the signature of {what} runs out at {end:%Y-%m-%d %H:%M} UTC, before caches have what comes now"
    return None


def _valid(apex: Name, rrset: RRset, signatures: RRset, keys: list[DNSKEY], now: datetime) -> Iterator[RRSIG]:
    """Yield the signatures that hold now, each tried alone."""
    known = dns.rrset.from_rdata_list(apex, rrset.ttl, keys) if keys else None
    for one in signatures:
        if known is None or not isinstance(one, RRSIG) or one.signer != apex:
            continue
        try:
            dns.dnssec.validate_rrsig(rrset, one, {apex: known}, now=now.timestamp())
        except (DNSException, ValueError):
            continue
        yield one


def _why(signatures: RRset, now: datetime) -> str:
    dates = [(one.inception, one.expiration) for one in signatures if isinstance(one, RRSIG)]
    at = now.timestamp()
    if dates and all(at > end for _, end in dates):
        return "they have run out"
    return "they begin later" if dates and all(at < begin for begin, _ in dates) else "they do not fit the keys"
