"""Web servers on loopback, well-behaved and not, each for one test."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

Reply = tuple[int, Mapping[str, str], bytes]


@dataclass
class Web:
    """A running web server; `replies` maps paths to what is answered, `heard` lists requests, `posted` bodies."""

    port: int
    replies: dict[str, Reply]
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, int]:
        """Address and port on loopback."""
        return "127.0.0.1", self.port


@contextmanager
def web(replies: Mapping[str, Reply], tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve these replies until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.heard.append((self.path, dict(self.headers)))
            status, fields, body = told.replies.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def do_POST(self) -> None:
            told.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def finish_request(self, request: object, client_address: object) -> None:
            assert isinstance(request, socket.socket)
            with suppress(OSError):  # handshakes that the client breaks off
                wrapped = tls.wrap_socket(request, server_side=True) if tls else request
                with wrapped:
                    Handler(wrapped, client_address, self)

    server = Server(("127.0.0.1", 0), Handler)
    told = Web(server.server_address[1], dict(replies))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def raw(behave: Callable[[socket.socket, Event], None]) -> Iterator[tuple[str, int]]:
    """Serve one connection at a time with `behave`; the event is set when the block ends."""
    over = Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    behave(connection, over)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def hang(_: socket.socket, over: Event) -> None:
    """Take the connection and say nothing."""
    over.wait()


def reset(connection: socket.socket, _: Event) -> None:
    """Take the request and reset the connection."""
    connection.recv(1000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def drip(connection: socket.socket, over: Event) -> None:
    """Send a header line that never ends, an octet at a time."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not over.wait(0.05):
        connection.sendall(b"x")


def endless(connection: socket.socket, over: Event) -> None:
    """Send a body without end."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"x" * 65536)


def smtp(connection: socket.socket, _: Event) -> None:
    """Speak another protocol."""
    connection.sendall(b"220 mail.client.example ESMTP\r\n")
    connection.recv(1000)
