"""A zone as it was captured, and a delegation as the parent serves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from .rrset import Change, Labels, RRset, RRsetKey

Completeness = Literal["complete", "listed", "attested", "probed"]


@dataclass(frozen=True, slots=True)
class ZoneSnapshot:
    """What a zone held at `taken_at` (UTC), and how true that is.

    `completeness`: `complete` (transfer, or an API that lists everything), `listed` (an API that lists
    some types), `attested` (a file given by a named person), `probed` (public questions).
    `unmodelled` holds what could not be read, raw. `source` says where it came from, in words.
    `sources` names the source of single RRsets where it differs. `blind` are types the source never lists.
    """

    apex: Name
    rrsets: Mapping[RRsetKey, RRset]
    source: str
    taken_at: datetime
    completeness: Completeness
    unmodelled: tuple[str, ...] = ()
    blind: frozenset[RdataType] = frozenset()
    sources: Mapping[RRsetKey, str] = field(default_factory=dict)

    @property
    def soa(self) -> RRset | None:
        """The SOA RRset, if the source shows it."""
        return self.rrsets.get(RRsetKey(self.apex, RdataType.SOA))

    @property
    def serial(self) -> int | None:
        """The SOA serial (0 to 2**32 - 1), if the source shows it."""
        rdata = next(iter(self.soa.rdatas), None) if self.soa else None
        return rdata.serial if isinstance(rdata, SOA) else None

    @property
    def negative_ttl_s(self) -> int | None:
        """Seconds for which caches keep a negative answer: min(SOA TTL, MINIMUM) (RFC 2308 section 5)."""
        rdata = next(iter(self.soa.rdatas), None) if self.soa else None
        return min(self.soa.ttl_s, rdata.minimum) if self.soa and isinstance(rdata, SOA) else None

    @property
    def follows_within_s(self) -> int | None:
        """Seconds within which a secondary that works follows, told or not: refresh + retry (RFC 1035 3.3.13)."""
        rdata = next(iter(self.soa.rdatas), None) if self.soa else None
        return rdata.refresh + rdata.retry if isinstance(rdata, SOA) else None

    def owners(self) -> frozenset[Name]:
        """Return every owner name."""
        return frozenset(key.owner for key in self.rrsets)

    def at_owners(self, owners: Iterable[Labels]) -> Mapping[Labels, tuple[RRset, ...]]:
        """Return the RRsets at these owner names, each told by its folded labels, by type number."""
        found: dict[Labels, list[RRset]] = {owner: [] for owner in owners}
        for key, rrset in self.rrsets.items():
            if key.labels in found:
                found[key.labels].append(rrset)
        return {owner: tuple(sorted(rrsets, key=_type_number)) for owner, rrsets in found.items()}

    def apply(self, changes: Iterable[Change]) -> ZoneSnapshot:
        """Return this zone with the changes laid over it."""
        rrsets = dict(self.rrsets)
        for change in changes:
            if change.after is None:
                rrsets.pop(change.key, None)
            else:
                rrsets[change.key] = change.after
        return replace(self, rrsets=rrsets)


@dataclass(frozen=True, slots=True)
class Delegation:
    """The delegation as the parent serves it: NS names, glue addresses, DS in master-file form.

    `ttl_s` is the TTL of the NS RRset in the parent's referral, `ds_ttl_s` that of the DS RRset (0 without one), in
    seconds.
    """

    ns: frozenset[Name]
    glue: Mapping[Name, tuple[str, ...]]
    ds: frozenset[str]
    ttl_s: int
    ds_ttl_s: int = 0

    def same(self, other: Delegation) -> bool:
        """Tell whether NS, glue and DS are the same; TTLs aside, addresses in any order."""
        mine, theirs = ({name: frozenset(found) for name, found in one.glue.items()} for one in (self, other))
        return self.ns == other.ns and self.ds == other.ds and mine == theirs


def _type_number(rrset: RRset) -> int:
    return int(rrset.key.rdtype)
