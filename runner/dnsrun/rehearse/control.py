"""The line to a world: one JSON request and one JSON answer a connection, on loopback, for those who know the token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

_LONGEST = 4096
_IDLE_S = 5.0

Do = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Do something and return what to answer. Raises `ValueError` with the reason when it will not."""


class Control:
    """Listen on a free port of 127.0.0.1 and hand requests that carry `token` to `do`, as a context manager."""

    def __init__(self, do: Do, token: str) -> None:
        self._server = _Server(("127.0.0.1", 0), _handler(do, token))
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


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _handler(do: Do, token: str) -> type[StreamRequestHandler]:
    class Handler(StreamRequestHandler):
        timeout = _IDLE_S

        def handle(self) -> None:
            with suppress(OSError):
                answer = _answer(self.rfile.readline(_LONGEST), do, token)
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    return Handler


def _answer(line: bytes, do: Do, token: str) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict) or not hmac.compare_digest(str(request.get("token")).encode(), token.encode()):
            return {"refused": "the token is wrong"}
        return {"token": token, **do(str(request.get("do")), request)}
    except ValueError as err:
        return {"token": token, "refused": str(err)}
