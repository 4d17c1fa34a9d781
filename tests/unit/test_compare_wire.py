"""The quick comparison never says "equal" where reading the message would not, and dnspython is the judge."""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.dnsio.answers import MalformedError, belongs, whole_answer
from dnsrun.dnsio.compare import Matcher, Wanted, key_of, questions_of
from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, data, is_as_expected, referral
from dnsrun.model.observation import Answer
from dnsrun.model.rrset import IN, RRset, RRsetKey, rrset

VALUES = {
    "A": ["192.0.2.1", "192.0.2.2", "198.51.100.7"],
    "AAAA": ["2001:db8::1", "2001:db8::2"],
    "TXT": ['"a"', '"A"', '"a" "b"', '"ab"', '"' + "x" * 255 + '"'],
    "MX": ["10 mail.client.example.", "10 MAIL.client.example.", "20 client.example.", "10 a.elsewhere.test."],
    "NS": ["ns1.client.example.", "ns2.client.example.", "ns.elsewhere.test."],
    "CNAME": ["www.client.example.", "other.test.", "."],
    "PTR": ["www.client.example.", "mail.client.example."],
    "SRV": ["0 0 5060 sip.client.example.", "0 0 5060 sip.elsewhere.test."],
    "CAA": ['0 issue "ca.test"', '0 issue "ca.example"'],
    "SOA": ["ns1.client.example. h.client.example. 1 2 3 4 5"],
}
LABELS = ["www", "WWW", "mail", "a", "x" * 63, "ns1", "\\255\\255", "\\003com"]
TTLS = [300, 301, 0]

owners = st.lists(st.sampled_from(LABELS), max_size=2).map(lambda found: ".".join([*found, "client.example."]))
types = st.sampled_from(sorted(VALUES))


@st.composite
def rrsets(draw: st.DrawFn, owner: str | None = None) -> RRset:
    rdtype = draw(types)
    most = 1 if rdtype in ("CNAME", "SOA") else 3
    values = draw(st.lists(st.sampled_from(VALUES[rdtype]), min_size=1, max_size=most))
    return rrset(draw(owners) if owner is None else owner, draw(st.sampled_from(TTLS)), rdtype, *values)


@st.composite
def expectations(draw: st.DrawFn) -> Expected:
    """One owner and one type; mostly data, or else what an answer without that type is."""
    held = draw(rrsets())
    alias = rrset(held.key.owner, 300, "CNAME", draw(st.sampled_from(VALUES["CNAME"])))
    cut = rrset("client.example.", 300, "NS", "ns1.client.example.")
    otherwise = draw(st.sampled_from([NODATA, NXDOMAIN, data(alias), referral(cut)]))
    has_data = draw(st.booleans())
    return Expected(held.key.owner, (held.key.rdtype,), {held.key.rdtype: held} if has_data else {}, otherwise)


@st.composite
def replies(draw: st.DrawFn, expected: Expected) -> bytes:
    """What a server might say to it: what is expected, or something near, in any order, case and compression."""
    (rdtype,) = expected.types
    said = draw(st.sampled_from([expected.answer(rdtype), NODATA, NXDOMAIN])) if draw(st.booleans()) else None
    said = said or expected.answer(rdtype)
    response = dns.message.make_response(dns.message.make_query(expected.owner, rdtype, use_edns=0, id=4711))
    response.flags |= dns.flags.AA if draw(st.integers(0, 9)) < 9 and said.aa else 0
    response.flags |= draw(st.sampled_from([0, 0, 0, dns.flags.TC, dns.flags.RA, dns.flags.AD]))
    response.set_rcode(dns.rcode.Rcode(said.rcode))
    if said.rrset is not None:
        (response.authority if said.kind == "referral" else response.answer).append(draw(_spelled(said.rrset)))
    _add_more(draw, response)
    compressed = draw(st.integers(0, 9)) < 8
    return response.to_wire(want_shuffle=False) if compressed else _uncompressed(response)


def _add_more(draw: st.DrawFn, response: Message) -> None:
    for section in (response.answer, response.authority, response.additional):
        if draw(st.integers(0, 3)) == 0:
            more = draw(rrsets())
            section.append(draw(_spelled(more)))
    if draw(st.booleans()):
        soa = rrset("client.example.", 300, "SOA", VALUES["SOA"][0])
        response.authority.append(draw(_spelled(soa)))


@st.composite
def _spelled(draw: st.DrawFn, held: RRset) -> dns.rrset.RRset:
    owner = Name([draw(st.sampled_from([label, label.lower(), label.upper()])) for label in held.key.owner.labels])
    values = draw(st.permutations(sorted(held.rdatas)))
    ttl_s = draw(st.sampled_from([held.ttl_s] * 9 + [held.ttl_s + 1]))
    return dns.rrset.from_rdata_list(owner, ttl_s, values[: draw(st.integers(1, 9))])


def _uncompressed(response: Message) -> bytes:
    """Write the message without pointers."""
    (asked,) = response.question
    parts = [response.to_wire(want_shuffle=False)[:12], _octets(asked.name), asked.rdtype.to_bytes(2, "big"), b"\0\1"]
    for one in [*response.answer, *response.authority, *response.additional]:
        for rdata in one:
            octets = rdata.to_wire() or b""
            fixed = one.rdtype.to_bytes(2, "big") + b"\0\1" + one.ttl.to_bytes(4, "big")
            parts += [_octets(one.name), fixed, len(octets).to_bytes(2, "big"), octets]
    return b"".join([*parts, b"\0\0\x29\4\xd0\0\0\0\0\0\0"])


