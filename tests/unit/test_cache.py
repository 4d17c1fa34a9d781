"""The caching resolver over real authorities on loopback, on a clock that jumps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update
import pytest
from dns.message import Message
from dns.name import Name

from dnsrun.clock import VirtualClock
from dnsrun.model.observation import Endpoint
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun.rehearse.cache import ORDINARY, CacheAnswer, CacheKind, CachingResolver
from servers import Bind
from servers import Primary as BindZone

A, NS, TXT, MX = (dns.rdatatype.from_text(text) for text in ("A", "NS", "TXT", "MX"))

ROOT_ADDRESS, TLD_ADDRESS, OLD_ADDRESS, NEW_ADDRESS = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"
ROOT = """@ 86400 SOA ns h 1 1800 900 604800 86400
@ 86400 NS ns
ns 86400 A 192.0.2.1
test 86400 NS ns.test
ns.test 86400 A 192.0.2.2
"""
TLD = """@ 86400 SOA ns h 1 1800 900 604800 900
@ 86400 NS ns
ns 86400 A 192.0.2.2
client 3600 NS ns1.client
ns1.client 3600 A 192.0.2.3
helped 3600 NS ns1.client
lost 3600 NS ns1.lost
ring 3600 NS ns.gnir
gnir 3600 NS ns.ring
"""
CLIENT = """@ 600 SOA ns1 h 7 7200 900 604800 120
@ 7200 NS ns1
ns1 7200 A 192.0.2.3
www 300 A 203.0.113.1
alias 60 CNAME www
out 300 CNAME www.helped.test.
nowhere 300 CNAME missing
now 0 A 203.0.113.9
loop1 300 CNAME loop2
loop2 300 CNAME loop1
long 604800 A 203.0.113.7
"""
NEW_CLIENT = CLIENT.replace("@ 7200 NS ns1", "@ 7200 NS ns2").replace("ns1 7200 A 192.0.2.3", "ns2 7200 A 192.0.2.4")
HELPED = "@ 600 SOA ns1.client.test. h 1 1 1 1 60\n@ 600 NS ns1.client.test.\nwww 30 A 203.0.113.5\n"


def name(text: str) -> Name:
    return dns.name.from_text(text)


CLIENT_APEX = name("client.test.")
WWW = name("www.client.test.")


class World:
    """Four servers, the map from their public addresses to loopback, a clock, and a count of questions."""

    def __init__(self, stack: ExitStack) -> None:
        def start(zones: dict[str, str]) -> Authority:
            return stack.enter_context(Authority({name(apex): text for apex, text in zones.items()}))

        self.root = start({".": ROOT})
        self.tld = start({"test.": TLD})
        self.old = start({"client.test.": CLIENT, "helped.test.": HELPED})
        self.new = start({"client.test.": NEW_CLIENT})
        self.clock = VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))
        self.sent: list[str] = []
        self._servers = dict(
            zip(
                (ROOT_ADDRESS, TLD_ADDRESS, OLD_ADDRESS, NEW_ADDRESS),
                (self.root.endpoint, self.tld.endpoint, self.old.endpoint, self.new.endpoint),
                strict=True,
            )
        )
        self.resolver = self.resolver_of(ORDINARY)

    def resolver_of(self, kind: CacheKind) -> CachingResolver:
        return CachingResolver([ROOT_ADDRESS], self.send, self.clock.now, kind)

    def move(self, address: str, server: Endpoint) -> None:
        self._servers[address] = server

    def send(self, address: str, message: Message) -> Message | None:
        self.sent.append(address)
        server = self._servers.get(address)
        if server is None:
            return None
        try:
            return dns.query.udp(message, server.address, 0.3, server.port)
        except dns.exception.Timeout:
            return None

    def ask(self, owner: str | Name = WWW, rdtype: dns.rdatatype.RdataType = A) -> CacheAnswer:
        return self.resolver.resolve(name(owner) if isinstance(owner, str) else owner, rdtype)

    def delegate_to_new(self) -> None:
        self.tld.set_zone(
            name("test."),
            TLD.replace("client 3600 NS ns1.client", "client 3600 NS ns2.client").replace(
                "ns1.client 3600 A 192.0.2.3", "ns1.client 3600 A 192.0.2.3\nns2.client 3600 A 192.0.2.4"
            ),
        )


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


def values(answer: CacheAnswer) -> set[str]:
    return {rdata.to_text() for rdata in answer.rrset or ()}


def test_iterates_from_the_root_and_then_answers_from_cache(world: World) -> None:
    first = world.ask()
    assert (first.rcode, values(first), first.from_cache) == (dns.rcode.NOERROR, {"203.0.113.1"}, False)
    assert world.sent == [ROOT_ADDRESS, TLD_ADDRESS, OLD_ADDRESS]
    second = world.ask()
    assert (values(second), second.from_cache) == ({"203.0.113.1"}, True)
    assert len(world.sent) == 3


def test_counts_the_ttl_down_and_asks_again_when_it_is_over(world: World) -> None:
    assert world.ask().remaining_ttl_s == 300
    world.clock.advance(299)
    assert (world.ask().remaining_ttl_s, world.ask().from_cache) == (1, True)
    world.clock.advance(1)
    assert not world.ask().from_cache
    assert world.ask().remaining_ttl_s == 300


def test_users_see_the_old_address_until_the_ttl_is_over_and_not_longer(world: World) -> None:
    world.ask()
    world.clock.advance(100)
    message = dns.update.UpdateMessage(CLIENT_APEX)
    message.replace("www", 300, "A", "203.0.113.2")
    dns.query.tcp(message, world.old.address, 2, world.old.port)
    world.clock.advance(199)
    assert values(world.ask()) == {"203.0.113.1"}
    world.clock.advance(1)
    assert values(world.ask()) == {"203.0.113.2"}


@pytest.mark.parametrize(
    ("owner", "rdtype", "rcode"),
    [("missing.client.test.", A, dns.rcode.NXDOMAIN), ("www.client.test.", TXT, dns.rcode.NOERROR)],
    ids=["nxdomain", "nodata"],
)
def test_an_absence_is_kept_for_the_lower_of_soa_ttl_and_minimum(
    world: World, owner: str, rdtype: dns.rdatatype.RdataType, rcode: dns.rcode.Rcode
) -> None:
    first = world.ask(owner, rdtype)
    assert (first.rcode, first.rrset, first.remaining_ttl_s) == (rcode, None, 120)
    world.old.set_zone(CLIENT_APEX, CLIENT + 'missing 60 A 203.0.113.8\nwww 300 TXT "here"\n')
    world.clock.advance(119)
    assert (world.ask(owner, rdtype).rcode, world.ask(owner, rdtype).rrset) == (rcode, None)
    world.clock.advance(1)
    assert world.ask(owner, rdtype).rrset is not None


def test_nxdomain_holds_for_every_type_and_nodata_for_one(world: World) -> None:
    world.ask("missing.client.test.", A)
    assert world.ask("missing.client.test.", TXT).from_cache
    world.ask(WWW, TXT)
    assert not world.ask(WWW, MX).from_cache


def test_follows_aliases_and_lives_as_long_as_the_shortest_link(world: World) -> None:
    answer = world.ask("alias.client.test.")
    assert (values(answer), answer.remaining_ttl_s) == ({"203.0.113.1"}, 60)
    world.clock.advance(60)
    assert world.ask(WWW).from_cache
    assert not world.ask("alias.client.test.").from_cache
    assert world.ask("alias.client.test.").remaining_ttl_s == 60


def test_an_alias_into_another_zone_is_looked_up_there(world: World) -> None:
    answer = world.ask("out.client.test.")
    assert (values(answer), answer.remaining_ttl_s) == ({"203.0.113.5"}, 30)


def test_an_alias_to_nothing_is_nxdomain_for_the_negative_ttl(world: World) -> None:
    first, second = world.ask("nowhere.client.test."), world.ask("nowhere.client.test.")
    assert (first.rcode, first.rrset, first.remaining_ttl_s) == (dns.rcode.NXDOMAIN, None, 120)
    assert second.from_cache


def test_a_ttl_of_zero_is_given_once_and_not_kept(world: World) -> None:
    assert values(world.ask("now.client.test.")) == {"203.0.113.9"}
    assert not world.ask("now.client.test.").from_cache


def test_a_name_server_outside_the_zone_is_found_by_its_name(world: World) -> None:
    assert values(world.ask("www.helped.test.")) == {"203.0.113.5"}


def test_the_old_delegation_is_used_until_the_parent_ttl_is_over(world: World) -> None:
    world.ask()
    world.delegate_to_new()
    world.new.set_zone(CLIENT_APEX, NEW_CLIENT.replace("203.0.113.1", "198.51.100.1"))
    world.clock.advance(3599)
    assert values(world.ask()) == {"203.0.113.1"}
    world.clock.advance(300)
    assert values(world.ask()) == {"198.51.100.1"}


def test_who_has_seen_the_childs_ns_keeps_to_the_old_servers_for_the_childs_ttl(world: World) -> None:
    assert world.ask(CLIENT_APEX, NS).remaining_ttl_s == 7200
    world.delegate_to_new()
    world.new.set_zone(CLIENT_APEX, NEW_CLIENT.replace("203.0.113.1", "198.51.100.1"))
    world.clock.advance(7199)
    assert values(world.ask()) == {"203.0.113.1"}
    world.clock.advance(300)
    assert values(world.ask()) == {"198.51.100.1"}


def test_ns_kept_longer_than_glue_fetches_the_glue_again(world: World) -> None:
    world.old.set_zone(CLIENT_APEX, CLIENT.replace("ns1 7200 A", "ns1 60 A"))
    world.ask(CLIENT_APEX, NS)
    world.clock.advance(61)  # NS 7200 s, the addresses of its servers 60 s
    world.sent.clear()
    assert values(world.ask()) == {"203.0.113.1"}
    assert world.sent == [TLD_ADDRESS, OLD_ADDRESS]


def test_a_referral_for_glue_does_not_displace_the_childs_ns(world: World) -> None:
    world.old.set_zone(CLIENT_APEX, CLIENT.replace("ns1 7200 A", "ns1 60 A"))
    world.ask(CLIENT_APEX, NS)
    world.tld.set_zone(name("test."), TLD.replace("client 3600 NS", "client 60 NS"))
    world.clock.advance(61)
    world.ask()
    world.delegate_to_new()
    world.clock.advance(1000)  # what the referral said of NS is over, the glue is not
    world.sent.clear()
    world.ask()
    assert world.sent == [OLD_ADDRESS]


def test_the_childs_ns_wins_over_the_parents_while_both_are_kept(world: World) -> None:
    world.old.set_zone(CLIENT_APEX, NEW_CLIENT)
    world.ask(CLIENT_APEX, NS)
    world.sent.clear()
    world.ask()
    assert world.sent == [NEW_ADDRESS]


def test_ns_of_a_referral_is_never_given_to_users(world: World) -> None:
    world.ask()
    answer = world.ask(CLIENT_APEX, NS)
    assert not answer.from_cache
    assert answer.remaining_ttl_s == 7200


def test_takes_the_childs_ns_from_beside_an_answer_of_bind(world: World) -> None:
    with Bind([BindZone("client.test.", CLIENT)]) as bind:
        world.move(OLD_ADDRESS, bind.endpoint)
        world.ask()
        assert world.ask(CLIENT_APEX, NS).from_cache
        world.clock.advance(3000)
        world.ask()
        assert world.ask(CLIENT_APEX, NS).remaining_ttl_s == 7200 - 3000


def test_a_silent_server_is_servfail_and_works_again_when_it_answers(world: World) -> None:
    world.old.faults = Faults(drop_udp=True)
    assert world.ask() == CacheAnswer(dns.rcode.SERVFAIL, None, 0, from_cache=False)
    world.old.faults = Faults()
    assert values(world.ask()) == {"203.0.113.1"}


def test_goes_on_to_the_next_server_when_one_is_lame(world: World) -> None:
    world.tld.set_zone(
        name("test."), TLD + "client 3600 NS ns0.client\nns0.client 3600 A 192.0.2.1\n"
    )  # the root server: not authoritative for the client's zone
    assert values(world.ask()) == {"203.0.113.1"}


def test_all_servers_of_a_zone_are_asked_in_an_order_that_follows_from_the_seed(world: World) -> None:
    world.tld.set_zone(name("test."), TLD + "client 3600 NS ns2.client\nns2.client 3600 A 192.0.2.4\n")

    def asked(seed: int) -> list[str]:
        resolver = CachingResolver([ROOT_ADDRESS], world.send, world.clock.now, seed=seed)
        world.sent.clear()
        for _ in range(20):
            resolver.resolve(WWW, A)
            world.clock.advance(300)
        return [address for address in world.sent if address in (OLD_ADDRESS, NEW_ADDRESS)]

    first = asked(1)
    assert set(first) == {OLD_ADDRESS, NEW_ADDRESS}
    assert asked(1) == first != asked(2)


def test_threat_18_an_answer_for_another_name_is_not_believed(world: World) -> None:
    world.old.faults = Faults(wrong_owner=name("www.helped.test."))
    assert world.ask().rcode == dns.rcode.SERVFAIL
    world.old.faults = Faults()
    assert values(world.ask("www.helped.test.")) == {"203.0.113.5"}


def test_data_outside_the_zone_asked_is_not_kept(world: World) -> None:
    def forge(address: str, message: Message) -> Message | None:
        response = world.send(address, message)
        if response is not None and address == OLD_ADDRESS:
            response.answer.append(dns.rrset.from_text("www.other.test.", 300, "IN", "A", "198.51.100.66"))
            response.answer.append(dns.rrset.from_text("other.test.", 300, "IN", "NS", "evil.client.test."))
            response.additional.append(dns.rrset.from_text("ns.test.", 300, "IN", "A", "198.51.100.66"))
        return response

    resolver = CachingResolver([ROOT_ADDRESS], forge, world.clock.now)
    resolver.resolve(WWW, A)
    world.sent.clear()
    assert resolver.resolve(name("www.other.test."), A).rcode == dns.rcode.NXDOMAIN
    assert world.sent == [TLD_ADDRESS]


def test_glue_for_a_server_outside_the_zone_asked_is_not_used(world: World) -> None:
    world.tld.set_zone(name("test."), TLD + "far 3600 NS ns.elsewhere.\n")

    def forge(address: str, message: Message) -> Message | None:
        response = world.send(address, message)
        if response is not None and address == TLD_ADDRESS:
            response.additional.append(dns.rrset.from_text("ns.elsewhere.", 300, "IN", "A", "198.51.100.66"))
        return response

    resolver = CachingResolver([ROOT_ADDRESS], forge, world.clock.now)
    assert resolver.resolve(name("www.far.test."), A).rcode == dns.rcode.SERVFAIL
    assert "198.51.100.66" not in world.sent


def test_threat_18_an_answer_with_another_id_or_question_is_not_believed(world: World) -> None:
    def other_id(address: str, message: Message) -> Message | None:
        response = world.send(address, message)
        assert response is not None
        response.id ^= 1
        return response

    def other_question(address: str, message: Message) -> Message | None:
        response = world.send(address, message)
        assert response is not None
        response.question = [dns.rrset.RRset(CLIENT_APEX, dns.rdataclass.IN, TXT)]
        return response

    for send in (other_id, other_question):
        resolver = CachingResolver([ROOT_ADDRESS], send, world.clock.now)
        assert resolver.resolve(WWW, A).rcode == dns.rcode.SERVFAIL


@pytest.mark.parametrize("owner", ["loop1.client.test.", "www.ring.test.", "www.lost.test."])
def test_work_is_bounded_when_names_lead_nowhere(world: World, owner: str) -> None:
    assert world.ask(owner).rcode == dns.rcode.SERVFAIL
    assert len(world.sent) <= 64


def test_the_kind_caps_ttls_from_above_and_below(world: World) -> None:
    world.resolver = world.resolver_of(CacheKind("clamping", min_ttl_s=90, max_ttl_s=3600, max_negative_ttl_s=30))
    assert world.ask("long.client.test.").remaining_ttl_s == 3600
    assert world.ask("alias.client.test.").remaining_ttl_s == 90
    assert world.ask("missing.client.test.").remaining_ttl_s == 30


def test_ordinary_keeps_nothing_longer_than_a_day(world: World) -> None:
    assert world.ask("long.client.test.").remaining_ttl_s == 86_400


def test_a_hit_takes_less_than_50_microseconds(world: World) -> None:
    world.ask()
    asked = 1000
    best_s = min(_time_of(world, WWW, asked) for _ in range(10))
    assert best_s / asked < 50e-6


def _time_of(world: World, owner: Name, asked: int) -> float:
    started_s = time.perf_counter()
    for _ in range(asked):
        world.resolver.resolve(owner, A)
    return time.perf_counter() - started_s
