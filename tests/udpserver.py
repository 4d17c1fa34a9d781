"""A server on loopback that answers whatever a test makes of each query."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

import dns.flags
import dns.message
import dns.name
from dns.exception import DNSException
from dns.message import Message

from dnsrun.model.observation import Endpoint
from servers import free_port

NS1 = dns.name.from_text("ns1.client.example.")
Reply = Callable[[Message], Iterable[bytes]]


@contextlib.contextmanager
def udp_server(reply: Reply, *, tcp: Callable[[socket.socket], None] | None = None) -> Iterator[Endpoint]:
    """Answer datagrams with what `reply` makes of them; hand TCP connections on the same port to `tcp`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket() as listener:
        port = free_port()
        sock.bind(("127.0.0.1", port))
        threads = [threading.Thread(target=_datagrams, args=(sock, reply))]
        if tcp is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            threads.append(threading.Thread(target=_connections, args=(listener, tcp)))
        for thread in threads:
            thread.start()
        yield Endpoint(NS1, "127.0.0.1", port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", ("127.0.0.1", port))
        if tcp is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def _datagrams(sock: socket.socket, reply: Reply) -> None:
    while True:
        wire, sender = sock.recvfrom(65535)
        if not wire:
            return
        try:
            query = dns.message.from_wire(wire)
        except DNSException:
            continue  # a stray datagram of somebody else's test
        if query.flags & dns.flags.QR or not query.question:
            continue  # a late answer to whoever had this port before
        for answer in reply(query):
            sock.sendto(answer, sender)


def _connections(listener: socket.socket, tcp: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                tcp(connection)
