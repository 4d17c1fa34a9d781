"""What servers are expected to answer, and how many did.

The expectation is held by owner name: a zone of 100,000 RRsets is asked millions of questions, and most of them have
no object of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dns.name import Name
from dns.rdatatype import RdataType

from .observation import Answer, Endpoint
from .rrset import RRset

NODATA = Answer(0, aa=True, rrset=None, kind="nodata")
NXDOMAIN = Answer(3, aa=True, rrset=None, kind="nxdomain")


def data(rrset: RRset) -> Answer:
    """Return the authoritative answer that holds this RRset."""
    return Answer(0, aa=True, rrset=rrset, kind="data")


def referral(ns: RRset) -> Answer:
    """Return the referral (AA=0) that holds this NS RRset of the cut."""
    return Answer(0, aa=False, rrset=ns, kind="referral")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server is to answer about one owner name (absolute), one question for each of `types`.

    A type in `present` is to be answered with that RRset (AA=1), every other one with `otherwise`: `NODATA`,
    `NXDOMAIN`, `data(alias)` at a CNAME or DNAME's target owner, `referral(ns)` at and below a zone cut.
    """

    owner: Name
    types: tuple[RdataType, ...]
    present: Mapping[RdataType, RRset]
    otherwise: Answer

    def answer(self, rdtype: RdataType) -> Answer:
        """Return what is expected for one type."""
        found = self.present.get(rdtype)
        return self.otherwise if found is None else data(found)


@dataclass(frozen=True, slots=True)
class Matched:
    """So many more answers of one server were exactly as expected. `transport` is as in `Observation`."""

    server: Endpoint
    count: int
    transport: str = "udp"


def is_as_expected(got: Answer, expected: Answer) -> bool:
    """Tell whether RCODE, AA, kind, owner, RDATA in canonical form and TTL are equal; negative TTLs do not count."""
    if (got.rcode, got.aa, got.kind) != (expected.rcode, expected.aa, expected.kind):
        return False
    if got.rrset is None or expected.rrset is None:
        return got.rrset is expected.rrset
    return got.rrset.ttl_s == expected.rrset.ttl_s and got.rrset.same_data(expected.rrset)
