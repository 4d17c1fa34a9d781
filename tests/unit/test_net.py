"""Bulk questions: each is answered once, by the right server, whatever else arrives."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import pytest
from dns.message import Message
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet, SocketNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question
from dnsrun.model.rrset import RRsetKey, key, rrset
from dnsrun.ports.net import Rate
from dnsrun.rehearse.authority import Authority, Faults
from servers import Key, small_zone
from udpserver import udp_server

APEX = dns.name.from_text("client.example.")
NS1 = dns.name.from_text("ns1.client.example.")
ZONE = small_zone(
    "www A 192.0.2.1",
    "www A 192.0.2.2",
    "alias CNAME www",
    "chain CNAME alias",
    "away CNAME elsewhere.example.",
    "*.wild TXT synthesised",
    "mail MX 10 www",
    "deep.er A 192.0.2.3",
    "sub NS ns.sub",
    "ns.sub A 192.0.2.4",
    "big TXT " + " ".join(f'"{"x" * 250}{n}"' for n in range(8)),
    ttl_s=300,
)


def address_answer(query: Message, address: str = "192.0.2.1") -> Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    response.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", address))
    return response


def ask(server: Endpoint, *keys: RRsetKey, transport: str = "udp", limit: Rate | None = None) -> list[Observation]:
    questions = [Question(one, server, "tcp" if transport == "tcp" else "udp") for one in keys]
    return list(SocketNet(SystemClock()).ask(questions, limit=limit))


def only(observations: list[Observation]) -> Answer:
    (observation,) = observations
    assert isinstance(observation.got, Answer), observation
    return observation.got


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority({APEX: ZONE}) as server:
        yield server


@pytest.fixture
def server(authority: Authority) -> Iterator[Endpoint]:
    yield Endpoint(NS1, "127.0.0.1", authority.port)
    authority.faults = Faults()


WWW = key("www.client.example", "A")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_data_comes_with_its_ttl_and_the_aa_bit(server: Endpoint, transport: str) -> None:
    answer = only(ask(server, WWW, transport=transport))
    assert answer == Answer(0, True, rrset("www.client.example", 300, "A", "192.0.2.1", "192.0.2.2"), "data")


@pytest.mark.parametrize(
    ("owner", "rdtype", "kind", "negative_ttl_s"),
    [
        ("www", "TXT", "nodata", 300),
        ("er", "A", "nodata", 300),
        ("nowhere", "A", "nxdomain", 300),
        ("any.wild", "TXT", "data", None),
        ("any.wild", "A", "nodata", 300),
        ("mail", "MX", "data", None),
        ("www.sub", "A", "referral", None),
        ("sub", "NS", "referral", None),
    ],
)
def test_data_nodata_nxdomain_and_referral_are_four_things(
    server: Endpoint, owner: str, rdtype: str, kind: str, negative_ttl_s: int | None
) -> None:
    answer = only(ask(server, key(f"{owner}.client.example", rdtype)))
    assert (answer.kind, answer.negative_ttl_s) == (kind, negative_ttl_s)
    assert answer.aa == (kind != "referral")
    if kind == "referral":
        assert answer.rrset == rrset("sub.client.example", 300, "NS", "ns.sub.client.example.")


@pytest.mark.parametrize("owner", ["alias", "chain", "away"])
def test_an_alias_is_data_and_says_that_it_is_an_alias(server: Endpoint, owner: str) -> None:
    answer = only(ask(server, key(f"{owner}.client.example", "A")))
    assert answer.kind == "data"
    assert answer.rrset is not None
    assert answer.rrset.key == key(f"{owner}.client.example", "CNAME")


def test_an_answer_too_large_for_udp_is_fetched_over_tcp(server: Endpoint) -> None:
    (observation,) = ask(server, key("big.client.example", "TXT"))
    assert observation.transport == "tcp"
    assert isinstance(observation.got, Answer)
    assert observation.got.rrset is not None
    assert len(observation.got.rrset.texts()[0]) > 2000


def test_truncated_with_tcp_blocked_is_no_answer_but_small_ones_still_are() -> None:
    """Fault 43."""

    def reply(query: Message) -> Iterable[bytes]:
        response = address_answer(query)
        if query.question[0].rdtype == RdataType.TXT:
            response.answer.clear()
            response.flags |= dns.flags.TC
        yield response.to_wire()

    with udp_server(reply) as server:
        seen = {one.of: one for one in ask(server, WWW, key("www.client.example", "TXT"))}
    assert isinstance(seen[WWW].got, Answer)
    truncated = seen[key("www.client.example", "TXT")]
    assert (truncated.got, truncated.transport) == (NoReply("refused"), "tcp")


def test_an_rcode_is_an_error_with_its_number(authority: Authority, server: Endpoint) -> None:
    """Fault 45."""
    authority.faults = Faults(rcode=dns.rcode.REFUSED)
    assert only(ask(server, WWW)) == Answer(5, aa=False, rrset=None, kind="error")


def test_another_owner_name_in_the_answer_is_malformed(authority: Authority, server: Endpoint) -> None:
    """Threat 18: a library would believe it."""
    authority.faults = Faults(wrong_owner=dns.name.from_text("other.client.example."))
    (observation,) = ask(server, WWW)
    assert observation.got == NoReply("malformed")


@pytest.mark.parametrize("wrong", ["IN AAAA 2001:db8::1", r"CH A \# 3 00007f", "IN TXT x"])
def test_another_type_or_class_in_the_answer_is_malformed(wrong: str) -> None:
    def reply(query: Message) -> Iterable[bytes]:
        response = address_answer(query)
        response.answer[:] = [dns.rrset.from_text(WWW.owner, 300, *wrong.split(" ", 2))]
        yield response.to_wire()

    with udp_server(reply) as server:
        assert [one.got for one in ask(server, WWW)] == [NoReply("malformed")]


def test_a_flood_of_wrong_ids_and_questions_changes_nothing() -> None:
    """Threats 18 and 19."""

    def reply(query: Message) -> Iterable[bytes]:
        right = address_answer(query).to_wire()
        forged = address_answer(query, "198.51.100.66")
        for number in range(500):
            forged.id = query.id ^ (number % 255 + 1)
            yield forged.to_wire()
        other = dns.message.make_query("other.client.example.", "A", id=query.id)
        yield address_answer(other, "198.51.100.66").to_wire()
        yield query.to_wire()
        yield b"\0\1"
        yield right

    with udp_server(reply) as server:
        answer = only(ask(server, WWW))
    assert answer.rrset == rrset("www.client.example", 300, "A", "192.0.2.1")


def test_an_answer_from_another_address_is_not_taken() -> None:
    """Threat 18."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        towards: list[tuple[str, int]] = []

        def reply(query: Message) -> Iterable[bytes]:
            stranger.sendto(address_answer(query, "198.51.100.66").to_wire(), towards[0])
            yield address_answer(query).to_wire()

        with udp_server(reply) as server:
            towards.append(("127.0.0.1", 0))
            answers = _ask_while_told_of_the_port(server, towards)
    assert answers == [rrset("www.client.example", 300, "A", "192.0.2.1")]


