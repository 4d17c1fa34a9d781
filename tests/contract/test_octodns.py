"""The provider contract, kept through octoDNS: by octodns-powerdns, octodns-bind and octodns-route53."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version as package

import pytest
from moto import mock_aws

from contract.hosts import BridgedPowerDnsHost, BridgedUpdatedHost, version
from contract.route53 import BridgedRoute53Host
from dnsrun.model.rrset import rrset
from dnsrun.testing.contract import Host, ProviderContract, serial
from dnsrun.testing.torture import added
from servers import Bind, Key, PowerDns, Primary, small_zone

# A backslash, quotes and octets above 127 in a text; a flag in small letters, which octoDNS raises; and a LOC with the
# sizes that are usual, which a master file leaves out: octoDNS then reads nothing of a transferred zone.
LOST = frozenset({"plain TXT", "naptr", "loc"})


class TestPowerDnsThroughOctodns(ProviderContract):
    refused_names = LOST | {r"a\.dot"}  # "contains unsupported characters", says PowerDNS

    @pytest.fixture
    def host(self, shared_powerdns: PowerDns, origin: str) -> BridgedPowerDnsHost:
        shared_powerdns.add(Primary(origin, small_zone()))
        what = f"octodns-powerdns {package('octodns-powerdns')} at PowerDNS {version('pdns_server', '--version')}"
        return BridgedPowerDnsHost(shared_powerdns, origin, what)


class TestBindThroughOctodns(ProviderContract):
    refused_names = LOST

    @pytest.fixture
    def host(self, shared_bind: Bind, origin: str) -> BridgedUpdatedHost:
        key = Key("contract.")
        shared_bind.add(Primary(origin, small_zone(), key=key))
        what = f"octodns-bind {package('octodns-bind')} at BIND {version('named', '-V')}"
        return BridgedUpdatedHost(shared_bind, origin, key, what)


class TestRoute53ThroughOctodns(ProviderContract):
    refused_names = LOST | {"_slash/26"}  # two PTR values: the class writes one

    @pytest.fixture
    def host(self, origin: str) -> Iterator[BridgedRoute53Host]:
        what = f"octodns-route53 {package('octodns-route53')} at moto {package('moto')}"
        with mock_aws():
            yield BridgedRoute53Host(origin, what)

    def test_the_serial_advances_with_every_write(self, host: Host) -> None:
        """It never does: Route 53 gives the zone to no secondaries."""
        before = serial(host.truth())
        self.write(host, added(rrset(self.at(host, "serial"), 600, "A", "192.0.2.17")))
        assert serial(host.truth()) == before
