"""The provider contract, kept by powerdns; and what only PowerDNS knows."""

from __future__ import annotations

from typing import Any

import dns.name
import pytest

from contract.hosts import PowerDnsHost, version
from dnsrun.errors import OutsideError
from dnsrun.model.rrset import rrset
from dnsrun.testing.contract import ProviderContract
from dnsrun.testing.torture import added, removed, replaced
from dnsrun_providers import powerdns
from servers import PowerDns, Primary, Secondary, Starter, small_zone


class TestPowerDns(ProviderContract):
    refused_names = frozenset({r"a\.dot"})  # "contains unsupported characters"

    @pytest.fixture
    def host(self, shared_powerdns: PowerDns, origin: str) -> PowerDnsHost:
        shared_powerdns.add(Primary(origin, small_zone()))
        return PowerDnsHost(shared_powerdns, origin, f"PowerDNS {version('pdns_server', '--version')}")


# --- what only PowerDNS has

WWW = rrset("www.mine.example", 600, "A", "192.0.2.10")
MINE = "mine.example."


@pytest.fixture
def mine(start: Starter) -> PowerDnsHost:
    return PowerDnsHost(start(PowerDns([Primary(MINE, small_zone("www 600 A 192.0.2.10"))])), MINE, "")


def listed(host: PowerDnsHost, name: str, rdtype: str) -> dict[str, Any] | None:
    rrsets = host.api_server.api("GET", host.api_server.zone_path(MINE))["rrsets"]
    return next((entry for entry in rrsets if (entry["name"], entry["type"]) == (name, rdtype)), None)


def with_disabled_and_comment(host: PowerDnsHost) -> None:
    records = [{"content": "192.0.2.10", "disabled": False}, {"content": "192.0.2.66", "disabled": True}]
    comments = [{"content": "Büro, do not touch", "account": "ops", "modified_at": 1700000000}]
    rrset = {"name": "www.mine.example.", "type": "A", "ttl": 600, "changetype": "REPLACE"}
    host.api_server.patch(MINE, rrset | {"records": records, "comments": comments})


def disabled(host: PowerDnsHost) -> dict[str, bool]:
    entry = listed(host, "www.mine.example.", "A")
    return {record["content"]: record["disabled"] for record in entry["records"]} if entry else {}


def test_lowering_the_ttl_leaves_a_disabled_address_off_and_the_comment_there(mine: PowerDnsHost) -> None:
    with_disabled_and_comment(mine)
    live = mine.open().read_zone(mine.apex).rrsets[WWW.key]
    assert live.texts() == ("192.0.2.10",)
    mine.open().apply(mine.apex, (replaced(live, live.with_ttl(60)),))
    assert mine.server.values("www.mine.example", "A") == {"192.0.2.10"}
    entry = listed(mine, "www.mine.example.", "A")
    assert entry
    assert entry["ttl"] == 60
    assert disabled(mine) == {"192.0.2.10": False, "192.0.2.66": True}
    assert [comment["content"] for comment in entry["comments"]] == ["Büro, do not touch"]


def test_removing_an_rrset_leaves_its_disabled_record_and_the_undo_brings_all_back(mine: PowerDnsHost) -> None:
    with_disabled_and_comment(mine)
    live = mine.open().read_zone(mine.apex).rrsets[WWW.key]
    mine.open().apply(mine.apex, (removed(live),))
    assert mine.server.values("www.mine.example", "A") == set()
    assert disabled(mine) == {"192.0.2.66": True}
    assert WWW.key not in mine.open().read_zone(mine.apex).rrsets
    mine.open().apply(mine.apex, (added(live),))
    assert mine.open().read_zone(mine.apex).rrsets[WWW.key] == live


def test_an_rrset_that_somebody_deleted_is_restored_with_what_was_switched_off(mine: PowerDnsHost) -> None:
    with_disabled_and_comment(mine)
    live = mine.open().read_zone(mine.apex).rrsets[WWW.key]
    mine.edit(removed(live))
    mine.open().apply(mine.apex, (added(live),))
    assert mine.open().read_zone(mine.apex).rrsets[WWW.key] == live


def test_alias_and_lua_records_are_named_not_skipped(mine: PowerDnsHost) -> None:
    alias = {"name": "shop.mine.example.", "type": "ALIAS", "ttl": 60, "changetype": "REPLACE"}
    mine.api_server.patch(MINE, alias | {"records": [{"content": "shop.vendor.example.", "disabled": False}]})
    assert mine.open().read_zone(mine.apex).unmodelled == ("shop.mine.example. 60 IN ALIAS shop.vendor.example.",)


@pytest.mark.parametrize("soa_edit_api", ["", "DEFAULT", "INCREASE", "EPOCH"])
def test_the_serial_advances_whatever_the_zone_says_of_it(start: Starter, soa_edit_api: str) -> None:
    server = start(PowerDns([Primary(MINE, small_zone("www 600 A 192.0.2.10"))], soa_edit_api=soa_edit_api))
    host = PowerDnsHost(server, MINE, "")
    before = server.serial(MINE)
    host.open().apply(host.apex, (replaced(WWW, WWW.with_ttl(60)),))
    assert server.serial(MINE) > before
    assert server.ttl_s("www.mine.example", "A") == 60


def test_a_call_too_large_for_one_request_is_written_in_parts(
    mine: PowerDnsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(powerdns, "_BODY_OCTETS", 10_000)
    many = [rrset(f"host{number}.mine.example", 60, "A", "192.0.2.1") for number in range(300)]
    mine.open().apply(mine.apex, tuple(map(added, many)))
    zone = mine.open().read_zone(mine.apex)
    assert sum(key.owner.labels[0].startswith(b"host") for key in zone.rrsets) == 300
    assert mine.api_server.log().count('"PATCH /api') > 1


def test_a_copy_of_a_zone_is_not_written(start: Starter) -> None:
    primary = start(PowerDns([Primary(MINE, small_zone("www 600 A 192.0.2.10"))]))
    copy = start(PowerDns([Secondary(MINE, primary.endpoint)]))
    host = PowerDnsHost(copy, MINE, "")
    with pytest.raises(OutsideError, match="write at its primary"):
        host.open().apply(host.apex, (replaced(WWW, WWW.with_ttl(60)),))
    assert copy.ttl_s("www.mine.example", "A") == 600


def test_a_zone_that_is_not_there_is_said_so_at_once(mine: PowerDnsHost) -> None:
    with pytest.raises(OutsideError, match="404") as failure:
        mine.open().read_zone(dns.name.from_text("other.example."))
    assert not failure.value.retryable


def test_the_soa_and_names_outside_are_refused(mine: PowerDnsHost) -> None:
    for change in (
        added(rrset("www.other.example", 60, "A", "192.0.2.1")),
        added(rrset(MINE, 60, "SOA", "a. b. 1 2 3 4 5")),
    ):
        with pytest.raises(OutsideError, match="nothing was changed"):
            mine.open().apply(mine.apex, (change,))
    assert mine.server.serial(MINE) == 1
