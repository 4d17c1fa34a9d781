"""The embedded authority over real loopback sockets: what a client sees, what the log says, how it fails."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
import pytest
from dns.message import Message
from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.rehearse.authority import Authority, Faults, LogRecord, RRsetChange, TransferSource
from servers import Key, eventually

APEX = dns.name.from_text("example.test.")
WWW = dns.name.from_text("www.example.test.")
TEXT = """$TTL 3600
@ SOA ns1 hostmaster 10 7200 900 1209600 300
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.10
alias CNAME www
"""
KEY = Key("rehearsal.").tsig()


@pytest.fixture
def server() -> Iterator[Authority]:
    with Authority({APEX: TEXT}) as running:
        yield running


def ask(server: Authority, name: Name | str = WWW, rdtype: str = "A", *, tcp: bool = False) -> Message:
    query = dns.message.make_query(name, rdtype)
    how = dns.query.tcp if tcp else dns.query.udp
    return how(query, server.address, 2, server.port)


def send(server: Authority, message: Message, timeout_s: float = 2) -> Message:
    return dns.query.tcp(message, server.address, timeout_s, server.port)


def addresses(response: Message) -> set[str]:
    return {str(rdata) for rrset in response.answer for rdata in rrset if rrset.rdtype == dns.rdatatype.A}


def replace_www(address: str, key: dns.tsig.Key | None = None) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(APEX, keyring=key)
    message.replace("www", 60, "A", address)
    return message


def transferred(server: Authority, key: dns.tsig.Key | None = None) -> dns.zone.Zone:
    zone = dns.zone.Zone(APEX, relativize=False)
    query = dns.message.make_query(APEX, "AXFR")
    if key:
        query.use_tsig(key)
    dns.query.inbound_xfr(server.address, zone, query, port=server.port, lifetime=20)
    return zone


def kinds(server: Authority) -> list[str]:
    return [record.kind for record in server.log]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_answers_on_the_same_port_over_udp_and_tcp(server: Authority, tcp: bool) -> None:
    response = ask(server, tcp=tcp)
    assert addresses(response) == {"192.0.2.10"}
    assert response.flags & dns.flags.AA


def test_serves_several_zones_the_nearest_answers_and_ds_comes_from_the_parent() -> None:
    child = dns.name.from_text("child.example.test.")
    parent_text = TEXT + "child NS ns.child\nchild DS 1 13 2 " + "ab" * 32 + "\nns.child A 192.0.2.1\n"
    child_text = "@ 60 SOA ns h 1 1 1 1 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
    with Authority({APEX: parent_text, child: child_text}) as server:
        assert ask(server, child, "SOA").answer[0].name == child
        assert ask(server, child, "DS").answer[0].rdtype == dns.rdatatype.DS


def test_a_client_that_gets_a_truncated_answer_gets_the_whole_one_over_tcp(server: Authority) -> None:
    server.set_zone(APEX, TEXT + "".join(f'big TXT "{"x" * 200}{i}"\n' for i in range(20)))
    query = dns.message.make_query("big.example.test.", "TXT")
    assert dns.query.udp(query, server.address, 2, server.port).flags & dns.flags.TC
    response, used_tcp = dns.query.udp_with_fallback(query, server.address, 2, server.port)
    assert used_tcp
    assert len(response.answer[0]) == 20


def test_an_update_changes_the_zone_raises_the_serial_and_is_logged_once(server: Authority) -> None:
    assert send(server, replace_www("192.0.2.11")).rcode() == dns.rcode.NOERROR
    assert addresses(ask(server)) == {"192.0.2.11"}
    assert server.serial(APEX) == 11
    changes = [change for record in server.log for change in record.changes]
    before, after = ("3600 192.0.2.10",), ("60 192.0.2.11",)
    assert changes == [RRsetChange(WWW, dns.rdatatype.A, before=before, after=after)]


def test_an_update_that_changes_nothing_leaves_the_serial_and_logs_no_change(server: Authority) -> None:
    message = dns.update.UpdateMessage(APEX)
    message.replace("www", 3600, "A", "192.0.2.10")
    assert send(server, message).rcode() == dns.rcode.NOERROR
    assert server.serial(APEX) == 10
    assert server.log[-1].kind == "update"
    assert server.log[-1].changes == ()


def test_an_update_whose_prerequisite_fails_writes_nothing_at_all(server: Authority) -> None:
    before = server.zone_text(APEX)
    message = replace_www("192.0.2.11")
    message.present("www", "A", "192.0.2.66")
    assert send(server, message).rcode() == dns.rcode.NXRRSET
    assert server.zone_text(APEX) == before
    assert not any(record.changes for record in server.log)


def test_updates_from_many_clients_at_once_all_take_effect(server: Authority) -> None:
    def add(number: int) -> None:
        message = dns.update.UpdateMessage(APEX)
        message.add(f"h{number}", 60, "A", "192.0.2.1")
        send(server, message, timeout_s=10)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.serial(APEX) == 30
    assert sum(len(record.changes) for record in server.log) == 20


@pytest.mark.parametrize("signer", [None, dns.tsig.Key(KEY.name, b"wrong", "hmac-sha256")], ids=["none", "wrong"])
def test_with_a_key_nobody_else_writes_or_transfers(signer: dns.tsig.Key | None) -> None:
    with Authority({APEX: TEXT}, key=KEY) as server:
        before = server.zone_text(APEX)
        for message in (replace_www("192.0.2.11"), dns.message.make_query(APEX, "AXFR")):
            if signer:
                message.use_tsig(signer)
                with pytest.raises(dns.tsig.PeerBadSignature):
                    send(server, message)
            else:
                assert send(server, message).rcode() == dns.rcode.REFUSED
        assert server.zone_text(APEX) == before
        assert send(server, replace_www("192.0.2.11", KEY)).rcode() == dns.rcode.NOERROR


def test_a_signature_from_another_time_is_answered_with_badtime() -> None:
    with Authority({APEX: TEXT}, key=KEY) as server:
        query = dns.message.make_query(WWW, "A")
        query.use_tsig(KEY, fudge=0)
        wire = query.to_wire()
        signed_s = int(time.time())  # noqa: TID251 - waits for the second after the signature
        eventually(lambda: int(time.time()) > signed_s)  # noqa: TID251 - the same
        reply = exchange(server, wire)
    response = dns.message.from_wire(reply, keyring=False)
    assert response.rcode() == dns.rcode.NOTAUTH
    assert response.tsig_error == dns.rcode.BADTIME


def exchange(server: Authority, wire: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(wire, (server.address, server.port))
        return sock.recv(65535)


def test_transfers_a_large_zone_in_many_signed_messages() -> None:
    text = TEXT + "".join(f"host{i} A 192.0.2.{i % 250}\n" for i in range(1500))
    text += "".join(f'wide TXT "{i} {"y" * 200}"\n' for i in range(200))
    with Authority({APEX: text}, key=KEY) as server:
        zone = transferred(server, KEY)
        messages = list(dns.query.xfr(server.address, APEX, port=server.port, keyring={KEY.name: KEY}, timeout=20))
        assert len(messages) > 5
        # Compared with what dnspython, another implementation, reads from the same text.
        assert zone == dns.zone.from_text(text, APEX, relativize=False)
        assert server.log[-1].kind == "transfer"


def test_other_questions_are_answered_while_a_slow_client_takes_a_transfer() -> None:
    text = TEXT + "".join(f'host{i} TXT "{"z" * 250}"\n' for i in range(2000))
    with Authority({APEX: text}) as server, socket.create_connection((server.address, server.port)) as slow:
        wire = dns.message.make_query(APEX, "AXFR").to_wire()
        slow.sendall(len(wire).to_bytes(2, "big") + wire)
        assert addresses(ask(server)) == {"192.0.2.10"}


def test_zone_text_reads_back_as_the_same_zone_soa_first(server: Authority) -> None:
    text = server.zone_text(APEX)
    assert text.startswith("example.test. 3600 IN SOA ")
    server.set_zone(APEX, text)
    assert server.zone_text(APEX) == text


def test_a_foreign_edit_is_served_and_is_not_in_the_log_of_writes(server: Authority) -> None:
    server.set_zone(APEX, TEXT.replace("192.0.2.10", "192.0.2.99"))
    assert addresses(ask(server)) == {"192.0.2.99"}
    assert server.serial(APEX) == 10
    assert "update" not in kinds(server)


def test_a_text_that_is_no_zone_is_refused_and_the_old_zone_stays(server: Authority) -> None:
    with pytest.raises(dns.exception.DNSException):
        server.set_zone(APEX, TEXT + "www CNAME alias\n")
    assert addresses(ask(server)) == {"192.0.2.10"}


@pytest.fixture
def secondary(server: Authority) -> Iterator[Authority]:
    with Authority({}, secondaries={APEX: TransferSource(server.endpoint)}) as running:
        yield running


def notify(server: Authority) -> Message:
    message = dns.message.make_query(APEX, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    return dns.query.udp(message, server.address, 2, server.port)


def test_a_secondary_serves_nothing_before_its_first_transfer(secondary: Authority) -> None:
    assert ask(secondary).rcode() == dns.rcode.SERVFAIL
    assert secondary.refresh(APEX)
    assert addresses(ask(secondary)) == {"192.0.2.10"}


def test_notify_brings_a_secondary_up_to_date(server: Authority, secondary: Authority) -> None:
    secondary.refresh(APEX)
    send(server, replace_www("192.0.2.11"))
    assert addresses(ask(secondary)) == {"192.0.2.10"}
    assert notify(secondary).rcode() == dns.rcode.NOERROR
    eventually(lambda: addresses(ask(secondary)) == {"192.0.2.11"})
    assert secondary.serial(APEX) == server.serial(APEX)


def test_a_secondary_that_refuses_notify_changes_only_on_refresh(server: Authority, secondary: Authority) -> None:
    secondary.refresh(APEX)
    secondary.faults = Faults(refuse_notify=True)
    send(server, replace_www("192.0.2.11"))
    transfers = kinds(server).count("transfer")
    assert notify(secondary).rcode() == dns.rcode.REFUSED
    assert addresses(ask(secondary)) == {"192.0.2.10"}
    assert kinds(server).count("transfer") == transfers
    assert secondary.refresh(APEX)
    assert addresses(ask(secondary)) == {"192.0.2.11"}


def test_a_secondary_ignores_a_lower_serial(server: Authority, secondary: Authority) -> None:
    secondary.refresh(APEX)
    server.set_zone(APEX, TEXT.replace(" 10 7200", " 9 7200").replace("192.0.2.10", "192.0.2.66"))
    assert not secondary.refresh(APEX)
    assert addresses(ask(secondary)) == {"192.0.2.10"}


def test_a_refresh_that_cannot_reach_its_primary_says_so_and_keeps_the_zone(
    server: Authority, secondary: Authority
) -> None:
    secondary.refresh(APEX)
    server.faults = Faults(rcode=dns.rcode.REFUSED)
    with pytest.raises(OutsideError, match=r"no transfer of example\.test\."):
        secondary.refresh(APEX)
    assert addresses(ask(secondary)) == {"192.0.2.10"}


def test_a_secondary_takes_no_updates(secondary: Authority) -> None:
    secondary.refresh(APEX)
    assert send(secondary, replace_www("192.0.2.11")).rcode() == dns.rcode.REFUSED
    assert addresses(ask(secondary)) == {"192.0.2.10"}


def test_a_signed_transfer_feeds_a_secondary() -> None:
    with (
        Authority({APEX: TEXT}, key=KEY) as server,
        Authority({}, secondaries={APEX: TransferSource(server.endpoint, KEY)}) as secondary,
    ):
        assert secondary.refresh(APEX)
        assert secondary.zone_text(APEX) == server.zone_text(APEX)


def test_notify_reaches_the_hook_with_the_apex() -> None:
    heard: list[Name] = []
    with Authority({APEX: TEXT}, on_notify=heard.append) as server:
        assert notify(server).rcode() == dns.rcode.NOERROR
        assert heard == [APEX]
        assert server.log[-1].kind == "notify"


def is_silent(server: Authority, *, tcp: bool) -> bool:
    query = dns.message.make_query(WWW, "A")
    try:
        if tcp:
            dns.query.tcp(query, server.address, 0.2, server.port)
        else:
            dns.query.udp(query, server.address, 0.2, server.port)
    except dns.exception.Timeout:
        return True
    return False


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_fault_43_one_transport_silent_the_other_answers(server: Authority, tcp: bool) -> None:
    server.faults = Faults(drop_tcp=tcp, drop_udp=not tcp)
    assert is_silent(server, tcp=tcp)
    assert not is_silent(server, tcp=not tcp)
    assert [(record.transport, record.rcode) for record in server.log] == [
        ("tcp" if tcp else "udp", None),
        ("udp" if tcp else "tcp", dns.rcode.NOERROR),
    ]
    server.faults = Faults()
    assert not is_silent(server, tcp=tcp)


def test_fault_rcode_hides_the_data_and_leaves_updates_alone(server: Authority) -> None:
    server.faults = Faults(rcode=dns.rcode.SERVFAIL)
    response = ask(server)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert not response.answer
    assert send(server, replace_www("192.0.2.11")).rcode() == dns.rcode.NOERROR


def test_fault_update_rcode_refuses_and_writes_nothing(server: Authority) -> None:
    server.faults = Faults(update_rcode=dns.rcode.SERVFAIL)
    assert send(server, replace_www("192.0.2.11")).rcode() == dns.rcode.SERVFAIL
    assert addresses(ask(server)) == {"192.0.2.10"}


def test_fault_lost_answer_the_update_is_written_and_the_writer_is_in_doubt(server: Authority) -> None:
    server.faults = Faults(lose_update_answers=True)
    with pytest.raises(dns.exception.Timeout):
        send(server, replace_www("192.0.2.11"), timeout_s=0.3)
    assert addresses(ask(server)) == {"192.0.2.11"}


def test_fault_32_ttl_is_clamped_in_answers_and_transfers(server: Authority) -> None:
    server.faults = Faults(min_ttl_s=600)
    send(server, replace_www("192.0.2.11"))
    assert ask(server).answer[0].ttl == 600
    assert transferred(server).find_rdataset(WWW, "A").ttl == 600
    assert ask(server, "alias.example.test.", "CNAME").answer[0].ttl == 3600


def test_fault_wrong_owner_answers_for_another_name(server: Authority) -> None:
    server.faults = Faults(wrong_owner=dns.name.from_text("other.test."))
    response = ask(server)
    assert [str(rrset.name) for rrset in response.answer] == ["other.test."]
    assert response.question[0].name == WWW


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_fault_delay_holds_every_answer_back(server: Authority, tcp: bool) -> None:
    server.faults = Faults(delay_s=0.15)
    started_s = time.monotonic()
    assert addresses(ask(server, tcp=tcp)) == {"192.0.2.10"}
    assert time.monotonic() - started_s >= 0.15


def test_fault_39_stale_server_accepts_updates_and_shows_them_only_when_healed(server: Authority) -> None:
    server.faults = Faults(stale=True)
    assert send(server, replace_www("192.0.2.11")).rcode() == dns.rcode.NOERROR
    assert addresses(ask(server)) == {"192.0.2.10"}
    assert transferred(server).get_soa().serial == 10
    assert "192.0.2.11" in server.zone_text(APEX)
    server.faults = Faults()
    assert addresses(ask(server)) == {"192.0.2.11"}


@pytest.mark.parametrize(
    ("opcode", "apex", "expected"),
    [
        (dns.opcode.STATUS, APEX, dns.rcode.NOTIMP),
        (dns.opcode.NOTIFY, dns.name.from_text("elsewhere.test."), dns.rcode.NOTAUTH),
        (dns.opcode.QUERY, dns.name.from_text("elsewhere.test."), dns.rcode.REFUSED),
    ],
)
def test_refuses_what_is_not_its_business(
    server: Authority, opcode: dns.opcode.Opcode, apex: Name, expected: dns.rcode.Rcode
) -> None:
    message = dns.message.make_query(apex, "SOA")
    message.set_opcode(opcode)
    assert send(server, message).rcode() == expected


def test_garbage_neither_kills_the_server_nor_reaches_the_log_of_writes(
    server: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)
    seeds = [
        dns.message.make_query(WWW, "A", use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 24)]).to_wire(),
        replace_www("192.0.2.11", KEY).to_wire(),
        b"",
    ]
    before = server.zone_text(APEX)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3000):
            sock.sendto(spoiled(chance, chance.choice(seeds)), (server.address, server.port))
    assert addresses(ask(server, tcp=True)) == {"192.0.2.10"}
    assert server.zone_text(APEX) == before
    assert capfd.readouterr() == ("", "")


def spoiled(chance: random.Random, wire: bytes) -> bytes:
    octets = bytearray(wire)
    for _ in range(chance.randrange(1, 6)):
        if octets:
            octets[chance.randrange(len(octets))] = chance.randrange(256)
    return bytes(octets[: chance.randrange(len(octets) + 1)]) + chance.randbytes(chance.randrange(20))


def test_a_broken_tcp_stream_is_answered_with_formerr_and_the_next_question_is_served(server: Authority) -> None:
    good = dns.message.make_query(WWW, "A").to_wire()
    with socket.create_connection((server.address, server.port), 2) as sock:
        for wire in (b"\x12\x34\x00\x00\x00\x01" + bytes(6), good):
            sock.sendall(len(wire).to_bytes(2, "big") + wire)
        answers = [dns.message.from_wire(read_framed(sock)) for _ in range(2)]
    assert [answer.rcode() for answer in answers] == [dns.rcode.FORMERR, dns.rcode.NOERROR]


def read_framed(sock: socket.socket) -> bytes:
    with sock.makefile("rb", buffering=0) as stream:
        return stream.read(int.from_bytes(stream.read(2), "big"))


def test_the_log_is_a_copy_of_frozen_records_in_the_order_of_asking(server: Authority) -> None:
    ask(server)
    ask(server, "nothing.example.test.")
    first, second = server.log
    assert isinstance(first, LogRecord)
    assert (first.kind, first.name, first.rdtype, first.rcode) == ("query", WWW, dns.rdatatype.A, dns.rcode.NOERROR)
    assert second.rcode == dns.rcode.NXDOMAIN
    assert first.at_s <= second.at_s
    server.log.clear()
    assert len(server.log) == 2


def test_the_port_is_free_again_when_the_server_has_ended() -> None:
    with Authority({APEX: TEXT}) as first:
        port = first.port
    with Authority({APEX: TEXT}, port=port) as second:
        assert addresses(ask(second, tcp=True)) == {"192.0.2.10"}
