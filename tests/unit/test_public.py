"""A host that nobody can write, told of news by NOTIFY."""

from __future__ import annotations

import dns.name
import pytest

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.playbook import Mark, NameServer, ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, rrset
from dnsrun.ports.provider import Context
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun_providers.public import PLUGIN, Public
from servers import small_zone

APEX = dns.name.from_text("a.example.")
ONE, TWO = "192.0.2.1", "192.0.2.2"


class NoSecrets:
    def reveal(self, reference: SecretRef) -> str:
        raise AssertionError(f"nobody asked for {reference}")


def secondary() -> Authority:
    return Authority({APEX: "$ORIGIN a.example.\n" + small_zone()})


def public(*addresses: str, places: dict[str, Authority]) -> Public:
    servers = (NameServer(dns.name.from_text("nsx.example."), addresses),)
    spec = ProviderSpec("nsx", "public", {}, servers, Mark("a.yaml", 1, 1))
    mapped = {(address, 53): (server.address, server.port) for address, server in places.items()}
    clock = SystemClock()
    opened = PLUGIN.open(spec, Context(MappedNet(mapped, clock), clock, NoSecrets()))
    assert isinstance(opened, Public)
    return opened


def notified(server: Authority) -> int:
    return sum(record.kind == "notify" for record in server.log)


def test_every_address_is_told_and_the_receipt_says_who_took_it() -> None:
    with secondary() as one, secondary() as two:
        two.faults = Faults(refuse_notify=True)
        receipt = public(ONE, TWO, places={ONE: one, TWO: two}).refresh(APEX)
        assert (notified(one), notified(two)) == (1, 1)
    assert receipt.operation == f"NOTIFY: nsx.example ({ONE}): took it; nsx.example ({TWO}): refused it"


def test_a_refresh_that_nobody_takes_fails() -> None:
    with secondary() as one:
        one.faults = Faults(refuse_notify=True)
        with pytest.raises(OutsideError, match="refused it"):
            public(ONE, places={ONE: one}).refresh(APEX)


def test_without_an_address_the_person_is_told_what_to_give() -> None:
    with pytest.raises(OutsideError, match="give name_servers with addresses"):
        public(places={}).refresh(APEX)


def test_nothing_is_read_or_written() -> None:
    host = public(ONE, places={})
    with pytest.raises(OutsideError, match="nobody of us can write"):
        host.apply(APEX, (Change(rrset("a.example", 60, "A", ONE).key, None, rrset("a.example", 60, "A", ONE)),))
    with pytest.raises(OutsideError, match="public questions"):
        host.read_zone(APEX)
    assert not host.capabilities.writes
