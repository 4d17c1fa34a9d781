"""Free ports on 127.0.0.1 for servers that cannot be told to choose one themselves."""

from __future__ import annotations

import random
import socket
from contextlib import closing

LOOPBACK = "127.0.0.1"
# Below the range that Linux and macOS take outgoing ports from, so that no client can grab a port in between.
_LOWEST, _HIGHEST = 12_000, 31_999


def free_port() -> int:
    """Return a port that is free on 127.0.0.1 for UDP and TCP at this moment."""
    for port in random.sample(range(_LOWEST, _HIGHEST + 1), 200):
        if _is_free(port, socket.SOCK_DGRAM) and _is_free(port, socket.SOCK_STREAM):
            return port
    raise RuntimeError("no free port on 127.0.0.1 among 200 tried")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with closing(socket.socket(socket.AF_INET, kind)) as sock:
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
