"""What bulk questions to one server share: its pace, the questions' state, and the UDP side.

One connected socket each: the kernel drops what comes from elsewhere and passes on that a port is
closed. An answer that does not fit its question is ignored, and waiting goes on (threats 18, 19).
"""

from __future__ import annotations

import os
import random
import selectors
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from dnsrun.model.observation import Answer, NoReply, Question
from dnsrun.ports.net import Rate

from .answers import AnswerReader, MalformedError, belongs, dislikes_edns, is_truncated, query_bytes, question_bytes

TIMEOUT = NoReply("timeout")
REFUSED = NoReply("refused")
UNREACHABLE = NoReply("unreachable")
MALFORMED = NoReply("malformed")

TRIES = 3
FIRST_RETRY_S = 1.0
_SHORTEST_RETRY_S, _LONGEST_RETRY_S = 0.05, 2.0
_FIRST_WINDOW = 16
_DRAIN = 256  # datagrams per turn, so that a flood cannot stop the clock
_DATAGRAM = 4096
# After so many questions in a row without any answer a server is silent; the rest is not asked.
SILENT_AFTER = 4

Target = tuple[str, int]


class Asked:
    """One question on its way. `why_not` is what UDP came to before TCP was tried."""

    __slots__ = ("deadline_s", "edns", "octets", "query_id", "question", "sent_s", "tries", "why_not")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.octets = question_bytes(question.key)
        self.query_id = 0
        self.tries = 0
        self.sent_s = 0.0
        self.deadline_s = 0.0
        self.edns = True
        self.why_not: NoReply | None = None

    def wire(self) -> bytes:
        """Return the query to send now."""
        return query_bytes(self.query_id, self.octets, edns=self.edns)


class Pace:
    """When a server may be asked again; kept from one round to the next."""

    def __init__(self, per_second: int | None) -> None:
        self._gap_s = 1.0 / per_second if per_second else 0.0
        self.free_at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Take the turn if it has come."""
        if now_s < self.free_at_s:
            return False
        self.free_at_s = max(self.free_at_s, now_s) + self._gap_s
        return True


@dataclass(slots=True)
class Lane:
    """One server in one round: its questions, and what all of them together have met.

    `finish(asked, got, transport)` takes each result. `queue` waits for UDP, `stream_queue` for TCP.
    """

    target: Target
    limit: Rate
    pace: Pace
    reader: AnswerReader
    selector: selectors.BaseSelector
    finish: Callable[[Asked, Answer | NoReply, str], None]
    queue: deque[Asked] = field(default_factory=deque)
    stream_queue: deque[Asked] = field(default_factory=deque)
    edns: bool = True
    in_vain: int = 0

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of the server."""
        return socket.AF_INET6 if ip_address(self.target[0]).version == 6 else socket.AF_INET

    @property
    def is_silent(self) -> bool:
        """Tell whether the last questions were all in vain."""
        return self.in_vain >= SILENT_AFTER

    def answered(self, asked: Asked, answer: Answer, transport: str) -> None:
        """Pass an answer on."""
        self.in_vain = 0
        self.finish(asked, answer, transport if asked.edns else f"{transport} without EDNS")

    def give_up(self, asked: Asked, why: NoReply, transport: str) -> None:
        """Pass on that there is no answer; a server that never answers is not asked to the end."""
        self.finish(asked, why, transport)
        self.in_vain += 1
        if self.is_silent:
            for queue in (self.queue, self.stream_queue):
                while queue:
                    self.finish(queue.popleft(), why, transport)


class QueryIds:
    """Query IDs that nobody can guess, drawn from the system in bulk."""

    def __init__(self) -> None:
        self._ids: list[int] = []

    def unused(self, taken: dict[int, Asked]) -> int:
        """Return a random ID that is not a key of `taken`."""
        while True:
            if not self._ids:
                octets = os.urandom(1024)
                self._ids = [octets[i] << 8 | octets[i + 1] for i in range(0, len(octets), 2)]
            if (query_id := self._ids.pop()) not in taken:
                return query_id


