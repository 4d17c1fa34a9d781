"""The provider contract, kept by powerdns; and what only PowerDNS knows."""

from __future__ import annotations

import pytest

from contract.hosts import PowerDnsHost, version
from dnsrun.testing.contract import ProviderContract
from servers import PowerDns, Primary, small_zone


class TestPowerDns(ProviderContract):
    refused_names = frozenset({r"a\.dot"})  # "contains unsupported characters"

    @pytest.fixture
    def host(self, shared_powerdns: PowerDns, origin: str) -> PowerDnsHost:
        shared_powerdns.add(Primary(origin, small_zone()))
        return PowerDnsHost(shared_powerdns, origin, f"PowerDNS {version('pdns_server', '--version')}")
