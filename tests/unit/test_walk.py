"""Iteration from the roots: what is found, what is not believed, when it stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from dns.message import Message

from dnsrun.dnsio.parent import find_delegation
from dnsrun.dnsio.walk import Roots, Walk, addresses_from_roots
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.zone import Delegation
from dnsrun.ports.net import Net
from dnsrun.rehearse.authority import Faults
from dnsworld import CLIENT, CLIENT_ZONE, EXAMPLE, EXAMPLE_ZONE, HOSTER, ROOT, ZONES, DnsWorld, dns_world, end
from udpserver import udp_server

PARENTS = (
    end("ns1.nic.example", "192.0.2.11"),
    end("ns2.nic.example", "192.0.2.12"),
    end("ns2.nic.example", "2001:db8::12"),
)


@pytest.fixture
def world() -> Iterator[DnsWorld]:
    with dns_world() as started:
        yield started


def addresses(world: DnsWorld, host: str) -> tuple[str, ...]:
    return addresses_from_roots(world.net, dns.name.from_text(host), world.roots)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("web.hoster.example", ("192.0.2.80", "2001:db8::80")),
        ("shop.client.example", ("192.0.2.10", "2001:db8::10")),
        ("blog.client.example", ("192.0.2.80", "2001:db8::80")),
        ("far.client.example", ("192.0.2.10", "2001:db8::10")),
        ("x.wild.client.example", ("192.0.2.77",)),
        ("nowhere.client.example", ()),
        ("mail.client.example", ()),
        ("nosuchtld", ()),
    ],
)
def test_a_host_is_found_from_the_roots_through_zones_and_aliases(
    world: DnsWorld, host: str, found: tuple[str, ...]
) -> None:
    """Fault 65."""
    assert addresses(world, host) == found


def test_an_alias_is_told_from_a_host(world: DnsWorld) -> None:
    walk = Walk(world.net, world.roots)
    found = {host: walk.is_alias(dns.name.from_text(f"{host}.client.example")) for host in ("www", "shop", "nowhere")}
    assert found == {"www": False, "shop": True, "nowhere": False}


def test_another_server_is_asked_when_one_is_dead_or_lame(world: DnsWorld) -> None:
    """Fault 45."""
    world.cut_off("192.0.2.11")
    world.servers["192.0.2.31"].faults = Faults(rcode=dns.rcode.REFUSED)
    assert addresses(world, "www.client.example") == ("192.0.2.10", "2001:db8::10")


def test_an_alias_that_goes_round_is_an_error(world: DnsWorld) -> None:
    with pytest.raises(OutsideError, match="leads nowhere"):
        addresses(world, "round.hoster.example")


def test_servers_that_need_each_other_end_in_an_error(world: DnsWorld) -> None:
    with pytest.raises(OutsideError, match=r"no server of loop1\.example\. gives an answer"):
        addresses(world, "www.loop1.example")
    asked = sum(len(server.log) for server in world.servers.values())
    assert asked < 40


def test_the_work_is_bounded(world: DnsWorld) -> None:
    with pytest.raises(OutsideError, match="too many queries"):
        Walk(world.net, world.roots, most_queries=3).addresses(dns.name.from_text("far.client.example"))


def test_dead_servers_say_which_they_are(world: DnsWorld) -> None:
    world.cut_off("192.0.2.11")
    world.cut_off("192.0.2.12")
    with pytest.raises(OutsideError, match=r"no server of example. .*192\.0\.2\.11.*cannot be reached"):
        addresses(world, "www.client.example")


def test_silent_servers_are_not_waited_for_again_and_again(world: DnsWorld) -> None:
    """A dozen hosts in a zone that nobody serves any more would take a minute each."""

    class Counting:
        asked = 0

        def exchange(self, server: Endpoint, message: Message, **how: Any) -> Iterator[Message]:
            Counting.asked += server.address == "192.0.2.21"
            return world.net.exchange(server, message, **how)

    world.cut_off("192.0.2.21")
    walk = Walk(cast("Net", Counting()), world.roots)
    for number in range(12):
        with pytest.raises(OutsideError, match=r"no server of hoster\.example\. gives an answer"):
            walk.addresses(dns.name.from_text(f"mx{number}.hoster.example"))

    assert Counting.asked == 2


def test_an_address_for_a_name_outside_the_referring_zone_is_not_believed() -> None:
    """Threat 18: a server of client.example must not place names of hoster.example."""
    lying = CLIENT_ZONE.replace("sub NS ns1.sub\nns1.sub A 192.0.2.41", "sub NS web.hoster.example.")
    held = {CLIENT: lying, HOSTER: "@ SOA ns nobody 1 1 1 1 1\n@ NS ns\nweb A 198.51.100.66\n"}
    with (
        dns_world({**ZONES, "192.0.2.31": held, "192.0.2.32": held}) as world,
        pytest.raises(OutsideError, match=r"web\.hoster\.example \(192\.0\.2\.80\)"),
    ):
        addresses(world, "www.sub.client.example")


def test_an_address_beside_a_referral_counts_only_within_the_referring_zone(world: DnsWorld) -> None:
    """Threat 18: the real address of web.hoster.example is asked, not the one that comes along."""

    def reply(query: Message) -> Iterable[bytes]:
        response = dns.message.make_response(query)
        response.authority.append(dns.rrset.from_text("sub.client.example.", 60, "IN", "NS", "web.hoster.example."))
        response.additional.append(dns.rrset.from_text("web.hoster.example.", 60, "IN", "A", "198.51.100.66"))
        yield response.to_wire()

    with udp_server(reply) as lying:
        for address in ("192.0.2.31", "192.0.2.32"):
            world.places[address, 53] = (lying.address, lying.port)
        with pytest.raises(OutsideError, match=r"web\.hoster\.example \(192\.0\.2\.80\)") as caught:
            addresses(world, "www.sub.client.example")
    assert "198.51.100.66" not in str(caught.value)


def test_an_answer_without_authority_is_not_believed(world: DnsWorld) -> None:
    """Threat 18."""

    def reply(query: Message) -> Iterable[bytes]:
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "198.51.100.66"))
        yield response.to_wire()

    with udp_server(reply) as lying:
        world.places["192.0.2.31", 53] = world.places["192.0.2.32", 53] = (lying.address, lying.port)
        with pytest.raises(OutsideError, match="answers without authority"):
            addresses(world, "nowhere.client.example")


def test_an_alias_into_another_zone_is_not_answered_by_the_zone_it_leaves() -> None:
    lying = {CLIENT: CLIENT_ZONE, HOSTER: "@ SOA ns nobody 1 1 1 1 1\n@ NS ns\nweb A 198.51.100.66\n"}
    with dns_world({**ZONES, "192.0.2.31": lying, "192.0.2.32": lying}) as world:
        assert addresses(world, "blog.client.example") == ("192.0.2.80", "2001:db8::80")


def test_the_delegation_is_read_at_every_server_of_the_parent(world: DnsWorld) -> None:
    parent = find_delegation(world.net, CLIENT, world.roots)
    assert (parent.apex, parent.servers, parent.differences, parent.shared) == (EXAMPLE, PARENTS, (), False)
    assert parent.delegation == Delegation(
        ns=frozenset(map(dns.name.from_text, ("ns1.client.example", "ns.hoster.example"))),
        glue={dns.name.from_text("ns1.client.example"): ("192.0.2.31",)},
        ds=frozenset({"12345 8 2 " + "ab" * 32}),
        ttl_s=86400,
        ds_ttl_s=3600,
    )
    assert set(parent.served) == set(PARENTS[:2])
    assert list(parent.silent.values()) == ["ns2.nic.example (2001:db8::12) gives no answer (unreachable)"]


def test_a_parent_server_that_serves_another_delegation_is_named(world: DnsWorld) -> None:
    """D2: any set seen at any parent server counts."""
    other = EXAMPLE_ZONE.replace("client 86400 NS ns.hoster", "client 43200 NS ns1.hoster").replace("86400", "43200")
    world.servers["192.0.2.12"].set_zone(EXAMPLE, other)
    parent = find_delegation(world.net, CLIENT, world.roots)
    assert [line.split(" serves ")[1].split()[0] for line in parent.differences] == ["NS", "the"]
    assert all(line.startswith("ns2.nic.example (192.0.2.12) serves") for line in parent.differences)
    assert len(parent.delegation.ns) == 3
    assert parent.delegation.ttl_s == 86400


def test_a_parent_server_that_does_not_know_the_domain_is_named(world: DnsWorld) -> None:
    lines = EXAMPLE_ZONE.splitlines()
    world.servers["192.0.2.12"].set_zone(EXAMPLE, "\n".join(line for line in lines if "client" not in line) + "\n")
    parent = find_delegation(world.net, CLIENT, world.roots)
    assert parent.differences == ("ns2.nic.example (192.0.2.12) answers nxdomain, others delegate client.example.",)


def test_a_domain_that_is_not_delegated_is_an_error(world: DnsWorld) -> None:
    with pytest.raises(OutsideError, match=r"other\.example\. is not delegated by example\.") as caught:
        find_delegation(world.net, dns.name.from_text("other.example."), world.roots)
    assert not caught.value.retryable


def test_the_parent_is_found_by_asking_and_not_by_counting_dots() -> None:
    """co.example has no zone of its own: the parent of client.co.example is example."""
    domain = dns.name.from_text("client.co.example.")
    text = EXAMPLE_ZONE + "client.co NS ns1.client.co\nns1.client.co A 192.0.2.31\n"
    with dns_world({**ZONES, "192.0.2.11": {EXAMPLE: text}, "192.0.2.12": {EXAMPLE: text}}) as world:
        assert find_delegation(world.net, domain, world.roots).apex == EXAMPLE


def test_a_parent_on_the_roots_own_servers_is_still_found() -> None:
    both = {ROOT: ZONES["192.0.2.1"][ROOT], EXAMPLE: EXAMPLE_ZONE}
    with dns_world({**ZONES, "192.0.2.1": both}) as world:
        parent = find_delegation(world.net, CLIENT, world.roots)
    assert (parent.apex, parent.servers) == (EXAMPLE, PARENTS)


def test_parent_and_child_on_the_same_servers_are_said_to_be_shared() -> None:
    both = {EXAMPLE: EXAMPLE_ZONE, CLIENT: CLIENT_ZONE}
    with dns_world({**ZONES, "192.0.2.11": both, "192.0.2.12": both}) as world:
        parent = find_delegation(world.net, CLIENT, world.roots)
    assert parent.shared
    assert len(parent.delegation.ns) == 2


def test_there_are_thirteen_roots_with_two_addresses_each() -> None:
    servers = Roots.iana().servers
    assert len({server.name for server in servers}) == 13
    assert len({server.address for server in servers}) == 26
    assert sum(server.is_v6 for server in servers) == 13
