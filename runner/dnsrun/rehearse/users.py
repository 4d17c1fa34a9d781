"""Users who open the web site once a second through one caching resolver, and what they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType

from .cache import CachingResolver, Send
from .website import GOOD, Site

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
    """What the users met, counted visit by visit. `since` and `until` (UTC) are the first and the next visit."""

    since: datetime
    until: datetime
    total: int = 0
    outages: tuple[Outage, ...] = ()
    address: str = ""
    cached_s: int = 0

    @property
    def broken(self) -> int:
        """Seconds in which users did not get the page."""
        return sum(outage.seconds for outage in self.outages)


def visits_to_json(visits: Visits) -> dict[str, Any]:
    """Return the counts as JSON data; times as ISO 8601."""
    return {
        "since": visits.since.isoformat(),
        "until": visits.until.isoformat(),
        "visits": visits.total,
        "broken": visits.broken,
        "outages": [
            {
                "first_at": outage.first_at.isoformat(),
                "last_at": outage.last_at.isoformat(),
                "seconds": outage.seconds,
                "address": outage.address,
            }
            for outage in visits.outages
        ],
        "address": visits.address,
        "cached_s": visits.cached_s,
    }


@dataclass(slots=True)
class Users:
    """Ask a caching resolver for `host`'s address, visit what it says, once a second of lab time.

    The resolver ages on the users' own time, which `live_until` moves on second by second: nothing is skipped and
    nothing computed, also when a day is lived through at once. `sites` maps addresses to what is there.
    """

    host: Name
    sites: Mapping[str, Site]
    roots: Sequence[str]
    send: Send
    start: datetime
    visits: Visits = field(init=False)
    _resolver: CachingResolver = field(init=False)

    def __post_init__(self) -> None:
        self.visits = Visits(self.start, self.start)
        self._resolver = CachingResolver(self.roots, self.send, lambda: self.visits.until)

    def live_until(self, when: datetime) -> None:
        """Make every visit that is due before `when` (UTC). Touches the network when the cache has to ask."""
        while self.visits.until < when:
            self._visit()

    def _visit(self) -> None:
        at = self.visits.until
        answer = self._resolver.resolve(self.host, RdataType.A)
        address = answer.rrset[0].to_text() if answer.rrset is not None else ""
        site = self.sites.get(address)
        well = site is not None and site.get() == GOOD
        outages = self.visits.outages if well else _longer(self.visits.outages, at, address)
        self.visits = Visits(
            self.visits.since, at + _STEP, self.visits.total + 1, outages, address, answer.remaining_ttl_s
        )


def _longer(outages: tuple[Outage, ...], at: datetime, address: str) -> tuple[Outage, ...]:
    newest = outages[-1] if outages else None
    if newest and newest.last_at == at - _STEP and newest.address == address:
        return (*outages[:-1], replace(newest, last_at=at, seconds=newest.seconds + 1))
    return (*outages, Outage(at, at, 1, address))
