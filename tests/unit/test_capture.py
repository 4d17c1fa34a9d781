"""A captured zone is held against every delegated server before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Literal

import dns.name
import dns.rcode
import pytest
from dns.rdatatype import RdataType

from dnsrun.dnsio.agreement import judge_capture
from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.dnsio.capture import Capture, capture, capture_probed, transferred
from dnsrun.dnsio.probing import Probing
from dnsrun.dnsio.views import ServerView, current_view
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.observation import Answer, Observation
from dnsrun.model.rrset import RRset, RRsetKey, key, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.rehearse.authority import Faults
from dnsworld import CLIENT, CLIENT_ZONE, DnsWorld, dns_world, end

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
STALE = "192.0.2.32"
SECRET = rrset("hidden-name.client.example", 300, "TXT", '"known only to the owner"')
ZONE = CLIENT_ZONE + 'hidden-name TXT "known only to the owner"\n'


@pytest.fixture
def world() -> Iterator[DnsWorld]:
    with dns_world() as started:
        serve(started, ZONE)
        yield started


def serve(world: DnsWorld, text: str, *addresses: str) -> None:
    for address in addresses or ("192.0.2.31", STALE):
        world.servers[address].set_zone(CLIENT, text)


def view_of(world: DnsWorld) -> ServerView:
    return current_view(world.net, CLIENT, world.roots)


def whole(world: DnsWorld) -> ZoneSnapshot:
    return transferred(world.net, "192.0.2.31", CLIENT, view_of(world), taken_at=NOW)


def without(zone: ZoneSnapshot, *gone: RRsetKey) -> ZoneSnapshot:
    return replace(zone, rrsets={one: rrset for one, rrset in zone.rrsets.items() if one not in gone})


def with_rrset(zone: ZoneSnapshot, one: RRset) -> ZoneSnapshot:
    return replace(zone, rrsets={**zone.rrsets, one.key: one})


def refusal(captured: Capture) -> str:
    with pytest.raises(Refused) as caught:
        captured.or_refuse()
    return str(caught.value)


def test_a_transferred_zone_that_all_servers_serve_is_complete_and_agrees(world: DnsWorld) -> None:
    captured = capture(view_of(world), whole(world)).or_refuse()
    assert captured.snapshot.completeness == "complete"
    assert captured.snapshot.source == "transfer from 192.0.2.31"
    assert (captured.differences, captured.warnings) == ((), ())
    # At both servers: all but the SOA and the glue below the cut.
    assert captured.agreed == 2 * (len(captured.snapshot.rrsets) - 2)


def test_a_server_may_be_named_for_the_transfer_and_each_of_its_addresses_is_tried(world: DnsWorld) -> None:
    zone = transferred(world.net, "ns.hoster.example", CLIENT, view_of(world), taken_at=NOW)
    assert zone.source == "transfer from ns.hoster.example (192.0.2.32)"
    with pytest.raises(OutsideError, match=r"web\.hoster\.example .* cannot be reached"):
        transferred(world.net, "web.hoster.example", CLIENT, view_of(world), taken_at=NOW)
    with pytest.raises(OutsideError, match="has no address"):
        transferred(world.net, "nowhere.hoster.example", CLIENT, view_of(world), taken_at=NOW)


def test_order_and_case_and_ttl_are_no_difference(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace("$TTL 300", "$TTL 30").replace("shop CNAME www", "SHOP CNAME WWW.Client.Example."), STALE)
    assert capture(view_of(world), zone).differences == ()


def test_one_stale_server_is_named_with_both_answers(world: DnsWorld) -> None:
    """Faults 39 and 41."""
    zone = whole(world)
    older = ZONE.replace("nobody 1 ", "nobody 0 ").replace("192.0.2.10", "192.0.2.9").replace("blog CNAME", "x CNAME")
    serve(world, older, STALE)
    text = refusal(capture(view_of(world), zone))
    assert "ns.hoster.example (192.0.2.32) may be stale" in text
    assert "www.client.example A at ns.hoster.example (192.0.2.32): captured 192.0.2.10, answered 192.0.2.9" in text
    assert (
        "blog.client.example CNAME at ns.hoster.example (192.0.2.32): captured web.hoster.example., answered nxdomain"
        in text
    )
    assert "ns1.client.example (192.0.2.31)" not in text


def test_two_answers_under_one_serial_are_a_split_view(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace("192.0.2.10", "192.0.2.9"), STALE)
    assert "split view" in refusal(capture(view_of(world), zone))


def test_text_that_is_cut_into_other_chunks_is_a_difference(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace('"known only to the owner"', '"known only" " to the owner"'))
    assert 'captured "known only to the owner", answered "known only" " to the owner"' in refusal(
        capture(view_of(world), zone)
    )


def test_a_serial_that_differs_is_only_said(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace("nobody 1 ", "nobody 2 "), STALE)
    captured = capture(view_of(world), zone).or_refuse()
    assert captured.warnings == ("ns.hoster.example (192.0.2.32) serves serial 2, captured was 1",)


def test_an_empty_listing_is_refused(world: DnsWorld) -> None:
    """Fault 31: 200 with an empty list."""
    text = refusal(capture(view_of(world), without(whole(world), *whole(world).rrsets)))
    assert "the listing is empty, but the zone is not" in text
    assert "client.example SOA is served" in text


@pytest.mark.parametrize(
    "lost", ["www.client.example A", "mail.client.example MX", "client.example NS", "*.wild.client.example A"]
)
def test_a_truncated_listing_is_refused_with_what_it_lacks(world: DnsWorld, lost: str) -> None:
    """Fault 30."""
    serve(world, ZONE.replace("*.wild A", "*.wild A").replace("@ NS ns1\n", "@ NS ns1\n", 1))
    zone = without(whole(world), key(*lost.split()))
    names = [dns.name.from_text("any.wild.client.example.")]
    assert f"{lost} is served" in refusal(capture(view_of(world), zone, names=names))


def test_a_provider_that_lists_some_types_only_is_completed_from_the_servers(world: DnsWorld) -> None:
    soa, ns, www = key(CLIENT, "SOA"), key(CLIENT, "NS"), key("www.client.example", "AAAA")
    listed = replace(without(whole(world), soa, ns, www), completeness="listed", blind=frozenset({RdataType.AAAA}))
    captured = capture(view_of(world), listed).or_refuse()
    assert {soa, ns, www} <= captured.snapshot.rrsets.keys()
    assert captured.snapshot.sources[www].startswith("asked at ns")
    assert captured.snapshot.completeness == "listed"


def test_a_silent_or_lame_server_agrees_with_nothing(world: DnsWorld) -> None:
    """Fault 45."""
    zone = whole(world)
    view = view_of(world)
    world.cut_off(STALE)
    assert "ns.hoster.example (192.0.2.32) does not answer everything (unreachable)" in refusal(capture(view, zone))
    world.places[STALE, 53] = ("127.0.0.1", world.servers[STALE].port)
    world.servers[STALE].faults = Faults(rcode=dns.rcode.REFUSED)
    assert "answered the error 5" in refusal(capture(view, zone))


@pytest.mark.parametrize(("kind", "aa", "agreed"), [("data", True, 1), ("data", False, 0), ("referral", False, 0)])
def test_only_an_answer_with_authority_agrees(kind: Literal["data", "referral"], aa: bool, agreed: int) -> None:
    """T3 and threat 18: a cache's answer proves nothing."""
    www = rrset("www.client.example", 300, "A", "192.0.2.10")
    zone = ZoneSnapshot(CLIENT, {www.key: www}, "a file", NOW, "attested")
    seen = Observation(www.key, end("ns1.client.example", "192.0.2.31"), NOW, Answer(0, aa, www, kind))
    captured = judge_capture(zone, [seen], Probing((), {}))
    assert (captured.agreed, len(captured.differences)) == (agreed, 1 - agreed)


