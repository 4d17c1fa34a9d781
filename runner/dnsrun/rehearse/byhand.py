"""What switching by hand would have done: played on a copy of the zones, with mail programs that are counted."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet

from . import scenery
from .authority import Authority
from .lab import Place
from .users import Users, Visits, through, visits_to_json

BEFORE = timedelta(minutes=10)
CALL_AFTER = timedelta(minutes=30)
"""From the first mail program that fails to the call of the client; the old name servers are put back at once."""
_PATIENCE = timedelta(days=4)
_CALM = timedelta(hours=1)
_LOOK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Zones:
    """Master-file texts of the parent zone and of the domain at both hosts."""

    parent: str
    old: str
    new: str

    def with_ns_ttl(self, ttl_s: int) -> Zones:
        """Return them with another TTL (seconds) of the domain's NS RRset, everywhere."""
        return Zones(*(scenery.with_ns_ttl(text, ttl_s) for text in (self.parent, self.old, self.new)))


@dataclass(frozen=True, slots=True)
class ByHand:
    """What mail programs met. `put_back_at` is None when nobody called. Times are UTC."""

    switched_at: datetime
    put_back_at: datetime | None
    met: Visits


def switch_by_hand(zones: Zones, start: datetime, *, ns_ttl_s: int) -> ByHand:
    """Delegate a copy to the new host, put it back when the client calls, and count until mail is well again.

    Caches keep the delegation for `ns_ttl_s` seconds. A mail program asks one caching resolver in every second, from
    `start` (UTC) on; nothing is computed. Touches the network (loopback); raises `OSError` without free ports.
    """
    with ExitStack() as stack:
        places: dict[Place, Place] = {}
        zones = zones.with_ns_ttl(ns_ttl_s)
        parent = _start(stack, places, zones)
        send = through(MappedNet(places, SystemClock()))
        users = Users(scenery.IMAP, scenery.mailboxes(), (scenery.ROOT_SERVER,), send, start)
        switched_at = start + BEFORE
        users.live_until(switched_at)
        parent.set_zone(scenery.PARENT, scenery.delegated_to_new(zones.parent))
        failed_at = _first_failure(users, switched_at + timedelta(seconds=ns_ttl_s) + _CALM)
        if failed_at is None:
            return ByHand(switched_at, None, users.visits)
        put_back_at = failed_at + CALL_AFTER
        users.live_until(put_back_at)
        parent.set_zone(scenery.PARENT, zones.parent)
        _recover(users)
        return ByHand(switched_at, put_back_at, users.visits)


def _first_failure(users: Users, until: datetime) -> datetime | None:
    """Live on until a mail program fails; None when none does before `until`."""
    while not users.visits.outages and users.visits.until < until:
        users.live_until(users.visits.until + _LOOK)
    return users.visits.outages[0].first_at if users.visits.outages else None


def _recover(users: Users) -> None:
    """Live on until mail has been well for an hour."""
    until = users.visits.until + _PATIENCE
    while users.visits.outages[-1].last_at + _CALM > users.visits.until and users.visits.until < until:
        users.live_until(users.visits.until + _LOOK)


def _start(stack: ExitStack, places: dict[Place, Place], zones: Zones) -> Authority:
    """Start the servers of the copy and return the parent's."""
    parent = Authority({scenery.PARENT: zones.parent})
    old, new = (Authority({scenery.APEX: text}) for text in (zones.old, zones.new))
    played = {scenery.ROOT_SERVER: Authority(scenery.ROOT_ZONES), scenery.PARENT_SERVER: parent}
    for authority in (*played.values(), old, new):
        stack.enter_context(authority)
    played |= {scenery.PRIMARY: old, scenery.SECONDARY: old, scenery.NEW_PRIMARY: new, scenery.NEW_SECONDARY: new}
    for address, authority in played.items():
        places[address, 53] = (authority.address, authority.port)
    return parent


def by_hand_to_json(played: ByHand) -> dict[str, Any]:
    """Return the counts as JSON data; times as ISO 8601."""
    return {
        "switched_at": played.switched_at.isoformat(),
        "put_back_at": played.put_back_at.isoformat() if played.put_back_at else None,
        **visits_to_json(played.met),
    }