def _octets(name: Name) -> bytes:
    return name.to_wire() or b""


def question(expected: Expected) -> tuple[bytes, Wanted]:
    ((octets, wanted),) = questions_of([expected])
    return octets, wanted


def by_dnspython(wire: bytes, octets: bytes, wanted: Wanted) -> bool:
    """Tell what reading the whole message says."""
    asked = key_of(octets, wanted)
    try:
        answer = whole_answer(wire, asked)
    except MalformedError:
        return False
    return belongs(wire, octets) and not wire[2] & 2 and is_as_expected(answer, wanted.name.answer(asked.rdtype))


def learn(matcher: Matcher, wire: bytes, octets: bytes, wanted: Wanted) -> Answer | None:
    """Read a message as the engine does with one that does not match at once."""
    if not belongs(wire, octets) or wire[2] & 2:
        return None
    try:
        return matcher.read(wire, octets, wanted)
    except MalformedError:
        return None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_matches_at_once_is_equal_by_dnspython_whatever_was_seen_before(draws: st.DataObject) -> None:
    matcher = Matcher()
    for _ in range(4):
        expected = draws.draw(expectations())
        octets, wanted = question(expected)
        wire = draws.draw(replies(expected))
        for spelled in (wire, _changed(draws, wire), wire):
            equal = by_dnspython(spelled, octets, wanted)
            if matcher.matches(spelled, octets, wanted):
                assert equal
            read = learn(matcher, spelled, octets, wanted)
            if read is not None:
                assert is_as_expected(read, expected.answer(expected.types[0])) == equal
            if matcher.matches(spelled, octets, wanted):
                assert equal


def _changed(draws: st.DataObject, wire: bytes) -> bytes:
    """Cut a message off, add to it, or change some octets."""
    how = draws.draw(st.sampled_from(["cut", "add", "octet", "octet", "octet", "swap"]))
    at = draws.draw(st.integers(2, len(wire) - 1))
    if how == "cut":
        return wire[:at]
    if how == "add":
        return wire + draws.draw(st.binary(min_size=1, max_size=12))
    if how == "swap":
        to = draws.draw(st.integers(2, len(wire) - 1))
        return wire[:at] + wire[to : to + 1] + wire[at + 1 :]
    return wire[:at] + bytes([draws.draw(st.integers(0, 255))]) + wire[at + 1 :]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_frame_seen_once_is_known_for_other_names_and_addresses_of_the_same_size(draws: st.DataObject) -> None:
    """What makes the quick way quick: without it every message would be read."""
    matcher = Matcher()
    rng = random.Random(draws.draw(st.integers(0, 1000)))
    for number in range(3):
        owner = dns.name.from_text(f"h{number}.client.example.")
        held = rrset(owner, 300, "A", f"10.0.0.{rng.randrange(256)}", f"10.0.1.{rng.randrange(256)}")
        for expected in (
            Expected(owner, (RdataType.A,), {RdataType.A: held}, NODATA),
            Expected(owner, (RdataType.TXT,), {}, NODATA),
            Expected(owner, (RdataType.TXT,), {}, NXDOMAIN),
        ):
            octets, wanted = question(expected)
            said = expected.answer(expected.types[0])
            response = dns.message.make_response(dns.message.make_query(owner, expected.types[0], use_edns=0))
            response.flags |= dns.flags.AA
            response.set_rcode(dns.rcode.Rcode(said.rcode))
            if said.rrset is not None:
                response.answer.append(dns.rrset.from_rdata_list(owner, 300, list(said.rrset.rdatas)))
            else:
                soa = dns.rrset.from_text("client.example.", 300, "IN", "SOA", VALUES["SOA"][0])
                response.authority.append(soa)
            wire = response.to_wire()
            assert matcher.matches(wire, octets, wanted) == (number > 0)
            assert learn(matcher, wire, octets, wanted) is not None
            assert matcher.matches(wire, octets, wanted)


@pytest.mark.parametrize("points_at", ["answer", "label"])
def test_a_frame_that_depends_on_what_it_surrounds_is_read_each_time(points_at: str) -> None:
    """A pointer from the authority section into RDATA, or into the middle of a label, leads elsewhere every time."""
    matcher = Matcher()
    first, second = (
        _pointing(label, value, points_at) for label, value in ((b"\x01a\0z", b"\x01a\0z"), (b"bbbb", b"\xffbbb"))
    )
    for (wire, octets, wanted), equal in ((first, True), (second, False)):
        assert by_dnspython(wire, octets, wanted) == equal
        assert not matcher.matches(wire, octets, wanted)
        learn(matcher, wire, octets, wanted)
        assert not matcher.matches(wire, octets, wanted)


def _pointing(label: bytes, value: bytes, points_at: str) -> tuple[bytes, bytes, Wanted]:
    owner = Name((label, b"client", b"example", b""))
    held = RRset(RRsetKey(owner, RdataType.TXT), 300, frozenset({TXT(IN, RdataType.TXT, [value])}))
    octets, wanted = question(Expected(owner, (RdataType.TXT,), {RdataType.TXT: held}, NODATA))
    value_at = 12 + len(octets) + 12 + 1
    target = value_at if points_at == "answer" else 13
    authority = (0xC000 | target).to_bytes(2, "big") + b"\0\2\0\1\0\0\0\7\0\3\1n\0"
    return b"\x12\x34\x84\0\0\1\0\1\0\1\0\0" + octets + wanted.records + authority, octets, wanted
