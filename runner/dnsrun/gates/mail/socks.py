"""A SOCKS 5 proxy, for machines whose own network blocks a port (RFC 1928; no authentication)."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address

from dnsrun.gates.budget import Budget
from dnsrun.ports.net import Net

_VERSION, _NO_AUTHENTICATION, _CONNECT = 5, 0, 1
_V4, _V6 = 1, 4
_REFUSED = 5
_SCHEME = "socks5://"


class ProxyError(OSError):
    """The proxy itself cannot be used: it says nothing of the server behind it."""


def place_of(via: str) -> tuple[str, int]:
    """Return host (name or address) and port of `socks5://HOST:PORT`."""
    host, _, port = via.removeprefix(_SCHEME).rpartition(":")
    return host.strip("[]"), int(port)


def connect_through(net: Net, proxy: tuple[str, int], address: str, port: int, budget: Budget) -> socket.socket:
    """Return a socket that the proxy at an address has connected. Touches the network; raises `OSError`.

    `ConnectionRefusedError`: the proxy says that the server refused; `ProxyError`: the proxy does not serve us.
    """
    try:
        sock = net.connect(*proxy, timeout_s=budget.left_s())
    except OSError as err:
        raise ProxyError(f"the proxy {proxy[0]} cannot be reached: {err.strerror or err}") from err
    try:
        _greet(sock, budget)
        _ask(sock, address, port, budget)
    except BaseException:
        with suppress(OSError):
            sock.close()
        raise
    return sock


def _greet(sock: socket.socket, budget: Budget) -> None:
    _send(sock, bytes((_VERSION, 1, _NO_AUTHENTICATION)), budget)
    if _take(sock, 2, budget) != bytes((_VERSION, _NO_AUTHENTICATION)):
        raise ProxyError("the proxy does not speak SOCKS 5 without a password")


def _ask(sock: socket.socket, address: str, port: int, budget: Budget) -> None:
    where = ip_address(address)
    kind = _V4 if where.version == 4 else _V6
    _send(sock, bytes((_VERSION, _CONNECT, 0, kind)) + where.packed + port.to_bytes(2, "big"), budget)
    version, code, _, bound = _take(sock, 4, budget)
    if version != _VERSION:
        raise ProxyError("the proxy does not speak SOCKS 5")
    length = {_V4: 4, _V6: 16}.get(bound) or _take(sock, 1, budget)[0]
    _take(sock, length + 2, budget)
    if code == _REFUSED:
        raise ConnectionRefusedError
    if code:
        raise TimeoutError  # network or host unreachable, or not allowed: the server was not heard


def _send(sock: socket.socket, octets: bytes, budget: Budget) -> None:
    sock.settimeout(budget.left_s())
    sock.sendall(octets)


def _take(sock: socket.socket, count: int, budget: Budget) -> bytes:
    taken = b""
    while len(taken) < count:
        sock.settimeout(budget.left_s())
        more = sock.recv(count - len(taken))
        if not more:
            raise ProxyError("the proxy closes the connection")
        taken += more
    return taken
