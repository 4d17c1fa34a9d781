"""A small world on loopback for tests: root, parent, a primary and a secondary, web servers, a clock that jumps."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import dns.name

from dnsrun.clock import VirtualClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.walk import Roots
from dnsrun.engine.advance import Advance, DueAt, NeedsPerson, advance
from dnsrun.engine.progress import Event
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.start import Prepared, begin, prepare
from dnsrun.gates.all import built_in
from dnsrun.journal.lock import FileHolds
from dnsrun.journal.store import FileJournal
from dnsrun.model.plan import Check, Do
from dnsrun.model.playbook import Playbook, SecretRef
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.provider import Context
from dnsrun.rehearse.authority import Authority, TransferSource
from dnsrun.wiring.plugins import kinds, open_providers, open_registrars

APEX = dns.name.from_text("client.example")
OLD, NEW = "192.0.2.10", "203.0.113.20"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

ROOT_ZONE = """
. 86400 SOA a.root. nobody. 1 1800 900 604800 86400
. 86400 NS a.root.
a.root. 86400 A 198.51.100.1
example. 86400 NS ns.example.
ns.example. 86400 A 198.51.100.2
"""
PARENT_ZONE = """
example. 3600 SOA ns.example. nobody. 1 1800 900 604800 300
example. 3600 NS ns.example.
ns.example. 3600 A 198.51.100.2
client.example. 86400 NS ns1.client.example.
client.example. 86400 NS ns2.client.example.
ns1.client.example. 86400 A 198.51.100.53
ns2.client.example. 86400 A 198.51.100.54
"""
CLIENT_ZONE = """
client.example. 3600 SOA ns1.client.example. nobody. 7 1800 900 604800 300
client.example. 3600 NS ns1.client.example.
client.example. 3600 NS ns2.client.example.
ns1.client.example. 3600 A 198.51.100.53
ns2.client.example. 3600 A 198.51.100.54
client.example. 3600 A 192.0.2.10
www.client.example. 3600 A 192.0.2.10
mail.client.example. 3600 A 192.0.2.25
client.example. 3600 MX 10 mail.client.example.
client.example. 3600 TXT "v=spf1 mx -all"
shop.client.example. 3600 CNAME www.client.example.
"""
PLAYBOOK = """dnsrun: 1
domain: client.example
goal: The web site moves.
vars: {web_old: 192.0.2.10, web_new: 203.0.113.20}
providers:
  old: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.client.example]}
  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}
