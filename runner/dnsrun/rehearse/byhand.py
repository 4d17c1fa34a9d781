"""What switching by hand would have done: played on a copy of the zones, behind every kind of cache, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from . import scenery
from .authority import Authority
from .lab import Place
from .trial.summary import spans_of
from .users import Door, Users

BEFORE = timedelta(minutes=10)
CALL_AFTER = timedelta(hours=2)
"""From the first mail program that fails, which is taken for its own fault, to the call of the client."""
_CALM = timedelta(hours=2)


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
    """What users met. `put_back_at` is None when nobody called. Times are UTC."""

    switched_at: datetime
    put_back_at: datetime | None
    users: Users


def switch_by_hand(zones: Zones, doors: Sequence[Door], start: datetime, *, ns_ttl_s: int) -> ByHand:
    """Delegate a copy to the new host, put it back when the client calls, and count until everybody is well again.

    Caches keep the delegation for `ns_ttl_s` seconds; users are there from `start` (UTC) on. Nothing is computed.
    Touches the network (loopback); raises `OSError` without free ports.
    """
    zones, keeps = zones.with_ns_ttl(ns_ttl_s), timedelta(seconds=ns_ttl_s)
    users = Users(doors, (scenery.ROOT_SERVER,), start, ns_ttl_s)
    with ExitStack() as stack:
        places: dict[Place, Place] = {}
        parent = _start(stack, places, zones)
        users.open(places)
        switched_at = start + BEFORE
        _delegate(users, parent, scenery.delegated_to_new(zones.parent), switched_at)
        failed_at = _first_failure(users, switched_at + keeps + _CALM)
        if failed_at is None:
            return ByHand(switched_at, None, users)
        put_back_at = failed_at + CALL_AFTER
        _delegate(users, parent, zones.parent, put_back_at)
        users.live_until(put_back_at + keeps + _CALM)
        return ByHand(switched_at, put_back_at, users)


def _delegate(users: Users, parent: Authority, text: str, when: datetime) -> None:
    """Live on until `when`, and then have another parent zone."""
    users.live_until(when)
    parent.set_zone(scenery.PARENT, text)
    users.unsettle()


def _first_failure(users: Users, until: datetime) -> datetime | None:
    """Live on until somebody has failed, not past the call; None when nobody does before `until`."""
    while not (failed := spans_of(users.stories())) and users.until < until:
        users.live_until(users.until + CALL_AFTER)
    return failed[0].since if failed else None


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
