"""Users of a lab: visitors and mail programs behind every kind of cache, who try once a second, and what they get.

Caches are those of a rehearsal. Where they lead is one half; whether somebody serves there is the other, since a web
server may break down under its visitors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import dns.flags
import dns.name
import dns.rcode
from dns.message import Message

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint

from .cache import Send
from .lab import Place
from .trial.played import Story
from .trial.population import CACHES_OF_A_KIND, USERS_SIT_BEHIND, Asker, Cache, Met, is_honest, settle_in
from .trial.stillnet import StillNet
from .trial.wants import Want
from .website import Site

_SEND_TIMEOUT_S = 2.0
_Stay = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Door:
    """A name that users try, what is there by address, and what they meet where nobody serves them, in words."""

    want: Want
    sites: Mapping[str, Site]
    failure: str


class Users:
    """One user at each door behind each cache, `of_a_kind` of every kind; each tries in every second of lab time.

    As browsers do, they go where the resolver says for as long as that lives, and then ask again. `roots` are addresses
    of root servers, `ns_ttl_s` is the TTL of the delegation: some caches have just learned it, some forget it soon.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        roots: Sequence[str],
        start: datetime,
        ns_ttl_s: int,
        *,
        of_a_kind: int = CACHES_OF_A_KIND,
    ) -> None:
        self.start = self.until = start
        self._doors = {door.want: door for door in doors}
        self._ns_ttl_s = ns_ttl_s
        self._version = 0
        self._down: dict[tuple[Want, str], list[_Stay]] = {}
        self._caches = tuple(
            Cache(kind, number, start, roots) for kind in USERS_SIT_BEHIND for number in range(of_a_kind)
        )
        dice = Random(1)  # noqa: S311 - no secret
        for cache in self._caches:
            settle_in(cache, tuple(self._doors), ns_ttl_s, dice, of_a_kind)

    def open(self, places: Mapping[Place, Place]) -> None:
        """Begin with empty caches, which ask the servers that are played at these places."""
        send = through(StillNet(places, SystemClock(), lambda: self._version))
        for cache in self._caches:
            cache.open(send)

    def live_until(self, when: datetime) -> None:
        """Try everything that is due before `when` (UTC). Touches the network when a cache has to ask."""
        if when <= self.until:
            return
        for cache in self._caches:
            cache.live_until(when, self._led)
        for door in self._doors.values():
            for address, site in door.sites.items():
                self._count_pages(door.want, address, site, when)
        self.until = when

    def unsettle(self) -> None:
        """Have everybody look again: some zone has changed. Until then the same question has the same answer."""
        self._version += 1
        for cache in self._caches:
            cache.unsettle()

    def stories(self) -> tuple[Story, ...]:
        """Return what everybody has met, from the start until now."""
        return tuple(self._story(cache, asker) for cache in self._caches for asker in cache.askers)

    def _led(self, cache: Cache, asker: Asker) -> Met:
        answer = asker.answer
        if answer is None or answer.rrset is None:
            absent = answer is not None and answer.rcode == dns.rcode.NXDOMAIN
            return Met(cache.now, "broken", (), "no such name" if absent else "no answer")
        door, address = self._doors[asker.want], answer.rrset[0].to_text()
        if address in door.sites:
            return Met(cache.now, "well", (address,))
        return Met(cache.now, "broken", (address,), f"{door.failure} {address}")

    def _count_pages(self, want: Want, address: str, site: Site, when: datetime) -> None:
        """Serve a page a second to everybody who was at an address since `until`; note for how long it could not."""
        broke_at = self.until if site.is_down else _broke_at(list(self._stays(want, address, when)), site)
        if broke_at is None:
            return
        down = self._down.setdefault((want, address), [])
        first = down.pop()[0] if down and down[-1][1] == broke_at else broke_at
        down.append((first, when))

    def _stays(self, want: Want, address: str, when: datetime) -> Iterator[_Stay]:
        for cache in self._caches:
            for asker in (one for one in cache.askers if one.want == want):
                for met, end in _with_ends(asker.met, when):
                    if met.data == (address,) and end > self.until:
                        yield max(met.since, self.until), end

    def _story(self, cache: Cache, asker: Asker) -> Story:
        met = tuple(piece for one, end in _with_ends(asker.met, self.until) for piece in self._pieces(asker, one, end))
        keeps_s = cache.kind.positive_s(self._ns_ttl_s)
        return Story(cache.kind.name, cache.number, is_honest(cache.kind), keeps_s, asker.want, met, self.until)

    def _pieces(self, asker: Asker, met: Met, end: datetime) -> Iterator[Met]:
        """Yield a stretch in pieces, as the site was there or had broken down; nothing before the start."""
        since, address = max(met.since, self.start), "".join(met.data)
        for broke_at, until in self._down.get((asker.want, address), ()):
            if until <= since or broke_at >= end:
                continue
            if since < broke_at:
                yield replace(met, since=since)
            cause = f"{self._doors[asker.want].failure} {address}"
            yield replace(met, since=max(since, broke_at), state="broken", cause=cause)
            since = until
        if since < end:
            yield replace(met, since=since)


def _with_ends(story: Sequence[Met], until: datetime) -> Iterator[tuple[Met, datetime]]:
    yield from zip(story, [met.since for met in story[1:]] + [until], strict=False)  # empty until somebody has asked


def _broke_at(stays: Sequence[_Stay], site: Site) -> datetime | None:
    """Serve a page a second to everybody who stays; return when the site broke down, None when it did not."""
    for start, end in pairwise(sorted({time for stay in stays for time in stay})):
        here = sum(since <= start and end <= until for since, until in stays)
        served = site.serve(here * (end - start).total_seconds())
        if site.is_down:
            return start + timedelta(seconds=served / max(here, 1))
    return None


def through(net: MappedNet) -> Send:
    """Return how a caching resolver asks the servers of `net`: over UDP, what is truncated again over TCP."""

    def send(address: str, query: Message) -> Message | None:
        server = Endpoint(dns.name.root, address)
        try:
            answer = next(net.exchange(server, query, timeout_s=_SEND_TIMEOUT_S, transport="udp"))
            if answer.flags & dns.flags.TC:
                answer = next(net.exchange(server, query, timeout_s=_SEND_TIMEOUT_S))
        except OutsideError:
            return None
        return answer

    return send
