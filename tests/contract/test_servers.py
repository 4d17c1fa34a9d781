"""The test servers themselves: they answer, take changes, follow each other, or stay stale until told."""

from __future__ import annotations

import socket
from contextlib import closing

import dns.exception
import dns.query
import dns.rcode
import dns.update
import dns.xfr
import pytest

from servers import (
    Bind,
    Key,
    Knot,
    PowerDns,
    Primary,
    RunningServer,
    Secondary,
    Starter,
    Unbound,
    eventually,
    free_port,
    root_zone,
    small_zone,
)
from servers.network_guard import NetworkIsClosedError

WWW = small_zone("www A 192.0.2.10", serial=7)

takes_updates = pytest.mark.parametrize("software", [Bind, Knot])
any_primary = pytest.mark.parametrize("software", [Bind, Knot, PowerDns])


def update(server: RunningServer, origin: str, address: str, key: Key | None = None) -> dns.rcode.Rcode:
    message = dns.update.UpdateMessage(origin, keyring=key.tsig() if key else None)
    message.replace("www", 600, "A", address)
    return dns.query.tcp(message, server.address, port=server.port, timeout=5).rcode()


def patch(server: PowerDns, origin: str, address: str) -> None:
    record = {"content": address, "disabled": False}
    rrset: dict[str, object] = {"name": f"www.{origin}.", "type": "A", "ttl": 600, "changetype": "REPLACE"}
    server.patch(origin, rrset | {"records": [record]})


@any_primary
def test_a_started_server_serves_the_zone_as_written(start: Starter, software: type[Bind | Knot | PowerDns]) -> None:
    server = start(software([Primary("a.example", WWW)]))
    assert server.values("www.a.example", "A") == {"192.0.2.10"}
    assert server.serial("a.example") == 7
    assert len(server.transfer("a.example").nodes) == 3


@any_primary
def test_a_zone_added_later_is_served_beside_the_first(start: Starter, software: type[Bind | Knot | PowerDns]) -> None:
    server = start(software([Primary("a.example", WWW)]))
    server.add(Primary("b.example", small_zone("www A 192.0.2.20"), key=Key("late.")))
    assert server.values("www.b.example", "A") == {"192.0.2.20"}
    assert server.values("www.a.example", "A") == {"192.0.2.10"}
    assert len(server.transfer("b.example", Key("late.")).nodes) == 3


@takes_updates
def test_an_update_needs_the_zones_key(start: Starter, software: type[Bind | Knot]) -> None:
    server = start(software([Primary("a.example", WWW, key=Key())]))
    assert update(server, "a.example", "192.0.2.11") != dns.rcode.NOERROR
    assert server.values("www.a.example", "A") == {"192.0.2.10"}
    assert update(server, "a.example", "192.0.2.11", Key()) == dns.rcode.NOERROR
    assert server.values("www.a.example", "A") == {"192.0.2.11"}
    assert server.ttl_s("www.a.example", "A") == 600


@any_primary
def test_a_transfer_without_the_zones_key_is_refused(start: Starter, software: type[Bind | Knot | PowerDns]) -> None:
    zones = [Primary("a.example", WWW, key=Key())]
    server = start(PowerDns(zones, open_transfers=False) if software is PowerDns else software(zones))
    with pytest.raises(dns.xfr.TransferError):
        server.transfer("a.example")
    assert len(server.transfer("a.example", Key()).nodes) == 3


@takes_updates
def test_a_restarted_server_still_holds_what_it_was_told(start: Starter, software: type[Bind | Knot]) -> None:
    server = start(software([Primary("a.example", WWW)]))
    assert update(server, "a.example", "192.0.2.11") == dns.rcode.NOERROR
    server.stop()
    server.start()
    assert server.values("www.a.example", "A") == {"192.0.2.11"}


def test_a_patch_through_the_powerdns_api_is_served_and_moves_the_serial(start: Starter) -> None:
    server = start(PowerDns([Primary("a.example", WWW)]))
    patch(server, "a.example", "192.0.2.11")
    assert server.values("www.a.example", "A") == {"192.0.2.11"}
    assert server.serial("a.example") == 8


def test_powerdns_refuses_a_wrong_api_key(start: Starter) -> None:
    server = start(PowerDns())
    server.api_key = "wrong"
    with pytest.raises(AssertionError, match="401"):
        server.api("GET", "/zones")


@takes_updates
@pytest.mark.parametrize("follower", [Bind, Knot, PowerDns])
def test_a_secondary_follows_its_primarys_notify(
    start: Starter, software: type[Bind | Knot], follower: type[Bind | Knot | PowerDns]
) -> None:
    port = free_port()
    later = follower(port=port)
    primary = start(software([Primary("a.example", WWW, key=Key(), notify=(later.endpoint,))]))
    secondary = start(later)
    secondary.add(Secondary("a.example", primary.endpoint, key=Key()))
    assert secondary.values("www.a.example", "A") == {"192.0.2.10"}
    update(primary, "a.example", "192.0.2.11", Key())
    eventually(lambda: secondary.values("www.a.example", "A") == {"192.0.2.11"}, 15, "the new address")
    assert secondary.serial("a.example") == primary.serial("a.example")


