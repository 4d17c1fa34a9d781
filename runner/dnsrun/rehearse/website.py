"""A small web site on loopback that real visitors can bring down: it serves so many pages, then only errors."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Self

GOOD, DOWN = 200, 503


class Site:
    """Pages at one address. `pages` is how many it serves before it breaks down; None: any number.

    Everybody's page counts, whether fetched over HTTP (`get`) or by visitors in the same process (`serve`).
    """

    def __init__(self, text: str, *, pages: int | None = None) -> None:
        self.text = text
        self._left: float | None = pages
        self._lock = Lock()

    def get(self) -> int:
        """Serve one page and return its status: 200, or 503 once the site has broken down."""
        return GOOD if self.serve(1) == 1 else DOWN

    def serve(self, pages: float) -> float:
        """Serve so many pages, parts of one included, and return how many there were left to serve."""
        with self._lock:
            if self._left is None:
                return pages
            served = min(pages, self._left)
            self._left -= served
            return served

    @property
    def is_down(self) -> bool:
        """Say whether no page is left to serve."""
        with self._lock:
            return self._left == 0

    def repair(self) -> None:
        """Make it serve any number of pages from now on."""
        with self._lock:
            self._left = None


class WebServer:
    """Serve a site over HTTP on a free port of 127.0.0.1 from threads, as a context manager."""

    def __init__(self, site: Site) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def place(self) -> tuple[str, int]:
        """Address and port on loopback."""
        return "127.0.0.1", self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status = site.get()
            text = site.text if status == GOOD else "Service Unavailable"
            body = f"<!doctype html><title>{text}</title><h1>{text}</h1>\n".encode()
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal belongs to the commands."""

    return Handler
