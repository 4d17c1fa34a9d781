"""Captures on real servers: root and parent in one process, the primary in another, a Knot secondary in a third."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import dns.name
import dns.query
import dns.update
import pytest
from dns.message import Message

from dnsrun.clock import SystemClock
from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.dnsio.capture import capture, capture_probed, transferred
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.views import ServerView, current_view
from dnsrun.dnsio.walk import Roots
from dnsrun.dnsio.wire import transfer
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.rrset import key
from dnsrun.model.zonetext import from_text, to_text
from servers import Bind, Key, Knot, Primary, Secondary, Starter, eventually, need_program, root_zone, small_zone

CLIENT = dns.name.from_text("client.example.")
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
SIGNED = Key("client-key.")
ROOT = root_zone("example. NS ns.example.", "ns.example. A 192.0.2.2")
EXAMPLE = small_zone(
    "ns A 192.0.2.2",
    "client 86400 NS ns1.client",
    "client 86400 NS ns2.client",
    "ns1.client 86400 A 192.0.2.31",
    "ns2.client 86400 A 192.0.2.32",
    ns="ns",
)
ZONE = """$TTL 300
@ SOA ns1 hostmaster 10 3600 600 86400 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.31
ns2 A 192.0.2.32
@ A 192.0.2.10
www A 192.0.2.10
@ MX 10 mail
mail A 192.0.2.20
@ TXT "v=spf1 mx -all"
internal-name A 192.0.2.66
*.wild TXT "any"
long TXT "first" "second" "v=DKIM1\\; k=rsa\\; p=AAAABBBB"
odd TYPE65400 \\# 3 0a0b0c
sub NS ns.sub
ns.sub A 192.0.2.50
_imaps._tcp SRV 0 1 993 mail
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.10
"""


@dataclass
class Servers:
    parent: Bind
    primary: Bind
    secondary: Knot

    @property
    def net(self) -> MappedNet:
        played = {
            "192.0.2.1": self.parent,
            "192.0.2.2": self.parent,
            "192.0.2.31": self.primary,
            "192.0.2.32": self.secondary,
        }
        return MappedNet({(address, 53): (one.address, one.port) for address, one in played.items()}, SystemClock())

    @property
    def view(self) -> ServerView:
        return current_view(self.net, CLIENT, Roots.of({"a.root.": ["192.0.2.1"]}))

    def update(self, *changes: Callable[[dns.update.UpdateMessage], None]) -> None:
        message = dns.update.UpdateMessage(CLIENT, keyring=SIGNED.tsig())
        for change in changes:
            change(message)
        answer: Message = dns.query.tcp(message, self.primary.address, port=self.primary.port, timeout=10)
        assert answer.rcode() == 0


@pytest.fixture
def servers(start: Starter) -> Servers:
    parent = start(Bind([Primary(".", ROOT), Primary("example.", EXAMPLE)]))
    primary = start(Bind([Primary("client.example.", ZONE, key=SIGNED)]))
    copy = Secondary("client.example.", primary.endpoint, key=SIGNED, accepts_notify=False)
    return Servers(parent, primary, start(Knot([copy])))


signed_transfer = partial(transfer, key=SIGNED.tsig())


def test_a_signed_transfer_agrees_with_bind_and_knot_and_loads_again(servers: Servers, tmp_path: Path) -> None:
    zone = transferred(servers.net, "ns1.client.example", CLIENT, servers.view, taken_at=NOW, take=signed_transfer)
    captured = capture(servers.view, zone).or_refuse()
    assert captured.snapshot.completeness == "complete"
    assert (captured.differences, captured.warnings) == ((), ())
    assert captured.agreed == 2 * (len(zone.rrsets) - 2)
    text = to_text(captured.snapshot)
    assert from_text(text) == captured.snapshot
    (tmp_path / "zone").write_text(text)
    checkzone = need_program("named-checkzone", server="BIND", package="bind9")
    run = subprocess.run([checkzone, "client.example", tmp_path / "zone"], check=False, capture_output=True, text=True)
    assert "loaded serial 10" in run.stdout, run.stdout + run.stderr


def test_a_transfer_without_the_key_is_refused(servers: Servers) -> None:
    with pytest.raises(OutsideError, match=r"no transfer of client\.example"):
        transferred(servers.net, "192.0.2.31", CLIENT, servers.view, taken_at=NOW)


def test_a_secondary_that_missed_an_edit_is_named_until_it_is_refreshed(servers: Servers) -> None:
    """Faults 39 and 40: the Knot refuses NOTIFY."""
    servers.update(
        lambda message: message.replace("www", 300, "A", "192.0.2.11"),
        lambda message: message.delete("internal-name", "A"),
    )
    zone = transferred(servers.net, "192.0.2.31", CLIENT, servers.view, taken_at=NOW, take=signed_transfer)
    with pytest.raises(Refused) as caught:
        capture(servers.view, zone).or_refuse()
    assert "ns2.client.example (192.0.2.32) may be stale" in str(caught.value)
    assert "captured 192.0.2.11, answered 192.0.2.10" in str(caught.value)
    servers.secondary.retransfer("client.example.")
    eventually(lambda: not capture(servers.view, zone).differences, what="the edit at the secondary")
    assert capture(servers.view, zone).findings == ()


def test_a_handed_over_file_is_attested_when_the_servers_agree(servers: Servers) -> None:
    handed = Handed("client.zone", "operator of the VPS", date(2026, 11, 20))
    captured = capture(servers.view, read_attested(ZONE, CLIENT, handed, taken_at=NOW)).or_refuse()
    assert captured.snapshot.completeness == "attested"
    assert captured.snapshot.rrsets.keys() >= {key("internal-name.client.example", "A")}
    with pytest.raises(Refused, match=r"not in the capture: the capture is not whole"):
        capture(servers.view, read_attested(ZONE.replace("www A", "x A"), CLIENT, handed, taken_at=NOW)).or_refuse()


def test_without_anybody_to_give_the_zone_it_is_only_probed(servers: Servers) -> None:
    zone = capture_probed(servers.view, CLIENT, taken_at=NOW).snapshot
    assert zone.completeness == "probed"
    owners = {str(owner) for owner in zone.owners()}
    assert {"www.client.example.", "mail.client.example.", "_imaps._tcp.client.example."} <= owners
    assert "internal-name.client.example." not in owners
