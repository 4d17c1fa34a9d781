"""Gate `spf`: senders pass in the view that is to come, and what was broken before is no reason to stop."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import pytest
from dns.rcode import Rcode

from dnsrun.gates.mail.spf import Spf
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import GateSpec, Json
from dnsrun.model.rrset import Change
from dnsrun.ports.gate import GateCase
from dnsrun.rehearse.authority import Faults
from gateworld import APEX, server, silent
from moveworld import NEW_NS, RECORDS, MoveWorld, move_world, snapshot, zone_text
from policyworld import SPF, ZONE, PolicyWorld, becomes, moved, policy_world

GATE = Spf()
APEX_TEXT = "client.example."
TWELVE = "v=spf1 " + "mx " * 12 + "-all"
ADVICE = "add it to the SPF record, or say in `mail: senders:`"
WORSE = (
    "mail of client.example from 192.0.2.25 is worse off: SPF was mx → mail.client.example: pass, is -all: fail; "
    f"{ADVICE} when it has stopped sending (until: a day)"
)


@pytest.fixture(scope="module")
def shared() -> Iterator[PolicyWorld]:
    with policy_world() as one:
        yield one


@pytest.fixture
def world(shared: PolicyWorld) -> PolicyWorld:
    shared.hold(SPF)
    shared.hoster("")
    for one in shared.servers:
        one.faults = Faults()
    return shared


@pytest.fixture
def move() -> Iterator[MoveWorld]:
    with move_world() as one:
        yield one


def record(before: str, after: str) -> Change:
    return becomes(APEX_TEXT, "TXT", f'"{before}"', f'"{after}"')


def passes(verdict: Verdict, *warnings: str) -> None:
    assert verdict.outcome == "pass", verdict.because
    assert verdict.warnings == warnings


def fails(verdict: Verdict, *because: str) -> None:
    assert (verdict.outcome, verdict.not_yet) == ("fail", False), verdict
    assert verdict.because == "; ".join(because)


# Who sends now


def test_nothing_changes_and_senders_pass(world: PolicyWorld) -> None:
    verdict = world.verdict(GATE, senders=frozenset({"192.0.2.25"}))
    passes(verdict)
    assert verdict.because == "the senders of client.example fare as before (addresses tried: 1)"


def test_the_mail_host_moves_and_its_old_address_is_worse_off(world: PolicyWorld) -> None:
    moves = becomes("mail", "A", "192.0.2.25", "203.0.113.25")
    fails(
        world.verdict(GATE, moves),
        WORSE,
    )
    passes(world.verdict(GATE, moves, left=frozenset({"192.0.2.25"})))


def test_a_leaving_sender_passes_where_the_record_keeps_it(world: PolicyWorld) -> None:
    moves = becomes("mail", "A", "192.0.2.25", "203.0.113.25")
    kept = record("v=spf1 mx -all", "v=spf1 mx ip4:192.0.2.25 -all")
    passes(world.verdict(GATE, moves, kept, senders=frozenset({"192.0.2.25", "203.0.113.25"})))


def test_a_new_sender_must_pass_in_the_view_to_come(world: PolicyWorld) -> None:
    new = frozenset({"203.0.113.25"})
    fails(
        world.verdict(GATE, senders=new),
        "203.0.113.25 sends mail for client.example, and SPF does not let it pass: -all: fail; "
        f"{ADVICE} from and until when it sends",
    )
    passes(world.verdict(GATE, record("v=spf1 mx -all", "v=spf1 mx ip4:203.0.113.25 -all"), senders=new))


def test_senders_and_domains_of_the_gate_itself(world: PolicyWorld) -> None:
    world.hold(SPF + 'news 300 TXT "v=spf1 ip4:198.51.100.7 -all"\n')
    options: dict[str, Json] = {"domains": ("news.client.example.",), "senders": ("198.51.100.8",)}
    verdict = world.verdict(GATE, options=options)
    assert verdict.because.startswith("198.51.100.8 sends mail for news.client.example, and SPF does not let it pass")
    passes(world.verdict(GATE, options={**options, "senders": ("198.51.100.7",)}))


def test_a_sender_of_the_domain_may_still_fare_worse_in_a_domain_below_it(world: PolicyWorld) -> None:
    world.hold(SPF + 'news 300 TXT "v=spf1 ip4:192.0.2.25 -all"\n')
    drops = becomes("news", "TXT", '"v=spf1 ip4:192.0.2.25 -all"', '"v=spf1 -all"')
    verdict = world.verdict(GATE, drops, senders=frozenset({"192.0.2.25"}))
    assert verdict.outcome == "fail"
    assert verdict.because.startswith("mail of news.client.example from 192.0.2.25 is worse off")


# Records


def test_a_second_record_that_the_plan_brings_fails(world: PolicyWorld) -> None:
    before, after = ('"v=spf1 mx -all"',), ('"v=spf1 mx -all"', '"v=spf1 include:hoster.example -all"')
    change = becomes(APEX_TEXT, "TXT", before[0], before[0])
    two = Change(
        change.key, change.before, snapshot(ZONE + "".join(f"@ 300 TXT {one}\n" for one in after)).rrsets[change.key]
    )
    fails(
        world.verdict(GATE, two),
        "client.example: SPF is broken: permerror (client.example has 2 SPF records, and may have one)",
    )


def test_too_many_lookups_fail_where_the_plan_brings_them_and_warn_where_they_are_old(world: PolicyWorld) -> None:
    broken = "client.example: SPF is broken: mx: permerror (more than 10 terms need look-ups)"
    fails(world.verdict(GATE, record("v=spf1 mx -all", TWELVE)), broken)
    world.hold(f'@ 300 TXT "{TWELVE}"\n')
    passes(world.verdict(GATE), f"{broken}, as before")
    passes(world.verdict(GATE, senders=frozenset({"192.0.2.77"})), f"{broken}, as before")


def test_the_record_goes_away(world: PolicyWorld) -> None:
    fails(
        world.verdict(GATE, becomes(APEX_TEXT, "TXT", '"v=spf1 mx -all"', None)),
        "client.example has no SPF record",
    )


def test_no_record_at_all_is_told_where_there_is_mail(world: PolicyWorld) -> None:
    world.hold("")
    passes(world.verdict(GATE), "client.example has no SPF record, as before")
    assert world.verdict(GATE, becomes(APEX_TEXT, "MX", "10 mail.client.example.", None)).warnings == ()


def test_what_cannot_be_read_and_who_lets_everybody_send_is_said(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 ptr exists:%{i}._spf.client.example redirect=%{l}.hoster.example"\n')
    world.hoster('postmaster TXT "v=spf1 +all"\n')
    told = "client.example: who may send by {} cannot be read from the SPF record"
    passes(
        world.verdict(GATE),
        "client.example: anybody may send, says SPF (redirect=%{l}.hoster.example → +all: pass)",
        *(told.format(term) for term in ("ptr", "exists:%{i}._spf.client.example", "redirect=%{l}.hoster.example")),
    )


# Other domains


def test_records_of_other_domains_are_found_from_the_roots(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 include:_spf.hoster.example -all"\n')
    world.hoster('_spf TXT "v=spf1 ip4:198.51.100.0/24 a:web.hoster.example -all"\n')
    passes(world.verdict(GATE, senders=frozenset({"198.51.100.99", "192.0.2.80", "2001:db8::80"})))
    drops = record("v=spf1 include:_spf.hoster.example -all", "v=spf1 mx -all")
    verdict = world.verdict(GATE, drops)
    assert verdict.outcome == "fail"
    assert (
        "from 198.51.100.255 is worse off: SPF was include:_spf.hoster.example → ip4:198.51.100.0/24: pass"
        in verdict.because
    )


def test_another_domain_that_nobody_answers_for_changes_nothing_unless_the_plan_brings_it(world: PolicyWorld) -> None:
    silent_one = "include:x.loop1.example: temperror (nobody tells x.loop1.example TXT)"
    verdict = world.verdict(GATE, record("v=spf1 mx -all", "v=spf1 mx include:x.loop1.example -all"))
    assert (verdict.outcome, verdict.because) == (
        "unknown",
        f"client.example: the SPF record could not be tried: {silent_one}",
    )
    world.hold('@ 300 TXT "v=spf1 mx include:x.loop1.example -all"\n')
    passes(world.verdict(GATE), f"client.example: the SPF record could not be tried: {silent_one}, as before")


def test_a_delegated_name_below_the_zone_is_asked_where_it_is(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 include:sub.client.example -all"\nsub 300 NS ns1.hoster.example.\n')
    world.dns.servers["192.0.2.21"].set_zone(
        dns.name.from_text("sub.client.example"),
        '@ 300 SOA ns nobody 1 3600 600 86400 300\n@ 300 NS ns1\n@ 300 TXT "v=spf1 ip4:198.51.100.7 -all"\n',
    )
    passes(world.verdict(GATE, senders=frozenset({"198.51.100.7"})))


def test_an_alias_and_a_wildcard_of_the_plan_are_followed(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 include:_spf.client.example -all"\n_spf 300 TXT "v=spf1 ip4:192.0.2.25 -all"\n')
    world.hoster('_spf TXT "v=spf1 ip4:198.51.100.7 -all"\n')
    text, alias = (
        becomes("_spf", "TXT", '"v=spf1 ip4:192.0.2.25 -all"', None),
        becomes("_spf", "CNAME", None, "_spf.hoster.example."),
    )
    verdict = world.verdict(GATE, text, alias, senders=frozenset({"198.51.100.7"}))
    assert verdict.outcome == "fail"
    assert "mail of client.example from 192.0.2.25 is worse off" in verdict.because


# Servers


def test_a_server_that_says_something_else_is_named(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 -all"\n', at=[1])
    world.text = ZONE + SPF
    verdict = world.verdict(GATE, senders=frozenset({"192.0.2.25"}))
    assert verdict.outcome == "fail"
    assert verdict.because.startswith("ns.hoster.example (192.0.2.32): 192.0.2.25 sends mail for client.example")
    assert {one.server.address for one in verdict.evidence} == {"192.0.2.32"}


def test_a_server_that_a_later_step_refreshes_is_not_judged(world: PolicyWorld) -> None:
    world.hold('@ 300 TXT "v=spf1 -all"\n', at=[1])
    world.text = ZONE + SPF
    waits = frozenset({dns.name.from_text("ns.hoster.example")})
    passes(world.verdict(GATE, senders=frozenset({"192.0.2.25"}), waits_for=waits))


def test_a_silent_server_is_unknown_and_nobody_is(world: PolicyWorld) -> None:
    case = GateCase(APEX, (), snapshot(ZONE + SPF))
    of = next(key for key in snapshot(ZONE + SPF).rrsets if key.owner == APEX and key.rdtype.name == "TXT")
    spec = GateSpec("spf", "spf", {})
    verdict = GATE.judge(spec, case, (silent(of, server("ns1.client.example", "192.0.2.31")),))
    assert (verdict.outcome, verdict.because) == ("unknown", "ns1.client.example (192.0.2.31) does not answer")
    assert GATE.judge(spec, case, ()).outcome == "unknown"


# A zone that moves


def serve(move: MoveWorld, *, old: str, new: str) -> None:
    for one in move.old:
        one.set_zone(APEX, zone_text(old))
    for one in move.new:
        one.set_zone(APEX, zone_text(new, ns=NEW_NS, ttl_s=300, serial=1))


def test_the_new_servers_are_held_against_the_old_ones(move: MoveWorld) -> None:
    whole = RECORDS.replace("include:_spf ", "include:_spf.client.example ")
    serve(move, old=whole, new=whole)
    passes(moved(move, GATE))
    spoilt = whole.replace("ip4:192.0.2.25", "ip4:192.0.2.99").replace("spf1 mx ", "spf1 ")
    serve(move, old=whole, new=spoilt)
    fails(
        moved(move, GATE),
        WORSE,
    )


def test_a_defect_of_both_sides_warns_and_one_that_nobody_can_compare_is_unknown(move: MoveWorld) -> None:
    twice = '@ 3600 TXT "v=spf1 -all"\n'
    serve(move, old=RECORDS + twice, new=RECORDS + twice)
    defect = "client.example: SPF is broken: permerror (client.example has 2 SPF records, and may have one)"
    passes(moved(move, GATE), f"{defect}, as before")
    for one in move.old:
        one.faults = Faults(rcode=Rcode.REFUSED)
    verdict = moved(move, GATE)
    assert (verdict.outcome, verdict.because) == (
        "unknown",
        f"{defect}; nobody can tell whether it was so before",
    )
