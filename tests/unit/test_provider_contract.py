"""The contract notices what it is there for, and the result file takes whole contracts only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dns.name
import pytest

from contract.hosts import FixedSecrets, opened, secret
from dnsrun.errors import WriteConflict
from dnsrun.model.playbook import Json, SecretRef
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.ports.provider import Capabilities, Receipt, ZoneProvider
from dnsrun.rehearse.authority import Authority
from dnsrun.testing.contract import ProviderContract
from dnsrun.testing.verified import Word, kept, write
from dnsrun_providers import Verified, verified
from dnsrun_providers.rfc2136 import PLUGIN, Rfc2136
from servers import Key, small_zone

KEY = Key()
APEX = dns.name.from_text("a.example.")


class SloppyHost:
    """A host in this process whose provider has one fault."""

    plugin = "sloppy"
    word: Word = "fixture"
    what = "this process"
    apex = APEX

    def __init__(self, server: Authority, fault: type[Rfc2136]) -> None:
        self._server, self._fault = server, fault

    def open(self) -> ZoneProvider:
        good = self._good()
        capabilities = replace(good.capabilities, declared_delay_s=0)
        return self._fault(good._at, capabilities)

    def truth(self) -> dict[RRsetKey, RRset]:
        return dict(self._good().read_zone(APEX).rrsets)

    def _good(self) -> Rfc2136:
        place: dict[str, Json | SecretRef] = {"server": self._server.address, "port": self._server.port}
        place |= {"key_name": KEY.name, "key_secret": secret("KEY")}
        good = opened(PLUGIN, FixedSecrets(KEY=KEY.secret), **place)
        assert isinstance(good, Rfc2136)
        return good

    def edit(self, change: Change) -> None:
        good = self._good()
        good._at.update(APEX, [change])


class Deaf(Rfc2136):
    """Does nothing and says that it is done."""

    def apply(self, apex: dns.name.Name, changes: tuple[Change, ...]) -> Receipt:
        return Receipt()


class Overwriting(Rfc2136):
    """Writes whatever is there."""

    def apply(self, apex: dns.name.Name, changes: tuple[Change, ...]) -> Receipt:
        live = self.read_zone(apex).rrsets
        return super().apply(apex, tuple(replace(change, before=live.get(change.key)) for change in changes))


class OneByOne(Rfc2136):
    """Stops in the middle."""

    def apply(self, apex: dns.name.Name, changes: tuple[Change, ...]) -> Receipt:
        for change in changes:
            super().apply(apex, (change,))
        return Receipt()


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        (Deaf, "test_every_type_is_read_back_as_it_was_written"),
        (Deaf, "test_the_serial_advances_with_every_write"),
        (Overwriting, "test_somebody_elses_value_is_not_overwritten"),
        (OneByOne, "test_a_call_that_fails_half_way_is_reported"),
        (OneByOne, "test_an_alias_becomes_an_address_and_back"),
    ],
)
def test_a_provider_with_a_fault_fails_the_case_for_it(fault: type[Rfc2136], case: str) -> None:
    with Authority({APEX: "$ORIGIN a.example.\n" + small_zone()}, key=KEY.tsig()) as server:
        getattr(ProviderContract(), case)(SloppyHost(server, Rfc2136))
        with pytest.raises((AssertionError, WriteConflict)):
            getattr(ProviderContract(), case)(SloppyHost(server, fault))


def test_a_case_that_is_switched_off_fails_the_contract() -> None:
    class Half(ProviderContract):
        test_somebody_elses_value_is_not_overwritten = None  # type: ignore[assignment] # what this test is about

    with Authority({APEX: "$ORIGIN a.example.\n" + small_zone()}, key=KEY.tsig()) as server:
        host = SloppyHost(server, Rfc2136)
        ProviderContract().test_every_declared_capability_is_exercised(host)
        with pytest.raises(AssertionError, match="switched off"):
            Half().test_every_declared_capability_is_exercised(host)


def test_every_field_of_capabilities_has_a_case() -> None:
    assert set(Capabilities.__dataclass_fields__) == set(ProviderContract.exercised_by)


# --- the result file


@dataclass
class Report:
    nodeid: str
    user_properties: list[tuple[str, Any]] = field(default_factory=list)
    when: str = "call"


def report(case: str, *cases: str, plugin: str = "mine") -> Report:
    contract = ("TestMine", cases, plugin, "real-server", "Mine 1.2")
    return Report(f"tests/test_mine.py::TestMine::{case}", [("dnsrun-contract", contract)])


def test_a_contract_counts_only_when_every_case_passed() -> None:
    both = ("test_a", "test_b")
    assert kept([report("test_a", *both)]) == []
    assert kept([report("test_a", *both), report("test_b[x]", *both)]) == [("mine", "real-server", "Mine 1.2")]


def test_results_of_other_plugins_stay(tmp_path: Path) -> None:
    path = tmp_path / "verified.json"
    path.write_text('{"old": {"word": "fixture", "on": "2020-01-01", "what": ["x"]}}')
    write(
        path, [("mine", "fixture", "a stub"), ("mine", "real-server", "Mine 1.2"), ("mine", "real-server", "Mine 1.1")]
    )
    entries = json.loads(path.read_text())
    assert entries["old"]["on"] == "2020-01-01"
    assert (entries["mine"]["word"], entries["mine"]["what"]) == ("real-server", ["Mine 1.1", "Mine 1.2"])


def test_a_provider_that_no_test_has_seen_was_never_verified() -> None:
    assert verified("no-such-provider") == Verified("never", None, ())
    assert verified("rfc2136").word == "real-server"
