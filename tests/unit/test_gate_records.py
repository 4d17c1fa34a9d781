"""Gate `records`: what counts as written, as not yet, as wrong and as not known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
from dns.rcode import Rcode

from dnsrun.gates.records import Records
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Verdict
from dnsrun.model.rrset import Change, RRset, key, rrset
from dnsrun.ports.gate import GateCase
from dnsrun.rehearse.authority import Authority, Faults
from gateworld import (
    APEX,
    NEW,
    NOON,
    OLD,
    WEB_AFTER,
    WEB_BEFORE,
    WEB_MOVES,
    WWW,
    FixedView,
    Places,
    case,
    change,
    net,
    server,
    silent,
    spec,
    zone,
)

GATE = Records()
SPEC = spec(GATE)
NS1, NS2 = server("ns1.client.example", "192.0.2.53"), server("ns2.client.example", "198.51.100.53")
NS2_V6 = server("ns2.client.example", "2001:db8::53")
PARENT = server("a.nic.example", "203.0.113.53")

DATA = f"""
@ 3600 SOA ns1 hostmaster 7 3600 600 86400 300
@ 3600 NS ns1
@ 3600 NS ns2
@ 600 MX 10 mail
mail 600 A {OLD}
"""
OLD_ZONE, NEW_ZONE = f"{DATA}\nwww 600 A {OLD}\n", f"{DATA}\nwww 600 A {NEW}\n"


def gave(at: Endpoint, rrset: RRset | None, of: RRset = WEB_AFTER, **answer: object) -> Observation:
    """Return an answer with authority."""
    words = {"rcode": 0, "aa": True, "kind": "data" if rrset else "nodata"} | answer
    return Observation(of.key, at, NOON, Answer(rrset=rrset, **words), "udp")  # type: ignore[arg-type] # fields of Answer


def judge(*seen: Observation, of: GateCase | None = None) -> Verdict:
    return GATE.judge(SPEC, of or case(WEB_MOVES), seen)


def test_passes_when_every_server_answers_as_written() -> None:
    verdict = judge(gave(NS1, WEB_AFTER), gave(NS2, WEB_AFTER))
    assert (verdict.outcome, verdict.because) == ("pass", "ns1 ok, ns2 ok")


def test_an_old_value_is_not_yet_and_the_line_says_where() -> None:
    verdict = judge(gave(NS1, WEB_AFTER), gave(NS2, WEB_BEFORE))
    assert (verdict.outcome, verdict.not_yet, verdict.because) == ("fail", True, "ns1 ok, ns2 still old")
    assert [one.server for one in verdict.evidence] == [NS2]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (gave(NS2, rrset(WWW, 600, "A", "192.0.2.99")), "ns2 answers 192.0.2.99 for www A"),
        (gave(NS2, None, kind="nxdomain", rcode=3), "ns2 answers nothing for www A"),
        (gave(NS2, rrset(WWW, 3600, "A", NEW)), "ns2 www A: this host raises the TTL to 3600"),
        (gave(NS2, WEB_AFTER, aa=False), "ns2 answers without authority for www A"),
        (gave(NS2, None, kind="error", rcode=5, aa=False), "ns2 answers REFUSED for www A"),
        (gave(NS2, None, kind="error", rcode=2, aa=False), "ns2 answers SERVFAIL for www A"),
        (gave(NS2, rrset(".", 600, "NS", "a."), kind="referral", aa=False), "ns2 refers to other servers for www A"),
        (silent(WEB_AFTER.key, NS2, "refused"), "ns2 refuses the connection over UDP"),
    ],
)
def test_fault_32_45_what_is_neither_old_nor_new_fails_at_once(answer: Observation, words: str) -> None:
    verdict = judge(gave(NS1, WEB_AFTER), answer)
    assert (verdict.outcome, verdict.not_yet, verdict.because) == ("fail", False, f"ns1 ok, {words}")


def test_silence_fails_only_when_another_server_answers_on_the_same_path() -> None:
    with_control = judge(gave(NS1, WEB_AFTER), silent(WEB_AFTER.key, NS2))
    assert (with_control.outcome, with_control.because) == ("fail", "ns1 ok, ns2 does not answer over UDP")
    over_v6 = judge(gave(NS1, WEB_AFTER), silent(WEB_AFTER.key, NS2_V6))
    assert over_v6.outcome == "unknown"
    alone = judge(silent(WEB_AFTER.key, NS1), silent(WEB_AFTER.key, NS2))
    assert alone.outcome == "unknown"
    parent = replace(gave(PARENT, None), control=True)
    assert judge(silent(WEB_AFTER.key, NS1), silent(WEB_AFTER.key, NS2), parent).outcome == "fail"


def test_a_server_that_is_refreshed_later_is_shown_and_not_judged() -> None:
    waiting = case(WEB_MOVES, waits_for=frozenset({NS2.name}))
    verdict = judge(gave(NS1, WEB_AFTER), gave(NS2, WEB_BEFORE), of=waiting)
    assert (verdict.outcome, verdict.because) == ("pass", "ns1 ok, ns2 still old, waits for its refresh")


def test_the_proof_of_a_refresh_judges_the_named_server_although_it_is_waited_for() -> None:
    waiting = case(WEB_MOVES, waits_for=frozenset({NS2.name}))
    seen = (gave(NS1, WEB_AFTER), gave(NS2, WEB_BEFORE))
    verdict = GATE.judge(spec(GATE, server=("ns2.client.example.",)), waiting, seen)
    assert (verdict.outcome, verdict.not_yet, verdict.because) == ("fail", True, "ns2 still old")


@pytest.mark.parametrize(
    ("changed", "served", "outcome", "not_yet"),
    [
        (change(None, WEB_AFTER), None, "fail", True),
        (change(None, WEB_AFTER), WEB_AFTER, "pass", False),
        (change(WEB_BEFORE, None), None, "pass", False),
        (change(WEB_BEFORE, None), WEB_BEFORE, "fail", True),
        (change(WEB_BEFORE, WEB_BEFORE.with_ttl(60)), WEB_BEFORE, "fail", True),
        (change(WEB_BEFORE, WEB_BEFORE.with_ttl(60)), WEB_BEFORE.with_ttl(60), "pass", False),
        (change(WEB_BEFORE, WEB_BEFORE.with_ttl(60)), WEB_BEFORE.with_ttl(300), "fail", False),
        (change(WEB_BEFORE, WEB_BEFORE.with_ttl(3600)), WEB_BEFORE, "fail", True),
        (change(WEB_BEFORE, WEB_AFTER), WEB_AFTER.with_ttl(30), "pass", False),
    ],
)
def test_new_removed_and_ttl_only(changed: Change, served: RRset | None, outcome: str, not_yet: bool) -> None:
    verdict = judge(gave(NS1, served), of=case(changed))
    assert (verdict.outcome, verdict.not_yet) == (outcome, not_yet)


def test_a_new_name_below_a_wildcard_is_old_while_the_wildcard_answers() -> None:
    wild = rrset("*.client.example", 600, "A", OLD)
    verdict = judge(gave(NS1, WEB_BEFORE), of=case(change(None, WEB_AFTER), checkpoint=zone(wild)))
    assert (verdict.outcome, verdict.not_yet) == ("fail", True)


def test_an_address_that_becomes_an_alias_is_right_when_the_alias_is_given_for_both_types() -> None:
    alias = rrset(WWW, 600, "CNAME", "cdn.example.")
    swap = case(change(WEB_BEFORE, None), change(None, alias))
    done = judge(gave(NS1, alias, of=WEB_BEFORE), gave(NS1, alias, of=alias), of=swap)
    assert done.outcome == "pass"
    lagging = judge(gave(NS1, WEB_BEFORE, of=WEB_BEFORE), gave(NS1, None, of=alias), of=swap)
    assert (lagging.outcome, lagging.not_yet) == ("fail", True)


def test_a_delegated_child_is_right_as_a_referral_and_its_glue_is_not_checked() -> None:
    cut = rrset("shop.client.example", 600, "NS", "ns.shop.client.example.")
    glue = rrset("ns.shop.client.example", 600, "A", NEW)
    verdict = judge(gave(NS1, cut, of=cut, kind="referral", aa=False), of=case(change(None, cut), change(None, glue)))
    assert (verdict.outcome, verdict.not_checked) == (
        "pass",
        ("ns.shop.client.example A: lies below a zone cut",),
    )


def test_text_from_a_server_is_escaped() -> None:
    """Threat 16."""
    text = rrset(WWW, 60, "TXT", "old")
    verdict = judge(
        gave(NS1, rrset(WWW, 60, "TXT", '"\\027]0;x\\007"'), of=text),
        of=case(change(text, rrset(WWW, 60, "TXT", "new"))),
    )
    assert verdict.outcome == "fail"
    assert verdict.because.isprintable()


def test_ten_thousand_changes_are_judged_and_counted() -> None:
    pairs = [
        (rrset(f"h{n}.client.example", 60, "A", OLD), rrset(f"h{n}.client.example", 60, "A", NEW))
        for n in range(10_000)
    ]
    big = case(*(change(before, after) for before, after in pairs))
    seen = [gave(NS1, after, of=after) for _, after in pairs]
    seen += [gave(NS2, before if n < 3 else after, of=after) for n, (before, after) in enumerate(pairs)]
    verdict = judge(*seen, of=big)
    assert verdict.because == "ns1 ok, ns2 still old (3 of 10000)"


@dataclass
class World:
    ns1: Authority
    ns2: Authority
    parent: Authority
    view: FixedView
    places: Places

    def round(self, of: GateCase) -> tuple[Verdict, tuple[Observation, ...]]:
        seen = GATE.observe(SPEC, of, self.view, self.view.net)
        return GATE.judge(SPEC, of, seen), seen


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        ns1, ns2 = (stack.enter_context(Authority({APEX: NEW_ZONE})) for _ in range(2))
        parent = stack.enter_context(
            Authority({APEX.parent(): "@ 60 SOA a b 1 1 1 1 1\n@ 60 NS a\nclient 60 NS ns1.client"})
        )
        ends = ((NS1, ns1), (NS2, ns2), (PARENT, parent))
        places: Places = {(end.address, 53): (played.address, played.port) for end, played in ends}
        yield World(ns1, ns2, parent, FixedView(net(places), (NS1, NS2), (PARENT,)), places)


def test_a_good_round_is_confirmed_over_tcp_at_every_server(world: World) -> None:
    """Threat 18."""
    verdict, _ = world.round(case(WEB_MOVES))
    assert verdict.outcome == "pass"
    for played in (world.ns1, world.ns2):
        assert {one.transport for one in played.log} == {"udp", "tcp"}


def test_a_stale_server_is_not_yet_and_later_good(world: World) -> None:
    """Faults 39 and 40: the engine's deadline decides between the two."""
    world.ns2.set_zone(APEX, OLD_ZONE)
    assert world.round(case(WEB_MOVES))[0].because == "ns1 ok, ns2 still old"
    world.ns2.set_zone(APEX, NEW_ZONE)
    assert world.round(case(WEB_MOVES))[0].outcome == "pass"