zone: {from: old, secondaries: {old: [second]}}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: ["@", www], type: A, was: "${web_old}", value: "${web_new}"}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200}
"""


class EnvSecrets:
    """Test playbooks keep their secrets in the environment."""

    def reveal(self, reference: SecretRef) -> str:
        assert reference.kind == "env"
        return os.environ[reference.where[0]]


class PacedClock(VirtualClock):
    """Jumps, but lets a little real time pass at each wait: real servers follow each other in real time."""

    def wait_until(self, when: datetime) -> None:
        if when > self.now():
            threading.Event().wait(0.1)
        super().wait_until(when)


class Web:
    """A web server whose answer can be changed."""

    def __init__(self) -> None:
        self.status = 200
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"Client"
                self.send_response(web.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = ("127.0.0.1", self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(kw_only=True)
class Workshop:
    """What is needed to open runs on servers that are somewhere on loopback."""

    folder: Path
    places: dict[tuple[str, int], tuple[str, int]]
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    events: list[Event] = field(default_factory=list)
    text: str = PLAYBOOK

    @property
    def net(self) -> MappedNet:
        return MappedNet(self.places, self.clock)

    def playbook(self, text: str = PLAYBOOK) -> Playbook:
        return read_playbook(text, "client.yaml", kinds(), today=date(2026, 3, 2))

    def ports(self, playbook: Playbook, journal: FileJournal) -> Ports:
        net = self.net
        context = Context(net, self.clock, EnvSecrets())
        return Ports(
            net=net,
            clock=self.clock,
            holds=FileHolds(journal.folder, journal, self.clock),
            providers=open_providers(playbook, context),
            registrars=open_registrars(playbook, context),
            gates=built_in(),
            roots=Roots.of({"a.root.": ["198.51.100.1"]}),
            tell=lambda _at, event: self.events.append(event),
        )

    def open(self, text: str = PLAYBOOK) -> Run:
        playbook = self.playbook(text)
        journal = FileJournal(self.folder / "client.example", self.clock)
        run = Run(playbook, journal, self.ports(playbook, journal))
        run.catch_up()
        return run

    def ready_to_write(self, run: Run) -> bool:
        """Tell whether the next thing is the first write of a phase: all gates before it have passed."""
        plan, active = run.active_plan(), run.state.active
        before = [index for index, move in enumerate(plan.moves if plan else ()) if isinstance(move, Check)]
        first = next(index for index, move in enumerate(plan.moves if plan else ()) if isinstance(move, Do))
        return active is not None and all(active.move(index).rounds for index in before if index < first)

    def with_files(self, ports: Ports, files: dict[str, str]) -> Ports:
        return replace(ports, files=files)

    def start(self, run: Run, number: int, accepted: dict[str, str] | None = None) -> Prepared:
        prepared = prepare(run, number)
        begin(run, prepared, accepted or {})
        return prepared

    def drive(self, run: Run, *, limit: int = 2000) -> Advance:
        """Advance until the phase is over or a person is needed, jumping over waits."""
        for _ in range(limit):
            after = advance(run)
            if isinstance(after, DueAt):
                self.clock.wait_until(after.when)
            elif isinstance(after, NeedsPerson) and not after.question:
                return after
            else:
                return after
        raise AssertionError("the phase does not end")

    def until_ended(self, run: Run, *, looks: int = 200) -> Advance:
        """Drive on while a person is asked, who is at work meanwhile; real servers take real time to follow."""
        for _ in range(looks):
            after = self.drive(run)
            if not isinstance(after, NeedsPerson):
                return after
            self.clock.wait_until(after.when)
            threading.Event().wait(0.02)
        raise AssertionError("what the person did never shows")

    def step(self, run: Run) -> datetime:
        """Advance once and return when to go on."""
        after = advance(run)
        assert isinstance(after, (DueAt, NeedsPerson)), after
        return after.when


@dataclass(kw_only=True)
class World(Workshop):
    """The small world's own servers."""

    root: Authority
    parent: Authority
    ns1: Authority
    ns2: Authority
    web_old: Web
    web_new: Web

    def edit(self, server: Authority, owner: str, value: str) -> None:
        """Change the A record of a name as somebody at a panel does: the serial goes on by one."""
        serial = server.serial(APEX)
        lines = [line.split(None, 4) for line in server.zone_text(APEX).splitlines() if line]
        for line in lines:
            if line[0] == owner and line[3] == "A":
                line[4] = value
            if line[3] == "SOA":
                line[4] = line[4].replace(f" {serial} ", f" {serial + 1} ", 1)
        server.set_zone(APEX, "\n".join(" ".join(line) for line in lines) + "\n")

    def values(self, server: Authority, owner: str = "www.client.example.", rdtype: str = "A") -> list[str]:
        """Return what a server's zone holds, as 'TTL RDATA' lines."""
        lines = [line.split(None, 4) for line in server.zone_text(APEX).splitlines() if line]
        return [f"{line[1]} {line[4]}" for line in lines if line[0] == owner and line[3] == rdtype]


@contextmanager
def world(folder: Path, client_zone: str = CLIENT_ZONE) -> Iterator[World]:
    """Start everything; ends what it started."""
    with ExitStack() as stack:
        enter = stack.enter_context
        root = enter(Authority({dns.name.root: ROOT_ZONE}))
        parent = enter(Authority({dns.name.from_text("example"): PARENT_ZONE}))
        ns1 = enter(Authority({APEX: client_zone}))
        ns2 = enter(Authority({}, secondaries={APEX: TransferSource(ns1.endpoint)}))
        ns2.refresh(APEX)
        web_old, web_new = enter(Web()), enter(Web())
        places = {
            ("198.51.100.1", 53): (root.address, root.port),
            ("198.51.100.2", 53): (parent.address, parent.port),
            ("198.51.100.53", 53): (ns1.address, ns1.port),
            ("198.51.100.54", 53): (ns2.address, ns2.port),
            (OLD, 80): web_old.place,
            (NEW, 80): web_new.place,
        }
        yield World(
            folder=folder,
            places=places,
            root=root,
            parent=parent,
            ns1=ns1,
            ns2=ns2,
            web_old=web_old,
            web_new=web_new,
        )