class UdpSide:
    """UDP to one server: a window of questions that follows loss, a retry time that follows the round trip."""

    def __init__(self, lane: Lane, ids: QueryIds) -> None:
        self._lane = lane
        self._ids = ids
        self._flight: dict[int, Asked] = {}
        self._window = float(min(_FIRST_WINDOW, lane.limit.in_flight))
        self._round_trip_s: float | None = None
        self._variation_s = 0.0
        self._last_loss_s = 0.0
        self._check_at_s = float("inf")
        self._socket: socket.socket | None = None

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits for UDP."""
        return not self._flight and not self._lane.queue

    def due_s(self) -> float:
        """Return the monotonic time at which `tick` has something to do by itself."""
        if self._lane.is_silent and self._flight:
            return 0.0
        may_send = self._lane.queue and len(self._flight) < int(self._window)
        return min(self._check_at_s, self._lane.pace.free_at_s) if may_send else self._check_at_s

    def tick(self, now_s: float) -> None:
        """Send again what is overdue, then what the window and the pace allow."""
        if self._lane.is_silent:
            self._drop_all()
        elif now_s >= self._check_at_s:
            self._expire(now_s)
        queue, pace = self._lane.queue, self._lane.pace
        while queue and len(self._flight) < int(self._window) and pace.take(now_s):
            if self._socket is None and not self._open():
                return
            asked = queue.popleft()
            asked.edns = asked.edns and self._lane.edns
            asked.query_id = self._ids.unused(self._flight)
            self._flight[asked.query_id] = asked
            self._send(asked, now_s)

    def on_ready(self, _mask: int, now_s: float) -> None:
        """Take what has arrived."""
        for _ in range(_DRAIN):
            try:
                wire = self._socket.recv(_DATAGRAM) if self._socket else b""
            except BlockingIOError:
                return
            except OSError as err:
                self._on_error(err)
                return
            asked = self._flight.get(wire[0] << 8 | wire[1]) if len(wire) >= 12 else None
            if asked is not None and belongs(wire, asked.octets):
                self._take(asked, wire, now_s)

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if self._socket is not None:
            self._lane.selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _open(self) -> bool:
        sock = socket.socket(self._lane.family, socket.SOCK_DGRAM)
        sock.settimeout(0.0)
        try:
            sock.connect(self._lane.target)
        except OSError:
            # Connecting sends nothing: it fails when this machine has no route to the address.
            sock.close()
            while self._lane.queue:
                self._lane.finish(self._lane.queue.popleft(), UNREACHABLE, "udp")
            return False
        self._lane.selector.register(sock, selectors.EVENT_READ, self)
        self._socket = sock
        return True

    def _send(self, asked: Asked, now_s: float) -> None:
        asked.tries += 1
        asked.sent_s = now_s
        asked.deadline_s = now_s + self._retry_s(asked.tries)
        self._check_at_s = min(self._check_at_s, asked.deadline_s)
        try:
            if self._socket:
                self._socket.send(asked.wire())
        except BlockingIOError:
            return  # the datagram counts as lost
        except OSError as err:
            self._on_error(err)

    def _on_error(self, err: OSError) -> None:
        # Anybody can send an ICMP message that looks right, so that TCP has the last word. Others than
        # "port closed" are treated as loss.
        if isinstance(err, ConnectionRefusedError):
            for asked in list(self._flight.values()):
                self._to_stream(asked, REFUSED)

    def _retry_s(self, tries: int) -> float:
        if self._round_trip_s is None:
            return FIRST_RETRY_S
        wait_s = max(_SHORTEST_RETRY_S, self._round_trip_s + 4 * self._variation_s)
        return min(_LONGEST_RETRY_S, wait_s * 2.0 ** (tries - 1) * random.uniform(1.0, 1.1))  # noqa: S311 - spreads retries

    def _expire(self, now_s: float) -> None:
        overdue = [asked for asked in self._flight.values() if asked.deadline_s <= now_s]
        if overdue and now_s - self._last_loss_s > (self._round_trip_s or FIRST_RETRY_S):
            self._window = max(1.0, self._window / 2)
            self._last_loss_s = now_s
        for asked in overdue:
            if asked.query_id not in self._flight:
                continue  # sending one of the others has shown that nobody listens
            if asked.tries >= TRIES:
                self._to_stream(asked, TIMEOUT)
                continue
            # Some paths drop datagrams with EDNS and say nothing: the last try goes without (fault 44).
            asked.edns = asked.edns and asked.tries < TRIES - 1
            self._send(asked, now_s)
        self._check_at_s = min((asked.deadline_s for asked in self._flight.values()), default=float("inf"))

    def _drop_all(self) -> None:
        dropped = list(self._flight.values())
        self._flight.clear()
        self._check_at_s = float("inf")
        for asked in dropped:
            self._lane.give_up(asked, TIMEOUT, "udp")

    def _take(self, asked: Asked, wire: bytes, now_s: float) -> None:
        if asked.edns and dislikes_edns(wire):
            self._lane.edns = asked.edns = False
            self._send(asked, now_s)
            return
        if asked.tries == 1:
            self._measure(now_s - asked.sent_s)
        if is_truncated(wire):
            self._to_stream(asked, None)
            return
        try:
            answer = self._lane.reader.read(wire, asked.question.key, asked.octets)
        except MalformedError:
            self._to_stream(asked, MALFORMED)
            return
        del self._flight[asked.query_id]
        self._window = min(
            self._window + (1 if self._last_loss_s == 0 else 1 / self._window), self._lane.limit.in_flight
        )
        self._lane.answered(asked, answer, "udp")

    def _measure(self, round_trip_s: float) -> None:
        """Follow the round trip as RFC 6298 section 2 does."""
        if self._round_trip_s is None:
            self._round_trip_s, self._variation_s = round_trip_s, round_trip_s / 2
            return
        self._variation_s += (abs(self._round_trip_s - round_trip_s) - self._variation_s) / 4
        self._round_trip_s += (round_trip_s - self._round_trip_s) / 8

    def _to_stream(self, asked: Asked, why_not: NoReply | None) -> None:
        del self._flight[asked.query_id]
        asked.why_not = why_not
        asked.tries = 0
        asked.edns = self._lane.edns
        self._lane.stream_queue.append(asked)
