"""Bulk questions to one server over TCP: several on one connection (RFC 7766), a new one when it closes."""

from __future__ import annotations

import errno
import selectors
import socket

from dnsrun.model.observation import NoReply

from .answers import MalformedError, belongs, dislikes_edns, is_truncated, query_ending, query_opening
from .lanes import MALFORMED, REFUSED, TIMEOUT, TRIES, UNREACHABLE, Asked, Lane, QueryIds

_PATIENCE_S = 3.0  # for a connection, and between two answers on it
_TRIES = 2
_FITS_A_DATAGRAM = 1232
_LOSSES_IN_ROW = 3
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class TcpSide:
    """TCP to one server, for truncated answers, for lost ones and for questions that want it."""

    def __init__(self, lane: Lane, ids: QueryIds) -> None:
        self._lane = lane
        self._ids = ids
        self._flight: dict[bytes, Asked] = {}
        self._window = lane.limit.in_flight
        self._socket: socket.socket | None = None
        self._connected = False
        self._answers_on_this = 0
        self._deadline_s = float("inf")
        self._has_worked = False
        self._out = b""
        self._in = b""

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits for TCP."""
        return not self._flight and not self._may_ask()

    def due_s(self) -> float:
        """Return the monotonic time at which `tick` has something to do by itself."""
        if not self._may_ask():
            return self._deadline_s if self._flight else float("inf")
        if self._socket is None:
            return 0.0
        may_send = self._connected and len(self._flight) < self._window
        return min(self._deadline_s, self._lane.pace.free_at_s) if may_send else self._deadline_s

    def tick(self, now_s: float) -> None:
        """Connect, send what window and pace allow, give up what is overdue."""
        if self._socket is not None and now_s >= self._deadline_s and not self.idle:
            self._lose(TIMEOUT)
        if self._socket is None and self._may_ask():
            self._connect(now_s)
        if self._connected:
            self._fill(now_s)

    def on_ready(self, mask: int, now_s: float) -> None:
        """Go on with the connection."""
        if not self._connected and self._socket is not None:
            failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                self._lose(_why(failed))
                return
            self._connected = True
            self._deadline_s = now_s + _PATIENCE_S
        if mask & selectors.EVENT_READ:
            self._receive(now_s)
        if self._connected:
            self._flush()

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        if self._socket is not None:
            self._lane.selector.unregister(self._socket)
            self._socket.close()
        self._socket, self._connected = None, False
        self._out = b""
        self._in = b""

    def _connect(self, now_s: float) -> None:
        sock = socket.socket(self._lane.family, socket.SOCK_STREAM)
        sock.settimeout(0.0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = sock.connect_ex(self._lane.target)
        self._socket, self._answers_on_this = sock, 0
        self._lane.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        self._deadline_s = now_s + _PATIENCE_S
        if failed not in (0, errno.EINPROGRESS):
            self._lose(_why(failed))

    def _may_ask(self) -> bool:
        lane = self._lane
        return bool(lane.stream_queue) or (lane.prefers_stream and lane.has_fresh)

    def _next(self) -> Asked | None:
        lane = self._lane
        if lane.stream_queue:
            return lane.stream_queue.popleft()
        found = lane.next_fresh() if lane.prefers_stream else None
        return None if found is None else lane.own(*found)

    def _fill(self, now_s: float) -> None:
        room = self._window - len(self._flight)
        for _ in range(self._lane.pace.take(room, now_s) if self._may_ask() else 0):
            asked = self._next()
            if asked is None:
                break
            if not self._flight:
                self._deadline_s = now_s + _PATIENCE_S
            asked.stream_tries += 1
            asked.edns = asked.edns and self._lane.edns
            query_id = self._ids.unused(self._flight)
            self._flight[query_id] = asked
            wire = query_id + query_opening(edns=asked.edns) + asked.octets + query_ending(edns=asked.edns)
            self._out += len(wire).to_bytes(2, "big") + wire
        self._flush()

    def _flush(self) -> None:
        if self._socket is None:
            return
        try:
            if self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self._lose(REFUSED)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._lane.selector.modify(self._socket, events, self)

    def _receive(self, now_s: float) -> None:
        try:
            octets = self._socket.recv(65536) if self._socket else b""
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self._lose(REFUSED)
            return
        self._deadline_s = now_s + _PATIENCE_S
        start, octets = 0, self._in + octets
        while len(octets) >= start + 2 and len(octets) >= (end := start + 2 + (octets[start] << 8 | octets[start + 1])):
            self._take(octets[start + 2 : end])
            start = end
        self._in = octets[start:]

    def _take(self, wire: bytes) -> None:
        lane = self._lane
        asked = self._flight.get(wire[:2])
        if asked is None:
            return
        if asked.wanted is not None and lane.matcher.matches(wire, asked.octets, asked.wanted):
            del self._flight[wire[:2]]
            self._worked(asked, wire)
            lane.count(asked, "tcp")
        elif belongs(wire, asked.octets):
            del self._flight[wire[:2]]
            self._read(asked, wire)

    def _read(self, asked: Asked, wire: bytes) -> None:
        lane = self._lane
        if asked.edns and dislikes_edns(wire):
            lane.edns = asked.edns = False
            lane.stream_queue.appendleft(asked)
            return
        if is_truncated(wire):
            lane.give_up(asked, MALFORMED, "tcp")
            return
        try:
            answer = lane.read(asked, wire)
        except MalformedError:
            lane.give_up(asked, MALFORMED, "tcp")
            return
        self._worked(asked, wire)
        lane.answered(asked, answer, "tcp")

    def _worked(self, asked: Asked, wire: bytes) -> None:
        # Small answers cut down to nothing are how servers limit rates; it does not hold for TCP.
        slips = asked.slipped and len(wire) <= _FITS_A_DATAGRAM
        self._lane.prefers_stream |= slips or self._lane.losses_in_row >= _LOSSES_IN_ROW
        self._has_worked = True
        self._answers_on_this += 1

    def _lose(self, why: NoReply) -> None:
        """Close; ask again what a server that closes after some answers left open, give up the rest."""
        was_useful = self._answers_on_this > 0
        was_connected = self._connected
        self.close()
        if was_useful and why == REFUSED:
            self._window = 1  # it closes early: one question on each connection
        again: list[Asked] = []
        lost: list[Asked] = []
        for asked in self._flight.values():
            may_try = was_useful or (asked.stream_tries < _TRIES and why == REFUSED)
            (again if may_try else lost).append(asked)
        self._flight.clear()
        if not was_connected:
            lost.extend(self._lane.stream_queue)
            self._lane.stream_queue.clear()
        self._lane.stream_queue.extendleft(reversed(again))
        for asked in lost:
            self._fail(asked, why)

    def _fail(self, asked: Asked, why: NoReply) -> None:
        """Give a question back to UDP when it lost only a datagram, else give it up."""
        lane = self._lane
        if not self._has_worked:
            lane.stream_broken = why
        if asked.why_not == TIMEOUT and asked.tries < TRIES:
            lane.again.append(asked)
        else:
            lane.give_up(asked, *_blame(asked, why))


def _why(code: int) -> NoReply:
    if code in (errno.ECONNREFUSED, errno.ECONNRESET):
        return REFUSED
    return UNREACHABLE if code in _NO_ROUTE else TIMEOUT


def _blame(asked: Asked, why: NoReply) -> tuple[NoReply, str]:
    """Say what happened in the end: UDP's failure stands, unless TCP knows that nobody listens."""
    if asked.why_not is None:
        return why, "tcp"
    if asked.why_not == TIMEOUT and why == REFUSED:
        return REFUSED, "udp"
    return asked.why_not, "udp"
