"""Which answers of a wildcard a new name takes away, compared with what an authoritative server really answers."""

from __future__ import annotations

import pytest
from dns.name import Name
from dns.rdatatype import RdataType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.wildcards import killed_answers
from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.zonestore import ZoneContent
from planworld import APEX, rrset, zone

NS = "@ 3600 NS ns.elsewhere."


def creating(held: ZoneSnapshot, *lines: str) -> tuple[str, ...]:
    new = zone(*lines, soa="").rrsets
    return tuple(killed_answers([Change(key, held.rrsets.get(key), one) for key, one in new.items()], held))


def test_a_new_name_takes_the_other_types_of_its_wildcard_away() -> None:
    """N2."""
    held = zone("* 300 A 192.0.2.1", "* 300 MX 10 mail")

    (sentence,) = creating(held, "shop 300 A 192.0.2.2")
    assert sentence.startswith("creating shop.client.example stops the wildcard from answering there")
    assert "*.client.example MX (10 mail.client.example.);" in sentence
    assert "*.client.example A" not in sentence


def test_a_name_that_declares_all_types_of_its_wildcard_takes_nothing_away() -> None:
    assert creating(zone("* 300 A 192.0.2.1"), "shop 300 A 192.0.2.2", 'shop 300 TXT "x"') == ()


def test_a_deep_name_takes_the_answers_of_the_empty_names_above_it_away() -> None:
    """N3: they exist from then on, and hold nothing."""
    sentences = creating(zone("* 300 A 192.0.2.1"), "a.b.shop 300 A 192.0.2.2")

    assert [sentence.split()[1] for sentence in sentences] == ["shop.client.example", "b.shop.client.example"]


def test_a_cname_in_the_place_of_a_wildcard_answers_for_all_types() -> None:
    assert creating(zone("* 300 A 192.0.2.1", "* 300 MX 10 mail"), "shop 300 CNAME web.elsewhere.") == ()


def test_an_address_in_the_place_of_a_wildcard_cname_is_told() -> None:
    assert "*.client.example CNAME" in creating(zone("* 300 CNAME web.elsewhere."), "shop 300 A 192.0.2.2")[0]


@pytest.mark.parametrize(
    "lines",
    [
        ("* 300 A 192.0.2.1", 'shop 300 TXT "there already"'),
        ("* 300 A 192.0.2.1", 'deep.shop 300 TXT "the name exists, empty"'),
        ("*.other 300 A 192.0.2.1",),
        (),
    ],
    ids=["name exists", "empty name exists", "wildcard elsewhere", "no wildcard"],
)
def test_where_no_wildcard_answers_nothing_is_lost(lines: tuple[str, ...]) -> None:
    assert creating(zone(*lines), "shop 300 MX 10 mail") == ()


def test_the_closest_wildcard_answers_not_the_one_above() -> None:
    """RFC 4592: below an existing name only its own wildcard counts."""
    held = zone("* 300 A 192.0.2.1", "*.shop 300 AAAA 2001:db8::1")

    assert "*.shop.client.example AAAA" in creating(held, "x.shop 300 A 192.0.2.2")[0]
    assert creating(held, "x.shop 300 AAAA 2001:db8::2") == ()


# Against a server

OWNERS = ("@", "*", "a", "b", "*.a", "x.a", "x.y.a", "*.y.a", "a.b")
TYPES = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "TXT": '"t"'}
LINES = st.tuples(st.sampled_from(OWNERS), st.sampled_from(tuple(TYPES))).map(
    lambda it: f"{it[0]} 300 {it[1]} {TYPES[it[1]]}"
)


def served(held: ZoneSnapshot) -> ZoneContent:
    lines = [
        f"{one.key.owner} {one.ttl_s} IN {one.key.rdtype.name} {text}"
        for one in held.rrsets.values()
        for text in one.texts()
    ]
    return ZoneContent.from_text(APEX, "\n".join(lines))


def answered_types(held: ZoneContent, at: Name) -> set[str]:
    return {word for word in TYPES if look_up(held, at, RdataType[word]).answer}


@given(
    lines=st.sets(LINES, max_size=6),
    owner=st.sampled_from([one for one in OWNERS if "*" not in one]),
    rdtype=st.sampled_from(tuple(TYPES)),
)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_exactly_the_answers_that_a_server_stops_giving_are_told(lines: set[str], owner: str, rdtype: str) -> None:
    """N2, N3: at the new name and at every name above it that begins to exist."""
    before = zone(NS, *lines)
    new = rrset(owner, 300, rdtype, TYPES[rdtype])
    after = before.apply([Change(new.key, before.rrsets.get(new.key), new)])
    told = creating(before, f"{owner} 300 {rdtype} {TYPES[rdtype]}")

    old_server, new_server = served(before), served(after)
    ancestry = [new.key.owner]
    while ancestry[-1] != APEX:
        ancestry.append(ancestry[-1].parent())
    lost = {at for at in ancestry if answered_types(old_server, at) - answered_types(new_server, at)}
    assert {sentence.split()[1] for sentence in told} == {at.to_text(omit_final_dot=True) for at in lost}
