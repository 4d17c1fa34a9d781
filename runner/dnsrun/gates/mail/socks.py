"""A SOCKS 5 proxy, for machines whose own network blocks a port (RFC 1928; no authentication)."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address

from dnsrun.gates.budget import Budget
from dnsrun.ports.net import Net

_VERSION, _NO_AUTHENTICATION, _CONNECT = 5, 0, 1
_V4, _V6 = 1, 4
_UNREACHABLE = frozenset({3, 4, 6})  # no route to the network or host, or too far away
_REFUSED = 5
_SCHEME = "socks5://"
_HIGHEST_PORT = 65535


class ProxyError(OSError):
    """The proxy itself cannot be used: it says nothing of the server behind it."""


def place_of(via: str) -> tuple[str, int]:
    """Return host (name or address) and port of `socks5://HOST:PORT`; raises `ProxyError`."""
    host, _, port = via.removeprefix(_SCHEME).rpartition(":")
    if not (port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        raise ProxyError("the proxy's port must be a number up to 65535")
    return host.strip("[]"), int(port)


def connect_through(net: Net, proxy: tuple[str, int], address: str, port: int, budget: Budget) -> socket.socket:
    """Return a socket that the proxy at an address has connected. Touches the network; raises `OSError`.

    `ConnectionRefusedError`: the proxy says that the server refused; `TimeoutError`: that it was not heard;
    `ProxyError`: the proxy does not serve us, or does not say why it failed.
    """
    try:
        sock = net.connect(*proxy, timeout_s=budget.left_s())
    except OSError as err:
        raise ProxyError(f"the proxy {proxy[0]} cannot be reached: {err.strerror or err}") from err
    try:
        _greet(sock, budget)
        code = _ask(sock, address, port, budget)
    except ConnectionError as err:
        _close(sock)
        raise ProxyError("the proxy breaks off") from err
    except BaseException:
        _close(sock)
        raise
    if code:
        _close(sock)
        raise _failure(code)
    return sock


def _failure(code: int) -> OSError:
    if code == _REFUSED:
        return ConnectionRefusedError()
    return TimeoutError() if code in _UNREACHABLE else ProxyError(f"the proxy does not connect: its code is {code}")


def _greet(sock: socket.socket, budget: Budget) -> None:
    _send(sock, bytes((_VERSION, 1, _NO_AUTHENTICATION)), budget)
    if _take(sock, 2, budget) != bytes((_VERSION, _NO_AUTHENTICATION)):
        raise ProxyError("the proxy does not speak SOCKS 5 without a password")


def _ask(sock: socket.socket, address: str, port: int, budget: Budget) -> int:
    """Ask for a connection and return the proxy's code, 0 when it stands."""
    where = ip_address(address)
    kind = _V4 if where.version == 4 else _V6
    _send(sock, bytes((_VERSION, _CONNECT, 0, kind)) + where.packed + port.to_bytes(2, "big"), budget)
    version, code, _, bound = _take(sock, 4, budget)
    if version != _VERSION:
        raise ProxyError("the proxy does not speak SOCKS 5")
    length = {_V4: 4, _V6: 16}.get(bound) or _take(sock, 1, budget)[0]
    _take(sock, length + 2, budget)
    return code


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


def _close(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.close()
