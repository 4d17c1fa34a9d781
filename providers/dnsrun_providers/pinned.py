"""HTTP connections of urllib3 whose sockets come from `Net`; imported only when the first request is made.

TLS is always verified, against the name in the URL.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import Url

from dnsrun.ports.net import Net

Connect = Callable[[str, int], socket.socket]


def pool(net: Net, url: Url, *, connect_s: float, ca_file: str | None) -> HTTPConnectionPool:
    """Return a pool for one host, which opens its sockets through `net` and never another host's."""
    connect = _through(net, connect_s)
    host = (url.host or "").strip("[]")
    if url.scheme == "https":
        https_pool = HTTPSConnectionPool(host, url.port or 443, ssl_context=_verifying(ca_file))
        https_pool.ConnectionCls = _https(connect)
        return https_pool
    http_pool = HTTPConnectionPool(host, url.port or 80)
    http_pool.ConnectionCls = _http(connect)
    return http_pool


def _http(connect: Connect) -> type[HTTPConnection]:
    class Http(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _opened(self, connect)

    return Http


def _https(connect: Connect) -> type[HTTPSConnection]:
    class Https(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _opened(self, connect)

    return Https


def _opened(connection: HTTPConnection, connect: Connect) -> socket.socket:
    """Open the socket with the errors that urllib3's own method raises."""
    try:
        return connect(connection.host, connection.port or connection.default_port)
    except TimeoutError as err:
        raise ConnectTimeoutError(connection, "no answer") from err
    except OSError as err:
        raise NewConnectionError(connection, err.strerror or str(err)) from err


def _verifying(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _through(net: Net, connect_s: float) -> Connect:
    def connect(host: str, port: int) -> socket.socket:
        failed: OSError = OSError(f"{host} has no address")
        for address in _addresses(host, port):
            try:
                return net.connect(address, port, timeout_s=connect_s)
            except OSError as err:
                failed = err
        raise failed

    return connect


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