def test_a_secondary_of_powerdns_hears_of_a_change_when_powerdns_is_told_to_notify(start: Starter) -> None:
    later = Bind()
    primary = start(PowerDns([Primary("a.example", WWW, notify=(later.endpoint,))]))
    secondary = start(later)
    secondary.add(Secondary("a.example", primary.endpoint))
    patch(primary, "a.example", "192.0.2.11")
    primary.notify("a.example")
    eventually(lambda: secondary.values("www.a.example", "A") == {"192.0.2.11"}, 15, "the new address")


def test_a_secondary_that_refuses_notify_stays_stale_until_its_operator_refreshes(start: Starter) -> None:
    later = Knot()
    primary = start(Bind([Primary("a.example", WWW, notify=(later.endpoint,))]))
    secondary = start(later)
    secondary.add(Secondary("a.example", primary.endpoint, accepts_notify=False))
    update(primary, "a.example", "192.0.2.11")
    eventually(lambda: "ACL, denied, action notify" in secondary.log(), what="the refused NOTIFY")
    assert secondary.values("www.a.example", "A") == {"192.0.2.10"}
    secondary.retransfer("a.example")
    eventually(lambda: secondary.values("www.a.example", "A") == {"192.0.2.11"}, 15, "the new address")


@pytest.mark.parametrize("follower", [Bind, PowerDns])
def test_an_operator_can_refresh_a_secondary_that_was_told_nothing(
    start: Starter, follower: type[Bind | PowerDns]
) -> None:
    primary = start(Knot([Primary("a.example", WWW)]))
    secondary = start(follower([Secondary("a.example", primary.endpoint)]))
    update(primary, "a.example", "192.0.2.11")
    assert secondary.values("www.a.example", "A") == {"192.0.2.10"}
    secondary.retransfer("a.example")
    eventually(lambda: secondary.values("www.a.example", "A") == {"192.0.2.11"}, 15, "the new address")


def test_parent_and_child_live_in_different_processes(start: Starter) -> None:
    root = Primary(".", root_zone("example. NS ns.elsewhere."))
    example = small_zone("child NS ns1.child", "ns1.child A 192.0.2.53", ns="ns.elsewhere.")
    parent = start(Bind([root, Primary("example", example)]))
    child = start(Knot([Primary("child.example", WWW)]))
    referral = parent.ask("www.child.example", "A")
    assert not referral.answer
    assert [rrset.to_text() for rrset in referral.authority] == ["child.example. 3600 IN NS ns1.child.example."]
    assert [rrset.to_text() for rrset in referral.additional] == ["ns1.child.example. 3600 IN A 192.0.2.53"]
    assert child.values("www.child.example", "A") == {"192.0.2.10"}


def test_unbound_resolves_through_a_test_root_and_keeps_what_it_learned(start: Starter) -> None:
    parent = start(Bind([Primary(".", root_zone("host.test. A 192.0.2.77"))]))
    child = start(Knot([Primary("child.example", WWW)]))
    cache = start(Unbound({".": [parent.endpoint], "child.example": [child.endpoint]}))
    assert cache.values("host.test", "A", recurse=True) == {"192.0.2.77"}
    assert cache.values("www.child.example", "A", recurse=True) == {"192.0.2.10"}
    update(child, "child.example", "192.0.2.11")
    assert cache.values("www.child.example", "A", recurse=True) == {"192.0.2.10"}
    cache.flush()
    assert cache.values("www.child.example", "A", recurse=True) == {"192.0.2.11"}


def test_a_frozen_server_keeps_silent_and_speaks_again_when_thawed(start: Starter) -> None:
    server = start(Knot([Primary("a.example", WWW)]))
    server.freeze()
    with pytest.raises(dns.exception.Timeout):
        server.ask("a.example", "SOA")
    server.thaw()
    assert server.serial("a.example") == 7


def test_a_server_that_cannot_start_says_why(start: Starter) -> None:
    with pytest.raises(AssertionError, match="ended with") as failure:
        start(Knot([Primary("a.example", WWW, key=Key("two words."))]))
    assert "knot.conf', line" in str(failure.value)


def test_shared_servers_take_a_zone_of_each_tests_own(
    shared_bind: Bind, shared_knot: Knot, shared_powerdns: PowerDns, origin: str
) -> None:
    for server in (shared_bind, shared_knot, shared_powerdns):
        server.add(Primary(origin, WWW))
        assert server.values(f"www.{origin}", "A") == {"192.0.2.10"}


def test_the_network_is_closed_beyond_loopback() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        with pytest.raises(NetworkIsClosedError, match=r"192\.0\.2\.1 is not loopback"):
            sock.connect(("192.0.2.1", 53))
        with pytest.raises(NetworkIsClosedError):
            sock.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(NetworkIsClosedError, match="is not this machine"):
        socket.getaddrinfo("www.example.com", 80)
