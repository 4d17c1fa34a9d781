"""Answers from octets: the quick way says what dnspython says, and nonsense is malformed."""

from __future__ import annotations

import contextlib

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from dns.message import Message
from dns.rrset import RRset
from hypothesis import assume, given
from hypothesis import strategies as st

from dnsrun.dnsio.answers import AnswerReader, MalformedError, _slow, belongs, question_bytes
from dnsrun.model.rrset import key

WWW = "www.client.example."
SOA = "client.example. 600 IN SOA ns.client.example. h.client.example. 1 2 3 4 300"
ANSWERS = [
    [f"{WWW} 300 IN A 192.0.2.1", f"{WWW} 60 IN A 192.0.2.2"],
    [f"{WWW} 300 IN CNAME x.client.example.", "x.client.example. 60 IN A 192.0.2.2"],
    [f"{WWW} 300 IN CNAME elsewhere.org."],
    [f"{WWW} 300 IN A 192.0.2.1", f"{WWW} 300 IN RRSIG A 8 3 300 20301231235959 20260101000000 1 client.example. AAEC"],
    [
        "client.example. 9 IN DNAME example.org.",
        f"{WWW} 9 IN CNAME www.example.org.",
        "www.example.org. 9 IN A 192.0.2.1",
    ],
    [],
    ["x.client.example. 60 IN A 192.0.2.2"],
    [f"{WWW} 60 IN TXT x"],
]
AUTHORITIES = [
    [],
    [SOA],
    ["client.example. 60 IN NS ns.client.example."],
    [". 60 IN NS a.root."],
    ["x.example. 60 IN NS a."],
]


def message(answer: list[str], authority: list[str], rcode: int, *, aa: bool) -> Message:
    response = dns.message.make_response(dns.message.make_query(WWW, "A", use_edns=0))
    response.flags |= dns.flags.AA if aa else 0
    response.set_rcode(dns.rcode.Rcode(rcode))
    response.answer = list(map(rrset_of, answer))
    response.authority = list(map(rrset_of, authority))
    return response


def rrset_of(line: str) -> RRset:
    owner, ttl, rdclass, rdtype, value = line.split(" ", 4)
    return dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, value)


messages = st.builds(
    message,
    st.sampled_from(ANSWERS),
    st.sampled_from(AUTHORITIES),
    st.sampled_from([0, 1, 2, 3, 5, 16]),
    aa=st.booleans(),
)
QUESTION = question_bytes(key(WWW, "A"))


@given(messages)
def test_the_quick_way_says_what_the_thorough_way_says(response: Message) -> None:
    assume(not (response.answer and response.rcode() == dns.rcode.BADVERS))  # an error that brings data: no server does
    wire = response.to_wire()
    assert belongs(wire, QUESTION)
    try:
        thorough = _slow(wire, key(WWW, "A"))
    except MalformedError:
        thorough = None
    try:
        quick = AnswerReader().read(wire, key(WWW, "A"), QUESTION)
    except MalformedError:
        quick = None
    assert quick == thorough


@given(messages, st.integers(0, 400), st.binary(max_size=40))
def test_octets_that_make_no_sense_are_malformed_and_nothing_worse(response: Message, at: int, noise: bytes) -> None:
    """Threat 18."""
    wire = response.to_wire()
    at = 12 + len(QUESTION) + at % (len(wire) - 12 - len(QUESTION) + 1)
    for spoiled in (wire[:at], wire[:at] + noise, wire[:at] + noise + wire[at + len(noise) :]):
        if belongs(spoiled, QUESTION):
            with contextlib.suppress(MalformedError):
                AnswerReader().read(spoiled, key(WWW, "A"), QUESTION)


def test_a_question_in_other_letter_case_is_the_same_question() -> None:
    wire = message(ANSWERS[0], [], 0, aa=True).to_wire().replace(b"\3www\6client", b"\3WwW\6ClIent", 1)
    assert belongs(wire, QUESTION)
    answer = AnswerReader().read(wire, key(WWW, "A"), QUESTION)
    assert answer.rrset is not None
    assert answer.rrset.texts() == ("192.0.2.1", "192.0.2.2")
    assert answer.rrset.ttl_s == 60


def test_a_ttl_with_the_top_bit_set_is_zero() -> None:
    """RFC 2181 section 8."""
    wire = message([f"{WWW} 300 IN A 192.0.2.1"], [], 0, aa=True).to_wire()
    spoiled = wire.replace((300).to_bytes(4, "big"), (2**31 + 300).to_bytes(4, "big"))
    answer = AnswerReader().read(spoiled, key(WWW, "A"), QUESTION)
    assert answer.rrset is not None
    assert answer.rrset.ttl_s == 0