def _ask_while_told_of_the_port(server: Endpoint, towards: list[tuple[str, int]]) -> list[object]:
    connect = socket.socket.connect

    class Telling(socket.socket):
        def connect(self, address: object) -> None:
            connect(self, address)  # type: ignore[arg-type] # whatever the code under test passes
            towards[0] = self.getsockname()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Telling)
        answer = only(ask(server, WWW))
    return [answer.rrset]


@pytest.mark.parametrize("with_question", [True, False])
def test_a_server_that_cannot_read_edns_is_asked_without(with_question: bool) -> None:
    """Fault 44."""

    def reply(query: Message) -> Iterable[bytes]:
        if query.edns < 0:
            yield address_answer(query).to_wire()
            return
        response = dns.message.make_response(query)
        response.use_edns(False)
        response.set_rcode(dns.rcode.FORMERR)
        if not with_question:
            response.question.clear()
        yield response.to_wire()

    with udp_server(reply) as server:
        seen = ask(server, WWW, key("ftp.client.example", "A"), limit=Rate(None, 1))
    assert [getattr(one.got, "kind", one.got) for one in seen] == ["data", "data"]
    assert {one.transport for one in seen} == {"udp without EDNS"}


def test_a_server_that_swallows_edns_is_asked_without_in_the_end() -> None:
    """Fault 44."""
    with udp_server(lambda query: [address_answer(query).to_wire()] if query.edns < 0 else []) as server:
        (observation,) = ask(server, WWW)
    assert observation.transport == "udp without EDNS"
    assert isinstance(observation.got, Answer)


