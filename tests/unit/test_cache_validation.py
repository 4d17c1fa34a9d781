"""A cache that validates below its trust anchor, over signed zones on loopback (RFC 4035 section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dns.name
import dns.rrset
import pytest
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock, VirtualClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse.authority import Authority
from dnsrun.rehearse.cache import POPULATION, CacheKind, CachingResolver
from dnsrun.rehearse.users import through
from movecases import NEW, OLD, PARENT, ROOT
from signedworld import DAY_S, anchor, apex_of, domain_zone, ds_of, parent_zone, signed_world

A, TXT = RdataType.A, RdataType.TXT
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
VALIDATING = POPULATION["validating"]
GOOD, UNSIGNED, EXPIRED = (dns.name.from_text("www", apex_of(domain)) for domain in ("good", "unsigned", "expired"))
MISSING = dns.name.from_text("missing", apex_of("good"))
WILD = dns.name.from_text("any.wild", apex_of("good"))
EXAMPLE = dns.name.from_text("example.")
Tamper = Callable[[Message], None]


class Signed:
    """The servers, a clock, and how answers of the domains' host are tampered with."""

    def __init__(self, servers: dict[str, Authority]) -> None:
        self.servers = servers
        self.clock = VirtualClock(START)
        self.tamper: Tamper = lambda _: None
        self.places = {(address, 53): (server.address, server.port) for address, server in servers.items()}
        self._send = through(MappedNet(self.places, SystemClock()))

    def resolver(self, kind: CacheKind = VALIDATING) -> CachingResolver:
        return CachingResolver([ROOT], self.send, self.clock.now, kind, anchor=anchor())

    def send(self, address: str, query: Message) -> Message | None:
        answer = self._send(address, query)
        if answer is not None and address == OLD:
            self.tamper(answer)
        return answer

    def rcode(self, owner: dns.name.Name, rdtype: RdataType = A) -> Rcode:
        return self.resolver().resolve(owner, rdtype).rcode


@pytest.fixture
def world() -> Iterator[Signed]:
    with signed_world(START) as servers:
        yield Signed(servers)


def test_only_who_validates_minds_a_signature_that_has_expired(world: Signed) -> None:
    assert world.rcode(EXPIRED) == Rcode.SERVFAIL
    assert world.resolver(POPULATION["bind"]).resolve(EXPIRED, A).rcode == Rcode.NOERROR


def test_a_good_domain_breaks_when_its_signatures_run_out(world: Signed) -> None:
    resolver = world.resolver()
    assert resolver.resolve(GOOD, A).rcode == Rcode.NOERROR
    world.clock.advance(DAY_S + 1)
    assert resolver.resolve(GOOD, A).rcode == Rcode.SERVFAIL


def test_a_domain_that_stops_signing_is_right_only_once_the_ds_has_left_caches(world: Signed) -> None:
    """S1: DS goes first, and the zone stays signed for the TTL of the DS, 3600 s."""
    resolver = world.resolver()
    resolver.resolve(GOOD, A)
    world.servers[PARENT].set_zone(EXAMPLE, parent_zone(START, without_ds=("unsigned", "good")))
    world.servers[OLD].set_zone(apex_of("good"), domain_zone("unsigned", START))
    world.clock.advance(3_599)
    assert resolver.resolve(GOOD, A).rcode == Rcode.SERVFAIL
    world.clock.advance(1)
    assert resolver.resolve(GOOD, A).rcode == Rcode.NOERROR


def test_a_validating_cache_without_anchor_believes_as_others_do(world: Signed) -> None:
    resolver = CachingResolver([ROOT], world.send, world.clock.now, VALIDATING)
    assert resolver.resolve(EXPIRED, A).rcode == Rcode.NOERROR


def test_below_another_anchor_nothing_is_believed(world: Signed) -> None:
    wrong = dns.rrset.from_text(dns.name.root, 0, "IN", "DS", "1 13 2 " + "00" * 32)
    resolver = CachingResolver([ROOT], world.send, world.clock.now, VALIDATING, anchor=wrong)
    assert resolver.resolve(GOOD, A).rcode == Rcode.SERVFAIL


def change_data(answer: Message) -> None:
    answer.answer = [
        dns.rrset.from_text(rrset.name, rrset.ttl, "IN", "A", "198.51.100.66") if rrset.rdtype == A else rrset
        for rrset in answer.answer
    ]


def strip_signatures(answer: Message) -> None:
    answer.answer = [rrset for rrset in answer.answer if rrset.rdtype != RdataType.RRSIG]


def strip_proof(answer: Message) -> None:
    answer.authority = [rrset for rrset in answer.authority if RdataType.NSEC not in (rrset.rdtype, rrset.covers)]


def claim_absence(answer: Message) -> None:
    if answer.answer:
        answer.answer, answer.authority = [], []
        answer.set_rcode(Rcode.NXDOMAIN)


@pytest.mark.parametrize(
    ("owner", "tamper"),
    [(GOOD, change_data), (GOOD, strip_signatures), (GOOD, claim_absence), (MISSING, strip_proof), (WILD, strip_proof)],
    ids=["changed", "stripped", "denied", "denied-without-proof", "wildcard-without-proof"],
)
def test_what_was_tampered_with_is_not_believed(world: Signed, owner: dns.name.Name, tamper: Tamper) -> None:
    honest = world.rcode(owner)
    assert honest in (Rcode.NOERROR, Rcode.NXDOMAIN)
    world.tamper = tamper
    assert world.rcode(owner) == Rcode.SERVFAIL


def test_an_nsec_that_denies_another_name_is_no_proof(world: Signed) -> None:
    proof: list[dns.rrset.RRset] = []
    world.tamper = lambda answer: proof.extend(answer.authority)
    world.rcode(dns.name.from_text("zzz", apex_of("good")))

    def replay(answer: Message) -> None:
        if answer.question[0].name == GOOD:
            answer.answer, answer.authority = [], list(proof)
            answer.set_rcode(Rcode.NXDOMAIN)

    world.tamper = replay
    assert world.rcode(GOOD) == Rcode.SERVFAIL


def test_a_ds_below_what_is_not_signed_proves_nothing_and_breaks_nothing(world: Signed) -> None:
    apex = apex_of("unsigned")
    deep = dns.name.from_text("deep", apex)
    delegation = f"deep NS ns.deep\nns.deep A {NEW}\ndeep DS {ds_of(deep, 5)}\n"
    world.servers[OLD].set_zone(apex, domain_zone("unsigned", START) + delegation)
    with Authority({deep: "@ 60 SOA ns h 1 1 1 1 60\n@ 60 NS ns\nns 60 A 192.0.2.9\nwww 60 A 192.0.2.9\n"}) as server:
        world.places[NEW, 53] = (server.address, server.port)
        assert world.rcode(dns.name.from_text("www", deep)) == Rcode.NOERROR


def test_a_domain_that_is_not_signed_needs_no_signatures(world: Signed) -> None:
    assert world.rcode(UNSIGNED) == Rcode.NOERROR
    assert world.rcode(UNSIGNED, TXT) == Rcode.NOERROR
