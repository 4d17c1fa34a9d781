"""Users who try something once a second through one caching resolver: no second is skipped, and nothing computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.rehearse.cache import ORDINARY, CacheKind, CachingResolver, Send
from dnsrun.rehearse.website import GOOD, Site

_STEP = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Outage:
    """Visits in a row that came to nothing; one visit is one second. Times are UTC, both of visits that failed."""

    first_at: datetime
    last_at: datetime
    seconds: int
    address: str


@dataclass(frozen=True, slots=True)
class Visits:
    """What the users met, counted visit by visit.

    `since` and `until` (UTC) are the times of the first and the next visit, `address` is where they go now.
    """

    since: datetime
    until: datetime
    total: int = 0
    outages: tuple[Outage, ...] = ()
    address: str = ""

    @property
    def broken(self) -> int:
        """Seconds in which users did not get the page."""
        return sum(outage.seconds for outage in self.outages)


class Users:
    """Ask a caching resolver for the address of `host`, open the page there, once in every second of lab time.

    As browsers do, they keep an answer for the seconds that the resolver says are left of it, and then ask again.
    The resolver ages on the users' own time, which `live_until` moves on second by second: no second is skipped and
    nothing computed, also when a day is lived through at once. `sites` maps addresses to what is there, `kind` is the
    make of the resolver.
    """

    def __init__(
        self,
        host: Name,
        sites: Mapping[str, Site],
        roots: Sequence[str],
        send: Send,
        start: datetime,
        kind: CacheKind = ORDINARY,
    ) -> None:
        self._host = host
        self._sites = sites
        self._resolver = CachingResolver(roots, send, lambda: self._now, kind)
        self._start = self._now = self._ask_again_at = start
        self._total = 0
        self._address = ""
        self._outages: tuple[Outage, ...] = ()

    @property
    def visits(self) -> Visits:
        """What they have met so far."""
        return Visits(self._start, self._now, self._total, self._outages, self._address)

    def live_until(self, when: datetime) -> None:
        """Make every visit that is due before `when` (UTC). Touches the network when the cache has to ask."""
        while self._now < when:
            if self._now >= self._ask_again_at:
                self._ask()
            self._visit_until(min(when, max(self._ask_again_at, self._now + _STEP)))

    def _ask(self) -> None:
        answer = self._resolver.resolve(self._host, RdataType.A)
        self._address = answer.rrset[0].to_text() if answer.rrset is not None else ""
        self._ask_again_at = self._now + timedelta(seconds=answer.remaining_ttl_s)

    def _visit_until(self, end: datetime) -> None:
        site, now, total = self._sites.get(self._address), self._now, self._total
        while now < end:
            total += 1
            if site is None or site.get() != GOOD:
                self._outages = _longer(self._outages, now, self._address)
            now += _STEP
        self._now, self._total = now, total


def _longer(outages: tuple[Outage, ...], at: datetime, address: str) -> tuple[Outage, ...]:
    newest = outages[-1] if outages else None
    if newest and newest.last_at == at - _STEP and newest.address == address:
        return (*outages[:-1], replace(newest, last_at=at, seconds=newest.seconds + 1))
    return (*outages, Outage(at, at, 1, address))
