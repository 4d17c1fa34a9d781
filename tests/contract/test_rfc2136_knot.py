"""The provider contract, kept by rfc2136 at Knot DNS."""

from __future__ import annotations

import pytest

from contract.hosts import UpdatedHost, version
from dnsrun.testing.contract import ProviderContract
from servers import Key, Knot, Primary, small_zone


class TestKnot(ProviderContract):
    @pytest.fixture
    def host(self, shared_knot: Knot, origin: str) -> UpdatedHost:
        key = Key("contract.")
        shared_knot.add(Primary(origin, small_zone(), key=key))
        return UpdatedHost(shared_knot, origin, key, f"Knot DNS {version('knotd', '--version')}")
