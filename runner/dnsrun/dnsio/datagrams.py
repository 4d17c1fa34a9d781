"""Bulk questions to one server over UDP: a window that follows loss, a retry time that follows the round trip.

One connected socket: the kernel drops what comes from elsewhere and passes on that a port is closed. An answer that
does not fit its question is ignored, and waiting goes on (threats 18, 19). What is lost is asked over TCP, since
servers limit the rate of equal answers; where TCP does not work, it is asked again.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket

from dnsrun.model.observation import NoReply

from .answers import MalformedError, belongs, dislikes_edns, is_empty, is_truncated, query_ending, query_opening
from .compare import Wanted
from .lanes import FIRST_RETRY_S, MALFORMED, REFUSED, TIMEOUT, TRIES, UNREACHABLE, Asked, Lane, QueryIds, transport_name

_SHORTEST_RETRY_S, _LONGEST_RETRY_S = 0.05, 2.0
_FIRST_WINDOW = 16
_DRAIN = 256  # datagrams per turn, so that a flood cannot stop the clock
_DATAGRAM = 4096
_BUFFER = 1 << 20
_QUEUED_S, _QUEUED_FACTOR = 0.005, 4

_Flying = tuple[bytes, Wanted | Asked, float, float, bool]  # question, source, sent, deadline (s), with EDNS


class UdpSide:
    """UDP to one server."""

    def __init__(self, lane: Lane, ids: QueryIds) -> None:
        self._lane = lane
        self._ids = ids
        self._flight: dict[bytes, _Flying] = {}
        self._window = float(min(_FIRST_WINDOW, lane.limit.in_flight))
        self._round_trip_s: float | None = None
        self._variation_s = 0.0
        self._shortest_s = float("inf")
        self._last_loss_s = 0.0
        self._knows_edns = False
        self._more = False  # what has arrived is not all read: nothing is overdue until it is
        self._check_at_s = float("inf")
        self._socket: socket.socket | None = None

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits for UDP."""
        lane = self._lane
        return not self._flight and not lane.again and (lane.prefers_stream or not lane.has_fresh)

    def due_s(self) -> float:
        """Return the monotonic time at which `tick` has something to do by itself."""
        if self._lane.is_silent and self._flight:
            return 0.0
        may_send = len(self._flight) < int(self._window) and self._may_ask()
        return min(self._check_at_s, self._lane.pace.free_at_s) if may_send else self._check_at_s

    def tick(self, now_s: float) -> None:
        """Ask again what is overdue, then what the window and the pace allow."""
        if self._lane.is_silent:
            self._drop_all()
        elif now_s >= self._check_at_s and not self._more:
            self._expire(now_s)
        room = int(self._window) - len(self._flight)
        if room > 0 and self._may_ask() and (self._socket is not None or self._open()):
            self._send(self._lane.pace.take(room, now_s), now_s)

    def on_ready(self, _mask: int, now_s: float) -> None:
        """Take what has arrived."""
        if self._socket is None:
            return
        matched, plain, sent_s = 0, 0, 0.0
        receive, flight, matches = self._socket.recv, self._flight, self._lane.matcher.matches
        try:
            for _ in range(_DRAIN):
                wire = receive(_DATAGRAM)
                query_id = wire[:2]
                flying = flight.get(query_id)
                if flying is None:
                    continue
                octets, source, at_s, _, edns = flying
                if type(source) is Wanted and matches(wire, octets, source):
                    del flight[query_id]
                    matched += 1
                    plain += not edns
                    sent_s = at_s
                elif len(wire) >= 12 and belongs(wire, octets):
                    self._take(query_id, flying, wire, now_s)
            self._more = True
        except BlockingIOError:
            self._more = False
        except OSError as err:
            self._on_error(err)
        if matched:
            self._measure(now_s - sent_s)
            self._count(matched, plain)

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if self._socket is not None:
            self._lane.selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _may_ask(self) -> bool:
        return bool(self._lane.again) or self._lane.may_ask_fresh

    def _open(self) -> bool:
        sock = socket.socket(self._lane.family, socket.SOCK_DGRAM)
        sock.settimeout(0.0)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        try:
            sock.connect(self._lane.target)
        except OSError:
            # Connecting sends nothing: it fails when this machine has no route to the address.
            sock.close()
            self._lane.drop_waiting(UNREACHABLE, "udp")
            return False
        self._lane.selector.register(sock, selectors.EVENT_READ, self)
        self._socket = sock
        return True

    def _send(self, count: int, now_s: float) -> None:
        lane = self._lane
        while count and lane.again:
            count -= 1
            asked = lane.again.popleft()
            edns = asked.edns and lane.edns
            self._put(asked.octets, asked, (now_s, now_s + self._retry_s(asked.tries)), edns=edns)
        if count and lane.may_ask_fresh:
            self._send_fresh(count, now_s)

    def _put(self, octets: bytes, source: Asked, sent_and_deadline_s: tuple[float, float], *, edns: bool) -> None:
        query_id = self._ids.unused(self._flight)
        self._flight[query_id] = (octets, source, *sent_and_deadline_s, edns)
        self._check_at_s = min(self._check_at_s, sent_and_deadline_s[1])
        if self._socket is not None:
            self._datagram(self._socket, query_id + query_opening(edns=edns) + octets + query_ending(edns=edns))

    def _send_fresh(self, count: int, now_s: float) -> None:
        # The same as above for many questions: what does not change is taken out of the loop.
        lane, flight, sock, unused = self._lane, self._flight, self._socket, self._ids.unused
        next_fresh, edns, send = lane.next_fresh, lane.edns, self._datagram
        opening, ending = query_opening(edns=edns), query_ending(edns=edns)
        deadline_s = now_s + self._retry_s(0)
        for _ in range(count):
            found = next_fresh()
            if found is None or sock is None:
                break
            octets, source = found
            query_id = unused(flight)
            flight[query_id] = (octets, source, now_s, deadline_s, edns)
            send(sock, query_id + opening + octets + ending)
        self._check_at_s = min(self._check_at_s, deadline_s)

    def _datagram(self, sock: socket.socket, wire: bytes) -> None:
        try:
            sock.send(wire)
        except BlockingIOError:
            return  # the datagram counts as lost
        except OSError as err:
            self._on_error(err)

    def _on_error(self, err: OSError) -> None:
        # Anybody can send an ICMP message that looks right, so that TCP has the last word. Others than
        # "port closed" are treated as loss.
        if isinstance(err, ConnectionRefusedError):
            flying, self._check_at_s = list(self._flight.values()), float("inf")
            self._flight.clear()
            for octets, source, *_ in flying:
                self._to_stream(self._lane.own(octets, source), REFUSED)

    def _retry_s(self, losses: int) -> float:
        if self._round_trip_s is None:
            return FIRST_RETRY_S
        wait_s = max(_SHORTEST_RETRY_S, self._round_trip_s + 4 * self._variation_s)
        return min(_LONGEST_RETRY_S, wait_s * 2.0**losses * random.uniform(1.0, 1.1))  # noqa: S311 - spreads retries

    def _expire(self, now_s: float) -> None:
        lane, flight = self._lane, self._flight
        overdue = [query_id for query_id, flying in flight.items() if flying[3] <= now_s]
        if overdue and now_s - self._last_loss_s > (self._round_trip_s or FIRST_RETRY_S):
            self._window = max(1.0, self._window / 2)
            self._last_loss_s = now_s
            lane.losses_in_row += 1
        for query_id in overdue:
            octets, source, *_ = flight.pop(query_id)
            self._lost(lane.own(octets, source))
        self._check_at_s = min((flying[3] for flying in flight.values()), default=float("inf"))

    def _lost(self, asked: Asked) -> None:
        lane = self._lane
        lane.in_doubt += asked.tries == 0
        asked.tries += 1
        if asked.tries == 1 and lane.stream_broken is None:
            self._to_stream(asked, TIMEOUT)
        elif asked.tries < TRIES:
            # Some paths drop datagrams with EDNS and say nothing: the last try goes without (fault 44).
            asked.edns = asked.tries < TRIES - 1
            lane.again.appendleft(asked)  # brought to its end before others are begun
        else:
            lane.give_up(asked, REFUSED if lane.stream_broken == REFUSED else TIMEOUT, "udp")

    def _drop_all(self) -> None:
        dropped = list(self._flight.values())
        self._flight.clear()
        self._check_at_s = float("inf")
        for octets, source, *_ in dropped:
            self._lane.give_up(self._lane.own(octets, source), TIMEOUT, "udp")

    def _take(self, query_id: bytes, flying: _Flying, wire: bytes, now_s: float) -> None:
        octets, source, sent_s, _, edns = flying
        lane = self._lane
        asked = lane.own(octets, source)
        del self._flight[query_id]
        asked.edns = edns
        lane.losses_in_row = 0
        if edns and dislikes_edns(wire):
            lane.edns = asked.edns = False
            lane.again.append(asked)
            return
        if not asked.tries:
            self._measure(now_s - sent_s)
        if is_truncated(wire):
            asked.slipped = is_empty(wire)
            self._to_stream(asked, None)
            return
        try:
            answer = lane.read(asked, wire)
        except MalformedError:
            self._to_stream(asked, MALFORMED)
            return
        self._knows_edns |= edns
        lane.edns &= edns or self._knows_edns
        self._grow(1)
        lane.answered(asked, answer, "udp")

    def _count(self, matched: int, plain: int) -> None:
        lane = self._lane
        lane.is_alive = True
        lane.in_vain = lane.losses_in_row = 0
        self._knows_edns |= matched > plain
        self._grow(matched)
        lane.matched[transport_name("udp", edns=True)] += matched - plain
        lane.matched[transport_name("udp", edns=False)] += plain

    def _grow(self, answers: int) -> None:
        # Answers that take much longer than the quickest one wait in a queue: more in flight would only overflow it.
        if (self._round_trip_s or 0.0) > _QUEUED_S + _QUEUED_FACTOR * self._shortest_s:
            return
        more = answers if self._last_loss_s == 0 else answers / self._window
        self._window = min(self._window + more, self._lane.limit.in_flight)

    def _measure(self, round_trip_s: float) -> None:
        """Follow the round trip as RFC 6298 section 2 does."""
        self._shortest_s = min(self._shortest_s, round_trip_s)
        if self._round_trip_s is None:
            self._round_trip_s, self._variation_s = round_trip_s, round_trip_s / 2
            return
        self._variation_s += (abs(self._round_trip_s - round_trip_s) - self._variation_s) / 4
        self._round_trip_s += (round_trip_s - self._round_trip_s) / 8

    def _to_stream(self, asked: Asked, why_not: NoReply | None) -> None:
        asked.why_not = why_not
        asked.edns = self._lane.edns
        self._lane.stream_queue.append(asked)
