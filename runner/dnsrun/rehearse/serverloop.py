"""One thread that serves UDP and TCP on one port: framing, slow readers, delayed answers, no DNS."""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import Thread
from typing import Literal, NamedTuple

Transport = Literal["udp", "tcp"]
_TCP_IDLE_S = 30.0
_BIND_TRIES = 50
_RESET = struct.pack("ii", 1, 0)  # closing does not linger: RST instead of FIN


class Reply(NamedTuple):
    """The messages to send, made as they are needed, the first of them after `delay_s` seconds.

    `breaks`: the connection is reset instead.
    """

    messages: Iterable[bytes] = ()
    delay_s: float = 0.0
    breaks: bool = False


Handler = Callable[[bytes, Transport], Reply]


def bind_both(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind a UDP and a listening TCP socket to the same port; port 0 picks one that is free for both.

    Raises:
        OSError: The port is taken, or no common free port was found.
    """
    for attempt in itertools.count(1):
        try:
            return _bind_once(address, port)
        except OSError:
            if port or attempt == _BIND_TRIES:
                raise
    raise AssertionError  # pragma: no cover - count() does not end


def _bind_once(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    tcp = socket.create_server((address, port), family=family, backlog=128)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.bind((address, tcp.getsockname()[1]))
    except OSError:
        udp.close()
        tcp.close()
        raise
    udp.settimeout(0)
    tcp.settimeout(0)
    return udp, tcp


class _Connection:
    """One TCP connection: cuts the stream into messages, writes answers as fast as they are read."""

    def __init__(self, loop: ServerLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._received = bytearray()
        self._unsent = bytearray()
        self._answers: deque[Iterator[bytes]] = deque()
        self._waiting = 0
        self._peer_is_done = False
        self.last_used_s = time.monotonic()

    def ready(self, mask: int) -> None:
        self.last_used_s = time.monotonic()
        try:
            if mask & selectors.EVENT_READ:
                self._read()
            if mask & selectors.EVENT_WRITE:
                self._write()
        except OSError:
            self.close()
            return
        self._settle()

    def answer(self, messages: Iterable[bytes]) -> None:
        self._waiting -= 1
        self._answers.append(iter(messages))
        self._settle()

    def close(self) -> None:
        self._loop.forget(self, self._sock)
        self._sock.close()

    def _read(self) -> None:
        octets = self._sock.recv(65536)
        if not octets:
            self._peer_is_done = True
        self._received += octets
        while (message := self._cut()) is not None:
            reply = self._loop.handle(message, "tcp")
            if reply.breaks:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                raise ConnectionResetError
            self._waiting += 1
            self._loop.later(reply.delay_s, partial(self.answer, reply.messages))

    def _cut(self) -> bytes | None:
        """Take one whole message off the stream (RFC 1035 section 4.2.2), if there is one."""
        if len(self._received) < 2:
            return None
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < end:
            return None
        message = bytes(self._received[2:end])
        del self._received[:end]
        return message

    def _write(self) -> None:
        while not self._unsent and self._answers:
            message = next(self._answers[0], None)
            if message is None:
                self._answers.popleft()
            else:
                self._unsent += len(message).to_bytes(2, "big") + message
        if self._unsent:
            del self._unsent[: self._sock.send(self._unsent)]

    def _settle(self) -> None:
        if self._sock.fileno() < 0:
            return  # closed while an answer was held back
        has_output = bool(self._unsent or self._answers)
        if self._peer_is_done and not has_output and not self._waiting:
            self.close()
            return
        events = selectors.EVENT_WRITE if has_output else 0
        self._loop.watch(self._sock, self, events | (0 if self._peer_is_done else selectors.EVENT_READ))


class ServerLoop:
    """Serve a handler over UDP and TCP from a thread of its own until `stop` is called."""

    def __init__(self, handler: Handler, *, address: str, port: int, name: str) -> None:
        self.handle = handler
        self._udp, self._tcp = bind_both(address, port)
        self.port: int = self._udp.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._stopping = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close every socket; answers not yet sent are lost."""
        # The byte first: a busy thread that sees the flag closes both ends of the pair.
        self._wake_writer.send(b"x")
        self._stopping = True
        self._thread.join()

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Run `act` in the loop's thread, at once or after `delay_s` seconds; called from that thread."""
        if delay_s <= 0:
            act()
        else:
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._sequence), act))

    def watch(self, sock: socket.socket, connection: _Connection, events: int) -> None:
        """Wait for `events` on a connection's socket; 0 waits for nothing but keeps it open."""
        known = sock in self._selector.get_map()
        if events and known:
            self._selector.modify(sock, events, connection.ready)
        elif events:
            self._selector.register(sock, events, connection.ready)
        elif known:
            self._selector.unregister(sock)

    def forget(self, connection: _Connection, sock: socket.socket) -> None:
        """Stop waiting for a connection that is about to be closed."""
        self._connections.discard(connection)
        if sock.fileno() >= 0 and sock in self._selector.get_map():
            self._selector.unregister(sock)

    def _run(self) -> None:
        self._selector.register(self._udp, selectors.EVENT_READ, self._udp_ready)
        self._selector.register(self._tcp, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, lambda _: None)
        try:
            while not self._stopping:
                for selected, mask in self._selector.select(self._next_due_s()):
                    selected.data(mask)
                self._run_due()
        finally:
            self._close()

    def _next_due_s(self) -> float:
        due_s = self._due[0][0] - time.monotonic() if self._due else _TCP_IDLE_S
        return max(0.0, min(due_s, _TCP_IDLE_S))

    def _run_due(self) -> None:
        now_s = time.monotonic()
        while self._due and self._due[0][0] <= now_s:
            heapq.heappop(self._due)[2]()
        for connection in [c for c in self._connections if c.last_used_s < now_s - _TCP_IDLE_S]:
            connection.close()

    def _udp_ready(self, _: int) -> None:
        try:
            wire, client = self._udp.recvfrom(65535)
        except OSError:
            return
        reply = self.handle(wire, "udp")
        self.later(reply.delay_s, partial(self._send_udp, reply.messages, client))

    def _send_udp(self, messages: Iterable[bytes], client: tuple[str, int]) -> None:
        for message in messages:
            try:
                self._udp.sendto(message, client)
            except OSError:
                return

    def _accept(self, _: int) -> None:
        try:
            sock, _client = self._tcp.accept()
        except OSError:
            return
        sock.settimeout(0)
        connection = _Connection(self, sock)
        self._connections.add(connection)
        self.watch(sock, connection, selectors.EVENT_READ)

    def _close(self) -> None:
        for connection in list(self._connections):
            connection.close()
        self._selector.close()
        for sock in (self._udp, self._tcp, self._wake_reader, self._wake_writer):
            sock.close()
