"""What the benchmarks run on: root, parent, BIND and PowerDNS as processes of their own, and runs of dnsrun on them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

import dns.name

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.walk import Roots
from dnsrun.engine.advance import Advance, DueAt, advance
from dnsrun.engine.run import Ports, Run
from dnsrun.gates.all import built_in
from dnsrun.journal.lock import FileHolds
from dnsrun.journal.store import FileJournal
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.provider import Context
from dnsrun.wiring.plugins import kinds, open_providers
from pairs import must_be
from servers import Bind, Key, PowerDns, Primary, root_zone, small_zone
from worlds import EnvSecrets

KEY = Key("bench.")
TTL_S = 300
ROOT, _PARENT = "198.51.100.1", "198.51.100.2"
_ADDRESSES = {"bind": "198.51.100.53", "powerdns": "198.51.100.54"}

Host = Literal["bind", "powerdns"]
Records = Mapping[str, str]  # owner label to IPv4 address


def addresses(count: int) -> Records:
    """Return that many names, a hundred for each address."""
    return {f"h{number}": f"10.0.{number // 25_600}.{number // 100 % 256}" for number in range(count)}


def entries(records: Records) -> Iterator[str]:
    """Yield what a playbook's `records` say of them, an entry for each address."""
    for address, names in groupby(records, key=records.__getitem__):
        yield f"{{names: [{', '.join(names)}], type: A, value: {address}}}"


class UsualPowerDns(PowerDns):
    """PowerDNS with its caches as they come; tests switch them off, and each answer takes several queries to SQLite."""

    def _config(self, database: Path) -> str:
        return "\n".join(line for line in super()._config(database).splitlines() if "cache" not in line)


@dataclass(kw_only=True)
class Scene:
    """The servers, and how dnsrun reaches them. `hosts` says for each domain who serves it."""

    folder: Path
    hosts: Mapping[str, Host]
    bind: Bind
    powerdns: PowerDns
    places: dict[tuple[str, int], tuple[str, int]]
    clock: SystemClock = field(default_factory=SystemClock)
    _journals: int = 0

    def server(self, domain: str) -> Bind | PowerDns:
        """Return the server of a domain."""
        return self.bind if self.hosts[domain] == "bind" else self.powerdns

    def address(self, domain: str) -> str:
        """Return the address that the domain's name server has in its zone."""
        return _ADDRESSES[self.hosts[domain]]

    def key(self, domain: str) -> Key | None:
        """Return the key that the domain's server wants."""
        return KEY if self.hosts[domain] == "bind" else None

    def add(self, domain: str, records: Records) -> None:
        """Serve a zone with an SOA, one name server and these A records."""
        lines = [f"{name} {TTL_S} IN A {address}" for name, address in records.items()]
        text = small_zone(*lines, ttl_s=TTL_S).replace("192.0.2.53", self.address(domain))
        self.server(domain).add(Primary(domain, text, key=self.key(domain)))

    def check(self, domain: str, records: Records) -> None:
        """Transfer the zone and raise unless it holds exactly these A records with their TTL, and its name server."""
        zone = self.server(domain).transfer(domain, self.key(domain))
        apex = dns.name.from_text(domain)
        held = {
            (owner.relativize(apex).to_text(), rdata.to_text()): ttl_s
            for owner, ttl_s, rdata in zone.iterate_rdatas("A")
        }
        wanted = dict.fromkeys([*records.items(), ("ns1", self.address(domain))], TTL_S)
        must_be(exact=held == wanted, what=f"{domain} at {self.hosts[domain]} is not what was to be written")

    def playbook(self, domain: str, entries: Iterable[str]) -> str:
        """Return a playbook of one phase, `switch-records`, with these entries of `records`."""
        return "\n".join(
            (
                "dnsrun: 1",
                f"domain: {domain}",
                "goal: A benchmark.",
                f"providers: {{host: {self._provider(domain)}}}",
                "zone: {from: host}",
                f"ttl: {TTL_S}",
                "records:",
                *(f"  - {entry}" for entry in entries),
                "phases:",
                "  - {name: switch, steps: [{kind: switch-records}]}",
            )
        )

    def _provider(self, domain: str) -> str:
        if self.hosts[domain] == "bind":
            return f"{{use: rfc2136, server: {_ADDRESSES['bind']}, key_name: bench., key_secret: {{env: BENCH_KEY}}}}"
        api = f"api_url: '{self.powerdns.api_url}', api_key: {{env: BENCH_API_KEY}}"
        return f"{{use: powerdns, {api}, name_servers: [ns1.{domain}]}}"

    def open(self, text: str, folder: str = "") -> Run:
        """Read a playbook and return a run with a journal of its own, in a folder of that name if given."""
        playbook = read_playbook(text, "bench.yaml", kinds(), today=self.clock.now().date())
        self._journals += 1
        journal = FileJournal(self.folder / (folder or str(self._journals)), self.clock)
        run = Run(playbook, journal, self._ports(playbook, journal))
        run.catch_up()
        return run

    def _ports(self, playbook: Playbook, journal: FileJournal) -> Ports:
        net = MappedNet(self.places, self.clock)
        context = Context(net, self.clock, EnvSecrets())
        return Ports(
            net=net,
            clock=self.clock,
            holds=FileHolds(journal.folder, journal, self.clock),
            providers=open_providers(playbook, context),
            gates=built_in(),
            roots=Roots.of({"a.root.": [ROOT]}),
            tell=lambda _at, _event: None,
        )


def steps(run: Run) -> Iterator[Advance]:
    """Advance as the command does, waiting whenever there is nothing to do, and yield each step until the end."""
    while isinstance(after := advance(run), DueAt):
        yield after
        run.ports.clock.wait_until(after.when)
    yield after


@contextmanager
def scene(hosts: Mapping[str, Host]) -> Iterator[Scene]:
    """Start the servers and delegate each domain (below example) to its host."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Bind() as root,
        Bind() as parent,
        Bind() as bind,
        UsualPowerDns() as pdns,
    ):
        os.environ |= {"BENCH_KEY": KEY.secret, "BENCH_API_KEY": pdns.api_key}
        root.add(Primary(".", root_zone("example. NS ns.example.", f"ns.example. A {_PARENT}")))
        parent.add(Primary("example", small_zone(f"ns A {_PARENT}", *_delegations(hosts), ns="ns.example.")))
        api = (pdns.address, pdns.api_port)
        places = {
            (ROOT, 53): (root.address, root.port),
            (_PARENT, 53): (parent.address, parent.port),
            (_ADDRESSES["bind"], 53): (bind.address, bind.port),
            (_ADDRESSES["powerdns"], 53): (pdns.address, pdns.port),
            api: api,
        }
        yield Scene(folder=Path(folder), hosts=hosts, bind=bind, powerdns=pdns, places=places)


def _delegations(hosts: Mapping[str, Host]) -> Iterator[str]:
    for domain, host in hosts.items():
        yield f"{domain}. NS ns1.{domain}."
        yield f"ns1.{domain}. A {_ADDRESSES[host]}"
