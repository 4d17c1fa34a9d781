"""Which servers a caching resolver asks about a zone: the parent's word, the child's, and which of the two counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset

from .kinds import CacheKind
from .sections import targets


@dataclass(frozen=True, slots=True)
class Cut:
    """A zone and the names of the servers to ask about it."""

    zone: Name
    servers: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    cut: Cut
    expires_at: datetime
    from_child: bool


class Cuts:
    """The zone cuts that are known now, each from the parent or from the child as `kind` has it."""

    def __init__(self, kind: CacheKind) -> None:
        self._kind = kind
        self._held: dict[Name, _Held] = {}
        self._newest: frozenset[tuple[Cut, bool]] | None = None  # kept until something else is heard

    def nearest(self, name: Name, rdtype: RdataType, now: datetime) -> Cut | None:
        """Return the deepest zone above or at `name` whose servers are known; for DS, strictly above."""
        if rdtype == RdataType.DS and name != dns.name.root:
            name = name.parent()
        while name != dns.name.root:
            held = self._live(name, now)
            if held is not None:
                return held.cut
            name = name.parent()
        return None

    def refer(self, rrset: RRset, now: datetime) -> Cut:
        """Take a referral, which does not displace what the child says; return where it leads."""
        cut = Cut(rrset.name, targets(rrset))
        held = self._live(rrset.name, now)
        if held is None or not held.from_child:
            self._hold(cut, now + self._lifetime(rrset), from_child=False)
        return cut

    def hear_child(self, rrset: RRset, now: datetime, *, asked: bool) -> bool:
        """Take the child's own NS RRset, asked for or seen beside an answer; tell whether it leads to servers now."""
        kind, held = self._kind, self._live(rrset.name, now)
        if kind.child_ns == "ignored" or (kind.child_ns == "asked" and not asked):
            return False
        if held is not None and held.from_child and kind.child_ns_life != "renewed":
            return False
        expires_at = now + self._lifetime(rrset)
        if held is not None and kind.child_ns_life == "capped":
            expires_at = min(expires_at, held.expires_at)
        self._hold(Cut(rrset.name, targets(rrset)), expires_at, from_child=True)
        return True

    def child_expires_at(self, zone: Name, now: datetime) -> datetime | None:
        """Return until when the child's word leads to the servers of `zone`; None where it does not."""
        held = self._live(zone, now)
        return held.expires_at if held is not None and held.from_child else None

    def ends(self) -> Iterator[datetime]:
        """Yield until when each of them is known."""
        return (held.expires_at for held in self._held.values())

    def newest(self) -> frozenset[tuple[Cut, bool]]:
        """Return what was heard last of each zone, run out or not, and whether the child said it."""
        if self._newest is None:
            self._newest = frozenset((held.cut, held.from_child) for held in self._held.values())
        return self._newest

    def forget(self, zone: Name) -> None:
        """Ask the parent the next time."""
        self._held.pop(zone, None)
        self._newest = None

    def _hold(self, cut: Cut, expires_at: datetime, *, from_child: bool) -> None:
        before = self._held.get(cut.zone)
        if before is None or (before.cut, before.from_child) != (cut, from_child):
            self._newest = None
        self._held[cut.zone] = _Held(cut, expires_at, from_child)

    def _live(self, zone: Name, now: datetime) -> _Held | None:
        held = self._held.get(zone)
        return held if held is not None and now < held.expires_at else None

    def _lifetime(self, rrset: RRset) -> timedelta:
        return timedelta(seconds=self._kind.positive_s(rrset.ttl))
