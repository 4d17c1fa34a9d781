"""Dynamic updates as compare-and-set, against the embedded authority."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dns.message
import dns.name
import dns.rcode
import dns.update
import pytest

from dnsrun.clock import SystemClock
from dnsrun.dnsio import wire
from dnsrun.dnsio.net import SocketNet
from dnsrun.dnsio.updating import compose
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import Change, RRset, rrset
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


TWO = rrset("www.a.example", 600, "A", "192.0.2.10", "192.0.2.11")
NEW = rrset("www.a.example", 300, "A", "203.0.113.20")


def change(before: RRset | None, after: RRset | None) -> Change:
    side = before or after
    assert side is not None
    return Change(side.key, before, after)


def test_an_update_replaces_the_rrset_and_raises_the_serial(primary: Authority, net: SocketNet) -> None:
    wire.update(net, at(primary), APEX, [change(TWO, NEW)])
    assert held(primary, net)["www.a.example A"] == NEW
    assert primary.serial(APEX) == 2


def test_a_ttl_alone_is_changed_although_prerequisites_know_no_ttl(primary: Authority, net: SocketNet) -> None:
    wire.update(net, at(primary), APEX, [change(TWO.with_ttl(3600), TWO.with_ttl(60))])
    assert held(primary, net)["www.a.example A"] == TWO.with_ttl(60)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(rrset("www.a.example", 600, "A", "192.0.2.10"), id="a value more than expected"),
        pytest.param(None, id="expected absent"),
        pytest.param(rrset("www.a.example", 600, "A", "192.0.2.10", "192.0.2.99"), id="another value"),
    ],
)
def test_a_foreign_value_is_not_overwritten(primary: Authority, net: SocketNet, before: RRset | None) -> None:
    with pytest.raises(WriteConflict):
        wire.update(net, at(primary), APEX, [change(before, NEW)])
    assert held(primary, net)["www.a.example A"] == TWO


def test_one_conflict_keeps_the_whole_message_from_taking_effect(primary: Authority, net: SocketNet) -> None:
    """Fault 27."""
    fresh = rrset("new.a.example", 60, "A", "192.0.2.1")
    stale = change(rrset("odd.a.example", 60, "TXT", '"ab"'), None)
    with pytest.raises(WriteConflict):
        wire.update(net, at(primary), APEX, [change(None, fresh), stale])
    assert "new.a.example A" not in held(primary, net)


def test_a_cname_becomes_an_address_and_back_in_one_message(primary: Authority, net: SocketNet) -> None:
    alias = rrset("alias.a.example", 3600, "CNAME", "www.a.example.")
    address = rrset("alias.a.example", 60, "A", "192.0.2.1")
    forth = [change(alias, None), change(None, address)]
    wire.update(net, at(primary), APEX, forth)
    zone = held(primary, net)
    assert zone["alias.a.example A"] == address
    assert "alias.a.example CNAME" not in zone
    wire.update(net, at(primary), APEX, [done.reverse() for done in forth])
    zone = held(primary, net)
    assert zone["alias.a.example CNAME"] == alias
    assert "alias.a.example A" not in zone


@pytest.mark.parametrize(
    "addition",
    [
        rrset("alias.a.example", 60, "A", "192.0.2.1"),
        rrset("www.a.example", 60, "CNAME", "elsewhere.example."),
    ],
)
def test_an_addition_that_the_server_would_silently_ignore_is_a_conflict(
    primary: Authority, net: SocketNet, addition: RRset
) -> None:
    """RFC 2136 section 3.4.2.2: a CNAME beside other data is left out with NOERROR."""
    with pytest.raises(WriteConflict):
        wire.update(net, at(primary), APEX, [change(None, addition)])


def test_apex_name_servers_change_value_by_value(primary: Authority, net: SocketNet) -> None:
    old = held(primary, net)["a.example NS"]
    new = rrset(APEX, 600, "NS", "ns1.a.example.", "ns2.other.example.")
    swap = change(old, new)
    wire.update(net, at(primary), APEX, [swap])
    assert held(primary, net)["a.example NS"] == new
    wire.update(net, at(primary), APEX, [swap.reverse()])
    assert held(primary, net)["a.example NS"] == old


@pytest.mark.parametrize(
    "impossible",
    [
        change(rrset(APEX, 60, "NS", "ns1.a.example."), None),
        change(None, rrset("www.b.example", 60, "A", "192.0.2.1")),
        change(None, rrset(APEX, 60, "SOA", "ns. h. 9 60 60 60 60")),
        change(None, rrset("big.a.example", 60, "TXT", *(f'"{number:0250}"' for number in range(240)))),
    ],
    ids=["no name servers left", "outside", "SOA", "too large"],
)
def test_what_an_update_cannot_do_is_refused_before_anything_is_sent(
    primary: Authority, net: SocketNet, impossible: Change
) -> None:
    with pytest.raises(OutsideError, match="nothing was changed") as failure:
        wire.update(net, at(primary), APEX, [impossible])
    assert (failure.value.retryable, failure.value.certainty) == (False, "not-applied")
    assert not [record for record in primary.log if record.kind == "update"]


def many(count: int) -> list[Change]:
    return [change(None, rrset(f"host{number}.a.example", 60, "A", "192.0.2.1")) for number in range(count)]


def test_thousands_of_changes_go_in_messages_below_64_kib(primary: Authority, net: SocketNet) -> None:
    changes = many(2_000)
    messages = compose(APEX, changes, KEY)
    assert len(messages) > 1
    assert all(len(message.to_wire()) < 65_535 for message in messages)
    wire.update(net, at(primary), APEX, changes)
    assert len(held(primary, net)) == 2_007


def test_changes_at_one_name_stay_in_one_message() -> None:
    pairs = [
        single
        for number in range(50)
        for single in (
            change(rrset(f"h{number}.a.example", 60, "CNAME", "x.example."), None),
            change(None, rrset(f"h{number}.a.example", 60, "A", "192.0.2.1")),
        )
    ]
    messages = compose(APEX, pairs, None, message_octets=500)
    assert len(messages) > 5
    sent = [dns.message.from_wire(message.to_wire()) for message in messages]
    owners = [{part.name for part in message.sections[dns.update.UpdateSection.UPDATE]} for message in sent]
    assert sum(map(len, owners)) == 50


def test_a_conflict_after_the_first_message_leaves_the_outcome_in_doubt(primary: Authority, net: SocketNet) -> None:
    """Fault 27: part of the batch has been written, so this is no clean conflict."""
    stale = change(rrset("zz.a.example", 60, "A", "192.0.2.1"), None)
    with pytest.raises(OutsideError, match=r"of \d messages") as failure:
        wire.update(net, at(primary), APEX, [*many(1_000), stale])
    assert failure.value.certainty == "in-doubt"
    assert not isinstance(failure.value, WriteConflict)


@pytest.mark.parametrize(
    ("rcode", "retryable", "certainty"),
    [
        (dns.rcode.SERVFAIL, True, "in-doubt"),
        (dns.rcode.REFUSED, False, "not-applied"),
        (dns.rcode.NOTAUTH, False, "not-applied"),
        (dns.rcode.NOTIMP, False, "not-applied"),
    ],
)
def test_what_the_server_answers_decides_what_is_known(
    primary: Authority, net: SocketNet, rcode: dns.rcode.Rcode, retryable: bool, certainty: str
) -> None:
    primary.faults = Faults(update_rcode=rcode)
    with pytest.raises(OutsideError, match=dns.rcode.to_text(rcode)) as failure:
        wire.update(net, at(primary), APEX, [change(TWO, NEW)])
    assert (failure.value.retryable, failure.value.certainty) == (retryable, certainty)


def test_a_lost_answer_leaves_the_update_in_doubt_and_here_it_was_applied(
    primary: Authority, net: SocketNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 25."""
    monkeypatch.setattr(wire, "_UPDATE_TIMEOUT_S", 0.3)
    primary.faults = replace(primary.faults, lose_update_answers=True)
    with pytest.raises(OutsideError) as failure:
        wire.update(net, at(primary), APEX, [change(TWO, NEW)])
    assert (failure.value.retryable, failure.value.certainty) == (True, "in-doubt")
    assert held(primary, net)["www.a.example A"] == NEW


def test_a_server_that_is_not_there_has_not_applied_anything(net: SocketNet) -> None:
    with Authority({APEX: ZONE}) as gone:
        place = at(gone)
    with pytest.raises(OutsideError) as failure:
        wire.update(net, place, APEX, [change(TWO, NEW)])
    assert failure.value.certainty == "not-applied"


def test_a_key_the_server_does_not_know_changes_nothing(net: SocketNet) -> None:
    with Authority({APEX: ZONE}, key=KEY) as server:
        with pytest.raises(OutsideError) as failure:
            wire.update(net, at(server), APEX, [change(TWO, NEW)], key=Key("other.").tsig())
        assert not failure.value.retryable
        assert "192.0.2.10" in server.zone_text(APEX)
