"""Record entries against the live zone: what changes, what stands in the way, what stays behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.model.playbook import RecordSpec
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.records import Desired, desired
from planworld import change_text, entry, name, zone

OLD, NEW = "192.0.2.10", "203.0.113.20"


def found(held: ZoneSnapshot, *specs: RecordSpec) -> Desired:
    return desired(specs, held, new_ttl_s=600)


def changes(held: ZoneSnapshot, *specs: RecordSpec) -> list[str]:
    result = found(held, *specs)
    assert result.conflicts == ()
    return [change_text(change) for change in result.changes]


def conflict(held: ZoneSnapshot, *specs: RecordSpec) -> str:
    result = found(held, *specs)
    assert len(result.conflicts) == 1, result.conflicts
    return result.conflicts[0]


def test_an_entry_declares_the_whole_rrset() -> None:
    held = zone(f"www 300 A {OLD}", "www 300 A 192.0.2.11")

    assert changes(held, entry("www", "A", was=(OLD, "192.0.2.11"), values=(NEW,))) == [
        f"www A {OLD} 192.0.2.11 → {NEW} (300)"
    ]


def test_several_names_and_values_are_several_changes() -> None:
    held = zone(f"@ 300 A {OLD}", f"www 60 A {OLD}")

    assert changes(held, entry("@ www", "A", was=(OLD,), values=(NEW, "203.0.113.21"))) == [
        f"@ A {OLD} → {NEW} 203.0.113.21 (300)",
        f"www A {OLD} → {NEW} 203.0.113.21 (60)",
    ]


@pytest.mark.parametrize("live", [f"www 300 A {NEW}", f"WWW 60 A {NEW}"])
def test_what_is_there_already_is_not_written_again(live: str) -> None:
    result = found(zone(live), entry("www", "A", was=(OLD,), values=(NEW,)))

    assert result.changes == ()
    assert result.already == (f"www.client.example A is already {NEW}",)


def test_a_ttl_that_is_stated_is_written_and_one_that_is_not_stays() -> None:
    assert changes(zone(f"www 300 A {NEW}"), entry("www", "A", values=(NEW,), ttl_s=900)) == ["www A ttl 300 → 900"]
    assert changes(zone(f"www 300 A {OLD}"), entry("www", "A", was=(OLD,), values=(NEW,), ttl_s=900)) == [
        f"www A {OLD} → {NEW} (900)"
    ]


def test_a_new_record_gets_the_low_ttl() -> None:
    assert changes(zone(), entry("new", "A", values=(NEW,))) == [f"new A absent → {NEW} (600)"]


def test_a_value_of_somebody_else_is_a_conflict_that_names_it_and_the_line() -> None:
    """Fault 55."""
    text = conflict(zone("www 300 A 198.51.100.9"), entry("www", "A", was=(OLD,), values=(NEW,)))

    assert text.startswith("client.yaml:9:5: www.client.example A is 198.51.100.9 now")
    assert OLD in text


def test_one_strange_value_among_known_ones_is_a_conflict() -> None:
    held = zone(f"www 300 A {OLD}", "www 300 A 198.51.100.9")

    assert "198.51.100.9" in conflict(held, entry("www", "A", was=(OLD,), values=(NEW,)))


def test_without_was_nothing_that_is_there_is_overwritten() -> None:
    assert OLD in conflict(zone(f"www 300 A {OLD}"), entry("www", "A", values=(NEW,)))


def test_without_was_a_value_may_be_added_to_those_wanted() -> None:
    assert changes(zone(f"www 300 A {OLD}"), entry("www", "A", values=(OLD, NEW))) == [
        f"www A {OLD} → {OLD} {NEW} (300)"
    ]


def test_a_half_switched_rrset_goes_on() -> None:
    """Fault 27: half of a batch was applied."""
    held = zone(f"www 300 A {OLD}", f"www 300 A {NEW}")

    assert changes(held, entry("www", "A", was=(OLD,), values=(NEW,))) == [f"www A {OLD} {NEW} → {NEW} (300)"]


def test_an_expected_record_that_is_missing_is_a_conflict_not_a_creation() -> None:
    """P4: a listing that leaves a record out must not look like an empty place."""
    assert "does not exist" in conflict(zone(), entry("www", "A", was=(OLD,), values=(NEW,)))


def test_all_conflicts_are_told_at_once() -> None:
    held = zone("www 300 A 198.51.100.9", "api 300 A 198.51.100.9")

    assert len(found(held, entry("www api", "A", was=(OLD,), values=(NEW,))).conflicts) == 2


# replace and absent


def test_replace_changes_one_value_and_keeps_the_rest() -> None:
    held = zone('@ 300 TXT "v=spf1 ip4:192.0.2.10 -all"', '@ 300 TXT "verify=1"', "@ 300 MX 10 mail")

    assert changes(
        held, entry("@", "TXT", replaces={'"v=spf1 ip4:192.0.2.10 -all"': '"v=spf1 ip4:203.0.113.20 -all"'})
    ) == ['@ TXT "v=spf1 ip4:192.0.2.10 -all" "verify=1" → "v=spf1 ip4:203.0.113.20 -all" "verify=1" (300)']


def test_replace_of_what_is_replaced_already_does_nothing() -> None:
    assert changes(zone('@ 300 TXT "b"', '@ 300 TXT "c"'), entry("@", "TXT", replaces={'"a"': '"b"'})) == []


@pytest.mark.parametrize("lines", [(), ('@ 300 TXT "c"',)], ids=["nothing", "another value"])
def test_replace_of_a_value_that_is_not_there_is_a_conflict(lines: tuple[str, ...]) -> None:
    assert 'holds neither "a" nor "b"' in conflict(zone(*lines), entry("@", "TXT", replaces={'"a"': '"b"'}))


def test_a_text_is_the_same_however_the_zone_cuts_it_and_its_cut_stays() -> None:
    held = zone('@ 300 TXT "a" "b"', '@ 300 TXT "other"')

    assert changes(held, entry("@", "TXT", values=('"ab"', '"other"'))) == []
    assert changes(held, entry("@", "TXT", was=('"ab"',), values=('"other"',))) == [
        '@ TXT "a" "b" "other" → "other" (300)'
    ]
    assert changes(held, entry("@", "TXT", replaces={'"other"': '"new"'})) == [
        '@ TXT "a" "b" "other" → "a" "b" "new" (300)'
    ]


def test_absent_removes_what_was_expected_and_nothing_else() -> None:
    gone = entry("www", "A", was=(OLD,))

    assert changes(zone(f"www 300 A {OLD}"), gone) == [f"www A {OLD} → absent"]
    assert changes(zone(), gone) == []
    assert "198.51.100.9" in conflict(zone("www 300 A 198.51.100.9"), gone)


# Twins


@pytest.mark.parametrize(
    ("twin", "word"),
    [
        ("www 300 AAAA 2001:db8::1", "aaaa"),
        ("www 300 HTTPS 1 . ipv4hint=192.0.2.10", "https"),
        ("www 300 SVCB 1 . ipv6hint=2001:db8::1", "https"),
    ],
)
def test_an_address_does_not_move_while_its_twin_stays_unsaid(twin: str, word: str) -> None:
    held = zone(f"www 300 A {OLD}", twin)
    rdtype = twin.split()[2]

    assert f"`{word}: keep`" in conflict(held, entry("www", "A", was=(OLD,), values=(NEW,)))
    assert len(changes(held, entry("www", "A", was=(OLD,), values=(NEW,), keeps=(rdtype,)))) == 1


def test_a_v6_address_does_not_move_while_the_v4_address_stays_unsaid() -> None:
    held = zone(f"www 300 A {OLD}", "www 300 AAAA 2001:db8::1")

    assert "`a: keep`" in conflict(held, entry("www", "AAAA", was=("2001:db8::1",), values=("2001:db8::2",)))


def test_twins_that_move_together_are_no_conflict() -> None:
    held = zone(f"www 300 A {OLD}", "www 300 AAAA 2001:db8::1")
    both = (entry("www", "A", was=(OLD,), values=(NEW,)), entry("www", "AAAA", was=("2001:db8::1",)))

    assert len(changes(held, *both)) == 2


@pytest.mark.parametrize("twin", ["www 300 HTTPS 1 . alpn=h2", "mail 300 AAAA 2001:db8::1", 'www 300 TXT "x"'])
def test_what_leads_nowhere_else_is_no_twin(twin: str) -> None:
    assert len(changes(zone(f"www 300 A {OLD}", twin), entry("www", "A", was=(OLD,), values=(NEW,)))) == 1


def test_a_change_of_the_ttl_alone_leaves_twins_in_peace() -> None:
    held = zone(f"www 300 A {NEW}", "www 300 AAAA 2001:db8::1")

    assert changes(held, entry("www", "A", values=(NEW,), ttl_s=60)) == ["www A ttl 300 → 60"]


# CNAME


@pytest.mark.parametrize(
    ("live", "spec"),
    [
        (f"www 300 A {OLD}", entry("www", "CNAME", values=("web",))),
        ("www 300 CNAME web", entry("www", "A", values=(NEW,))),
        ("www 300 CNAME web", entry("www", "TXT", values=('"x"',))),
    ],
    ids=["CNAME to an address", "address to a CNAME", "text to a CNAME"],
)
def test_a_cname_is_alone_at_its_name(live: str, spec: RecordSpec) -> None:
    """N4."""
    assert "a CNAME is alone" in conflict(zone(live), spec)


def test_a_cname_never_stands_at_the_top_of_a_zone() -> None:
    """N4: also where the capture shows neither SOA nor NS."""
    assert "holds SOA and NS" in conflict(zone(soa=""), entry("@", "CNAME", values=("web.elsewhere.",)))


def test_an_address_may_become_a_cname_in_one_step() -> None:
    held = zone(f"www 300 A {OLD}")

    assert changes(held, entry("www", "A", was=(OLD,)), entry("www", "CNAME", values=("web.elsewhere.",))) == [
        f"www A {OLD} → absent",
        "www CNAME absent → web.elsewhere. (600)",
    ]


# What stays behind


def test_other_names_with_the_old_address_are_named() -> None:
    held = zone(
        f"www 300 A {OLD}", f"ftp 300 A {OLD}", "api 300 A 192.0.2.99", f"x.y 300 A {OLD}", "x.y 300 A 192.0.2.3"
    )

    assert found(held, entry("www", "A", was=(OLD,), values=(NEW,))).stay_behind == (
        f"ftp.client.example A stays {OLD}",
        f"x.y.client.example A stays {OLD}, 192.0.2.3",
    )


def test_a_value_that_stays_in_the_rrset_leaves_nobody_behind() -> None:
    held = zone(f"www 300 A {OLD}", f"ftp 300 A {OLD}")

    assert found(held, entry("www", "A", was=(OLD,), values=(OLD, NEW))).stay_behind == ()


def test_only_the_names_that_are_meant_now_are_compared() -> None:
    held = zone(f"www 300 A {OLD}", f"api 300 A {OLD}")
    specs = [entry("www api", "A", was=(OLD,), values=(NEW,))]

    result = desired(specs, held, new_ttl_s=600, chosen=lambda key: key.owner == name("api"))

    assert [change.key.owner for change in result.changes] == [name("api")]


VALUES = st.frozensets(st.sampled_from([f"192.0.2.{number}" for number in range(1, 5)]), max_size=3)


@given(live=VALUES, was=st.none() | VALUES, wanted=VALUES.filter(bool))
def test_a_value_that_nobody_named_is_never_lost(
    live: frozenset[str], was: frozenset[str] | None, wanted: frozenset[str]
) -> None:
    """P3: and writing twice changes nothing."""
    held = zone(*(f"www 300 A {value}" for value in live))
    spec = entry("www", "A", was=was, values=wanted)
    result = found(held, spec)
    after = held.apply(result.changes).rrsets.get(spec.rrset_keys()[0])

    strangers = live - (was or frozenset()) - wanted
    kept = set(after.texts()) if after else set()
    assert strangers <= kept
    assert bool(result.conflicts) == bool(strangers or (was and not live))
    if not result.conflicts:
        assert kept == wanted
        assert found(held.apply(result.changes), spec).changes == ()
