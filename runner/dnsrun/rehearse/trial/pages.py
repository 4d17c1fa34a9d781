"""Web servers on loopback that show what the playbook's gates look for, at every address that serves a host."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import dns.name
from dns.exception import DNSException

from dnsrun.gates import options
from dnsrun.gates.weburl import BadUrlError, is_address, parse
from dnsrun.model.playbook import GateSpec, Playbook
from dnsrun.rehearse.lab import Place

from .services import Services

_DOWN = 503


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown at a host, port and path: made to please the gate that looks there."""

    host: str
    port: int
    path: str
    status: int
    text: str
    redirect_to: str


def pages_of(playbook: Playbook) -> tuple[Page, ...]:
    """Return a page for every gate that fetches one over HTTP."""
    gates = [gate for phase in playbook.phases for gate in phase.gates]
    gates += [gate for phase in playbook.phases for step in phase.steps for gate in step.gates]
    found = [_page(gate) for gate in gates if gate.kind == "http" and not gate.off]
    return tuple(dict.fromkeys(page for page in found if page is not None))


def _page(gate: GateSpec) -> Page | None:
    try:
        url = parse(options.text(gate, "url"))
    except BadUrlError:
        return None
    if url.scheme != "http":
        return None
    redirect = options.text(gate, "redirect_to")
    status = options.number(gate, "status", 302 if redirect else 200)
    path = str(url).split("/", 3)[3].partition("?")[0] if str(url).count("/") > 2 else ""
    return Page(url.host, url.port, f"/{path}", status, options.text(gate, "contains"), redirect)


def play(stack: ExitStack, pages: Iterable[Page], services: Services, places: dict[Place, Place]) -> None:
    """Start a web server for every address and port of the pages; ends with the stack. Raises `OSError`."""
    wanted = tuple(pages)
    for port in sorted({page.port for page in wanted}):
        shown = tuple(page for page in wanted if page.port == port)
        hosts = [dns.name.from_text(page.host) for page in shown if not is_address(page.host)]
        for address in sorted({address for host in hosts for address in services.hosts.get(host, ())}):
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(shown, services, address))
            server.daemon_threads = True
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            stack.callback(_end, server, thread)
            places[address, port] = ("127.0.0.1", server.server_address[1])


def _end(server: ThreadingHTTPServer, thread: Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()


def _handler(pages: tuple[Page, ...], services: Services, address: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            page = _shown(pages, services, address, self.headers.get("Host", ""), self.path.partition("?")[0])
            body = f"<!doctype html><title>{page.text}</title>\n".encode()
            with suppress(OSError):
                self.send_response(page.status)
                if page.redirect_to:
                    self.send_header("Location", page.redirect_to)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal belongs to the command."""

    return Handler


def _shown(pages: tuple[Page, ...], services: Services, address: str, said: str, path: str) -> Page:
    host = said.rpartition(":")[0] if said.rpartition(":")[2].isdigit() else said
    failing = Page(host, 0, path, _DOWN, "Service Unavailable", "")
    try:
        if services.flaw(dns.name.from_text(host), (address,)):
            return failing
    except DNSException:
        return failing
    same_host = [page for page in pages if page.host == host.rstrip(".").lower()]
    return next((page for page in same_host if page.path == path), same_host[0] if same_host else failing)
