"""A zone moves and comes back before the eyes of real caches; run in a network namespace of its own, in real time.

`unshare --user --map-root-user --net python cachestage.py FOLDER` prints what it measured as JSON. Two domains lie on
the same servers: dnsrun moves `client.example` and takes it back on both sides; `other.example` is moved at the same
time, and only its name servers are put back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.dnsio.walk import Roots
from dnsrun.engine.advance import Ended, advance
from dnsrun.engine.progress import Event, GoingBack, Judging
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.start import Prepared, begin, prepare
from dnsrun.gates.all import built_in
from dnsrun.journal.lock import FileHolds
from dnsrun.journal.store import FileJournal
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.net import UNLIMITED
from dnsrun.ports.provider import Context
from dnsrun.wiring.plugins import kinds, open_providers, open_registrars
from servers import Bind, Key, Knot, Primary, RunningServer
from servers.caches import BindCache, Cache, RecursorCache, UnboundCache
from worlds import EnvSecrets

NS_TTL_S, TTL_S, NEGATIVE_S = 30, 3, 6
KEY = Key()
ROOT, PARENT = "198.51.100.1", "198.51.100.2"
OLD, NEW = ("198.51.100.53", "198.51.100.54"), ("203.0.113.53", "203.0.113.54")
CACHES = {"BIND": "192.0.2.201", "Unbound": "192.0.2.202", "PowerDNS Recursor": "192.0.2.203"}
WRONG, GONE, LISTED, UNKNOWN = "imap-7f3a", "k9q", "late-5z8w", "later-9c2m"
RIGHT_VALUE, WRONG_VALUE = "192.0.2.25", "192.0.2.99"

ROOT_ZONE = f"""$TTL 86400
@ SOA a.root. nobody. 1 1800 900 604800 86400
@ NS a.root.
a.root. A {ROOT}
example. NS ns.example.
ns.example. A {PARENT}
"""
PARENT_ZONE = f"""$TTL 3600
@ SOA ns nobody 1 1800 900 604800 {NEGATIVE_S}
@ NS ns
ns A {PARENT}
client {NS_TTL_S} NS ns1.old
client {NS_TTL_S} NS ns2.old
other {NS_TTL_S} NS ns1.old
other {NS_TTL_S} NS ns2.old
ns1.old A {OLD[0]}
ns2.old A {OLD[1]}
ns1.new A {NEW[0]}
ns2.new A {NEW[1]}
"""
RECORDS = f"""@ A 192.0.2.10
www A 192.0.2.10
{WRONG} A {RIGHT_VALUE}
{GONE} A {RIGHT_VALUE}
"""
SIGNED = f"key_name: {KEY.name}, key_secret: {{env: TSIG}}"
PLAYBOOK = f"""dnsrun: 1
domain: client.example
providers:
  old: {{use: rfc2136, server: {OLD[0]}, name_servers: [ns1.old.example, ns2.old.example], {SIGNED}}}
  new: {{use: rfc2136, server: {NEW[0]}, name_servers: [ns1.new.example, ns2.new.example], {SIGNED}}}
  registry: {{use: parent-rfc2136, zone: example., server: {PARENT}, {SIGNED}}}
zone: {{from: old, to: new, registrar: registry}}
phases:
  - {{name: copy, steps: [{{kind: copy-zone}}]}}
  - {{name: switch, steps: [{{kind: switch-ns}}, {{kind: watch, for: 10m}}]}}
"""


def host_zone(side: str, records: str) -> str:
    """Return the text of a domain's zone at one host."""
    soa = f"$TTL {TTL_S}\n@ {NEGATIVE_S} SOA ns1.{side}.example. nobody 7 1800 900 604800 {NEGATIVE_S}\n"
    return f"{soa}@ {NS_TTL_S} NS ns1.{side}.example.\n@ {NS_TTL_S} NS ns2.{side}.example.\n{records}"


class BindAt(Bind):
    """BIND at several addresses and port 53."""

    def __init__(self, zones: Iterable[Primary], addresses: Sequence[str]) -> None:
        super().__init__(zones, port=53)
        self.address = addresses[0]
        self._addresses = addresses

    def _options(self) -> str:
        only, every = (f"listen-on port 53 {{ {text}; }};" for text in (self.address, "; ".join(self._addresses)))
        return super()._options().replace(only, every)


class KnotAt(Knot):
    """Knot DNS at several addresses and port 53; a key opens it from every address."""

    def __init__(self, zones: Iterable[Primary], addresses: Sequence[str]) -> None:
        super().__init__(zones, port=53)
        self.address = addresses[0]
        self._addresses = addresses

    def _write_config(self) -> None:
        super()._write_config()
        path = self.directory / "knot.conf"
        listen = ", ".join(f"{address}@53" for address in self._addresses)
        text = path.read_text().replace("    address: 127.0.0.1\n    key:", "    key:")
        path.write_text(text.replace(f"listen: {self.address}@53", f"listen: [{listen}]"))