def test_a_lost_datagram_is_sent_again() -> None:
    seen: set[dns.name.Name] = set()

    def reply(query: Message) -> Iterable[bytes]:
        known = query.question[0].name in seen
        seen.add(query.question[0].name)
        return [address_answer(query).to_wire()] if known else []

    with udp_server(reply) as server:
        answers = ask(server, *(key(f"h{n}.client.example", "A") for n in range(20)))
    assert len(answers) == 20
    assert all(isinstance(one.got, Answer) and one.transport == "udp" for one in answers)


def test_udp_silence_is_settled_over_tcp(authority: Authority, server: Endpoint) -> None:
    """Threat 19."""
    authority.faults = Faults(drop_udp=True)
    (observation,) = ask(server, WWW)
    assert isinstance(observation.got, Answer)
    assert observation.transport == "tcp"


def test_a_silent_server_is_a_time_out_for_every_question_in_bounded_time() -> None:
    started_s = time.monotonic()
    connected: list[socket.socket] = []
    with udp_server(lambda _query: [], tcp=lambda connection: connected.append(connection.dup())) as server:
        answers = ask(server, *(key(f"h{n}.client.example", "A") for n in range(500)))
        for connection in connected:
            connection.close()
    assert len({one.of for one in answers}) == len(answers) == 500
    assert {one.got for one in answers} <= {NoReply("timeout")}
    assert time.monotonic() - started_s < 30


def test_nobody_listening_is_refused_at_once() -> None:
    with udp_server(lambda _query: []) as gone:
        pass
    started_s = time.monotonic()
    seen = ask(gone, *(key(f"h{n}.client.example", "A") for n in range(50)))
    assert [one.got for one in seen] == [NoReply("refused")] * 50
    assert [one.got for one in ask(gone, WWW, transport="tcp")] == [NoReply("refused")]
    assert time.monotonic() - started_s < 2


def test_one_dead_server_does_not_hold_up_the_answers_of_another(server: Endpoint) -> None:
    with udp_server(lambda _query: []) as silent:
        questions = [Question(WWW, silent), *(Question(WWW, server) for _ in range(3))]
        asking = SocketNet(SystemClock()).ask(questions)
        started_s = time.monotonic()
        first = [next(asking) for _ in range(3)]
        assert time.monotonic() - started_s < 0.9
        assert {one.server for one in first} == {server}
        asking.close()  # type: ignore[attr-defined] # a caller may stop early


def test_the_pace_of_a_server_is_kept_from_one_call_to_the_next(authority: Authority, server: Endpoint) -> None:
    net = SocketNet(SystemClock())
    before = len(authority.log)
    started_s = time.monotonic()
    for _ in range(5):
        assert len(list(net.ask([Question(WWW, server)] * 4, limit=Rate(per_second=50, in_flight=4)))) == 4
    assert time.monotonic() - started_s >= 19 / 50
    assert len(authority.log) - before == 20


