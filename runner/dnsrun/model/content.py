"""What an authoritative server answers when it holds a zone: wildcards, aliases and zone cuts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Labels, RRset, RRsetKey, folded_labels
from dnsrun.model.zone import ZoneSnapshot

_STAR = dns.name.Name((b"*",))
# Made by whoever serves or signs a zone, never copied, compared or restored.
HOSTS_OWN = frozenset(
    map(RdataType.make, ("SOA", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY", "ZONEMD"))
)
_OWN_AT_A_CUT = frozenset({RdataType.NS, RdataType.DS})


def is_content(rdtype: RdataType) -> bool:
    """Tell whether a type holds data of the zone, not of its signer or its host.

    Types 65280 to 65534 are for private use (RFC 6895 section 3.1): hosts keep aliases and signing state there.
    """
    return rdtype not in HOSTS_OWN and not 0xFF00 <= rdtype <= 0xFFFE


class Content:
    """A zone, ready to say what is served at a key (RFC 1034 section 4.3.2, RFC 4592)."""

    def __init__(self, zone: ZoneSnapshot) -> None:
        self._apex = zone.apex
        self._apex_labels = folded_labels(zone.apex)
        self._rrsets = zone.rrsets
        cuts = (key.labels for key in zone.rrsets if key.rdtype == RdataType.NS)
        self._cuts = frozenset(cuts) - {self._apex_labels}
        self._renamed = frozenset(key.labels for key in zone.rrsets if key.rdtype == RdataType.DNAME)
        self._aliases = frozenset(key.labels for key in zone.rrsets if key.rdtype == RdataType.CNAME)

    def is_cut(self, key: RRsetKey) -> bool:
        """Tell whether the key is the NS RRset of a delegated child: a referral is the right answer to it."""
        return key.rdtype == RdataType.NS and key.labels in self._cuts

    def is_hidden(self, key: RRsetKey) -> bool:
        """Tell whether servers do not answer for this key themselves: glue, and what lies below a cut or a DNAME."""
        if not self._cuts and not self._renamed:
            return False
        if key.labels in self._cuts and key.rdtype not in _OWN_AT_A_CUT:
            return True
        return any(above in self._cuts or above in self._renamed for above in self._above(key.labels))

    def served(self, key: RRsetKey) -> RRset | None:
        """Return what is answered: the RRset, the CNAME that stands there, or a wildcard's; None for nothing."""
        if found := self._at(key):
            return found
        wildcard = self.wildcard_over(key.owner)
        found = self._at(RRsetKey(wildcard, key.rdtype)) if wildcard else None
        return replace(found, key=RRsetKey(key.owner, found.key.rdtype)) if found else None

    def wildcard_over(self, name: Name) -> Name | None:
        """Return the wildcard that may answer for `name`; None when `name` exists or none is there."""
        if not self._has_wildcards:
            return None
        labels = folded_labels(name)
        if labels in self._names or not name.is_subdomain(self._apex):
            return None
        encloser = next(above for above in self._above(labels) if above in self._names or above == self._apex_labels)
        if (b"*", *encloser) not in self._names:
            return None
        return _STAR.concatenate(name.split(len(encloser))[1])

    def uncovered_by(self, owners: Iterable[Name]) -> tuple[tuple[Name, Name], ...]:
        """Return the names that would begin to exist with these owners, each with the wildcard that answered there.

        Empty non-terminals begin to exist too (RFC 4592 section 2.2.2).
        """
        if not self._has_wildcards:
            return ()
        new: dict[Labels, Name] = {}
        for owner in owners:
            labels = folded_labels(owner)
            for depth in range(len(labels) - len(self._apex_labels)):
                if labels[depth:] in self._names or labels[depth:] in new:
                    break
                new[labels[depth:]] = dns.name.Name(owner.labels[depth:])
        names = (new[labels] for labels in sorted(new, key=lambda labels: labels[::-1]))
        return tuple((name, wildcard) for name in names if (wildcard := self.wildcard_over(name)))

    def types_at(self, name: Name) -> tuple[RdataType, ...]:
        """Return the types at an owner name."""
        labels = folded_labels(name)
        return tuple(sorted(key.rdtype for key in self._rrsets if key.labels == labels))

    def _at(self, key: RRsetKey) -> RRset | None:
        found = self._rrsets.get(key)
        if found is None and key.labels in self._aliases:
            found = self._rrsets.get(RRsetKey(key.owner, RdataType.CNAME))
        return found if found and found.rdatas else None

    def _above(self, labels: Labels) -> Iterable[Labels]:
        """Yield the names above one, up to the apex."""
        for depth in range(1, len(labels) - len(self._apex_labels) + 1):
            yield labels[depth:]

    @cached_property
    def _has_wildcards(self) -> bool:
        return any(b"*" in key.labels for key in self._rrsets)

    @cached_property
    def _names(self) -> frozenset[Labels]:
        names: set[Labels] = set()
        for key in self._rrsets:
            names.add(key.labels)
            for above in self._above(key.labels):
                if above in names:
                    break
                names.add(above)
        return frozenset(names)
