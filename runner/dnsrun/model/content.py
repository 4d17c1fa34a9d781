"""What an authoritative server answers when it holds a zone: wildcards, aliases and zone cuts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot

_STAR = dns.name.Name((b"*",))
_OWN_AT_A_CUT = frozenset({RdataType.NS, RdataType.DS})


class Content:
    """A zone, ready to say what is served at a key (RFC 1034 section 4.3.2, RFC 4592)."""

    def __init__(self, zone: ZoneSnapshot) -> None:
        self._apex = zone.apex
        self._rrsets = zone.rrsets
        self._cuts = frozenset(
            key.owner for key in zone.rrsets if key.rdtype == RdataType.NS and key.owner != zone.apex
        )
        self._renamed = frozenset(key.owner for key in zone.rrsets if key.rdtype == RdataType.DNAME)

    def is_cut(self, key: RRsetKey) -> bool:
        """Tell whether the key is the NS RRset of a delegated child: a referral is the right answer to it."""
        return key.rdtype == RdataType.NS and key.owner in self._cuts

    def is_hidden(self, key: RRsetKey) -> bool:
        """Tell whether servers do not answer for this key themselves: glue, and what lies below a cut or a DNAME."""
        if not self._cuts and not self._renamed:
            return False
        if key.owner in self._cuts and key.rdtype not in _OWN_AT_A_CUT:
            return True
        return any(above in self._cuts or above in self._renamed for above in self._above(key.owner))

    def served(self, key: RRsetKey) -> RRset | None:
        """Return what is answered: the RRset, the CNAME that stands there, or a wildcard's; None for nothing."""
        if found := self._at(key.owner, key.rdtype):
            return found
        wildcard = self.wildcard_over(key.owner)
        found = self._at(wildcard, key.rdtype) if wildcard else None
        return replace(found, key=RRsetKey(key.owner, found.key.rdtype)) if found else None

    def wildcard_over(self, name: Name) -> Name | None:
        """Return the wildcard that may answer for `name`; None when `name` exists or none is there."""
        if name in self._names or not name.is_subdomain(self._apex):
            return None
        encloser = next(above for above in self._above(name) if above in self._names or above == self._apex)
        wildcard = _STAR.concatenate(encloser)
        return wildcard if wildcard in self._names else None

    def new_names(self, owners: Iterable[Name]) -> tuple[Name, ...]:
        """Return the names that would begin to exist with these owners, empty non-terminals too."""
        lines = [name for owner in owners for name in (owner, *self._above(owner))]
        return tuple(sorted({name for name in lines if name not in self._names and name != self._apex}))

    def types_at(self, name: Name) -> tuple[RdataType, ...]:
        """Return the types at an owner name."""
        return tuple(sorted(key.rdtype for key in self._rrsets if key.owner == name))

    def _at(self, owner: Name, rdtype: RdataType) -> RRset | None:
        found = self._rrsets.get(RRsetKey(owner, rdtype)) or self._rrsets.get(RRsetKey(owner, RdataType.CNAME))
        return found if found and found.rdatas else None

    def _above(self, name: Name) -> Iterable[Name]:
        """Yield the names above `name`, up to the apex."""
        while name != self._apex and len(name) > len(self._apex):
            name = name.parent()
            yield name

    @cached_property
    def _names(self) -> frozenset[Name]:
        names: set[Name] = set()
        for key in self._rrsets:
            names.add(key.owner)
            for above in self._above(key.owner):
                if above in names:
                    break
                names.add(above)
        return frozenset(names)
