"""Fetch one page from one address: redirects re-checked, size and time capped, nothing sent but the question."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from dnsrun.errors import OutsideError
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten
from dnsrun.ports.net import Net, View

from .budget import Budget
from .reach import why_not
from .secured import context, facts, in_words, secure
from .services import broken, not_asked, with_facts
from .silence import no_reply
from .weburl import BadUrlError, Url, is_address

BODY_CAP = 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
# Pages say what they are written in, wrongly at times; the words that are looked for tell themselves.
_ENCODINGS = ("utf-8", "cp932", "euc-jp", "iso2022_jp", "latin-1", "utf-16-le")


@dataclass(frozen=True, slots=True)
class Page:
    """What a server said, at the end of the redirects. `body` holds at most `BODY_CAP` octets."""

    url: Url
    status: int
    reason: str
    fields: dict[str, str]
    body: bytes
    certificate: dict[str, str] = field(default_factory=dict)

    @property
    def redirects_to(self) -> str | None:
        """The Location of a redirect."""
        return self.fields.get("location") if self.status in _REDIRECTS else None


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How to fetch: through which view and net, for how long (seconds for one address, all hops).

    `trust` None: the system's certificates, read when a redirect leads to https.
    """

    view: View
    net: Net
    trust: ssl.SSLContext | None
    timeout_s: int
    allow_private: bool = False
    follow: bool = True

    def fetch(self, url: Url, address: str) -> Page | Words | NoReply:
        """Ask `address` for `url`; on other hosts, redirects go to the addresses that the view gives."""
        budget = Budget(self.timeout_s)
        got = self._one(url, address, budget)
        for _ in range(_MOST_REDIRECTS):
            if not isinstance(got, Page) or not self.follow or got.redirects_to is None:
                return got
            got = self._next(got, got.redirects_to, address, budget)
        if isinstance(got, Page) and got.redirects_to is not None:
            return broken(f"redirects more than {_MOST_REDIRECTS} times")
        return got

    def _next(self, page: Page, location: str, address: str, budget: Budget) -> Page | Words | NoReply:
        """Follow one redirect; the same host stays at the same address, which was checked."""
        shown = f"redirects to {shorten(location)}"
        try:
            url = page.url.join(location)
        except BadUrlError:
            return broken(f"{shown}, which is not followed")
        if url.host == page.url.host:
            return self._one(url, address, budget)
        try:
            addresses = (url.host,) if is_address(url.host) else self.view.addresses(url.host)
        except OutsideError as err:
            return not_asked(f"{shown}: {err}")
        if not addresses:
            return broken(f"{shown}, which has no address")
        if not self.allow_private and (why := next(filter(None, map(why_not, addresses)), None)):
            return broken(f"{shown}, which is not followed: {why}")
        return self._elsewhere(url, addresses[0], budget, shown)

    def _elsewhere(self, url: Url, address: str, budget: Budget, shown: str) -> Page | Words:
        got = self._one(url, address, budget)
        if isinstance(got, NoReply):
            refused = got.why == "refused"
            return broken(f"{shown}, which refuses") if refused else not_asked(f"{shown}, which does not answer")
        return got

    def _one(self, url: Url, address: str, budget: Budget) -> Page | Words | NoReply:
        return exchange(url, address, budget, self.net, self.trust)


def exchange(
    url: Url, address: str, budget: Budget, net: Net, trust: ssl.SSLContext | None, *, body: bytes | None = None
) -> Page | Words | NoReply:
    """Ask `address` for `url`, or post it a JSON `body`; a redirect comes back as it is. Touches the network."""
    try:
        with ExitStack() as stack:
            sock = stack.enter_context(net.connect(address, url.port, timeout_s=budget.left_s()))
            certificate: dict[str, str] = {}
            if url.scheme == "https":
                sock = stack.enter_context(secure(sock, url.host, trust or context(""), budget))
                certificate = facts(sock)
            return replace(_ask(url, sock, budget, body), certificate=certificate)
    except ssl.SSLError as err:
        return broken(in_words(err))
    except http.client.RemoteDisconnected:
        return NoReply("refused")
    except (http.client.HTTPException, UnicodeError, ValueError) as err:
        return broken(f"does not speak HTTP: {type(err).__name__}")
    except OSError as err:
        return no_reply(err)


def in_words_of(got: Page | Words | NoReply, asked: Url, wanted: Mapping[str, str]) -> Words | NoReply:
    """Return what a server said with the facts that are judged; `wanted` are the texts to look for in the page."""
    if not isinstance(got, Page):
        return got
    told = {
        "status": str(got.status),
        "server": got.fields.get("server", ""),
        "location": got.fields.get("location", ""),
        "url": str(got.url) if got.url != asked else "",
        **got.certificate,
    }
    for option, text in wanted.items():
        told[option] = "yes" if _holds(got.body, text) else "no"
    if location := got.redirects_to:
        told["redirects_to"] = _absolute(got.url, location)
    return with_facts(f"{got.status} {got.reason}".strip(), told)


def _absolute(url: Url, location: str) -> str:
    try:
        return str(url.join(location))
    except BadUrlError:
        return location


def _holds(body: bytes, wanted: str) -> bool:
    for encoding in _ENCODINGS:
        try:
            if wanted.encode(encoding).removeprefix(b"\xff\xfe") in body:
                return True
        except UnicodeEncodeError:
            continue
    return False


def _ask(url: Url, sock: socket.socket, budget: Budget, body: bytes | None) -> Page:
    connection: Any = http.client.HTTPConnection(url.host, url.port)
    connection.sock = _Stream(sock, budget)
    connection.putrequest("GET" if body is None else "POST", url.target, skip_host=True, skip_accept_encoding=True)
    sent = {
        "Host": url.authority,
        "User-Agent": "dnsrun",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if body is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    fields = {name.lower(): value for name, value in reversed(response.getheaders())}
    return Page(url, response.status, response.reason, fields, response.read(BODY_CAP))


class _Stream:
    """A socket as http.client wants it, every wait of which comes out of one budget."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget

    def sendall(self, octets: bytes) -> None:
        self._sock.settimeout(self._budget.left_s())
        self._sock.sendall(octets)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - http.client reads octets only
        return io.BufferedReader(_Reader(self._sock, self._budget))

    def close(self) -> None:
        """Leave the socket open: whoever connected closes it."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        super().__init__()
        self._sock = sock
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._budget.left_s())
        return self._sock.recv_into(buffer)