def test_volatile_names_are_read_and_not_compared(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace("192.0.2.10", "192.0.2.9"), STALE)
    volatile = frozenset({dns.name.from_text("www.client.example.")})
    captured = capture(view_of(world), zone, volatile=volatile).or_refuse()
    assert key("www.client.example", "A") in captured.snapshot.rrsets


def test_signatures_and_keys_are_captured_and_not_compared(world: DnsWorld) -> None:
    zone = with_rrset(whole(world), rrset(CLIENT, 300, "DNSKEY", "257 3 13 " + "A" * 88))
    zone = with_rrset(zone, rrset("www.client.example", 300, "NSEC", "client.example. A AAAA"))
    captured = capture(view_of(world), zone).or_refuse()
    assert key(CLIENT, "DNSKEY") in captured.snapshot.rrsets


def test_at_a_zone_cut_the_referral_is_compared_and_nothing_below(world: DnsWorld) -> None:
    zone = whole(world)
    serve(world, ZONE.replace("ns1.sub A 192.0.2.41", "ns1.sub A 192.0.2.42"), STALE)
    assert capture(view_of(world), zone).differences == ()
    serve(world, ZONE.replace("sub NS ns1.sub", "sub NS ns2.sub").replace("ns1.sub A", "ns2.sub A"), STALE)
    assert [str(one.key) for one in capture(view_of(world), zone).differences] == ["sub.client.example NS"]


