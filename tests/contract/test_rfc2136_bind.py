"""The provider contract, kept by rfc2136 at BIND."""

from __future__ import annotations

import pytest

from contract.hosts import UpdatedHost, version
from dnsrun.testing.contract import ProviderContract
from servers import Bind, Key, Primary, small_zone


class TestBind(ProviderContract):
    @pytest.fixture
    def host(self, shared_bind: Bind, origin: str) -> UpdatedHost:
        key = Key("contract.")
        shared_bind.add(Primary(origin, small_zone(), key=key))
        return UpdatedHost(shared_bind, origin, key, f"BIND {version('named', '-V')}")
