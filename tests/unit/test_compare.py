"""Answers held against expectations: whatever is not exactly as expected comes out, the rest is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dns.message import Message
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet, SocketNet
from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, Matched, data, referral
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import RRset, key, rrset
from dnsrun.ports.net import Rate, estimate
from dnsrun.rehearse.authority import Authority, Faults
from servers import small_zone
from udpserver import udp_server

APEX = dns.name.from_text("client.example.")
NS1 = dns.name.from_text("ns1.client.example.")
ZONE = small_zone(
    "www A 192.0.2.1",
    "www A 192.0.2.2",
    "www TXT text",
    "alias CNAME www",
    "away CNAME elsewhere.example.",
    "mail MX 10 WWW",
    "sub NS ns.sub",
    "ns.sub A 192.0.2.4",
    "big TXT " + " ".join(f'"{"x" * 250}{n}"' for n in range(8)),
    ttl_s=300,
)
A, MX, TXT, CNAME, NS, DS = (dns.rdatatype.from_text(text) for text in ("A", "MX", "TXT", "CNAME", "NS", "DS"))


def expected(owner: str, *present: RRset, otherwise: Answer = NODATA, types: tuple[RdataType, ...] = ()) -> Expected:
    held = {one.key.rdtype: one for one in present}
    return Expected(dns.name.from_text(f"{owner}.client.example."), types or (A, MX, TXT), held, otherwise)


def of(owner: str, rdtype: str, *values: str, ttl_s: int = 300) -> RRset:
    return rrset(f"{owner}.client.example", ttl_s, rdtype, *values)


BIG = of("big", "TXT", " ".join(f'"{"x" * 250}{n}"' for n in range(8)))
WWW = expected("www", of("www", "A", "192.0.2.2", "192.0.2.1"), of("www", "TXT", "text"))
RIGHT = [
    WWW,
    expected("mail", of("mail", "MX", "10 www.client.example.")),
    expected("alias", otherwise=data(of("alias", "CNAME", "www.client.example.")), types=(A, MX, CNAME)),
    expected("away", otherwise=data(of("away", "CNAME", "elsewhere.example."))),
    expected("nowhere", otherwise=NXDOMAIN),
    expected("sub", otherwise=referral(of("sub", "NS", "ns.sub.client.example.")), types=(A, NS)),
    expected("sub", types=(DS,)),
    expected("below.sub", otherwise=referral(of("sub", "NS", "ns.sub.client.example."))),
    expected("big", BIG),
]
_QUESTIONS = sum(len(one.types) for one in RIGHT)


def compare(server: Endpoint, *names: Expected) -> tuple[Counter[str], list[Observation]]:
    """Return the matches by transport and what differs."""
    matched: Counter[str] = Counter()
    others = []
    for one in SocketNet(SystemClock()).compare({server: names}):
        if isinstance(one, Matched):
            matched[one.transport] += one.count
        else:
            others.append(one)
    assert matched.total() + len(others) == sum(len(name.types) for name in names)
    return matched, others


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority({APEX: ZONE}) as server:
        yield server


@pytest.fixture
def server(authority: Authority) -> Iterator[Endpoint]:
    yield Endpoint(NS1, "127.0.0.1", authority.port)
    authority.faults = Faults()


def test_answers_as_expected_are_only_counted(server: Endpoint) -> None:
    matched, others = compare(server, *RIGHT)
    assert others == []
    assert matched.total() == _QUESTIONS
    assert matched["tcp"] >= 1  # what is too large for UDP; on a busy machine more


@pytest.mark.parametrize(
    ("wrong", "rdtype"),
    [
        (expected("www", of("www", "A", "192.0.2.1"), of("www", "TXT", "text")), A),
        (expected("www", of("www", "A", "192.0.2.1", "192.0.2.3"), of("www", "TXT", "text")), A),
        (expected("www", of("www", "A", "192.0.2.1", "192.0.2.2", ttl_s=301), of("www", "TXT", "text")), A),
        (expected("www", of("www", "A", "192.0.2.1", "192.0.2.2"), of("www", "TXT", "Text")), TXT),
        (expected("www", of("www", "A", "192.0.2.1", "192.0.2.2")), TXT),
        (expected("www", of("www", "TXT", "text")), A),
        (expected("www", of("www", "A", "192.0.2.1", "192.0.2.2"), otherwise=NXDOMAIN, types=(A, MX)), MX),
        (expected("nowhere", types=(A,)), A),
        (expected("www", otherwise=data(of("www", "CNAME", "mail.client.example.")), types=(A,)), A),
        (expected("sub", of("sub", "NS", "ns.sub.client.example."), types=(NS,)), NS),
        (expected("www.sub", otherwise=referral(of("www.sub", "NS", "ns.sub.client.example.")), types=(A,)), A),
    ],
)
def test_each_difference_comes_as_the_observation_that_a_question_gives(
    server: Endpoint, wrong: Expected, rdtype: RdataType
) -> None:
    matched, others = compare(server, *RIGHT, wrong)
    (other,) = others
    assert other.of == key(wrong.owner, rdtype)
    assert other.server == server
    assert isinstance(other.got, Answer)
    assert matched.total() == _QUESTIONS + len(wrong.types) - 1


def test_a_server_without_authority_matches_nothing(authority: Authority, server: Endpoint) -> None:
    authority.faults = Faults(rcode=dns.rcode.REFUSED)
    matched, others = compare(server, WWW)
    assert not matched
    assert [one.got for one in others] == [Answer(5, aa=False, rrset=None, kind="error")] * 3


def test_nobody_listening_is_no_reply_to_each_question() -> None:
    with udp_server(lambda _query: []) as gone:
        pass
    matched, others = compare(gone, *RIGHT)
    assert not matched
    assert {one.got for one in others} == {NoReply("refused")}


def test_old_and_new_side_each_have_their_own_expectation(server: Endpoint) -> None:
    with Authority({APEX: ZONE}) as other:
        there = Endpoint(NS1, "127.0.0.1", other.port)
        wrong = expected("www", types=(A,))
        seen = list(SocketNet(SystemClock()).compare({server: RIGHT, there: [wrong]}))
    assert sum(one.count for one in seen if isinstance(one, Matched)) == _QUESTIONS
    assert [one.server for one in seen if isinstance(one, Observation)] == [there]


def test_the_estimate_is_that_of_the_slowest_server() -> None:
    public, slow, here = (Endpoint(NS1, address) for address in ("192.0.2.53", "2001:db8::53", "127.0.0.1"))
    assert estimate({}) == timedelta()
    assert estimate({public: 18_000, slow: 3_000, here: 18_000}, round_trip_s=0.01) == timedelta(minutes=3)
    assert estimate({public: 2_000}, polite=Rate(per_second=20)) == timedelta(seconds=100)
    assert estimate({here: 100_000}, polite=Rate(per_second=1)) < timedelta(minutes=1)


def test_the_estimate_knows_that_few_questions_in_flight_wait_for_their_answers() -> None:
    far = Endpoint(NS1, "192.0.2.53")
    assert estimate({far: 1_000}, polite=Rate(per_second=100, in_flight=4), round_trip_s=0.2) == timedelta(seconds=50)


def _hosts(count: int) -> list[Expected]:
    return [expected(f"h{n}", of(f"h{n}", "A", "192.0.2.1"), types=(A,)) for n in range(count)]


def _answer(query: Message) -> Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    response.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.1"))
    return response


def test_a_server_that_cannot_read_edns_is_compared_without_and_that_is_told() -> None:
    """Fault 44."""

    def reply(query: Message) -> Iterable[bytes]:
        response = _answer(query)
        if query.edns >= 0:
            response = dns.message.make_response(query)
            response.use_edns(False)
            response.set_rcode(dns.rcode.FORMERR)
        yield response.to_wire()

    with udp_server(reply) as server:
        matched, others = compare(server, *_hosts(60))
    assert others == []
    assert matched == {"udp without EDNS": 60}


def test_forged_late_and_repeated_answers_are_not_counted() -> None:
    """Threats 18 and 19: what was not asked, or answered already, counts for nothing."""

    def reply(query: Message) -> Iterable[bytes]:
        right = _answer(query).to_wire()
        yield bytes([right[0] ^ 1]) + right[1:]
        other = dns.message.make_query("other.client.example.", "A", id=query.id)
        yield _answer(other).to_wire()
        yield query.to_wire()
        yield from (right, right)

    with udp_server(reply) as server:
        matched, others = compare(server, *_hosts(100))
    assert others == []
    assert matched.total() == 100


def test_a_server_that_udp_does_not_reach_is_compared_over_tcp_and_not_slowly(
    authority: Authority, server: Endpoint
) -> None:
    """Threat 19: only the first questions wait for datagrams that are lost."""
    authority.faults = Faults(drop_udp=True)
    names = [expected("www", of("www", "A", "192.0.2.1", "192.0.2.2"), of("www", "TXT", "text")) for _ in range(300)]
    started_s = time.monotonic()
    matched, others = compare(server, *names)
    assert others == []
    assert matched == {"tcp": 900}
    assert time.monotonic() - started_s < 20


def test_names_of_a_server_that_is_nowhere_are_unreachable() -> None:
    nowhere = Endpoint(NS1, "192.0.2.53")
    seen = list(MappedNet({}, SystemClock()).compare({nowhere: [WWW]}))
    assert [one.got for one in seen if isinstance(one, Observation)] == [NoReply("unreachable")] * 3


def test_expectations_are_read_as_they_are_sent(server: Endpoint) -> None:
    """A zone of 100,000 RRsets is asked millions of questions: they are never all in memory."""
    sent = 0

    def names() -> Iterator[Expected]:
        nonlocal sent
        for _ in range(500):
            sent += 1
            yield expected("www", of("www", "TXT", "other"), types=(TXT,))

    asking = SocketNet(SystemClock()).compare({server: names()})
    next(asking)
    assert sent < 100
    asking.close()  # type: ignore[attr-defined] # a caller may stop early
