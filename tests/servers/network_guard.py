"""Keep tests on loopback: whatever leaves the machine raises at once."""

from __future__ import annotations

import ipaddress
import sys

_TO_AN_ADDRESS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_BY_NAME = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_LOCAL_NAMES = frozenset({"localhost", "", None})


class NetworkIsClosedError(RuntimeError):
    """A test reached for an address outside the machine.

    Not an OSError, so that no code under test takes it for an unreachable server.
    """


def close_network() -> None:
    """Install the guard for the rest of the process: audit hooks stay. Calling it twice is harmless."""
    sys.addaudithook(_refuse_outside)


def _refuse_outside(event: str, args: tuple[object, ...]) -> None:
    if event in _TO_AN_ADDRESS:
        _check(event, _host_of(args[1]))
    elif event in _BY_NAME:
        _check(event, args[0])


def _host_of(address: object) -> object:
    # Unix sockets have text or bytes for an address; a connected socket's sendmsg has None.
    return address[0] if isinstance(address, tuple) else None


def _check(event: str, host: object) -> None:
    text = host.decode() if isinstance(host, bytes) else host
    if text in _LOCAL_NAMES:
        return
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        raise NetworkIsClosedError(f"{event}: {text} is not this machine; tests stay on loopback") from None
    if event in _TO_AN_ADDRESS and not _is_loopback(address):
        raise NetworkIsClosedError(f"{event}: {address} is not loopback; tests stay on loopback")


def _is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
