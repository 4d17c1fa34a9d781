"""One round of questions to many servers: one selector over few sockets."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from dnsrun.clock import Clock
from dnsrun.model.expected import Expected, Matched
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question
from dnsrun.ports.net import Rate

from .answers import AnswerReader
from .compare import Matcher, Wanted, key_of, questions_of
from .datagrams import UdpSide
from .lanes import UNREACHABLE, Asked, Lane, Pace, QueryIds, Target, asked_of
from .stream import TcpSide

_SERVERS_AT_ONCE = 200  # two sockets each; the usual limit of a process is 1,024
_LONGEST_WAIT_S = 1.0
_COUNT_EVERY_S = 0.25

_Fresh = tuple[bytes, Wanted | Asked]


class Round:
    """Asks questions and yields what comes of each; made for one use."""

    def __init__(
        self, *, clock: Clock, reader: AnswerReader, matcher: Matcher, pace: Callable[[Target, Rate], Pace]
    ) -> None:
        self._clock = clock
        self._reader = reader
        self._matcher = matcher
        self._pace = pace
        self._ids = QueryIds()
        self._selector = selectors.DefaultSelector()
        self._lanes: list[Lane] = []
        self._asking: dict[Target, tuple[Lane, list[_Fresh]]] = {}
        self._nowhere: list[tuple[Endpoint, Iterable[Expected]]] = []
        self._waiting: deque[Lane] = deque()
        self._active: list[tuple[UdpSide, TcpSide]] = []
        self._done: list[tuple[Asked, Answer | NoReply, str]] = []
        self._counted_s = time.monotonic()

    def add(self, question: Question, target: Target | None, limit: Rate) -> None:
        """Take one question; without a target (address and port to ask) it is unreachable."""
        asked = asked_of(question)
        if target is None:
            self._finish(asked, UNREACHABLE, question.transport)
            return
        known = self._asking.get(target)
        if known is None:
            queue: list[_Fresh] = []
            known = self._asking[target] = (self._new_lane(question.server, target, limit, iter(queue)), queue)
        lane, queue = known
        if question.transport == "tcp":
            lane.stream_queue.append(asked)
        else:
            queue.append((asked.octets, asked))

    def expect(self, server: Endpoint, names: Iterable[Expected], target: Target | None, limit: Rate) -> None:
        """Take all that is expected of one server; what is as expected is only counted."""
        if target is None:
            self._nowhere.append((server, names))
        else:
            self._new_lane(server, target, limit, questions_of(names))

    def run(self) -> Iterator[Observation | Matched]:
        """Ask; closes every socket when it ends or is abandoned. Touches the network."""
        try:
            yield from self._unreachable()
            while self._active or self._waiting or self._done:
                self._turn()
                if self._done:
                    yield from self._observations()
                if time.monotonic() - self._counted_s > _COUNT_EVERY_S:
                    yield from self._counts()
            yield from self._counts()
        finally:
            for sides in self._active:
                for side in sides:
                    side.close()
            self._selector.close()

    def _new_lane(self, server: Endpoint, target: Target, limit: Rate, fresh: Iterator[_Fresh]) -> Lane:
        lane = Lane(
            server=server,
            target=target,
            limit=limit,
            pace=self._pace(target, limit),
            reader=self._reader,
            matcher=self._matcher,
            selector=self._selector,
            finish=self._finish,
            fresh=fresh,
        )
        self._lanes.append(lane)
        self._waiting.append(lane)
        return lane

    def _finish(self, asked: Asked, got: Answer | NoReply, transport: str) -> None:
        self._done.append((asked, got, transport))

    def _turn(self) -> None:
        while self._waiting and len(self._active) < _SERVERS_AT_ONCE:
            lane = self._waiting.popleft()
            self._active.append((UdpSide(lane, self._ids), TcpSide(lane, self._ids)))
        self._read()
        now_s = time.monotonic()
        for sides in self._active:
            for side in sides:
                if side.due_s() <= now_s:
                    side.tick(now_s)
        self._retire()

    def _read(self) -> None:
        due_s = min((side.due_s() for sides in self._active for side in sides), default=0.0)
        wait_s = 0.0 if self._done else min(_LONGEST_WAIT_S, max(0.0, due_s - time.monotonic()))
        ready = self._selector.select(wait_s)
        now_s = time.monotonic()
        for key, mask in ready:
            key.data.on_ready(mask, now_s)

    def _retire(self) -> None:
        if any(udp.idle and tcp.idle for udp, tcp in self._active):
            for udp, tcp in self._active:
                if udp.idle and tcp.idle:
                    udp.close()
                    tcp.close()
            self._active = [(udp, tcp) for udp, tcp in self._active if not (udp.idle and tcp.idle)]

    def _observations(self) -> Iterator[Observation]:
        done, self._done = self._done, []
        at = self._clock.now()
        for asked, got, transport in done:
            yield Observation(asked.key, asked.server, at, got, transport)

    def _unreachable(self) -> Iterator[Observation]:
        for server, names in self._nowhere:
            for octets, wanted in questions_of(names):
                yield Observation(key_of(octets, wanted), server, self._clock.now(), UNREACHABLE)

    def _counts(self) -> Iterator[Matched]:
        self._counted_s = time.monotonic()
        for lane in self._lanes:
            counts = [(transport, count) for transport, count in lane.matched.items() if count]
            lane.matched.clear()
            for transport, count in counts:
                yield Matched(lane.server, count, transport)
