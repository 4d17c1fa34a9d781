"""Transfer and NOTIFY against the embedded authority, and against servers that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import pytest
from dns.exception import DNSException
from dns.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.clock import SystemClock
from dnsrun.dnsio import wire
from dnsrun.dnsio.net import SocketNet
from dnsrun.dnsio.transfermessage import read_transfer_message
from dnsrun.dnsio.transferring import Caps
from dnsrun.dnsio.wireformat import MalformedError, RecordReader, signature_of
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import RRset, rrset
from dnsrun.rehearse.authority import Authority, Faults
from servers import Key, small_zone

APEX = dns.name.from_text("a.example.")
ZONE = "$ORIGIN a.example.\n" + small_zone(
    "www 600 A 192.0.2.10", "www 600 A 192.0.2.11", "alias CNAME www", 'odd TXT "a" "b"', '@ TXT "v=spf1 -all"'
)
KEY = Key().tsig()


@pytest.fixture
def net() -> SocketNet:
    return SocketNet(SystemClock())


@pytest.fixture
def primary() -> Iterator[Authority]:
    with Authority({APEX: ZONE}) as server:
        yield server


def at(server: Authority) -> Endpoint:
    return Endpoint(dns.name.from_text("ns.test."), server.address, server.port)


def held(server: Authority, net: SocketNet) -> dict[str, RRset]:
    return {str(found.key): found for found in wire.transfer(net, at(server), APEX)}


# --- transfer


def test_a_transfer_gives_every_rrset_with_its_ttl_and_chunks(primary: Authority, net: SocketNet) -> None:
    zone = held(primary, net)
    assert set(zone) == {
        *("a.example SOA", "a.example NS", "a.example TXT", "ns1.a.example A"),
        *("www.a.example A", "alias.a.example CNAME", "odd.a.example TXT"),
    }
    assert zone["www.a.example A"] == rrset("www.a.example", 600, "A", "192.0.2.10", "192.0.2.11")
    assert zone["odd.a.example TXT"].texts() == ('"a" "b"',)


def test_a_signed_transfer_over_many_messages_is_whole(net: SocketNet) -> None:
    text = "$ORIGIN a.example.\n" + small_zone(*(f'host{number} TXT "{"x" * 200}"' for number in range(500)))
    with Authority({APEX: text}, key=KEY) as server:
        assert len(wire.transfer(net, at(server), APEX, key=KEY)) == 503


def test_a_transfer_with_a_wrong_secret_is_refused(net: SocketNet) -> None:
    wrong = dns.tsig.Key(KEY.name, "d3Jvbmc=", KEY.algorithm)
    with Authority({APEX: ZONE}, key=KEY) as server, pytest.raises(OutsideError):
        wire.transfer(net, at(server), APEX, key=wrong)


def test_a_refused_transfer_says_so_and_is_not_retried(primary: Authority, net: SocketNet) -> None:
    with pytest.raises(OutsideError, match=r"b\.example.*NOTAUTH") as failure:
        wire.transfer(net, at(primary), dns.name.from_text("b.example."))
    assert not failure.value.retryable


Messages = Callable[[Message], list[Message]]


@contextmanager
def transfers(answer: Messages) -> Iterator[Endpoint]:
    """Serve one connection: read a request, send what `answer` makes of it, close."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with closing(connection), connection.makefile("rb") as stream:
                (size,) = struct.unpack("!H", stream.read(2))
                request = dns.message.from_wire(stream.read(size), keyring={KEY.name: KEY})
                for message in answer(request):
                    octets = message.to_wire(max_size=65535, multi=True)
                    connection.sendall(struct.pack("!H", len(octets)) + octets)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Endpoint(dns.name.from_text("hostile.test."), *listener.getsockname())
        thread.join(10)


SOA = "a.example. 300 IN SOA ns. h. 1 60 60 60 60"
WWW = "www.a.example. 300 IN A 192.0.2.10"


def records(*lines: str) -> list[dns.rrset.RRset]:
    made = []
    for line in lines:
        owner, ttl, rdclass, rdtype, text = line.split(maxsplit=4)
        made.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, text))
    return made


def unsigned(request: Message, *lines: str) -> Message:
    message = dns.message.Message(request.id)
    message.flags |= dns.flags.QR
    message.question = request.question
    message.answer = records(*lines)
    return message


def saying(*messages: tuple[str, ...]) -> Messages:
    return lambda request: [unsigned(request, *lines) for lines in messages]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        pytest.param([(SOA, WWW)], "closed the connection before the end", id="ends early"),
        pytest.param([(WWW, SOA)], "does not begin with the SOA", id="no SOA first"),
        pytest.param([(SOA, WWW), (SOA.replace(" 1 ", " 2 "),)], "SOA differs", id="changed meanwhile"),
        pytest.param([(SOA, "www.b.example. 300 IN A 192.0.2.10", SOA)], "outside the zone", id="foreign name"),
        pytest.param([(SOA, "www.nota.example. 300 IN A 192.0.2.10", SOA)], "outside", id="looks like ours"),
        pytest.param([(SOA, WWW, SOA, WWW.replace("www", "w2"))], "after the closing SOA", id="goes on"),
        pytest.param([(SOA, "x.a.example. 300 IN SOA ns. h. 1 60 60 60 60", SOA)], "an SOA at x", id="second SOA"),
    ],
)
def test_a_zone_that_is_not_whole_and_sound_is_refused(
    net: SocketNet, messages: list[tuple[str, ...]], why: str
) -> None:
    """Fault 30, threat 22."""
    with transfers(saying(*messages)) as server, pytest.raises(OutsideError, match=why):
        wire.transfer(net, server, APEX)


