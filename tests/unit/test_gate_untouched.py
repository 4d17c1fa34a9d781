"""Gate `untouched`: ours in the first round, somebody else's edit later; wildcards and zone cuts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from dnsrun.gates.untouched import Untouched
from dnsrun.model.observation import Answer, Endpoint, Observation, Verdict
from dnsrun.model.rrset import RRset, RRsetKey, key, rrset
from dnsrun.ports.gate import GateCase
from dnsrun.rehearse.authority import Authority, Faults
from gateworld import APEX, NOON, OLD, WEB_BEFORE, WEB_MOVES, FixedView, case, change, net, server, silent, spec, zone

GATE = Untouched()
SPEC = spec(GATE)
NS1, NS2 = server("ns1.client.example", "192.0.2.53"), server("ns2.client.example", "198.51.100.53")
MAIL = rrset("mail.client.example", 600, "A", OLD)
MX = rrset(APEX, 600, "MX", "10 mail.client.example.")
STRANGE = rrset("mail.client.example", 600, "A", "192.0.2.99")
CASE = case(WEB_MOVES, checkpoint=zone(WEB_BEFORE, MAIL))


def gave(at: Endpoint, found: RRset | None, of: RRsetKey = MAIL.key, **answer: object) -> Observation:
    words = {"rcode": 0, "aa": True, "kind": "data" if found else "nodata"} | answer
    return Observation(of, at, NOON, Answer(rrset=found, **words), "udp")  # type: ignore[arg-type] # fields of Answer


def judge(*seen: Observation, of: GateCase = CASE) -> Verdict:
    return GATE.judge(SPEC, of, seen)


def test_a_difference_in_the_first_round_fails_and_names_both_values() -> None:
    verdict = judge(gave(NS1, MAIL), gave(NS2, STRANGE))
    assert (verdict.outcome, verdict.not_yet) == ("fail", False)
    assert verdict.because == "ns1 ok, ns2 mail A: was 192.0.2.10, is 192.0.2.99"


def test_a_difference_in_a_later_round_is_a_foreign_edit_and_never_rolls_back() -> None:
    verdict = judge(gave(NS1, MAIL), gave(NS2, STRANGE), of=replace(CASE, first_round=False))
    assert verdict.outcome == "pass"
    assert verdict.warnings == ("edited by somebody else: ns2 mail A: was 192.0.2.10, is 192.0.2.99",)


def test_a_vanished_record_is_a_difference_too() -> None:
    assert judge(gave(NS1, None, kind="nxdomain", rcode=3)).because == "ns1 mail A: was 192.0.2.10, is nothing"


@pytest.mark.parametrize("first_round", [True, False])
def test_a_lame_server_fails_in_every_round(first_round: bool) -> None:
    """Fault 45."""
    verdict = judge(gave(NS1, MAIL, aa=False), of=replace(CASE, first_round=first_round))
    assert (verdict.outcome, verdict.because) == ("fail", "ns1 answers without authority for mail A")


def test_silence_needs_a_control() -> None:
    assert judge(silent(MAIL.key, NS1)).outcome == "unknown"
    assert judge(silent(MAIL.key, NS1), gave(NS2, MAIL)).outcome == "fail"


def test_another_ttl_is_no_difference() -> None:
    assert judge(gave(NS1, MAIL.with_ttl(60))).outcome == "pass"


def test_a_server_that_waits_for_its_refresh_is_not_judged() -> None:
    verdict = judge(gave(NS1, MAIL), gave(NS2, STRANGE), of=replace(CASE, waits_for=frozenset({NS2.name})))
    assert verdict.outcome == "pass"


def asked_for(held: GateCase) -> set[str]:
    """Return what a round asks a server that answers nothing."""
    with Authority({APEX: "@ 60 SOA a b 1 1 1 1 1\n@ 60 NS a"}) as played:
        view = FixedView(net({(NS1.address, 53): (played.address, played.port)}), (NS1,))
        return {str(one.of) for one in GATE.observe(SPEC, held, view, view.net)}


def test_asks_neither_what_changes_nor_what_changes_by_itself() -> None:
    acme = rrset("_acme-challenge.client.example", 60, "TXT", "x")
    signed = rrset(APEX, 60, "DNSKEY", "257 3 13 aaaa")
    private = rrset(APEX, 60, "TYPE65401", "\\# 1 00")
    held = zone(WEB_BEFORE, MAIL, MX, acme, signed, private)
    volatile = frozenset({acme.key.owner})
    assert asked_for(case(WEB_MOVES, checkpoint=held, volatile=volatile)) == {
        "mail.client.example A",
        "client.example MX",
    }


def test_n2_n3_asks_where_a_wildcard_answered_beside_a_new_name_and_above_it() -> None:
    wild = rrset("*.client.example", 600, "MX", "10 mail.client.example.")
    new = change(None, rrset("a.b.client.example", 600, "A", OLD))
    held = case(new, checkpoint=zone(wild))
    assert asked_for(held) == {"*.client.example MX", "a.b.client.example MX", "b.client.example MX"}
    here = rrset("b.client.example", 600, "MX", "10 mail.client.example.")
    there = rrset("a.b.client.example", 600, "MX", "10 mail.client.example.")
    kept = (gave(NS1, wild, wild.key), gave(NS1, there, there.key))
    assert judge(*kept, gave(NS1, here, here.key), of=held).outcome == "pass"
    assert "b MX: was 10 mail.client.example., is nothing" in judge(*kept, gave(NS1, None, here.key), of=held).because


def test_a_delegated_child_is_compared_by_its_referral_and_nothing_below_is_asked() -> None:
    cut = rrset("shop.client.example", 600, "NS", "ns.shop.client.example.")
    glue = rrset("ns.shop.client.example", 600, "A", OLD)
    held = case(WEB_MOVES, checkpoint=zone(WEB_BEFORE, cut, glue))
    assert asked_for(held) == {"shop.client.example NS"}
    assert judge(gave(NS1, cut, cut.key, kind="referral", aa=False), of=held).outcome == "pass"
    other = rrset("shop.client.example", 600, "NS", "ns.elsewhere.example.")
    assert judge(gave(NS1, other, cut.key, kind="referral", aa=False), of=held).outcome == "fail"
    at_the_child = judge(gave(NS1, other, cut.key), of=held)
    assert at_the_child.outcome == "pass"
    upward = rrset(".", 600, "NS", "a.root.example.")
    assert judge(gave(NS1, upward, cut.key, kind="referral", aa=False), of=held).outcome == "fail"


ZONE = f"@ 60 SOA ns1 hostmaster 1 1 1 1 1\n@ 60 NS ns1\nwww 600 A {OLD}\nmail 600 A {OLD}\nshop 60 NS ns.shop\n"


@pytest.fixture
def pair() -> Iterator[tuple[Authority, Authority, FixedView]]:
    with ExitStack() as stack:
        one, two = (stack.enter_context(Authority({APEX: ZONE})) for _ in range(2))
        places = {(NS1.address, 53): (one.address, one.port), (NS2.address, 53): (two.address, two.port)}
        yield one, two, FixedView(net(places), (NS1, NS2))


def test_real_servers_answer_as_before_and_a_foreign_edit_at_one_is_named(
    pair: tuple[Authority, Authority, FixedView],
) -> None:
    _, two, view = pair
    cut = rrset("shop.client.example", 60, "NS", "ns.shop.client.example.")
    held = case(WEB_MOVES, checkpoint=zone(WEB_BEFORE, MAIL, cut))
    assert GATE.judge(SPEC, held, GATE.observe(SPEC, held, view, view.net)).outcome == "pass"
    two.set_zone(APEX, ZONE.replace(f"mail 600 A {OLD}", "mail 600 A 192.0.2.99"))
    verdict = GATE.judge(SPEC, held, GATE.observe(SPEC, held, view, view.net))
    assert verdict.because == "ns1 ok, ns2 mail A: was 192.0.2.10, is 192.0.2.99"


def test_threat_18_an_answer_under_another_name_is_no_evidence_of_a_change(
    pair: tuple[Authority, Authority, FixedView],
) -> None:
    one, two, view = pair
    one.faults = two.faults = Faults(wrong_owner=key("else.client.example", "A").owner)
    held = case(WEB_MOVES, checkpoint=zone(WEB_BEFORE, MAIL))
    assert GATE.judge(SPEC, held, GATE.observe(SPEC, held, view, view.net)).outcome == "unknown"