def test_fault_43_a_server_that_blocks_tcp_fails_while_another_takes_it(world: World) -> None:
    world.ns2.faults = Faults(drop_tcp=True)
    verdict, _ = world.round(case(WEB_MOVES))
    assert (verdict.outcome, verdict.because) == ("fail", "ns1 ok, ns2 does not answer over TCP")


def test_fault_43_asked_again_at_the_same_instant_a_server_without_tcp_fails_all_the_same() -> None:
    refused = replace(gave(NS1, WEB_AFTER), got=NoReply("refused"), transport="tcp")
    verdict = judge(gave(NS1, WEB_AFTER), refused, refused)
    assert (verdict.outcome, verdict.because) == ("fail", "ns1 refuses the connection over TCP")


def test_threats_18_19_what_looks_wrong_over_udp_counts_as_tcp_has_it() -> None:
    forged = gave(NS1, rrset(WWW, 600, "A", "192.0.2.99"))
    over_tcp = replace(gave(NS1, WEB_AFTER), transport="tcp")
    assert judge(forged, over_tcp).outcome == "pass"
    assert judge(forged, replace(forged, transport="tcp")).outcome == "fail"
    lost = case(WEB_MOVES, change(None, rrset("new.client.example", 60, "A", NEW)))
    other = rrset("new.client.example", 60, "A", NEW)
    seen = (gave(NS1, other, of=other), silent(WEB_AFTER.key, NS1), over_tcp)
    assert judge(*seen, of=lost).outcome == "pass"