def ask(address: str, owner: str) -> str | None:
    """Return the address that a server or cache gives for a name, empty when it says there is none; None: no answer."""
    try:
        got = dns.query.udp(dns.message.make_query(owner, "A"), address, timeout=3)
    except (OSError, dns.exception.DNSException):
        return None
    if got.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return None
    texts = [rdata.to_text() for rrset in got.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
    return " ".join(texts)


def update(server: RunningServer, origin: str, *changes: tuple[str, int, str, Sequence[str]]) -> None:
    """Have a server take RRsets as they are given: (owner, TTL, type, values), none of which removes."""
    message = dns.update.UpdateMessage(origin, keyring=dns.tsigkeyring.from_text({KEY.name: KEY.secret}))
    for owner, ttl_s, rdtype, values in changes:
        message.delete(owner, rdtype)
        for value in values:
            message.add(owner, ttl_s, rdtype, value)
    answer = dns.query.tcp(message, server.address, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR, answer


@dataclass
class Client:
    """Asks one cache, or a server itself, for names over and over; remembers when which answer came."""

    address: str
    names: Sequence[str]
    seen: list[tuple[float, str, str | None]] = field(default_factory=list)

    def ask_on(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            for name in self.names:
                sent = time.monotonic()
                self.seen.append((sent, name, ask(self.address, name)))

    def last_not(self, name: str, value: str) -> float:
        """Return when a name was last asked and had another answer."""
        return max((at for at, asked, got in self.seen if asked == name and got != value), default=0.0)


@dataclass
class Stage:
    """The servers, the caches and the clients."""

    folder: Path
    parent: BindAt
    old: BindAt
    new: KnotAt
    clients: dict[str, Client]
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    failures: int = 0
    back_at: float = 0.0
    because: str = ""

    def hear(self, _at: datetime, event: Event) -> None:
        """Note what the engine tells."""
        if isinstance(event, Judging) and event.gate.kind == "parity" and event.verdict.outcome == "fail":
            self.failures = event.failures
        if isinstance(event, GoingBack):
            self.back_at, self.because = time.monotonic(), event.because

    def open(self) -> Run:
        """Return the run of the playbook, over real sockets and on the machine's clock."""
        clock = SystemClock()
        net = SocketNet(clock, polite=UNLIMITED)
        playbook = read_playbook(PLAYBOOK, "client.yaml", kinds(), today=date(2026, 3, 2))
        journal = FileJournal(self.folder / "client.example", clock)
        context = Context(net, clock, EnvSecrets())
        ports = Ports(
            net=net,
            clock=clock,
            holds=FileHolds(journal.folder, journal, clock),
            providers=open_providers(playbook, context),
            registrars=open_registrars(playbook, context),
            gates=built_in(),
            roots=Roots.of({"a.root.": [ROOT]}),
            tell=self.hear,
        )
        run = Run(playbook, journal, ports)
        run.catch_up()
        return run

    def watch_clients(self) -> None:
        """Have everybody begin to ask: from now on the caches hold the new delegation."""
        for client in self.clients.values():
            thread = threading.Thread(target=client.ask_on, args=(self.over,))
            thread.start()
            self.threads.append(thread)


def begun(run: Run, number: int) -> Prepared:
    prepared = prepare(run, number)
    assert prepared.plan.earliest is None or prepared.plan.earliest <= run.ports.clock.now(), prepared.plan
    begin(run, prepared, {hazard.name: "a test" for hazard in prepared.plan.hazards})
    return prepared


def drive(run: Run, until: Callable[[], bool] = lambda: False) -> Ended | None:
    """Go on in real time until something is so, or the phase is over."""
    while not until():
        after = advance(run)
        if isinstance(after, Ended):
            return after
        run.ports.clock.wait_until(after.when)
    return None


def switch_other(stage: Stage, side: str) -> None:
    """Switch the name servers of the second domain at the parent, and nothing else."""
    update(stage.parent, "example.", ("other", NS_TTL_S, "NS", (f"ns1.{side}.example.", f"ns2.{side}.example.")))


def damage(stage: Stage) -> None:
    """Break both domains at the new host, and add a name at the old one that only a listing shows."""
    for domain in ("client.example.", "other.example."):
        update(stage.new, domain, (WRONG, TTL_S, "A", (WRONG_VALUE,)), (GONE, TTL_S, "A", ()))
        update(stage.old, domain, (LISTED, TTL_S, "A", (RIGHT_VALUE,)))


def play(stage: Stage) -> dict[str, object]:
    """Move, break, go back; return what was measured, in seconds."""
    run = stage.open()
    begun(run, 1)
    copied = drive(run)
    assert copied, copied
    assert copied.outcome == "done", copied
    prepared = begun(run, 2)
    drive(run, lambda: run.switched)
    switch_other(stage, "new")
    damage(stage)
    # Two of the three rounds that fail it have been: users come now, the way back comes some seconds later.
    drive(run, lambda: stage.failures >= 2)
    primed = time.monotonic()
    stage.watch_clients()
    assert drive(run, lambda: bool(stage.back_at)) is None
    switch_other(stage, "old")
    ns_back = time.monotonic()
    ended = drive(run)
    back = time.monotonic()
    update(stage.old, "client.example.", (UNKNOWN, TTL_S, "A", (RIGHT_VALUE,)))  # when everything was written
    stage.over.wait(max(0.0, primed + NS_TTL_S + TTL_S + NEGATIVE_S + 4 - time.monotonic()))
    stage.over.set()
    for thread in stage.threads:
        thread.join()
    return {
        "ended": ended.outcome if ended else None,
        "because": stage.because,
        "notes": list(prepared.plan.notes),
        "primed_before_back_s": stage.back_at - primed,
        "rolled_back_after_s": back - stage.back_at,
        "shown_after_s": shown(stage) - stage.back_at,
        "both": {name: last_bad(stage, name, "client.example.", shown(stage)) for name in CACHES},
        "servers_only": {name: last_bad(stage, name, "other.example.", ns_back) for name in CACHES},
        "listed": {name: there_after(stage, name, LISTED) for name in CACHES},
        "unknown": {name: there_after(stage, name, UNKNOWN) for name in CACHES},
        "lost": {name: sum(got is None for _, _, got in stage.clients[name].seen) for name in CACHES},
        "asked": {name: len(stage.clients[name].seen) for name in CACHES},
    }


def there_after(stage: Stage, cache: str, owner: str) -> float:
    """Return how long after the way back began the clients of a cache last missed a name."""
    return stage.clients[cache].last_not(f"{owner}.client.example.", RIGHT_VALUE) - stage.back_at


def shown(stage: Stage) -> float:
    """Return when every new server gave the right data for good."""
    return max(
        stage.clients[address].last_not(f"{name}.client.example.", RIGHT_VALUE)
        for address in NEW
        for name in (WRONG, GONE)
    )


def last_bad(stage: Stage, cache: str, domain: str, since: float) -> dict[str, float]:
    """Return for how long after `since` the clients of a cache got the wrong value, and no value."""
    client = stage.clients[cache]
    return {
        "wrong": client.last_not(f"{WRONG}.{domain}", RIGHT_VALUE) - since,
        "missing": client.last_not(f"{GONE}.{domain}", RIGHT_VALUE) - since,
    }


def open_loopback(addresses: Iterable[str]) -> None:
    """Give the namespace its addresses; nothing leads out of it."""
    commands = ["link set lo up", *(f"addr add {address}/32 dev lo" for address in addresses)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def main(folder: Path) -> None:
    """Set the stage, play, print."""
    open_loopback([ROOT, PARENT, *OLD, *NEW, *CACHES.values()])
    os.environ["TSIG"] = KEY.secret
    domains = ("client.example.", "other.example.")
    parent = BindAt([Primary(".", ROOT_ZONE), Primary("example.", PARENT_ZONE, KEY)], (ROOT, PARENT))
    old = BindAt([Primary(domain, host_zone("old", RECORDS), KEY) for domain in domains], OLD)
    new = KnotAt(
        [
            Primary("client.example.", host_zone("new", ""), KEY),
            Primary("other.example.", host_zone("new", RECORDS), KEY),
        ],
        NEW,
    )
    caches: dict[str, Cache] = {
        "BIND": BindCache(CACHES["BIND"], ROOT),
        "Unbound": UnboundCache(CACHES["Unbound"], ROOT),
        "PowerDNS Recursor": RecursorCache(CACHES["PowerDNS Recursor"], ROOT),
    }
    everything = [f"{name}.{domain}" for domain in domains for name in (WRONG, GONE)]
    known = [f"{name}.client.example." for name in (WRONG, GONE)]
    clients = {
        name: Client(address, [*everything, *(f"{name}.client.example." for name in (LISTED, UNKNOWN))])
        for name, address in CACHES.items()
    }
    clients |= {address: Client(address, known) for address in NEW}
    with ExitStack() as stack:
        for server in (parent, old, new, *caches.values()):
            stack.enter_context(server)
        sys.stdout.write(json.dumps(play(Stage(folder, parent, old, new, clients))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