def test_a_disabled_rrset_is_kept_and_not_asked_for(world: DnsWorld) -> None:
    disabled = RRset(key("off.client.example", "A"), 300, frozenset(), (("disabled", "192.0.2.200"),))
    captured = capture(view_of(world), with_rrset(whole(world), disabled)).or_refuse()
    assert captured.snapshot.rrsets[disabled.key] == disabled


def handed(text: str) -> ZoneSnapshot:
    return read_attested(text, CLIENT, Handed("client.zone", "operator", date(2026, 11, 20)), taken_at=NOW)


def test_a_file_that_agrees_and_holds_more_than_can_be_asked_for_is_attested(world: DnsWorld) -> None:
    captured = capture(view_of(world), handed(ZONE)).or_refuse()
    assert captured.snapshot.completeness == "attested"
    assert SECRET.key in captured.snapshot.rrsets


def test_a_file_that_holds_only_what_can_be_asked_for_counts_as_probed(world: DnsWorld) -> None:
    """Story A: public look-ups written into a file are still public look-ups."""
    text = "\n".join(
        line for line in CLIENT_ZONE.splitlines() if not line.startswith(("a.b", "*", "far", "round", "sub", "ns1.sub"))
    )
    serve(world, text)
    captured = capture(view_of(world), handed(text))
    assert captured.snapshot.completeness == "probed"
    assert "counts as probed" in captured.warnings[0]


def test_a_file_with_yesterdays_serial_is_refused(world: DnsWorld) -> None:
    assert "the file's SOA serial is 7, the live one is 1" in refusal(
        capture(view_of(world), handed(ZONE.replace("nobody 1 ", "nobody 7 ")))
    )


def test_probing_finds_usual_names_and_what_they_lead_to_and_says_where(world: DnsWorld) -> None:
    serve(world, ZONE + "@ MX 5 in-17\nin-17 A 192.0.2.17\n_imaps._tcp SRV 0 0 993 in-18\nin-18 A 192.0.2.18\n")
    captured = capture_probed(view_of(world), CLIENT, taken_at=NOW)
    zone = captured.snapshot
    assert zone.completeness == "probed"
    assert {"in-17.client.example A", "in-18.client.example A", "shop.client.example CNAME"} <= set(
        map(str, zone.rrsets)
    )
    assert SECRET.key not in zone.rrsets
    assert set(zone.sources) == set(zone.rrsets)
    assert zone.serial == 1
    assert SECRET.key in capture_probed(view_of(world), CLIENT, names=[SECRET.key.owner], taken_at=NOW).snapshot.rrsets


def test_servers_that_contradict_each_other_are_named_when_probing(world: DnsWorld) -> None:
    """Fault 39."""
    serve(world, ZONE.replace("192.0.2.10", "192.0.2.9"), STALE)
    (warning,) = capture_probed(view_of(world), CLIENT, taken_at=NOW).warnings
    assert warning == (
        "www.client.example A: ns1.client.example (192.0.2.31) does not answer as ns.hoster.example (192.0.2.32) does"
    )


def test_a_wildcard_is_found_as_a_wildcard_and_not_as_every_usual_name(world: DnsWorld) -> None:
    """Fault 61."""
    serve(world, ZONE.replace("*.wild A", "* A"))
    zone = capture_probed(view_of(world), CLIENT, taken_at=NOW).snapshot
    owners = {str(one.owner) for one in zone.rrsets if one.rdtype == RdataType.A}
    assert owners == {f"{label}.client.example." for label in ("*", "ns1", "www")}


def test_an_explicit_name_below_a_wildcard_must_be_in_the_capture(world: DnsWorld) -> None:
    """Fault 61."""
    serve(world, ZONE.replace("*.wild A", "* A"))
    zone = whole(world)
    assert capture(view_of(world), zone).findings == ()
    assert "www.client.example A is served" in refusal(
        capture(view_of(world), without(zone, key("www.client.example", "A")))
    )


def test_no_zone_at_all_is_an_error_not_an_empty_capture(world: DnsWorld) -> None:
    view = view_of(world)
    for address in ("192.0.2.31", STALE):
        world.servers[address].faults = Faults(rcode=dns.rcode.SERVFAIL)
    with pytest.raises(OutsideError, match=r"no server answers for client\.example"):
        capture_probed(view, CLIENT, taken_at=NOW)
