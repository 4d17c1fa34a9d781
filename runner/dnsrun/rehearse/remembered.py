"""Answers given since the zones last changed: a rehearsal asks the same thousands of questions again and again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from .serverloop import Transport
from .zonestore import ZoneContent

_MOST = 50_000


class Remembered(NamedTuple):
    """What a question was and what it came to; `answer` is the message after its ID."""

    name: Name
    rdtype: RdataType
    rcode: Rcode | None
    answer: bytes


class Answers:
    """Answers by question, as octets without the ID; good for one version of the zones."""

    def __init__(self) -> None:
        self._given: dict[tuple[bytes, Transport], Remembered] = {}
        self._zones: tuple[ZoneContent | None, ...] = ()

    def to(self, wire: bytes, transport: Transport, zones: Iterable[ZoneContent | None]) -> Remembered | None:
        """Return the answer to a question while the zones are what they were, None otherwise."""
        now = tuple(zones)
        if len(now) != len(self._zones) or any(a is not b for a, b in zip(now, self._zones, strict=True)):
            self._zones = now
            self._given.clear()
        return self._given.get((wire[2:], transport))

    def keep(self, wire: bytes, transport: Transport, given: Remembered, zones: Iterable[ZoneContent | None]) -> None:
        """Remember an answer that rests on these zones."""
        if len(self._given) < _MOST and all(a is b for a, b in zip(zones, self._zones, strict=False)):
            self._given[wire[2:], transport] = given
