"""Ports on loopback that stand for services at real addresses, and connections that are read line by line."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from threading import Thread
from types import TracebackType
from typing import Self

from dnsrun.rehearse.lab import Place

_PATIENCE_S = 30.0
_LONGEST_LINE = 64 * 1024


class Peer:
    """A client's connection. Texts are octets as Latin-1, so that whatever comes can be given back.

    `secure` shakes hands as the server of this place.
    """

    def __init__(self, sock: socket.socket, context: Callable[[], ssl.SSLContext]) -> None:
        sock.settimeout(_PATIENCE_S)
        # After a handshake the greeting would wait for the client to acknowledge what it never answers.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._context = context
        self._received = b""
        self.is_secure = False

    def secure(self) -> None:
        """Begin TLS; what came before in the clear is forgotten (RFC 3207 section 4.2). Raises `OSError`."""
        self._received = b""
        self._sock = self._context().wrap_socket(self._sock, server_side=True)
        self.is_secure = True

    def line(self) -> str:
        """Return the next line without its end; raises `EOFError` when the client has gone, `OSError`."""
        while b"\n" not in self._received:
            octets = self._sock.recv(65536)
            if not octets or len(self._received) > _LONGEST_LINE:
                raise EOFError
            self._received += octets
        line, _, self._received = self._received.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def say(self, *lines: str) -> None:
        """Send lines; raises `OSError`."""
        self.send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))

    def send(self, octets: bytes) -> None:
        """Send octets in one piece; raises `OSError`."""
        self._sock.sendall(octets)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._sock.close()


Talk = Callable[[Peer], None]


class Door:
    """One port on 127.0.0.1 and the thread that talks to who comes, one after the other."""

    def __init__(self, talk: Talk, context: Callable[[], ssl.SSLContext]) -> None:
        self._talk = talk
        self._context = context
        self._is_closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place: Place = ("127.0.0.1", self._listener.getsockname()[1])
        self._thread = Thread(target=self._serve, name=f"door {self.place[1]}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the port."""
        self._is_closing = True
        with suppress(OSError):
            socket.create_connection(self.place).close()  # wakes who waits for a client
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._is_closing:
                sock.close()
                return
            # Whatever a client does that is none of the protocol ends its connection, and nothing else.
            with closing(Peer(sock, self._context)) as peer, suppress(OSError, EOFError, ValueError, LookupError):
                self._talk(peer)


class Doors:
    """The doors of a trial by the places that they stand for, opened when somebody comes. A context manager."""

    def __init__(self) -> None:
        self._doors: dict[Place, Door] = {}

    def place(self, of: Place, talk: Talk, context: Callable[[], ssl.SSLContext]) -> Place:
        """Return where a place is played."""
        if of not in self._doors:
            self._doors[of] = Door(talk, context)
        return self._doors[of].place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._doors:
            self._doors.popitem()[1].close()
