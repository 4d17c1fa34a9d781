"""The network: questions in bulk, single exchanges, connections; straight or through a map to loopback."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import Literal

import dns.message
from dns.exception import DNSException
from dns.message import Message
from dns.rdatatype import RdataType

from dnsrun.clock import Clock
from dnsrun.errors import OutsideError
from dnsrun.model.expected import Expected, Matched
from dnsrun.model.observation import Endpoint, Observation, Question, Transport
from dnsrun.ports.net import POLITE, Rate, usual_limit

from .answers import AnswerReader
from .bulk import Round
from .compare import Matcher
from .lanes import TRIES, Pace, Target
from .transfermessage import read_transfer_message

_TRANSFERS = (RdataType.AXFR, RdataType.IXFR)


class _NotOursError(ValueError):
    """A response that is not to be believed."""


class SocketNet:
    """`dnsrun.ports.net.Net` over real sockets.

    Keeps the pace of each server between calls; keeps no socket. May be used by one thread at a time.
    `polite` is the limit for servers that are not on loopback, where a call gives none.
    """

    def __init__(self, clock: Clock, *, polite: Rate = POLITE) -> None:
        self._clock = clock
        self._polite = polite
        self._reader = AnswerReader()
        self._matcher = Matcher()
        self._paces: dict[tuple[Target, int | None], Pace] = {}

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        """Ask all questions and yield one observation for each, in any order; see `Net.ask`.

        UDP; when a datagram is lost (after 1 s, then by the measured round trip, 50 ms at least) or truncated TCP,
        which limits on equal answers spare; where TCP does not work UDP twice more, the last time without EDNS. A
        server that cuts small answers down to nothing, or loses all, is asked the rest over TCP. `transport` of an
        observation ends in ` without EDNS` when the server answered only so. When four questions in a row were in
        vain a server counts as silent and the rest is not sent. Touches the network.
        """
        asking = self._round()
        limits: dict[Endpoint, tuple[Target | None, Rate]] = {}
        for question in questions:
            known = limits.get(question.server)
            if known is None:
                known = limits[question.server] = self._way(question.server, limit)
            asking.add(question, *known)
        for one in asking.run():
            if isinstance(one, Observation):
                yield one

    def compare(
        self, expected: Mapping[Endpoint, Iterable[Expected]], *, limit: Rate | None = None
    ) -> Iterator[Observation | Matched]:
        """Ask each server all that is expected of it and yield what is not as expected; see `Net.compare`.

        Asks as `ask` does. Counts come about four times a second. Touches the network.
        """
        asking = self._round()
        for server, names in expected.items():
            asking.expect(server, names, *self._way(server, limit))
        return asking.run()

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        """Send one message and yield what comes back until the caller stops; see `Net.exchange`.

        `timeout_s` bounds connecting and the wait for each message. Over UDP it asks up to three times and yields
        one message. With a TSIG key the first message must be signed and every signature must hold (RFC 8945
        section 5.3); that the last one is signed is for whoever knows which is the last. Raises `OutsideError`:
        `in-doubt` once the message was sent. Touches the network.
        """
        target = self._place(server.address, server.port)
        if target is None:
            raise _outside(server, "cannot be reached from here", sent=False)
        wire = message.to_wire()
        if transport == "udp":
            yield _over_udp(server, target, message, wire, timeout_s)
        else:
            yield from _over_tcp(server, target, message, wire, timeout_s)

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connected TCP socket with that time-out set; raises `OSError`. Touches the network."""
        target = self._place(address, port)
        if target is None:
            raise OSError(errno.ENETUNREACH, f"no route to {address}")
        return _connected(target, socket.SOCK_STREAM, timeout_s)

    def _place(self, address: str, port: int) -> Target | None:
        return address, port

    def _round(self) -> Round:
        return Round(clock=self._clock, reader=self._reader, matcher=self._matcher, pace=self._pace)

    def _way(self, server: Endpoint, limit: Rate | None) -> tuple[Target | None, Rate]:
        target = self._place(server.address, server.port)
        return target, limit or self._usual_limit(target)

    def _usual_limit(self, target: Target | None) -> Rate:
        return self._polite if target is None else usual_limit(target[0], self._polite)

    def _pace(self, target: Target, limit: Rate) -> Pace:
        return self._paces.setdefault((target, limit.per_second), Pace(limit.per_second))