def test_an_old_value_over_either_transport_is_not_yet() -> None:
    verdict = judge(gave(NS1, WEB_BEFORE), replace(gave(NS1, WEB_AFTER), transport="tcp"))
    assert (verdict.outcome, verdict.not_yet) == ("fail", True)


def test_fault_44_a_server_that_knows_no_edns_is_a_warning() -> None:
    verdict = judge(replace(gave(NS1, WEB_AFTER), transport="udp without EDNS"))
    assert (verdict.outcome, verdict.warnings) == (
        "pass",
        ("ns1.client.example (192.0.2.53) answers only without EDNS",),
    )


def test_when_the_whole_set_cannot_be_reached_the_parent_is_the_control(world: World) -> None:
    del world.places[NS1.address, 53], world.places[NS2.address, 53]
    verdict, seen = world.round(case(WEB_MOVES))
    assert verdict.outcome == "fail"
    assert {one.server for one in seen if one.control} == {PARENT}


def test_when_nothing_answers_at_all_nothing_is_known(world: World) -> None:
    world.places.clear()
    assert world.round(case(WEB_MOVES))[0].outcome == "unknown"


def test_fault_42_addresses_without_a_route_are_listed_and_do_not_block(world: World) -> None:
    world.view.not_checked = (NS2_V6,)
    verdict, _ = world.round(case(WEB_MOVES))
    assert (verdict.outcome, verdict.not_checked) == ("pass", ("ns2.client.example (2001:db8::53)",))


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Faults(min_ttl_s=900), "raises the TTL to 900"), (Faults(rcode=Rcode.REFUSED), "answers REFUSED")],
)
def test_real_servers_that_misbehave_are_named(world: World, fault: Faults, words: str) -> None:
    world.ns2.faults = fault
    verdict, _ = world.round(case(WEB_MOVES))
    assert (verdict.outcome, verdict.not_yet) == ("fail", False)
    assert words in verdict.because


def test_only_what_looks_wrong_is_asked_again_over_tcp(world: World) -> None:
    world.ns2.set_zone(APEX, f"{DATA}\nwww 600 A 192.0.2.99\n")
    verdict, seen = world.round(case(WEB_MOVES))
    assert "answers 192.0.2.99" in verdict.because
    assert [(one.of, one.server) for one in seen if one.transport == "tcp"] == [(key(WWW, "A"), NS2)]
