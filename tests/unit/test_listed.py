"""A zone that is only listed: what its source cannot tell is asked at every server, and what remains is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from dns.rdatatype import RdataType

from dnsrun.dnsio.blind import keys_to_fill
from dnsrun.dnsio.capture import Capture, capture, transferred
from dnsrun.dnsio.views import current_view
from dnsrun.model.rrset import RRset, RRsetKey, key, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.listed import unlisted_types
from dnsworld import CLIENT, CLIENT_ZONE, DnsWorld, dns_world

STALE = "192.0.2.32"
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
BLIND = frozenset(map(RdataType.make, ("HINFO", "URI", "TLSA", "DNAME", "SOA", "DNSKEY", "CERT")))
UNLISTED = (
    'www HINFO "cpu" "os"\n'
    '_service._tcp.www URI 10 1 "https://www.client.example/"\n'
    "_tcp.www TLSA 3 1 1 " + "ab" * 32 + "\n"
    "_service._tcp.www SRV 0 0 443 www\n"
    'text TXT "cut in" " two"\n'
    'naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .\n'
    "10 PTR www\n10 PTR mail\n"
    "moved DNAME elsewhere.example.\n"
)
TEXT = key("text.client.example", "TXT")
LISTED_ROUGHLY = (
    rrset("text.client.example", 300, "TXT", '"cut in two"'),
    rrset("naptr.client.example", 300, "NAPTR", '100 10 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .'),
    rrset("10.client.example", 300, "PTR", "www.client.example."),
)


@pytest.fixture
def world() -> Iterator[DnsWorld]:
    with dns_world() as started:
        for address in ("192.0.2.31", STALE):
            started.servers[address].set_zone(CLIENT, CLIENT_ZONE + UNLISTED)
        yield started


def listing(world: DnsWorld, *instead: RRset) -> ZoneSnapshot:
    """What a class of octoDNS would list: no blind types, no apex NS, some RRsets only roughly."""
    whole = transferred(world.net, "192.0.2.31", CLIENT, current_view(world.net, CLIENT, world.roots), taken_at=NOW)
    listed = {one: held for one, held in whole.rrsets.items() if one.rdtype not in BLIND and one != key(CLIENT, "NS")}
    rough = {each.key: each for each in (*LISTED_ROUGHLY, *instead)}
    return replace(whole, rrsets=listed | rough, completeness="listed", blind=BLIND, source="octoDNS SomeProvider")


def captured(world: DnsWorld, listed: ZoneSnapshot) -> Capture:
    return capture(current_view(world.net, CLIENT, world.roots), listed)


def test_types_that_the_listing_leaves_out_are_found_at_the_names_it_knows(world: DnsWorld) -> None:
    zone = captured(world, listing(world)).or_refuse().snapshot
    found = {str(one) for one in zone.sources}
    assert {"www.client.example HINFO", "_service._tcp.www.client.example URI"} <= found
    # A name that only leads to another one, too.
    assert "_tcp.www.client.example TLSA" in found
    assert zone.sources[key("www.client.example", "HINFO")] == "asked at ns.hoster.example (192.0.2.32)"
    assert zone.rrsets[key("www.client.example", "HINFO")].texts() == ('"cpu" "os"',)


def test_a_name_that_holds_nothing_listed_stays_unseen_and_that_is_a_named_hazard(world: DnsWorld) -> None:
    zone = captured(world, listing(world)).or_refuse().snapshot
    assert key("moved.client.example", "DNAME") not in zone.rrsets
    hazard = unlisted_types(zone)
    assert hazard is not None
    assert hazard.name == "unlisted-types"
    assert hazard.text.startswith("octoDNS SomeProvider does not list 7 types of records (such as DNAME, URI, TLSA, ")


def test_only_a_listing_has_unlisted_types(world: DnsWorld) -> None:
    listed = listing(world)
    assert [unlisted_types(replace(listed, completeness=grade)) for grade in ("complete", "attested", "probed")] == [
        None,
        None,
        None,
    ]


def test_where_a_text_is_cut_and_how_a_flag_is_written_is_taken_from_the_servers(world: DnsWorld) -> None:
    zone = captured(world, listing(world)).or_refuse().snapshot
    assert zone.rrsets[TEXT].texts() == ('"cut in" " two"',)
    assert zone.rrsets[key("naptr.client.example", "NAPTR")].texts()[0].startswith('100 10 "u"')
    assert len(zone.rrsets[key("10.client.example", "PTR")].rdatas) == 2


def test_an_rrset_that_is_listed_without_its_data_gets_them_from_the_servers(world: DnsWorld) -> None:
    zone = captured(world, listing(world, RRset(TEXT, 300, frozenset()))).or_refuse().snapshot
    assert zone.rrsets[TEXT].texts() == ('"cut in" " two"',)


def test_an_rrset_without_data_that_no_server_answers_is_a_finding(world: DnsWorld) -> None:
    missing = key("gone.client.example", "TXT")
    found = captured(world, listing(world, RRset(missing, 300, frozenset())))
    assert "gone.client.example TXT is listed without its data, and no server answers with them" in found.findings
    assert missing not in found.snapshot.rrsets


def test_a_text_that_says_something_else_is_still_a_difference(world: DnsWorld) -> None:
    found = captured(world, listing(world, rrset("text.client.example", 300, "TXT", '"cut in three"')))
    assert any("text.client.example TXT at" in finding for finding in found.findings)


def test_an_unlisted_record_that_only_one_server_has_is_a_difference(world: DnsWorld) -> None:
    listed = listing(world)
    world.servers[STALE].set_zone(CLIENT, CLIENT_ZONE + UNLISTED.replace('www HINFO "cpu" "os"\n', ""))
    findings = "\n".join(captured(world, listed).findings)
    assert (
        'www.client.example HINFO at ns.hoster.example (192.0.2.32): captured "cpu" "os", answered nodata' in findings
    )


def test_a_zone_cut_that_the_listing_does_not_know_is_found(world: DnsWorld) -> None:
    """Some classes list no NS at all; below a cut the servers refer, they do not answer."""
    listed = listing(world)
    cut = key("sub.client.example", "NS")
    rrsets = {one: held for one, held in listed.rrsets.items() if one != cut}
    blind = listed.blind | {RdataType.NS}
    zone = captured(world, replace(listed, rrsets=rrsets, blind=blind)).or_refuse().snapshot
    assert zone.rrsets[cut].texts() == ("ns1.sub.client.example.",)
    assert key("ns1.sub.client.example", "A") in zone.rrsets


def test_nothing_is_asked_at_aliases_and_below_cuts_nor_of_what_servers_make_themselves(world: DnsWorld) -> None:
    asked = keys_to_fill(listing(world))
    names = {str(one.owner) for one in asked}
    assert "shop.client.example." not in names
    assert "ns1.sub.client.example." not in names
    assert RRsetKey(CLIENT, RdataType.SOA) not in asked
    assert RRsetKey(CLIENT, RdataType.DNSKEY) not in asked
