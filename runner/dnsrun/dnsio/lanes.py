"""What bulk questions to one server share: its pace, the questions' state, and what became of them."""

from __future__ import annotations

import os
import selectors
import socket
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from dnsrun.model.expected import is_as_expected
from dnsrun.model.observation import Answer, Endpoint, NoReply, Question
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.net import Rate

from .answers import AnswerReader, question_bytes
from .compare import Matcher, Wanted, key_of

TIMEOUT = NoReply("timeout")
REFUSED = NoReply("refused")
UNREACHABLE = NoReply("unreachable")
MALFORMED = NoReply("malformed")

TRIES = 3
FIRST_RETRY_S = 1.0
# After so many questions in a row without any answer a server is silent; the rest is not asked.
SILENT_AFTER = 4

Target = tuple[str, int]


class Asked:
    """One question that has a life of its own: `ask` asks nothing else, `compare` when an answer is late or odd.

    `wanted` is what it is to bring, if that is known. `why_not` is what UDP came to before TCP was tried, `slipped`
    that UDP brought an empty truncated answer.
    """

    __slots__ = ("edns", "key", "octets", "server", "slipped", "stream_tries", "tries", "wanted", "why_not")

    def __init__(self, key: RRsetKey, server: Endpoint, octets: bytes, wanted: Wanted | None = None) -> None:
        self.key = key
        self.server = server
        self.octets = octets
        self.wanted = wanted
        self.tries = 0
        self.stream_tries = 0
        self.edns = True
        self.slipped = False
        self.why_not: NoReply | None = None


def asked_of(question: Question) -> Asked:
    """Return a question of `Net.ask` to be asked."""
    return Asked(question.key, question.server, question_bytes(question.key))


class Pace:
    """When a server may be asked again; kept from one round to the next."""

    def __init__(self, per_second: int | None) -> None:
        self._gap_s = 1.0 / per_second if per_second else 0.0
        self.free_at_s = 0.0

    def take(self, wanted: int, now_s: float) -> int:
        """Take turns, at most as many as are wanted; return how many have come."""
        if not self._gap_s:
            return wanted
        if wanted < 1 or now_s < self.free_at_s:
            return 0
        self.free_at_s = max(self.free_at_s, now_s) + self._gap_s
        return 1


@dataclass(slots=True)
class Lane:
    """One server in one round: its questions, and what all of them together have met.

    `finish(asked, got, transport)` takes each result but those that are as expected: `matched` counts them by
    transport. `fresh` are questions never asked, each with what it is to bring or as `Asked`; `again` waits for UDP
    once more, `stream_queue` for TCP. `stream_broken` is why TCP does not work, `prefers_stream` that UDP does not.
    `losses_in_row` counts times of loss over UDP without an answer in between, `in_doubt` lost questions that are still
    being settled, `is_alive` tells that the server has ever answered.
    """

    server: Endpoint
    target: Target
    limit: Rate
    pace: Pace
    reader: AnswerReader
    matcher: Matcher
    selector: selectors.BaseSelector
    finish: Callable[[Asked, Answer | NoReply, str], None]
    fresh: Iterator[tuple[bytes, Wanted | Asked]]
    has_fresh: bool = True
    again: deque[Asked] = field(default_factory=deque)
    stream_queue: deque[Asked] = field(default_factory=deque)
    matched: Counter[str] = field(default_factory=Counter)
    edns: bool = True
    in_vain: int = 0
    stream_broken: NoReply | None = None
    prefers_stream: bool = False
    losses_in_row: int = 0
    in_doubt: int = 0
    is_alive: bool = False

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of the server."""
        return socket.AF_INET6 if ip_address(self.target[0]).version == 6 else socket.AF_INET

    @property
    def is_silent(self) -> bool:
        """Tell whether the last questions were all in vain."""
        return self.in_vain >= SILENT_AFTER

    @property
    def may_ask_fresh(self) -> bool:
        """Tell whether a question never asked may go over UDP: not until a server that lost the first has answered."""
        return self.has_fresh and not self.prefers_stream and (self.is_alive or not self.in_doubt)

    def next_fresh(self) -> tuple[bytes, Wanted | Asked] | None:
        """Return a question that was never asked, None when there is no more."""
        found = next(self.fresh, None)
        if found is None:
            self.has_fresh = False
        return found

    def own(self, octets: bytes, source: Wanted | Asked) -> Asked:
        """Return a question with a life of its own."""
        if isinstance(source, Asked):
            return source
        return Asked(key_of(octets, source), self.server, octets, source)

    def read(self, asked: Asked, wire: bytes) -> Answer:
        """Read an answer, all of it where it is held against an expectation; raises `MalformedError`."""
        if asked.wanted is None:
            return self.reader.read(wire, asked.key, asked.octets)
        return self.matcher.read(wire, asked.octets, asked.wanted)

    def answered(self, asked: Asked, answer: Answer, transport: str) -> None:
        """Count an answer that is as expected, pass another one on."""
        if asked.wanted is not None and is_as_expected(answer, asked.wanted.name.answer(asked.key.rdtype)):
            self.count(asked, transport)
        else:
            self._settled(asked)
            self.finish(asked, answer, transport_name(transport, edns=asked.edns))

    def count(self, asked: Asked, transport: str) -> None:
        """Count an answer that is as expected."""
        self._settled(asked)
        self.matched[transport_name(transport, edns=asked.edns)] += 1

    def _settled(self, asked: Asked) -> None:
        self.in_vain = 0
        self.is_alive = True
        self.in_doubt -= asked.tries > 0

    def give_up(self, asked: Asked, why: NoReply, transport: str) -> None:
        """Pass on that there is no answer; a server that never answers is not asked to the end."""
        self.finish(asked, why, transport)
        self.in_vain += 1
        self.in_doubt -= asked.tries > 0
        if self.is_silent:
            self.drop_waiting(why, transport)

    def drop_waiting(self, why: NoReply, transport: str) -> None:
        """Pass on for every question that waits that there is no answer."""
        for queue in (self.again, self.stream_queue):
            while queue:
                self.finish(queue.popleft(), why, transport)
        while (found := self.next_fresh()) is not None:
            self.finish(self.own(*found), why, transport)


def transport_name(transport: str, *, edns: bool) -> str:
    """Return what `Observation.transport` says."""
    return transport if edns else f"{transport} without EDNS"


class QueryIds:
    """Query IDs that nobody can guess, drawn from the system in bulk, a few at first; two octets each."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._draws = 32

    def unused(self, taken: Container[bytes]) -> bytes:
        """Return a random ID that is not in `taken`."""
        while True:
            if not self._ids:
                octets = os.urandom(2 * self._draws)
                self._ids = [octets[i : i + 2] for i in range(0, len(octets), 2)]
                self._draws = 1024
            if (query_id := self._ids.pop()) not in taken:
                return query_id
