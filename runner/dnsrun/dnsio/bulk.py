"""One round of questions to many servers: one selector over few sockets."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from dnsrun.clock import Clock
from dnsrun.model.observation import Answer, NoReply, Observation, Question
from dnsrun.ports.net import Rate

from .answers import AnswerReader
from .lanes import UNREACHABLE, Asked, Lane, Pace, QueryIds, Target, UdpSide
from .stream import TcpSide

_SERVERS_AT_ONCE = 200  # two sockets each; the usual limit of a process is 1,024
_LONGEST_WAIT_S = 1.0


class Round:
    """Asks questions and yields one observation for each; made for one use."""

    def __init__(self, *, clock: Clock, reader: AnswerReader, pace: Callable[[Target, Rate], Pace]) -> None:
        self._clock = clock
        self._reader = reader
        self._pace = pace
        self._ids = QueryIds()
        self._selector = selectors.DefaultSelector()
        self._lanes: dict[Target, Lane] = {}
        self._waiting: deque[Lane] = deque()
        self._active: list[tuple[UdpSide, TcpSide]] = []
        self._done: list[tuple[Asked, Answer | NoReply, str]] = []

    def add(self, question: Question, target: Target | None, limit: Rate) -> None:
        """Take one question; without a target (address and port to ask) it is unreachable."""
        asked = Asked(question)
        if target is None:
            self._finish(asked, UNREACHABLE, question.transport)
            return
        lane = self._lanes.get(target) or self._new_lane(target, limit)
        (lane.stream_queue if question.transport == "tcp" else lane.queue).append(asked)

    def run(self) -> Iterator[Observation]:
        """Ask; closes every socket when it ends or is abandoned. Touches the network."""
        try:
            while self._active or self._waiting or self._done:
                self._turn()
                yield from self._observations()
        finally:
            for sides in self._active:
                for side in sides:
                    side.close()
            self._selector.close()

    def _new_lane(self, target: Target, limit: Rate) -> Lane:
        lane = Lane(target, limit, self._pace(target, limit), self._reader, self._selector, self._finish)
        self._lanes[target] = lane
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

    def _observations(self) -> Iterable[Observation]:
        done, self._done = self._done, []
        at = self._clock.now()
        for asked, got, transport in done:
            question = asked.question
            yield Observation(question.key, question.server, at, got, transport)
