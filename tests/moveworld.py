"""A zone on its way from one host to another: both hosts and the parent on loopback, under documentation addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import dns.name
import dns.zone

from dnsrun.model.observation import Endpoint, Verdict
from dnsrun.model.playbook import NameServer
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.content import expected_content
from dnsrun.ports.gate import Gate, GateCase, ZoneMove
from dnsrun.rehearse.authority import Authority
from gateworld import APEX, NOON, FixedView, Places, net, server, spec

OLD_NS, NEW_NS = ("ns1.old.example", "ns2.old.example"), ("ns1.new.example", "ns2.new.example")
OLD = tuple(server(name, f"192.0.2.{n}") for n, name in enumerate(OLD_NS, 53))
NEW = tuple(server(name, f"203.0.113.{n}") for n, name in enumerate(NEW_NS, 53))
PARENT = (server("a.nic.example", "198.51.100.1"), server("b.nic.example", "198.51.100.2"))
EXAMPLE = dns.name.from_text("example")

RECORDS = """
@ 3600 MX 10 mail
@ 3600 TXT "v=spf1 mx include:_spf -all"
@ 3600 A 192.0.2.10
www 3600 A 192.0.2.10
www 3600 AAAA 2001:db8::10
mail 3600 A 192.0.2.25
imap-7f 3600 A 192.0.2.26
_spf 3600 TXT "v=spf1 ip4:192.0.2.25 -all"
shop 3600 CNAME www
away 3600 CNAME gone
*.wild 3600 A 192.0.2.77
*.wild 3600 MX 10 mail
a.b.c 3600 TXT deep
sub 3600 NS ns.sub
ns.sub 3600 A 192.0.2.41
"""


def zone_text(records: str = RECORDS, *, ns: tuple[str, ...] = OLD_NS, ttl_s: int = 3600, serial: int = 7) -> str:
    """Return master-file text; `ttl_s` replaces the TTLs of the records."""
    apex = [f"@ 3600 SOA {ns[0]}. hostmaster {serial} 14400 3600 1209600 300", *(f"@ {ttl_s} NS {one}." for one in ns)]
    return "\n".join((*apex, records.replace(" 3600 ", f" {ttl_s} "))) + "\n"


def snapshot(text: str) -> ZoneSnapshot:
    """Return a capture of a zone."""
    zone = dns.zone.from_text(text, origin=APEX, relativize=False)
    rrsets = {}
    for owner, found in zone.iterate_rdatasets():
        key = RRsetKey(owner, found.rdtype)
        rrsets[key] = RRset(key, found.ttl, frozenset(found))
    return ZoneSnapshot(APEX, rrsets, "a test", NOON, "complete")


def delegation(*names: str, ds: tuple[str, ...] = (), glue: Mapping[str, tuple[str, ...]] | None = None) -> Delegation:
    """Return a delegation as a parent serves it."""
    glued = {dns.name.from_text(name): addresses for name, addresses in (glue or {}).items()}
    return Delegation(frozenset(map(dns.name.from_text, names)), glued, frozenset(ds), 86400, 86400 if ds else 0)


BEFORE = delegation(*OLD_NS)
AFTER = delegation(*NEW_NS)


def parent_text(*names: str, more: str = "") -> str:
    """Return the text of the parent zone that delegates the client's zone."""
    lines = [
        "@ 3600 SOA a.nic nobody 1 3600 600 86400 300",
        "@ 3600 NS a.nic",
        "@ 3600 NS b.nic",
        "a.nic 3600 A 198.51.100.1",
        "b.nic 3600 A 198.51.100.2",
        *(f"client 86400 NS {name}." for name in names),
        more,
    ]
    return "\n".join(lines) + "\n"


@dataclass
class MoveWorld:
    """The hosts, the places they are played at, and what gates are told."""

    old: tuple[Authority, ...]
    new: tuple[Authority, ...]
    parent: tuple[Authority, ...]
    places: Places
    case: GateCase
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    not_checked: tuple[Endpoint, ...] = ()
    servers: tuple[Endpoint, ...] = NEW

    @property
    def view(self) -> FixedView:
        """The new host's servers, with the parent's as controls."""
        return FixedView(net(self.places), self.servers, PARENT, self.not_checked, self.hosts, name="new")

    def change_move(self, **words: object) -> None:
        """Tell the gates something else of the move."""
        assert self.case.move is not None
        self.case = replace(self.case, move=replace(self.case.move, **words))  # type: ignore[arg-type] # fields of ZoneMove

    def verdict(self, gate: Gate) -> Verdict:
        """Let a gate observe and judge one round."""
        view = self.view
        return gate.judge(spec(gate), self.case, gate.observe(spec(gate), self.case, view, view.net))


def move_case(text: str, *changes: Change, low_ttl_s: int = 600) -> GateCase:
    """Return the case of a zone that moves from the old to the new name servers."""
    captured = snapshot(text)
    servers = [NameServer(dns.name.from_text(name)) for name in NEW_NS]
    content = expected_content(captured, changes, servers, ns_ttl_s=300, low_ttl_s=low_ttl_s)
    move = ZoneMove(content, OLD, BEFORE, AFTER, switched=False)
    return GateCase(APEX, changes, captured, move=move)


@contextmanager
def move_world(*changes: Change) -> Iterator[MoveWorld]:
    """Start two old servers, two new ones that hold what is expected, and two of the parent."""
    with ExitStack() as stack:
        start = stack.enter_context
        old = tuple(start(Authority({APEX: zone_text()})) for _ in OLD)
        new = tuple(start(Authority({APEX: zone_text(ns=NEW_NS, ttl_s=300, serial=1)})) for _ in NEW)
        parent = tuple(start(Authority({EXAMPLE: parent_text(*OLD_NS)})) for _ in PARENT)
        ends = zip((*OLD, *NEW, *PARENT), (*old, *new, *parent), strict=True)
        places = {(end.address, 53): ("127.0.0.1", one.port) for end, one in ends}
        hosts: dict[str, tuple[str, ...]] = {
            end.name.to_text(omit_final_dot=True): (end.address,) for end in (*OLD, *NEW)
        }
        yield MoveWorld(old, new, parent, places, move_case(zone_text(), *changes), hosts)
