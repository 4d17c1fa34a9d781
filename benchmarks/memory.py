"""Memory of one process that takes a zone of 100,000 RRsets through a move: captured, stored, planned, verified (S9).

The zone is transferred from BIND, written as text and stored; what the new host is to write is planned; the gate
`parity` asks every name and type at BIND and at Knot. Servers are processes of their own. The exit code is 1 when the
peak of resident memory is above what is required, or when parity does not pass.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import dns.name

import pairs  # noqa: F401 - finds the tests' servers
from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.wire import transfer
from dnsrun.gates.parity.gate import Parity
from dnsrun.journal.store import FileJournal
from dnsrun.model.observation import Endpoint, Verdict
from dnsrun.model.playbook import NameServer
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.model.zonetext import to_text
from dnsrun.plan.content import expected_content
from dnsrun.plan.moving import to_write
from dnsrun.ports.gate import GateCase, ZoneMove
from gateworld import FixedView, spec
from pairs import must_be
from servers import Bind, Knot, Primary, small_zone

REQUIRED_MIB = 600
DOMAIN = "client.example"
TTL_S = 300
APEX = dns.name.from_text(DOMAIN)
OLD_NS, NEW_NS = "ns.old.example.", "ns.new.example."
OLD = Endpoint(dns.name.from_text(OLD_NS), "192.0.2.53")
NEW = Endpoint(dns.name.from_text(NEW_NS), "203.0.113.53")


def zone_text(rrsets: int, ns: str) -> str:
    """Return a zone of so many RRsets: addresses at every name, text or IPv6 at every other one."""
    lines = ["@ A 192.0.2.1"]
    number = 0
    while len(lines) < rrsets:
        lines.append(f"h{number} A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        lines.append(f"h{number} TXT entry-{number}" if number % 2 else f"h{number} AAAA 2001:db8::{number:x}")
        number += 1
    return small_zone(*lines[:rrsets], ttl_s=TTL_S, ns=ns)


def peak_mib() -> float:
    """Return the most memory that this process has had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def captured(net: MappedNet, clock: SystemClock, server: Endpoint) -> ZoneSnapshot:
    held = {rrset.key: rrset for rrset in transfer(net, server, APEX)}
    snapshot = ZoneSnapshot(APEX, held, "transfer", clock.now(), "complete")
    with tempfile.TemporaryDirectory() as folder:
        FileJournal(Path(folder), clock).put(to_text(snapshot), suffix="zone")
    return snapshot


def verified(net: MappedNet, zone: ZoneSnapshot, content: ZoneSnapshot, old: Endpoint, new: Endpoint) -> Verdict:
    before, after = (Delegation(frozenset({dns.name.from_text(ns)}), {}, frozenset(), TTL_S) for ns in (OLD_NS, NEW_NS))
    move = ZoneMove(content, (old,), before, after, switched=False)
    case = GateCase(APEX, (), zone, move=move)
    view = FixedView(net, (new,), (), (), {}, name="new")
    gate = Parity()
    return gate.judge(spec(gate), case, gate.observe(spec(gate), case, view, net))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rrsets", type=int, default=100_000)
    rrsets = parser.parse_args().rrsets
    clock = SystemClock()
    old, new = (Primary(DOMAIN, zone_text(rrsets, ns)) for ns in (OLD_NS, NEW_NS))
    with Bind([old]) as bind, Knot([new]) as knot:
        places = {
            (OLD.address, OLD.port): (bind.address, bind.port),
            (NEW.address, NEW.port): (knot.address, knot.port),
        }
        net = MappedNet(places, clock)
        print(f"{rrsets} RRsets: {peak_mib():.0f} MiB before")
        zone = captured(net, clock, OLD)
        print(f"captured and stored: {peak_mib():.0f} MiB")
        content = expected_content(zone, (), [NameServer(dns.name.from_text(NEW_NS))], ns_ttl_s=TTL_S)
        changes = to_write(content, ZoneSnapshot(APEX, {}, "", clock.now(), "complete"), apex_ns=True)
        must_be(exact=len(changes) == rrsets + 1, what="the plan is not the zone")
        print(f"planned, {len(changes)} changes: {peak_mib():.0f} MiB")
        begun_s = time.perf_counter()
        verdict = verified(net, zone, content, OLD, NEW)
        print(f"{verdict.outcome}, {time.perf_counter() - begun_s:.0f} s: {verdict.because}: {peak_mib():.0f} MiB")
        must_be(exact=verdict.outcome == "pass", what="equal zones do not pass")
    return 0 if peak_mib() <= REQUIRED_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