def test_many_questions_over_one_connection_come_back_each_once(authority: Authority, server: Endpoint) -> None:
    keys = [key(f"h{n}.client.example", "A") for n in range(300)]
    seen = ask(server, *keys, transport="tcp")
    assert sorted(str(one.of) for one in seen) == sorted(map(str, keys))
    assert {one.transport for one in seen} == {"tcp"}
    assert {record.transport for record in authority.log[-300:]} == {"tcp"}


def test_a_server_that_closes_after_each_answer_is_asked_to_the_end() -> None:
    def serve_one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            size = int.from_bytes(connection.recv(2), "big")
            wire = address_answer(dns.message.from_wire(connection.recv(size))).to_wire()
            connection.sendall(len(wire).to_bytes(2, "big") + wire)

    with udp_server(lambda _query: [], tcp=serve_one) as server:
        seen = ask(server, *(key(f"h{n}.client.example", "A") for n in range(10)), transport="tcp")
    assert [getattr(one.got, "kind", one.got) for one in seen] == ["data"] * 10


def test_only_mapped_places_exist_and_observations_keep_the_real_address(authority: Authority) -> None:
    real, unknown = Endpoint(NS1, "192.0.2.53"), Endpoint(NS1, "2001:db8::53")
    net = MappedNet({("192.0.2.53", 53): ("127.0.0.1", authority.port)}, SystemClock())
    seen = {one.server: one.got for one in net.ask([Question(WWW, real), Question(WWW, unknown)])}
    assert isinstance(seen[real], Answer)
    assert seen[unknown] == NoReply("unreachable")
    with pytest.raises(OSError, match="no route to 203"):
        net.connect("203.0.113.1", 80, timeout_s=1)
    with pytest.raises(OutsideError, match="cannot be reached"):
        list(net.exchange(unknown, dns.message.make_query("a.", "A")))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_exchange_gives_the_whole_message(server: Endpoint, transport: str) -> None:
    query = dns.message.make_query("www.sub.client.example.", "A", flags=0)
    net = SocketNet(SystemClock())
    answer = next(iter(net.exchange(server, query, transport="tcp" if transport == "tcp" else "udp")))
    assert [str(one.name) for one in answer.additional] == ["ns.sub.client.example."]


def test_each_message_of_a_transfer_is_yielded_and_its_signature_checked() -> None:
    with Authority({APEX: small_zone(*(f"h{n} TXT {'x' * 200}" for n in range(1000)))}, key=Key().tsig()) as signed:
        server = Endpoint(NS1, "127.0.0.1", signed.port)
        query = dns.message.make_query(APEX, "AXFR", flags=0)
        query.use_tsig(Key().tsig())
        messages = SocketNet(SystemClock()).exchange(server, query)
        assert [next(messages).had_tsig for _ in range(5)] == [True] * 5
        messages.close()  # type: ignore[attr-defined] # a caller may stop early
        query.use_tsig(dns.tsig.Key(Key().name, Key("another.").secret, "hmac-sha256"))
        with pytest.raises(OutsideError, match="cannot be read"):
            next(SocketNet(SystemClock()).exchange(server, query))


def test_an_unsigned_answer_to_a_signed_question_is_not_believed() -> None:
    def unsigned(query: Message) -> Iterable[bytes]:
        bare = dns.message.make_query(query.question[0].name, "A", id=query.id)
        yield address_answer(bare).to_wire()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def answer_once() -> None:
            wire, sender = sock.recvfrom(65535)
            query = dns.message.from_wire(wire, keyring=Key().tsig())
            sock.sendto(next(iter(unsigned(query))), sender)

        thread = threading.Thread(target=answer_once)
        thread.start()
        query = dns.message.make_query("www.client.example.", "A")
        query.use_tsig(Key().tsig())
        with pytest.raises(OutsideError, match="does not answer"):
            next(
                SocketNet(SystemClock()).exchange(
                    Endpoint(NS1, "127.0.0.1", sock.getsockname()[1]), query, transport="udp", timeout_s=0.6
                )
            )
        thread.join()
