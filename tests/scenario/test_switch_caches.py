"""D4 before real caches: going back on both sides takes a record's TTL, name servers alone take the delegation's.

BIND, Unbound and PowerDNS Recursor hold the new delegation when things go wrong. One of the rare tests about time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cachestage import CACHES, NEGATIVE_S, NS_TTL_S, TTL_S
from servers.namespace import perform


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the stage printed: seconds."""
    return perform("cachestage.py", str(tmp_path_factory.mktemp("stage")))


@pytest.mark.long
def test_both_sides_are_right_within_a_record_ttl_where_name_servers_alone_take_the_delegations(
    measured: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    """D4: a wrong value and a missing name, beside a domain of which only the name servers are put back."""
    assert measured["ended"] == "rolled-back"
    assert "192.0.2.99" in measured["because"]
    assert "no such name" in measured["because"]
    assert measured["shown_after_s"] <= measured["rolled_back_after_s"] < 10, "said only when every new server shows it"
    record_property("summary", f"name servers live {NS_TTL_S} s, records {TTL_S} s, negative answers {NEGATIVE_S} s:")
    for cache in CACHES:
        both, alone = (max(0.0, *measured[way][cache].values()) for way in ("both", "servers_only"))
        went = f"{both:.1f} s after both sides went back, {alone:.1f} s after the name servers alone"
        record_property("summary", f"  {cache}: last bad answer {went}")
    for cache in CACHES:
        assert measured["asked"][cache] > 500
        assert measured["lost"][cache] < 5
        for what in ("wrong", "missing"):
            assert measured["both"][cache][what] <= max(TTL_S, NEGATIVE_S) + 2, (cache, what)
            alone = measured["servers_only"][cache][what]
            assert NS_TTL_S / 2 <= alone <= NS_TTL_S + max(TTL_S, NEGATIVE_S) + 2, (cache, what)


@pytest.mark.long
def test_a_name_that_nobody_knew_waits_for_the_delegation_as_was_said_before(
    measured: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    """D4: added at the old side when the new one had been put right, so that nothing could bring it there."""
    longest_s = 2 * NS_TTL_S + NEGATIVE_S  # at the parent, then in the zone
    said = f"a name that nobody knew waits until no cache goes by the new name servers, {longest_s} s at worst"
    assert any(said in note for note in measured["notes"]), measured["notes"]
    for cache, waited in measured["unknown"].items():
        record_property("summary", f"  {cache}: a name that nobody knew is there after {waited:.1f} s")
        assert NS_TTL_S / 2 <= waited <= NS_TTL_S + NEGATIVE_S + 2, cache


@pytest.mark.long
def test_a_name_that_only_the_old_hosts_listing_showed_is_as_quick_as_the_others(measured: dict[str, Any]) -> None:
    """D4: added at the old side after the switch, in no dictionary; it is listed again when things go back."""
    for cache, waited in measured["listed"].items():
        assert waited <= max(TTL_S, NEGATIVE_S) + 2, cache
