"""Rule N0: what the new host is to serve, from what was captured."""

from __future__ import annotations

from dataclasses import replace

import dns.name
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.model.content import HOSTS_OWN, is_content
from dnsrun.model.playbook import NameServer
from dnsrun.model.rrset import Change, RRset, RRsetKey, key, rrset
from dnsrun.plan.content import expected_content, left_out
from gateworld import APEX, zone
from valuemaking import rrsets

NS1 = NameServer(dns.name.from_text("ns1.new.example"))
OWN = NameServer(dns.name.from_text("ns1.client.example"), ("203.0.113.53", "2001:db8::53"))
APEX_NS = RRsetKey(APEX, RdataType.NS)


def below_apex(one: RRset) -> RRset:
    owner = dns.name.Name((*one.key.owner.labels[:-1][:2], *APEX.labels))
    return replace(one, key=RRsetKey(owner, one.key.rdtype))


@given(st.lists(rrsets().map(below_apex), max_size=12), st.none() | st.integers(1, 2**31 - 1))
def test_every_captured_rrset_is_expected_with_its_data_and_no_longer_ttl(held: list[RRset], low: int | None) -> None:
    """N0: nothing is lost, nothing is invented, no TTL grows."""
    captured = zone(*held, rrset(APEX, 86400, "NS", "ns1.old.example."), rrset(APEX, 60, "CDS", "0 0 0 00"))
    content = expected_content(captured, (), [NS1], ns_ttl_s=300, low_ttl_s=low)
    for one, rrset_ in captured.rrsets.items():
        if not is_content(one.rdtype) or one == APEX_NS:
            continue
        there = content.rrsets[one]
        assert there.same_data(rrset_)
        assert there.ttl_s == min(rrset_.ttl_s, low or rrset_.ttl_s)
    private = {one.key for one in held if not is_content(one.key.rdtype)}
    assert len(left_out(captured)) == len(private)
    assert content.rrsets.keys() <= captured.rrsets.keys()
    assert not {one.rdtype for one in content.rrsets} & HOSTS_OWN
    assert content.rrsets[APEX_NS].texts() == ("ns1.new.example.",)


def test_changes_that_go_live_before_the_switch_are_in_the_content() -> None:
    www, old = key("www.client.example", "A"), key("old.client.example", "A")
    before = zone(rrset(www.owner, 3600, "A", "192.0.2.10"), rrset(old.owner, 60, "A", "192.0.2.10"))
    changes = [
        Change(www, before.rrsets[www], rrset(www.owner, 3600, "A", "203.0.113.20")),
        Change(old, before.rrsets[old], None),
    ]
    content = expected_content(before, changes, [NS1], ns_ttl_s=300, low_ttl_s=600)
    assert content.rrsets[www] == rrset(www.owner, 600, "A", "203.0.113.20")
    assert old not in content.rrsets


def test_d7_given_addresses_of_new_name_servers_inside_the_zone_are_in_the_content() -> None:
    before = zone(rrset(OWN.name, 120, "A", "192.0.2.53"))
    content = expected_content(before, (), [OWN, NS1], ns_ttl_s=300, low_ttl_s=600)
    assert content.rrsets[key(OWN.name, "A")] == rrset(OWN.name, 120, "A", "203.0.113.53")
    assert content.rrsets[key(OWN.name, "AAAA")] == rrset(OWN.name, 300, "AAAA", "2001:db8::53")
    assert key(NS1.name, "A") not in content.rrsets


def test_old_name_servers_inside_the_zone_keep_their_addresses() -> None:
    before = zone(rrset("ns9.client.example", 600, "A", "192.0.2.53"), rrset(APEX, 60, "NS", "ns9.client.example."))
    content = expected_content(before, (), [NS1], ns_ttl_s=300)
    assert content.rrsets[key("ns9.client.example", "A")].texts() == ("192.0.2.53",)
    assert content.rrsets[APEX_NS] == rrset(APEX, 300, "NS", "ns1.new.example.")


def test_what_cannot_be_copied_is_named() -> None:
    alias = rrset("shop.client.example", 60, "TYPE65280", r"\# 1 01")
    before = replace(zone(alias), unmodelled=("LUA at dyn",))
    assert left_out(before) == ("shop.client.example TYPE65280: a type of the old host's own", "LUA at dyn")
    assert alias.key not in expected_content(before, (), [NS1], ns_ttl_s=300).rrsets
