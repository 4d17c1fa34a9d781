"""Web servers: they show what the gates of the phase look for, at every address that serves the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus

from dnsrun.gates import options
from dnsrun.gates.weburl import BadUrlError, parse
from dnsrun.model.playbook import GateSpec

from .doors import Peer


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown at a host, port and path: made to please the gates that look there."""

    host: str
    port: int
    path: str
    status: int
    text: str
    redirect_to: str = ""


def pages_of(gates: Iterable[GateSpec]) -> tuple[Page, ...]:
    """Return a page for every URL of the gates `http`; it holds all the texts that they look for. Pure."""
    found: dict[tuple[str, int, str], Page] = {}
    for gate in gates:
        page = _page(gate)
        if page is not None:
            known = found.setdefault((page.host, page.port, page.path), page)
            if page.text not in known.text:
                found[page.host, page.port, page.path] = replace(known, text=f"{known.text}\n{page.text}")
    return tuple(found.values())


def _page(gate: GateSpec) -> Page | None:
    if gate.kind != "http" or gate.off:
        return None
    try:
        url = parse(options.text(gate, "url"))
    except BadUrlError:
        return None
    redirect = options.text(gate, "redirect_to")
    status = options.number(gate, "status", 302 if redirect else 200)
    return Page(url.host, url.port, _path(url.target), status, options.text(gate, "contains"), redirect)


def missing(host: str) -> Page:
    """Return what a server shows at a host that it does not serve."""
    return Page(host, 0, "", HTTPStatus.NOT_FOUND, "no such site here")


def show(pages: Iterable[Page], host: str, port: int, target: str) -> Page:
    """Return the page at a place; the first of the host where none was made for its path."""
    shown = [page for page in pages if (page.host, page.port) == (host, port)]
    empty = Page(host, port, "", HTTPStatus.OK, "")
    return next((page for page in shown if page.path == _path(target)), shown[0] if shown else empty)


def asked(peer: Peer) -> tuple[str, str]:
    """Return host and target of one request (RFC 9112 section 3); raises what `Peer.line` raises."""
    _, _, rest = peer.line().partition(" ")
    host = ""
    while line := peer.line():
        name, _, value = line.partition(":")
        if name.lower() == "host":
            host = value.strip()
    bare = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return bare.strip("[]").rstrip(".").lower(), rest.partition(" ")[0]


def answer(peer: Peer, page: Page) -> None:
    """Send a page; the connection ends with it."""
    body = f"<!doctype html><title>{page.text}</title>\n".encode()
    head = [
        f"HTTP/1.1 {page.status} {_phrase(page.status)}",
        *([f"Location: {page.redirect_to}"] if page.redirect_to else []),
        "Server: rehearsal",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    peer.send("\r\n".join((*head, "", "")).encode() + body)


def _path(target: str) -> str:
    return target.partition("?")[0]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
