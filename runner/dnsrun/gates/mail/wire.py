"""A connection as the clients of the standard library want it: every wait from one budget, octets capped.

The clients (smtplib, imaplib, poplib) speak the protocols; they get their socket here and never open one.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import facts, secure

from .socks import ProxyError

OCTETS_CAP = 1 << 20


class BrokenError(OSError):
    """The server does not keep to its protocol, or offers less than it must; the words say how."""


class Wire:
    """A connected socket, in the clear or secured; `certificate` holds the facts of the peer's once it is.

    `through_proxy`: what happens before the server's first octet may be the proxy's doing, and raises `ProxyError`.
    """

    def __init__(self, sock: socket.socket, budget: Budget, *, through_proxy: bool = False) -> None:
        self._sock = sock
        self._budget = budget
        self._room = OCTETS_CAP
        self._may_be_proxy = through_proxy
        self.certificate: dict[str, str] = {}

    def secure(self, host: str, trust: ssl.SSLContext) -> Wire:
        """Shake hands, with `host` as the name to verify; raises `OSError`."""
        secured = secure(self._sock, host, trust, self._budget)
        self._sock = secured
        self.certificate = facts(secured)
        return self

    @property
    def own_address(self) -> str:
        """The address that the connection comes from."""
        return str(self._sock.getsockname()[0])

    def sendall(self, octets: bytes) -> None:
        """Send; raises `OSError`."""
        self._sock.settimeout(self._budget.left_s())
        self._sock.sendall(octets)

    def take(self, buffer: Any) -> int:
        """Receive into a buffer; raises `OSError`, also after too many octets."""
        self._sock.settimeout(self._budget.left_s())
        count = self._received(buffer)
        self._room -= count
        if self._room < 0:
            raise BrokenError("does not stop talking")
        return count

    def _received(self, buffer: Any) -> int:
        if not self._may_be_proxy:
            return self._sock.recv_into(buffer)
        try:
            count = self._sock.recv_into(buffer)
        except ConnectionError as err:
            raise ProxyError("the proxy breaks off before the server says a word") from err
        if not count:
            raise ProxyError("the proxy closes the connection before the server says a word")
        self._may_be_proxy = False
        return count

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - the clients read octets only
        """Return a reader."""
        return io.BufferedReader(_Reader(self))

    def settimeout(self, _seconds: float | None) -> None:
        """Keep to the budget."""

    def shutdown(self, _how: int) -> None:
        """Leave that to `close`."""

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._sock.close()


Connect = Callable[[Budget], Wire]


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.take(buffer)


class _Upgrade:
    """Stands for the `SSLContext` that a client wraps its socket with on STARTTLS."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust

    def wrap_socket(self, sock: Wire, server_hostname: str) -> Wire:
        return sock.secure(server_hostname, self._trust)


def upgrade(trust: ssl.SSLContext) -> ssl.SSLContext:
    """Return what a client's STARTTLS takes for its context; it secures the `Wire`."""
    return cast("ssl.SSLContext", _Upgrade(trust))


def as_socket(wire: Wire) -> socket.socket:
    """Return the wire as the socket that a client's signature asks for."""
    return cast("socket.socket", wire)
