"""What sets the kinds of caching resolvers apart, each over real authorities on loopback and a clock that jumps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import dns.name
import dns.rcode
import pytest
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock, VirtualClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun.rehearse.cache import POPULATION, CacheAnswer, CacheKind, CachingResolver
from dnsrun.rehearse.users import through
from movecases import NEW, NEW_NS, NEW_VALUE, OLD, OLD_NS, OLD_VALUE, PARENT, ROOT, Case, parent_zone, root_zone, zone

A, NS, TXT = RdataType.A, RdataType.NS, RdataType.TXT
CASE = Case(600, 1200)
APEX = dns.name.from_text(CASE.domain)
WWW, MISSING, LATER = (dns.name.from_text(label, APEX) for label in ("www", "missing", "later"))
EXAMPLE = dns.name.from_text("example.")
OLD_TEXT = zone(CASE, OLD_NS, OLD_VALUE)


class Stage:
    """Root, parent, an old and a new host; a clock; what was sent."""

    def __init__(self, stack: ExitStack) -> None:
        self.parent = stack.enter_context(Authority({EXAMPLE: parent_zone([CASE])}))
        self.old = stack.enter_context(Authority({APEX: OLD_TEXT}, ns_beside=True))
        new = stack.enter_context(Authority({APEX: zone(CASE, NEW_NS, NEW_VALUE)}, ns_beside=True))
        root = stack.enter_context(Authority({dns.name.root: root_zone()}))
        servers = {ROOT: root, PARENT: self.parent, OLD: self.old, NEW: new}
        self.places = {(address, 53): (server.address, server.port) for address, server in servers.items()}
        self.clock = VirtualClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
        self.sent: list[str] = []

    def resolver(self, kind: CacheKind) -> CachingResolver:
        return CachingResolver([ROOT], self.send, self.clock.now, kind)

    def send(self, address: str, query: Message) -> Message | None:
        self.sent.append(address)
        if address == OLD and self.old.faults.drop_udp:
            return None  # at once: silence costs real time
        return through(MappedNet(self.places, SystemClock()))(address, query)

    def switch(self) -> None:
        self.parent.set_zone(EXAMPLE, parent_zone([CASE], NEW_NS))

    def moves_after(self, kind: CacheKind, *, asks_ns: bool = False) -> int:
        """Return how many seconds after the first question a client is at the new host, who asks each 10 s."""
        resolver = self.resolver(kind)
        for second in range(0, 4000, 10):
            if asks_ns:
                resolver.resolve(APEX, NS)
            if text(resolver.resolve(WWW, A)) == NEW_VALUE:
                return second
            self.switch()
            self.clock.advance(10)
        return 4000


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)


def text(answer: CacheAnswer) -> str:
    return " ".join(rdata.to_text() for rdata in answer.rrset or ()) or answer.rcode.name


@pytest.mark.parametrize(
    ("kind", "asks_ns", "after_s"),
    [
        ("parent-centric", False, 600),
        ("parent-centric", True, 600),
        ("child-centric", False, 1200),
        ("bind", False, 600),
        ("unbound", False, 600),
        ("unbound", True, 1200),
        ("powerdns-recursor", False, 1200),
        ("sticky", False, 4000),
    ],
)
def test_each_kind_follows_its_own_delegation(stage: Stage, kind: str, asks_ns: bool, after_s: int) -> None:
    """The parent's NS RRset lives 600 s and the child's 1200 s; who is sticky never leaves the old host."""
    assert stage.moves_after(POPULATION[kind], asks_ns=asks_ns) == after_s


def test_the_childs_shorter_ttl_counts_where_the_child_counts(stage: Stage) -> None:
    stage.old.set_zone(APEX, OLD_TEXT.replace("@ 1200 NS", "@ 60 NS"))
    assert stage.moves_after(POPULATION["child-centric"]) == 60
    stage.parent.set_zone(EXAMPLE, parent_zone([CASE]))
    assert stage.moves_after(POPULATION["parent-centric"]) == 600


@pytest.mark.parametrize(("kind", "kept_s"), [("bind", 600), ("child-centric", 1200), ("parent-centric", 1200)])
def test_users_are_given_the_ns_rrset_for_as_long_as_it_leads_to_servers(stage: Stage, kind: str, kept_s: int) -> None:
    """Who goes by the parent alone has two: what leads to servers, and what the child answered to users."""
    resolver = stage.resolver(POPULATION[kind])
    resolver.resolve(WWW, A)
    assert resolver.resolve(APEX, NS).remaining_ttl_s == kept_s


def test_a_sticky_cache_lets_go_when_the_old_host_does(stage: Stage) -> None:
    resolver = stage.resolver(POPULATION["sticky"])
    resolver.resolve(WWW, A)
    stage.switch()
    stage.old.faults = Faults(rcode=Rcode.REFUSED)
    stage.clock.advance(1199)
    assert text(resolver.resolve(WWW, A)) == "SERVFAIL"
    stage.clock.advance(1)
    assert text(resolver.resolve(WWW, A)) == NEW_VALUE


def test_who_asks_the_parent_again_does_not_notice_that_the_old_host_dropped_the_zone(stage: Stage) -> None:
    for kind, met in (("unbound", NEW_VALUE), ("bind", "SERVFAIL")):
        resolver = stage.resolver(POPULATION[kind])
        stage.parent.set_zone(EXAMPLE, parent_zone([CASE]))
        stage.old.faults = Faults()
        resolver.resolve(WWW, A)
        stage.switch()
        stage.old.faults = Faults(rcode=Rcode.REFUSED)
        stage.clock.advance(4)
        assert text(resolver.resolve(WWW, A)) == met


def test_a_failure_is_remembered_and_then_tried_again(stage: Stage) -> None:
    resolver = stage.resolver(POPULATION["powerdns-recursor"])
    stage.old.faults = Faults(rcode=Rcode.SERVFAIL)
    assert text(resolver.resolve(WWW, A)) == "SERVFAIL"
    stage.old.faults = Faults()
    stage.clock.advance(59)
    again = resolver.resolve(WWW, A)
    assert (text(again), again.from_cache) == ("SERVFAIL", True)
    assert text(resolver.resolve(APEX, NS)) == OLD_NS, "another question is asked"
    stage.clock.advance(1)
    assert text(resolver.resolve(WWW, A)) == OLD_VALUE


def test_a_silent_server_is_left_alone_and_asked_again_later(stage: Stage) -> None:
    resolver = stage.resolver(CacheKind("throttling", silent_after=3, silent_s=900))
    resolver.resolve(WWW, A)
    stage.old.faults = Faults(drop_udp=True)
    stage.clock.advance(4)
    stage.sent.clear()
    for _ in range(10):
        resolver.resolve(WWW, A)
        stage.clock.advance(1)
    assert stage.sent.count(OLD) == 3
    stage.old.faults = Faults()
    stage.clock.advance(880)
    assert text(resolver.resolve(WWW, A)) == "SERVFAIL"
    stage.clock.advance(13)
    assert text(resolver.resolve(WWW, A)) == OLD_VALUE


@pytest.mark.parametrize("faults", [Faults(drop_udp=True), Faults(rcode=Rcode.REFUSED)], ids=["silent", "refused"])
def test_what_has_run_out_is_served_while_nobody_answers(stage: Stage, faults: Faults) -> None:
    """RFC 8767 section 5: with a TTL of 30 s, as long as a day, and not any more once there is an answer."""
    resolver = stage.resolver(POPULATION["serve-stale"])
    resolver.resolve(WWW, A)
    stage.old.faults = faults
    stage.clock.advance(86_000)
    old = resolver.resolve(WWW, A)
    assert (text(old), old.is_stale, old.remaining_ttl_s) == (OLD_VALUE, True, 30)
    stage.old.faults = Faults()
    stage.clock.advance(2)
    fresh = resolver.resolve(WWW, A)
    assert (text(fresh), fresh.is_stale, fresh.remaining_ttl_s) == (OLD_VALUE, False, 3)
    stage.old.faults = faults
    stage.clock.advance(86_400 + 3)
    assert text(resolver.resolve(WWW, A)) == "SERVFAIL"


def test_a_failure_is_not_tried_again_while_stale_data_is_served(stage: Stage) -> None:
    """RFC 8767 section 5: failure recheck timer."""
    resolver = stage.resolver(CacheKind("stale", stale_s=86_400, failure_s=30))
    resolver.resolve(WWW, A)
    stage.old.faults = Faults(rcode=Rcode.REFUSED)
    stage.clock.advance(4)
    resolver.resolve(WWW, A)
    stage.sent.clear()
    stage.clock.advance(29)
    again = resolver.resolve(WWW, A)
    assert (again.is_stale, again.from_cache, stage.sent) == (True, True, [])


def test_a_name_that_is_gone_is_not_served_as_stale(stage: Stage) -> None:
    resolver = stage.resolver(POPULATION["serve-stale"])
    resolver.resolve(WWW, A)
    stage.old.set_zone(APEX, OLD_TEXT.replace("www A", "web A"))
    stage.clock.advance(4)
    assert text(resolver.resolve(WWW, A)) == "NXDOMAIN"
    stage.old.faults = Faults(rcode=Rcode.REFUSED)
    stage.clock.advance(7)
    assert text(resolver.resolve(WWW, A)) == "NXDOMAIN", "the newest that is known"


def test_without_serve_stale_nothing_old_is_served(stage: Stage) -> None:
    resolver = stage.resolver(POPULATION["bind"])
    resolver.resolve(WWW, A)
    stage.old.faults = Faults(rcode=Rcode.REFUSED)
    stage.clock.advance(3)
    assert text(resolver.resolve(WWW, A)) == "SERVFAIL"


@pytest.mark.parametrize(
    ("kind", "ttl_s", "kept_s"),
    [
        ("ttl-stretching", 3, 3_600),
        ("ttl-stretching", 7_200, 7_200),
        ("ttl-capping", 86_400, 21_600),
        ("bind", 1_000_000, 604_800),
        ("unbound", 1_000_000, 86_400),
        ("powerdns-recursor", 0, 1),
    ],
)
def test_each_kind_stretches_and_caps_ttls(stage: Stage, kind: str, ttl_s: int, kept_s: int) -> None:
    stage.old.set_zone(APEX, OLD_TEXT.replace("www A", f"www {ttl_s} A"))
    assert stage.resolver(POPULATION[kind]).resolve(WWW, A).remaining_ttl_s == kept_s


@pytest.mark.parametrize(
    ("kind", "kept_s"),
    [("bind", 10_800), ("unbound", 3_600), ("powerdns-recursor", 3_600), ("long-negative", 86_400)],
)
def test_each_kind_caps_absences(stage: Stage, kind: str, kept_s: int) -> None:
    """RFC 2308 section 5: what is added meanwhile stays unseen that long."""
    stage.old.set_zone(APEX, OLD_TEXT.replace("604800 6\n", "604800 200000\n").replace("@ 6 SOA", "@ 200000 SOA"))
    resolver = stage.resolver(POPULATION[kind])
    assert resolver.resolve(MISSING, A).remaining_ttl_s == kept_s
    stage.old.set_zone(APEX, OLD_TEXT + f"missing A {OLD_VALUE}\n")
    stage.clock.advance(kept_s - 1)
    assert text(resolver.resolve(MISSING, A)) == "NXDOMAIN"
    stage.clock.advance(1)
    assert text(resolver.resolve(MISSING, A)) == OLD_VALUE


def test_the_population_is_known_by_the_names_of_its_kinds() -> None:
    assert all(name == kind.name for name, kind in POPULATION.items())
    assert len(set(POPULATION.values())) == len(POPULATION) >= 10
