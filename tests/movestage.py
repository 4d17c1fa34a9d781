"""Delegations move before the eyes of real caches; run in a network namespace of its own, in real time.

`unshare --user --map-root-user --net python movestage.py quick` prints, by cache and domain, what clients saw as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import dns.exception
import dns.message
import dns.query
import dns.rcode

from cachestage import CACHES as PLAIN
from cachestage import BindAt, open_loopback
from movecases import (
    FILLED_S,
    LONG,
    NEW,
    NEW_NS,
    NEW_VALUE,
    OLD,
    OLD_NS,
    OLD_VALUE,
    PARENT,
    PLAYS,
    ROOT,
    Case,
    Look,
    Play,
    long_zone,
    parent_zone,
    root_zone,
    zone,
)
from servers import Primary
from servers.caches import BindCache, Cache, RecursorCache, UnboundCache

_EVERY_S = 0.25
SERVE_STALE = "BIND that serves stale answers"
CACHES = {**PLAIN, SERVE_STALE: "192.0.2.204"}


class Host(BindAt):
    """A host that can replace a zone, and drop zones at once: it answers REFUSED for them from then on."""

    def replace(self, origin: str, text: str) -> None:
        (self.directory / f"zone-{origin.rstrip('.')}.db").write_text(text)
        self._control("reload", origin)

    def drop(self, origins: Sequence[str]) -> None:
        for origin in origins:
            del self._zones[origin.rstrip(".")]
        self._write_config()
        self._control("reconfig")


@dataclass
class Client:
    """Asks one cache for one domain's www, and for its name servers when the case says so, until all is new."""

    address: str
    case: Case
    looks: list[Look] = field(default_factory=list)

    def ask_on(self, switched_at: float, longest_s: float) -> None:
        settled = 0
        while settled < 12 and (now := time.monotonic() - switched_at) < longest_s:
            if self.case.asks_ns_at(now):
                ask(self.address, self.case.domain, "NS")
            value = ask(self.address, f"www.{self.case.domain}", "A")
            self.looks.append((now, value))
            settled = settled + 1 if value == NEW_VALUE else 0
            threading.Event().wait(_EVERY_S)


def ask(address: str, owner: str, rdtype: str) -> str | None:
    """Return the value that a cache gives; None for none, an error or silence."""
    try:
        got = dns.query.udp(dns.message.make_query(owner, rdtype), address, timeout=5)
    except (OSError, dns.exception.DNSException):
        return None
    return got.answer[0][0].to_text() if got.rcode() == dns.rcode.NOERROR and got.answer else None


def limits(address: str) -> tuple[int, int]:
    """Return the TTLs in seconds with which a cache hands out data and an absence that are good for longer."""
    data = dns.query.udp(dns.message.make_query(f"www.{LONG}", "A"), address, timeout=5)
    absence = dns.query.udp(dns.message.make_query(f"missing.{LONG}", "A"), address, timeout=5)
    return data.answer[0].ttl, absence.authority[0].ttl


def perform(play: Play, parent: Host, old: Host) -> dict[str, dict[str, list[Look]]]:
    """Let everybody ask, switch all domains at the parent, purge where the case says so."""
    cases = play.cases
    switched_at = time.monotonic() + FILLED_S
    clients = {name: [Client(address, case) for case in cases] for name, address in CACHES.items()}
    threads = [
        threading.Thread(target=each.ask_on, args=(switched_at, play.longest_s))
        for all_of in clients.values()
        for each in all_of
    ]
    for thread in threads:
        thread.start()
    threading.Event().wait(switched_at - time.monotonic())
    parent.replace("example.", parent_zone(cases, NEW_NS).replace("nobody 1 ", "nobody 2 "))
    old.drop([case.domain for case in cases if case.purged])
    for thread in threads:
        thread.join()
    return {name: {each.case.domain: each.looks for each in all_of} for name, all_of in clients.items()}


def main(play: Play) -> None:
    """Set the stage, play, print."""
    open_loopback([ROOT, PARENT, OLD, NEW, *CACHES.values()])
    cases = play.cases
    parent = Host(
        [Primary(".", root_zone()), Primary("example.", parent_zone(cases), allow_update=False)], (ROOT, PARENT)
    )
    old = Host(
        [Primary(LONG, long_zone()), *(Primary(case.domain, zone(case, OLD_NS, OLD_VALUE)) for case in cases)], (OLD,)
    )
    new = Host([Primary(case.domain, zone(case, NEW_NS, NEW_VALUE)) for case in cases], (NEW,))
    caches: tuple[Cache, ...] = (
        BindCache(CACHES["BIND"], ROOT),
        UnboundCache(CACHES["Unbound"], ROOT),
        RecursorCache(CACHES["PowerDNS Recursor"], ROOT),
        BindCache(CACHES[SERVE_STALE], ROOT, "stale-answer-enable yes; stale-cache-enable yes;"),
    )
    with ExitStack() as stack:
        for server in (parent, old, new, *caches):
            stack.enter_context(server)
        found = {name: limits(address) for name, address in CACHES.items()}
        sys.stdout.write(json.dumps({"limits": found, "looks": perform(play, parent, old)}))


if __name__ == "__main__":
    main(PLAYS[sys.argv[1]])
