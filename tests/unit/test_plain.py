"""Answers straight from octets against those that are looked up and rendered: the same, or none."""

from __future__ import annotations

from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rdata
import pytest
from dns.message import Message
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from hypothesis import example, given
from hypothesis import strategies as st

from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.plain import answer_plain, read_plain
from dnsrun.rehearse.responses import render
from dnsrun.rehearse.serverloop import Transport
from dnsrun.rehearse.zonestore import Draft, Stored, ZoneContent

APEX = dns.name.from_text("client.example")
_TEXTS = {
    RdataType.A: ["192.0.2.1", "192.0.2.2"],
    RdataType.TXT: ['"one"', '"two" "three"', f'"{"x" * 250}" "{"y" * 250}" "{"z" * 250}" "{"w" * 250}" "{"v" * 250}"'],
    RdataType.MX: ["10 b.client.example.", "20 mx.elsewhere.example."],
    RdataType.NS: ["ns.elsewhere.example.", "b.a.client.example."],
    RdataType.CNAME: ["a.client.example.", "b.a.client.example.", "gone.client.example.", "www.elsewhere.example."],
    RdataType.DNAME: ["b.client.example.", "elsewhere.example."],
    RdataType.CAA: ['0 issue "ca.example"'],
}
_LABELS = ["a", "b", "*", "c"]
_NAMES = st.lists(st.sampled_from(_LABELS), max_size=3).map(lambda labels: _name(*labels))
_TRANSPORTS: tuple[Transport, Transport] = ("udp", "tcp")
_ALONE = (RdataType.CNAME, RdataType.DNAME)
_ASKED = [*_TEXTS, RdataType.SOA, RdataType.AAAA, RdataType.DS, RdataType.ANY, RdataType.RRSIG, RdataType.HTTPS]


def _name(*labels: str) -> Name:
    return Name((*(label.encode() for label in labels), *APEX.labels))


def content(held: Mapping[Name, Mapping[RdataType, list[str]]]) -> ZoneContent:
    draft = Draft(ZoneContent(APEX, {}, {}))
    apex = {RdataType.SOA: ["ns h 7 1 1 1 300"], RdataType.NS: ["ns.elsewhere.example.", "a.client.example."]}
    for owner, node in {**held, APEX: {**apex, **_without_alone(held.get(APEX, {}))}}.items():
        for rdtype, texts in node.items():
            rdatas = tuple(dns.rdata.from_text(IN, rdtype, text, origin=APEX, relativize=False) for text in texts)
            draft.put(owner, (rdtype, RdataType.NONE), Stored(600, rdatas))
    return draft.finish()


def _without_alone(node: Mapping[RdataType, list[str]]) -> Mapping[RdataType, list[str]]:
    return {rdtype: texts for rdtype, texts in node.items() if rdtype not in (*_ALONE, RdataType.NS)}


def _node(drawn: Mapping[RdataType, list[str]]) -> Mapping[RdataType, list[str]]:
    """Make an alias stand alone, as it must."""
    alone = [rdtype for rdtype in drawn if rdtype in _ALONE]
    return {alone[0]: drawn[alone[0]][:1]} if alone else drawn


_NODES = st.fixed_dictionaries(
    {},
    optional={rdtype: st.lists(st.sampled_from(each), min_size=1, unique=True) for rdtype, each in _TEXTS.items()},
).map(_node)
_ZONES = st.dictionaries(_NAMES, _NODES, max_size=6).map(content)


def seen(message: Message) -> object:
    sections = ({(one.name, one.rdtype, one.ttl, frozenset(one)) for one in each} for each in message.sections[1:])
    edns = (message.edns, message.payload, message.ednsflags)
    return message.id, message.rcode(), dns.flags.to_text(message.flags), message.question, [*sections], edns


@example(content({_name("a"): {RdataType.A: ["192.0.2.1"]}}), APEX, RdataType.NS, 0, False)
@given(_ZONES, _NAMES, st.sampled_from(_ASKED), st.sampled_from([-1, 0]), st.booleans())
def test_a_plain_answer_says_what_looking_up_and_rendering_says(
    zone: ZoneContent, name: Name, rdtype: RdataType, edns: int, tcp: bool
) -> None:
    query = dns.message.make_query(name, rdtype, use_edns=edns, flags=dns.flags.RD)
    wire, transport = query.to_wire(), _TRANSPORTS[tcp]
    asked = read_plain(wire)
    given_ = answer_plain(zone, asked, transport) if asked else None
    if given_ is None:
        return
    rcode, answer = given_
    rendered = dns.message.from_wire(render(query, look_up(zone, name, rdtype), transport))
    assert seen(dns.message.from_wire(wire[:2] + answer)) == seen(rendered)
    assert rcode == rendered.rcode()


@pytest.mark.parametrize(
    ("label", "rdtype"), [("www", "A"), ("www", "MX"), ("mail", "A"), ("x.wild", "TXT"), ("gone", "A"), ("@", "SOA")]
)
def test_ordinary_questions_are_plain_ones(label: str, rdtype: str) -> None:
    zone = ZoneContent.from_text(
        APEX,
        "@ 600 SOA ns h 7 1 1 1 300\n@ 600 NS ns\nwww 600 CNAME @\n@ 600 A 192.0.2.1\nmail 600 A 192.0.2.2\n"
        '*.wild 600 TXT "x"\n',
    )
    wire = dns.message.make_query(dns.name.from_text(label, APEX), rdtype, use_edns=0, payload=1232).to_wire()
    asked = read_plain(wire)
    assert asked is not None
    assert answer_plain(zone, asked, "udp") is not None


@pytest.mark.parametrize("change", [{"want_dnssec": True}, {"use_edns": 1}, {"rdclass": "CH"}])
def test_what_wants_more_than_an_ordinary_answer_is_not_plain(change: dict[str, object]) -> None:
    query = dns.message.make_query("www.client.example", **{"rdtype": "A", **change})  # type: ignore[arg-type] # its words
    assert read_plain(query.to_wire()) is None


@given(st.binary(max_size=60))
def test_octets_that_are_no_question_are_not_plain(octets: bytes) -> None:
    asked = read_plain(octets)
    assert asked is None or octets[2:6] in (b"\0\0\0\1", b"\1\0\0\1")


@given(st.binary(max_size=40))
def test_broken_questions_raise_nothing(octets: bytes) -> None:
    head = dns.message.make_query("a.b.client.example", "A").to_wire()
    for cut in range(len(head)):
        read_plain(head[:cut] + octets)