def test_a_zone_beyond_the_caps_is_refused(primary: Authority, net: SocketNet) -> None:
    """Threat 22."""
    with pytest.raises(OutsideError, match="larger than 5 records"):
        wire.transfer(net, at(primary), APEX, caps=Caps(records=5))


def test_octets_that_are_no_records_are_refused(net: SocketNet) -> None:
    class Broken(Message):
        def to_wire(self, *args: Any, **options: Any) -> bytes:
            return super().to_wire(*args, **options)[:-9] + b"\xc0\xff" * 4

    def answer(request: Message) -> list[Message]:
        message = unsigned(request, SOA, WWW, SOA)
        message.__class__ = Broken
        return [message]

    with transfers(answer) as server, pytest.raises(OutsideError, match="no transfer"):
        wire.transfer(net, server, APEX)


def test_an_unsigned_answer_to_a_signed_request_is_refused(net: SocketNet) -> None:
    """Threat 26."""
    with transfers(saying((SOA, WWW, SOA))) as server, pytest.raises(OutsideError, match="not signed"):
        wire.transfer(net, server, APEX, key=KEY)


def test_a_transfer_whose_last_message_is_not_signed_is_refused(net: SocketNet) -> None:
    """Threat 26: RFC 8945 section 5.3.1."""

    def answer(request: Message) -> list[Message]:
        first = dns.message.make_response(request)
        first.answer = records(SOA)
        return [first, unsigned(request, WWW, SOA)]

    with transfers(answer) as server, pytest.raises(OutsideError, match="last message is not signed"):
        wire.transfer(net, server, APEX, key=KEY)


def test_different_ttls_within_an_rrset_become_the_lowest(net: SocketNet) -> None:
    """RFC 2181 section 5.2."""
    with transfers(saying((SOA, WWW, "WWW.a.example. 60 IN A 192.0.2.11", SOA))) as server:
        (_, www) = wire.transfer(net, server, APEX)
    assert www == rrset("www.a.example", 60, "A", "192.0.2.10", "192.0.2.11")


# --- notify


def test_notify_reaches_the_secondary_and_says_whether_it_was_taken(net: SocketNet) -> None:
    heard: list[dns.name.Name] = []
    with Authority({APEX: ZONE}, on_notify=heard.append) as secondary:
        assert wire.notify(net, at(secondary), APEX, serial=7)
        assert heard == [APEX]
        secondary.faults = Faults(refuse_notify=True)
        assert not wire.notify(net, at(secondary), APEX)
        assert heard == [APEX]


# --- octets


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_no_octets_whatsoever_end_in_anything_but_an_error_or_records(noise: bytes, place: int, octet: int) -> None:
    """Threat 22: loops of compression pointers, lengths that lie."""
    message = dns.message.make_response(dns.message.make_query(APEX, "AXFR"))
    message.answer = records(SOA, WWW, "www.a.example. 300 IN MX 10 mail.a.example.")
    whole = bytearray(message.to_wire())
    whole[place % len(whole)] = octet
    for octets in (bytes(whole), bytes(whole[:12]) + noise):
        with suppress(DNSException):
            RecordReader().read(octets)
        with suppress(DNSException, MalformedError):
            signature_of(octets)


def test_records_are_read_as_dnspython_reads_them() -> None:
    message = dns.message.make_response(dns.message.make_query(APEX, "AXFR"))
    message.answer = records(SOA, WWW, "WWW.a.example. 4294967295 IN MX 10 mail.a.example.", 'x. 0 IN TXT "" "a"')
    expected = [
        (rrset.name.labels, rrset.rdtype, rrset.ttl, rdata)
        for rrset in dns.message.from_wire(message.to_wire(), one_rr_per_rrset=True).answer
        for rdata in rrset
    ]
    assert [tuple(record) for record in RecordReader().read(message.to_wire())] == expected


def test_a_signature_covers_the_unsigned_messages_before_it() -> None:
    """Threat 26: RFC 8945 section 5.3.1 lets a server sign every few messages only."""
    request = dns.message.make_query(APEX, "AXFR")
    request.use_tsig(KEY)
    asked = dns.message.from_wire(request.to_wire(), keyring={KEY.name: KEY})
    first, last = dns.message.make_response(asked), dns.message.make_response(asked)
    first.answer, last.answer = records(SOA), records(SOA)
    opening = first.to_wire(multi=True)
    middle = unsigned(request, WWW).to_wire()
    assert first.tsig_ctx
    first.tsig_ctx.update(middle)
    closing = last.to_wire(multi=True, tsig_ctx=first.tsig_ctx)

    def read(*wires: bytes) -> None:
        after = None
        for octets in wires:
            after = read_transfer_message(octets, request, after=after)

    read(opening, middle, closing)
    with pytest.raises(dns.tsig.BadSignature):
        read(opening, middle.replace(bytes((192, 0, 2, 10)), bytes((192, 0, 2, 66))), closing)