class MappedNet(SocketNet):
    """A net on which only listed places exist, each at another address and port; nothing else leaves.

    `places` maps real (address, port) to where it is played; it is read at each call, so that it may grow.
    Observations keep the real addresses.
    """

    def __init__(self, places: Mapping[tuple[str, int], tuple[str, int]], clock: Clock) -> None:
        super().__init__(clock)
        self._places = places

    def _place(self, address: str, port: int) -> Target | None:
        return self._places.get((address, port))


def _connected(target: Target, kind: socket.SocketKind, timeout_s: float) -> socket.socket:
    family = socket.AF_INET6 if ip_address(target[0]).version == 6 else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.settimeout(timeout_s)
        sock.connect(target)
    except OSError:
        sock.close()
        raise
    return sock


def _outside(server: Endpoint, what: str, *, sent: bool, retryable: bool = True) -> OutsideError:
    certainty: Literal["in-doubt", "not-applied"] = "in-doubt" if sent else "not-applied"
    return OutsideError(f"{server} {what}", retryable=retryable, certainty=certainty)


def _open(server: Endpoint, target: Target, kind: socket.SocketKind, timeout_s: float) -> socket.socket:
    try:
        return _connected(target, kind, timeout_s)
    except OSError as err:
        raise _outside(server, f"cannot be reached: {err.strerror or 'no answer'}", sent=False) from err


def _over_udp(server: Endpoint, target: Target, message: Message, wire: bytes, timeout_s: float) -> Message:
    with closing(_open(server, target, socket.SOCK_DGRAM, timeout_s)) as sock:
        for _ in range(TRIES):
            try:
                sock.send(wire)
                if answer := _matching(sock, message, time.monotonic() + timeout_s / TRIES):
                    return answer
            except OSError as err:
                raise _outside(server, f"does not answer: {err.strerror}", sent=True) from err
    raise _outside(server, f"does not answer within {timeout_s:g} s", sent=True)


def _matching(sock: socket.socket, message: Message, deadline_s: float) -> Message | None:
    """Wait for the answer; whatever does not fit is ignored (threat 18)."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        sock.settimeout(left_s)
        try:
            wire = sock.recv(65535)
        except TimeoutError:
            return None
        with suppress(DNSException, _NotOursError):
            return _read(wire, message)
    return None


def _over_tcp(server: Endpoint, target: Target, message: Message, wire: bytes, timeout_s: float) -> Iterator[Message]:
    is_transfer = bool(message.question) and message.question[0].rdtype in _TRANSFERS
    with closing(_open(server, target, socket.SOCK_STREAM, timeout_s)) as sock:
        try:
            sock.sendall(len(wire).to_bytes(2, "big") + wire)
        except OSError as err:
            raise _outside(server, f"broke the connection: {err.strerror}", sent=True) from err
        answer: Message | None = None
        while True:
            octets = _frame(server, sock, timeout_s)
            try:
                answer = _read(octets, message, after=answer, in_transfer=is_transfer)
            except (DNSException, _NotOursError) as err:
                raise _outside(server, f"answers what cannot be read: {err}", sent=True, retryable=False) from err
            yield answer


def _frame(server: Endpoint, sock: socket.socket, timeout_s: float) -> bytes:
    deadline_s = time.monotonic() + timeout_s
    return _exactly(server, sock, int.from_bytes(_exactly(server, sock, 2, deadline_s), "big"), deadline_s)


def _exactly(server: Endpoint, sock: socket.socket, count: int, deadline_s: float) -> bytes:
    octets = bytearray()
    while len(octets) < count:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise _outside(server, "stopped answering", sent=True)
        sock.settimeout(left_s)
        try:
            more = sock.recv(count - len(octets))
        except TimeoutError:
            continue
        except OSError as err:
            raise _outside(server, f"broke the connection: {err.strerror}", sent=True) from err
        if not more:
            raise _outside(server, "closed the connection before the end", sent=True)
        octets += more
    return bytes(octets)


def _read(wire: bytes, message: Message, *, after: Message | None = None, in_transfer: bool = False) -> Message:
    """Read one response, of a transfer only header and signature.

    Raises `DNSException` or `_NotOursError` when it is not to be believed.
    """
    if in_transfer:
        answer = read_transfer_message(wire, message, after=after)
    else:
        answer = dns.message.from_wire(wire, keyring=message.keyring, request_mac=message.mac)
    # Later messages of a transfer may leave the question out (RFC 5936 section 2.2.1).
    continues = after is not None and answer.id == message.id and not answer.question
    if not continues and not message.is_response(answer):
        raise _NotOursError("it is not an answer to what was asked")
    if message.keyring and after is None and not answer.had_tsig:
        raise _NotOursError("it is not signed")
    return answer
