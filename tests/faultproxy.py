"""A proxy before PowerDNS's HTTP API that fails as a seed says (faults 21 to 33, 36, 37)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Any, Self

from dnsrun.clock import Clock

READ_TROUBLES = ("429", "429 after", "500", "cut", "empty", "truncated", "doubled", "late", "closed")
WRITE_TROUBLES = (
    "429",
    "429 after",
    "500 before",
    "500 after",
    "closed after",
    "half",
    "twice",
    "swallowed",
    "held up",
)
HELD_UP_S = 50  # within the 60 s that the provider declares


@dataclass
class Weather:
    """What goes wrong. `left` requests may still go wrong, each with the chance `share`.

    `reads_late_s`: for so long after a write a listing shows the zone as before it. `serves_late_s`: for so long the
    second name server does. `ttl_floor_s`: lower TTLs are raised. `respells`: names come back in capitals, without
    final dots. `denied_from`: from this request on the key is not good, until it is renewed.
    """

    rng: Random
    troubles: frozenset[str] = frozenset()
    share: float = 0.0
    left: int = 0
    reads_late_s: int = 0
    serves_late_s: int = 0
    ttl_floor_s: int = 0
    respells: bool = False
    denied_from: int | None = None
    denied_status: int = 401

    @classmethod
    def of_seed(cls, seed: int) -> Weather:
        """Return what a seed brings: a few kinds of trouble, rarely all."""
        rng = Random(seed)
        known = sorted({*READ_TROUBLES, *WRITE_TROUBLES})
        troubles = frozenset(rng.sample(known, rng.choice((1, 2, 3, len(known)))))
        return cls(
            rng,
            troubles,
            share=rng.choice((0.2, 0.5, 0.9)),
            left=rng.choice((1, 3, 10, 40)),
            reads_late_s=rng.choice((0, 0, 0, 5, 90)),
            serves_late_s=rng.choice((0, 0, 0, 20, 90, 400)),
            ttl_floor_s=rng.choice((0, 0, 0, 1200)),
            respells=rng.random() < 0.2,
            denied_from=rng.choice((None, None, None, rng.randrange(12))),
            denied_status=rng.choice((401, 403)),
        )

    def next(self, usual: Iterable[str]) -> str | None:
        """Return the trouble of one request, None when it goes well."""
        possible = [trouble for trouble in usual if trouble in self.troubles]
        if not possible or self.left <= 0 or self.rng.random() >= self.share:
            return None
        self.left -= 1
        return self.rng.choice(possible)


@dataclass
class Reply:
    """What is answered; None closes the connection without a word."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class FaultProxy:
    """Pass on what is asked of PowerDNS's API at `upstream`, or what the weather leaves of it; a context manager.

    `forwarded` are the PATCH documents that PowerDNS took, `happened` the troubles so far. `on_write` is called
    after each, in the proxy's thread.
    """

    def __init__(self, upstream: tuple[str, int], clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self.on_write: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.place = ("127.0.0.1", self._server.server_address[1])
        self.reset(Weather(Random(0)))

    def reset(self, weather: Weather) -> None:
        """Begin anew with another weather."""
        self.weather = weather
        self.forwarded: list[Any] = []
        self.happened: list[str] = []
        self.requests = 0
        self.held_up: list[tuple[datetime, str, dict[str, str], list[Any]]] = []
        self._before: bytes | None = None
        self._late_until: datetime | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Return the answer to one request; called from the server's threads."""
        with self._lock:
            self.requests += 1
            if self.weather.denied_from is not None and self.requests > self.weather.denied_from:
                self.happened.append(str(self.weather.denied_status))
                return Reply(self.weather.denied_status, b'{"error": "the key is not good"}')
            trouble = self.weather.next(READ_TROUBLES if method == "GET" else WRITE_TROUBLES)
            self.happened += [f"{method} {trouble}"] if trouble else []
            pass_on = self._read if method == "GET" else self._write
            return pass_on(trouble, method, path, headers, body)

    def let_through(self) -> None:
        """Write what was held up, as far as its time has come (fault 26)."""
        with self._lock:
            due = [each for each in self.held_up if self._clock.now() >= each[0]]
            self.held_up = [each for each in self.held_up if each not in due]
            for _, path, headers, rrsets in due:
                self._commit(path, headers, rrsets, times=1)

    def _read(
        self, trouble: str | None, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply | None:
        if reply := _outright(trouble):
            return reply
        if trouble == "closed":
            return None
        reply = self._forward(method, path, headers, body)
        is_late = self._late_until is not None and self._clock.now() < self._late_until
        if self._before is not None and (is_late or trouble == "late"):
            reply = Reply(200, self._before)
        if trouble == "cut":
            return Reply(200, reply.body[: len(reply.body) // 2])
        zone = json.loads(reply.body)
        if "rrsets" in zone:
            zone["rrsets"] = self._listed(zone["rrsets"], trouble)
        return Reply(reply.status, json.dumps(zone).encode())

    def _listed(self, rrsets: list[dict[str, Any]], trouble: str | None) -> list[dict[str, Any]]:
        if trouble == "empty":
            return []
        if trouble == "truncated":
            kept = self.weather.rng.randrange(1, len(rrsets))
            picked = self.weather.rng.sample(rrsets, kept)
            rrsets = [each for each in rrsets if each in picked or each["type"] == "SOA"]
        if trouble == "doubled":
            rrsets = [*rrsets, self.weather.rng.choice(rrsets)]
        return [_respelled(each) for each in rrsets] if self.weather.respells else rrsets

    def _write(
        self, trouble: str | None, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply | None:
        if reply := _outright(trouble):
            return reply
        if trouble == "500 before":
            return Reply(500, b'{"error": "no"}')
        if trouble == "swallowed":
            return Reply(204)
        if trouble == "held up":
            due = self._clock.now() + timedelta(seconds=HELD_UP_S)
            self.held_up.append((due, path, dict(headers), json.loads(body)["rrsets"]))
            return None
        document = json.loads(body)
        rrsets = document["rrsets"]
        if trouble == "half":
            rrsets = self.weather.rng.sample(rrsets, len(rrsets) // 2)
        for each in rrsets:
            if "ttl" in each and each["type"] != "SOA":
                each["ttl"] = max(each["ttl"], self.weather.ttl_floor_s)
        reply = self._commit(path, headers, rrsets, times=2 if trouble == "twice" else 1)
        if trouble in ("half", "500 after"):
            return Reply(500, b'{"error": "something went wrong"}')
        return None if trouble == "closed after" else reply

    def _commit(self, path: str, headers: Mapping[str, str], rrsets: list[Any], *, times: int) -> Reply:
        before = self._forward("GET", path, headers, b"").body
        for _ in range(times):
            reply = self._forward("PATCH", path, headers, json.dumps({"rrsets": rrsets}).encode())
        if reply.status < 300:
            self._before = before
            self._late_until = self._clock.now() + timedelta(seconds=self.weather.reads_late_s)
            self.forwarded.append(rrsets)
            self.on_write()
        return reply

    def _forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = HTTPConnection(*self._upstream, timeout=10)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        finally:
            connection.close()


def _outright(trouble: str | None) -> Reply | None:
    """Return the refusals that never reach PowerDNS."""
    if trouble == "429":
        return Reply(429, b'{"error": "slow down"}')
    if trouble == "429 after":
        return Reply(429, b'{"error": "slow down"}', {"Retry-After": "7"})
    return Reply(500, b'{"error": "no"}') if trouble == "500" else None


def _respelled(rrset: dict[str, Any]) -> dict[str, Any]:
    """Return an RRset whose owner is in capitals and has no final dot (fault 33)."""
    return rrset | {"name": rrset["name"].upper().rstrip(".")}


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            passed_on = {name: value for name, value in self.headers.items() if name in ("X-API-Key", "Content-Type")}
            reply = proxy.answer(self.command, self.path, passed_on, body)
            self.close_connection = True
            if reply is None:
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
