"""Gate `delegation`: what blocks a switch, what the parent must serve before and after it.

Each blocking row of Zonemaster's table that the gate holds has a test here, told by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import dns.flags
import dns.message
import dns.name
import pytest
from dns.message import Message
from dns.rcode import Rcode

from dnsrun.dnsio.views import current_view
from dnsrun.gates.delegation.gate import DelegationGate
from dnsrun.gates.delegation.set import referral_size
from dnsrun.gates.outside import Outside
from dnsrun.model.observation import Endpoint, NoReply, Verdict, Words
from dnsrun.model.rrset import RRset, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.rehearse.authority import Authority, Faults
from dnsworld import CLIENT, dns_world
from gateworld import APEX, FixedView, net, server, spec
from moveworld import (
    EXAMPLE,
    NEW,
    NEW_NS,
    OLD_NS,
    PARENT,
    RECORDS,
    MoveWorld,
    delegation,
    move_case,
    move_world,
    parent_text,
    zone_text,
)
from udpserver import udp_server

GATE = DelegationGate()
GOOD = zone_text(ns=NEW_NS, ttl_s=300, serial=1)
NS2 = "ns2.new.example (203.0.113.54)"


@pytest.fixture
def world() -> Iterator[MoveWorld]:
    with move_world() as one:
        yield one


def judged(world: MoveWorld) -> Verdict:
    return world.verdict(GATE)


def fails(world: MoveWorld, words: str, *, not_yet: bool = False) -> None:
    verdict = judged(world)
    assert (verdict.outcome, verdict.not_yet) == ("fail", not_yet), verdict
    assert words in verdict.because


def warns(world: MoveWorld, words: str) -> None:
    verdict = judged(world)
    assert verdict.outcome == "pass", verdict.because
    assert any(words in one for one in verdict.warnings), verdict.warnings


def everywhere(world: MoveWorld, text: str) -> None:
    for one in world.new:
        one.set_zone(APEX, text)


def test_a_good_set_passes_without_a_warning(world: MoveWorld) -> None:
    verdict = judged(world)
    assert (verdict.outcome, verdict.warnings) == ("pass", ())
    assert verdict.because == "the parent delegates as before (asked 2), the new servers answer for the zone (2)"


# Each server by itself (D8)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(rcode=Rcode.REFUSED), "does not serve the zone: it answers REFUSED"),
        (Faults(rcode=Rcode.SERVFAIL), "does not serve the zone: it answers SERVFAIL"),
        (Faults(drop_tcp=True), "does not answer over TCP"),
        (Faults(drop_udp=True), "answers over TCP and not over UDP"),
        (Faults(drop_udp=True, drop_tcp=True), "does not answer over UDP"),
    ],
    ids=["BASIC02-DELEGATION04", "fails-for-good", "CONNECTIVITY02", "CONNECTIVITY01", "silent"],
)
def test_fault_43_45_a_lame_or_half_deaf_server_fails_and_is_named(
    world: MoveWorld, faults: Faults, words: str
) -> None:
    world.new[1].faults = faults
    fails(world, f"{NS2} {words}")


def test_fault_46_an_error_now_and_then_does_not_fail(world: MoveWorld) -> None:
    for seed in range(20):
        world.new[1].faults = Faults(rcode=Rcode.SERVFAIL, rcode_share=0.2, seed=seed)
        assert judged(world).outcome == "pass"


def test_fault_42_an_address_out_of_reach_is_not_checked(world: MoveWorld) -> None:
    world.not_checked = (server("ns2.new.example", "2001:db8::54"),)
    verdict = judged(world)
    assert (verdict.outcome, verdict.not_checked) == ("pass", ("ns2.new.example (2001:db8::54)",))


def test_servers_nobody_reaches_are_unknown(world: MoveWorld) -> None:
    view = FixedView(net({}), NEW, PARENT, name="new")
    assert GATE.judge(spec(GATE), world.case, GATE.observe(spec(GATE), world.case, view, view.net)).outcome == "unknown"
    assert GATE.judge(spec(GATE), world.case, ()).outcome == "unknown"
    assert GATE.judge(spec(GATE), replace(world.case, move=None), ()).outcome == "unknown"


def behaving(world: MoveWorld, spoil: Callable[[Message], Message | None]) -> Verdict:
    """Return the verdict when the second server answers by UDP as `spoil` makes it, by TCP as it should."""
    good = world.new[1]

    def reply(query: Message) -> Iterable[bytes]:
        answer = spoil(query)
        return [] if answer is None else [answer.to_wire()]

    with udp_server(reply) as place:
        # The TCP side of the good server is not at this port: the test is about UDP alone.
        world.places[NEW[1].address, 53] = (place.address, place.port)
        verdict = judged(world)
        world.places[NEW[1].address, 53] = ("127.0.0.1", good.port)
    return verdict


def soa_answer(query: Message) -> Message:
    """Answer any query about the zone as a good server does for SOA, NS and nothing else."""
    answer = dns.message.make_response(query, our_payload=1232)
    answer.flags |= dns.flags.AA
    asked = query.question[0]
    soa = rrset(APEX, 3600, "SOA", "ns1.new.example. hostmaster.client.example. 1 14400 3600 1209600 300")
    ns = rrset(APEX, 300, "NS", *(f"{name}." for name in NEW_NS))
    for held in (soa, ns):
        if held.key.rdtype == asked.rdtype:
            answer.answer.append(dns.rrset.from_rdata_list(asked.name, held.ttl_s, list(held.rdatas)))
    if not answer.answer:
        answer.authority.append(dns.rrset.from_rdata_list(APEX, soa.ttl_s, list(soa.rdatas)))
    return answer


def test_nameserver13_an_answer_cut_without_edns_in_it_fails(world: MoveWorld) -> None:
    def spoil(query: Message) -> Message:
        answer = soa_answer(query)
        if query.payload == 512:
            answer.flags |= dns.flags.TC
            answer.use_edns(False)
        return answer

    assert f"{NS2} leaves EDNS out of answers that it cuts (NAMESERVER13)" in behaving(world, spoil).because


def test_nameserver05_a_question_for_aaaa_that_breaks_the_server_fails(world: MoveWorld) -> None:
    def spoil(query: Message) -> Message:
        answer = soa_answer(query)
        if query.question[0].rdtype == dns.rdatatype.AAAA:
            answer.set_rcode(Rcode.NXDOMAIN)
        return answer

    assert f"{NS2} answers no such name to a question for AAAA" in behaving(world, spoil).because


@pytest.mark.parametrize("rcode", [Rcode.FORMERR, None])
def test_fault_44_nameserver02_without_edns_warns_and_blocks_where_there_is_a_ds(
    world: MoveWorld, rcode: Rcode | None
) -> None:
    """A server that says FORMERR to EDNS, and one that drops it."""

    def spoil(query: Message) -> Message | None:
        if query.edns < 0:
            return soa_answer(query)
        answer = dns.message.make_response(query)
        answer.use_edns(False)
        if rcode is None:
            return None
        answer.set_rcode(rcode)
        return answer

    words = f"{NS2} answers only without EDNS"
    assert words in behaving(world, spoil).warnings
    world.change_move(target=delegation(*NEW_NS, ds=(f"1 13 2 {'ab' * 32}",)))
    assert f"{words}, and the delegation has a DS" in behaving(world, spoil).because


@pytest.mark.parametrize(
    ("spoils", "words"),
    [
        (lambda query: query.edns == 1, "answers FORMERR to an EDNS version unknown to it"),
        (lambda query: bool(query.options), "answers FORMERR to an EDNS option unknown to it"),
        (lambda query: bool(query.ednsflags & 0x40), "answers FORMERR to EDNS flags unknown to it"),
    ],
    ids=["NAMESERVER10", "NAMESERVER11", "NAMESERVER12"],
)
def test_d8_unknown_edns_that_disturbs_a_server_warns(
    world: MoveWorld, spoils: Callable[[Message], bool], words: str
) -> None:
    def spoil(query: Message) -> Message:
        answer = soa_answer(query)
        if query.edns == 1:
            answer.set_rcode(Rcode.BADVERS)
        if spoils(query):
            answer.answer.clear()
            answer.set_rcode(Rcode.FORMERR)
        return answer

    assert f"{NS2} {words}" in behaving(world, spoil).warnings


def test_nameserver01_07_a_resolver_and_an_upward_referral_warn(world: MoveWorld) -> None:
    root_ns = dns.rrset.from_text(".", 60, "IN", "NS", "a.root.")

    def resolver(query: Message) -> Message:
        answer = soa_answer(query)
        if query.question[0].name == dns.name.root:
            answer.flags |= dns.flags.RA
            answer.answer.append(root_ns)
        return answer

    def upward(query: Message) -> Message:
        answer = soa_answer(query)
        if query.question[0].name == dns.name.root:
            answer.answer.clear()
            answer.authority[:] = [root_ns]
        return answer

    assert f"{NS2} answers for other zones, as a resolver does" in behaving(world, resolver).warnings
    assert f"{NS2} refers upward when asked for other zones" in behaving(world, upward).warnings


def test_fault_45_an_upward_referral_for_the_zone_itself_fails(world: MoveWorld) -> None:
    def upward(query: Message) -> Message:
        answer = dns.message.make_response(query, our_payload=1232)
        answer.authority.append(dns.rrset.from_text(".", 60, "IN", "NS", "a.root."))
        return answer

    assert f"{NS2} does not serve the zone: it refers to other servers" in behaving(world, upward).because


def test_nameserver04_an_answer_from_another_address_is_silence(world: MoveWorld) -> None:
    """Whoever asked never sees it: sockets take only what comes from where they asked."""
    world.places[NEW[1].address, 53] = ("127.0.0.1", 9)
    assert judged(world).outcome == "fail"


# The servers together, and the zone (D7)


def test_delegation07_consistency04_another_set_in_the_zone_fails(world: MoveWorld) -> None:
    everywhere(world, zone_text(ns=(*NEW_NS, "ns3.new.example"), ttl_s=300, serial=1))
    fails(
        world, f"{NS2} has the name servers ns1.new.example, ns2.new.example, ns3.new.example, to be delegated to are "
    )


def test_consistency01_serials_that_differ_are_not_yet(world: MoveWorld) -> None:
    world.new[1].set_zone(APEX, zone_text(ns=NEW_NS, ttl_s=300, serial=2))
    fails(world, f"the serials differ: ns1.new.example (203.0.113.53) 1, {NS2} 2", not_yet=True)


def test_consistency03_zone02_to_06_odd_timers_warn_and_block_for_de(world: MoveWorld) -> None:
    world.new[1].set_zone(APEX, GOOD.replace("14400 3600 1209600 300", "600 900 3600 30"))
    warns(world, "the SOA timers differ between the new name servers")
    everywhere(world, GOOD.replace("14400 3600 1209600 300", "600 900 3600 30"))
    warns(world, "SOA refresh is 600, usual is 14400 at least")
    warns(world, "SOA retry (900) is not below refresh (600)")


OWN = "ns1.client.example"


def with_own_server(world: MoveWorld, *, glue: tuple[str, ...], record: str = f"{NEW[0].address}") -> None:
    """Let the first new server be called by a name inside the zone."""
    names = (OWN, NEW_NS[1])
    text = zone_text(RECORDS + f"ns1 3600 A {record}\n", ns=names, ttl_s=300, serial=1)
    everywhere(world, text)
    world.servers = (Endpoint(dns.name.from_text(OWN), NEW[0].address), NEW[1])
    world.change_move(target=delegation(*names, glue={OWN: glue} if glue else {}))


def test_d7_consistency05_glue_must_be_what_the_zone_says(world: MoveWorld) -> None:
    with_own_server(world, glue=(NEW[0].address,))
    assert judged(world).outcome == "pass", judged(world).because
    with_own_server(world, glue=("203.0.113.99",))
    fails(world, f"{NS2} says that ns1.client.example is 203.0.113.53, the glue to be set is 203.0.113.99")
    with_own_server(world, glue=())
    fails(world, "ns1.client.example lies within the domain and needs glue")


def test_delegation05_a_name_server_that_is_an_alias_fails(world: MoveWorld) -> None:
    with_own_server(world, glue=(NEW[0].address,))
    add_content(world, rrset(OWN, 300, "CNAME", "www.client.example."))
    fails(world, "the name server ns1.client.example is an alias")


def add_content(world: MoveWorld, *rrsets: RRset) -> None:
    assert world.case.move is not None
    content: ZoneSnapshot = world.case.move.content
    world.change_move(content=replace(content, rrsets={**content.rrsets, **{one.key: one for one in rrsets}}))


def test_nameserver06_a_name_server_without_address_fails_and_one_nobody_tells_is_unknown(world: MoveWorld) -> None:
    world.hosts["ns2.new.example"] = ()
    fails(world, "the name server ns2.new.example has no address")
    del world.hosts["ns2.new.example"]
    verdict = judged(world)
    assert verdict.outcome == "unknown"
    assert "the addresses of the name server ns2.new.example could not be found out" in verdict.because


def test_delegation01_one_name_server_fails_unless_there_was_but_one(world: MoveWorld) -> None:
    everywhere(world, zone_text(ns=NEW_NS[:1], ttl_s=300, serial=1))
    world.change_move(target=delegation(NEW_NS[0]))
    fails(world, "only 1 name server; two at least are asked for")
    for one in world.parent:
        one.set_zone(EXAMPLE, parent_text(OLD_NS[0]))
    world.change_move(delegation=delegation(OLD_NS[0]))
    warns(world, "only 1 name server; two at least are asked for")


def test_delegation02_two_names_with_one_address_fail(world: MoveWorld) -> None:
    world.servers = (NEW[0], server(NEW_NS[1], NEW[0].address))
    fails(world, "ns1.new.example, ns2.new.example have one address, 203.0.113.53")


@pytest.mark.parametrize("address", ["10.0.0.53", "169.254.1.1", "100.64.0.1", "fd00::1"])
def test_address01_an_address_of_a_private_network_fails(world: MoveWorld, address: str) -> None:
    world.servers = (NEW[0], server(NEW_NS[1], address))
    world.places[address, 53] = ("127.0.0.1", world.new[1].port)
    fails(world, f"{address} cannot be reached from everywhere")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            rrset(APEX, 300, "MX", "10 my_mail.client.example."),
            "my_mail.client.example is no legal name of a mail host",
        ),
        (rrset(APEX, 300, "MX", "10 -x.client.example."), "-x.client.example is no legal name of a mail host"),
    ],
)
def test_syntax08_mail_hosts_must_have_legal_names(world: MoveWorld, held: RRset, words: str) -> None:
    add_content(world, held)
    fails(world, words)


def test_syntax01_04_07_names_must_be_legal(world: MoveWorld) -> None:
    everywhere(world, GOOD.replace("SOA ns1.new.example.", "SOA n_s.new.example."))
    fails(world, "n_s.new.example is no legal name of a primary in the SOA (MNAME)")
    world.change_move(target=delegation("n_s.new.example", NEW_NS[1]))
    fails(world, "n_s.new.example is no legal name of a name server")


def test_d9_delegation03_a_referral_that_does_not_fit_into_512_octets_fails(world: MoveWorld) -> None:
    many = {f"{'n' * 40}{number}.client.example": (f"203.0.113.{number}", f"2001:db8::{number}") for number in range(6)}
    assert referral_size(APEX, delegation(*NEW_NS)) < 512 < referral_size(APEX, delegation(*many, glue=many))
    world.change_move(target=delegation(*many, glue=many))
    fails(world, "octets for the longest name, 512 fit without EDNS (D9)")


# The parent (D2)


def set_parent(world: MoveWorld, number: int, *names: str, more: str = "") -> None:
    world.parent[number].set_zone(EXAMPLE, parent_text(*names, more=more))


def test_d2_before_the_switch_every_parent_server_serves_what_it_did(world: MoveWorld) -> None:
    set_parent(world, 1, *NEW_NS)
    fails(world, "INCIDENT: 1 of 2 parent servers serve the new name servers already")
    set_parent(world, 1, OLD_NS[0])
    fails(world, "INCIDENT: b.nic.example (198.51.100.2) serves neither the old nor the new name servers: ns1.old.")
    set_parent(world, 1, *OLD_NS, more=f"client 60 DS 1 8 2 {'ab' * 32}")
    fails(world, "b.nic.example (198.51.100.2) serves DS 1 8 2 ")


def test_fault_54_a_placeholder_at_one_parent_server_is_an_incident_with_its_ttl(world: MoveWorld) -> None:
    set_parent(world, 1, "park.registrar.example")
    words = "INCIDENT: b.nic.example (198.51.100.2) serves neither the old nor the new name servers: park.registrar."
    fails(world, words)
    world.change_move(switched=True)
    fails(world, words)
    fails(world, "caches keep that up to 86400 s")


def test_d2_after_the_switch_not_yet_until_every_parent_server_serves_the_new_set(world: MoveWorld) -> None:
    world.change_move(switched=True)
    fails(world, "2 of 2 parent servers still serve the old name servers", not_yet=True)
    set_parent(world, 0, *NEW_NS)
    fails(world, "1 of 2 parent servers still serve the old name servers", not_yet=True)
    set_parent(world, 1, NEW_NS[0])
    fails(world, "at the parent b.nic.example (198.51.100.2) serves ns1.new.example, not ", not_yet=True)
    set_parent(world, 1, *NEW_NS)
    assert judged(world).outcome == "pass"
    everywhere(world, zone_text(ns=OLD_NS, ttl_s=300, serial=1))
    fails(world, f"{NS2} has the name servers ns1.old.example, ns2.old.example, to be delegated to are ")


def test_d7_glue_at_the_parent_is_part_of_the_delegation(world: MoveWorld) -> None:
    with_own_server(world, glue=(NEW[0].address,))
    world.change_move(switched=True)
    for number, address in enumerate((NEW[0].address, "203.0.113.99")):
        set_parent(world, number, OWN, NEW_NS[1], more=f"ns1.client 60 A {address}")
    fails(world, "serves glue ns1.client.example 203.0.113.99, not ns1.client.example 203.0.113.53", not_yet=True)
    set_parent(world, 1, OWN, NEW_NS[1], more=f"ns1.client 60 A {NEW[0].address}")
    assert judged(world).outcome == "pass"


def test_a_parent_server_that_is_down_hands_out_nothing_and_warns(world: MoveWorld) -> None:
    world.parent[1].faults = Faults(drop_udp=True, drop_tcp=True)
    warns(world, "b.nic.example (198.51.100.2) of the parent zone does not answer")


def test_a_parent_that_serves_the_child_too_is_read_as_well(world: MoveWorld) -> None:
    """Servers of both zones give no referral."""
    with Authority({EXAMPLE: parent_text(*OLD_NS), APEX: zone_text()}) as both:
        for end in PARENT:
            world.places[end.address, 53] = ("127.0.0.1", both.port)
        assert judged(world).outcome == "pass"


def test_the_case_of_de_takes_what_denic_takes() -> None:
    with move_world() as world:
        apex = dns.name.from_text("client.de")
        case = move_case(zone_text())
        assert case.move is not None
        for one in world.new:
            one.set_zone(apex, GOOD.replace("14400 3600 1209600 300", "600 900 3600 30"))
        world.case = replace(case, apex=apex)
        for one in world.parent:
            one.set_zone(dns.name.from_text("de"), parent_text(*OLD_NS))
        assert "SOA refresh is 600: DENIC takes 10000 to 86400 only" in judged(world).because


def test_hosts_outside_are_found_from_the_roots_and_aliases_told() -> None:
    with dns_world() as world:
        outside = Outside(current_view(world.net, CLIENT, world.roots), world.net)
        names = ("web.hoster", "round.hoster", "back.hoster", "nowhere.hoster", "x.loop1")
        found = {name: outside.host(dns.name.from_text(f"{name}.example")) for name in names}
        assert found == {
            "web.hoster": Words("192.0.2.80 2001:db8::80"),
            "round.hoster": NoReply("timeout"),  # an alias that goes round
            "back.hoster": Words("alias 192.0.2.10 2001:db8::10"),
            "nowhere.hoster": Words(""),
            "x.loop1": NoReply("timeout"),
        }


def test_delegation05_a_name_server_outside_that_is_an_alias_fails(world: MoveWorld) -> None:
    view = world.view
    seen = [
        replace(one, got=Words("alias 203.0.113.54")) if one.of == "addresses of ns2.new.example." else one
        for one in GATE.observe(spec(GATE), world.case, view, view.net)
    ]
    verdict = GATE.judge(spec(GATE), world.case, tuple(seen))
    assert verdict.outcome == "fail"
    assert "the name server ns2.new.example is an alias (RFC 2181 section 10.3)" in verdict.because
