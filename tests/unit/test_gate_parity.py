"""Gate `parity`: what fails, what warns, what nobody knows; and that a missing answer is never taken for a match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dns.name
import pytest
from dns.rcode import Rcode
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.dnsio.probing import usual_names
from dnsrun.gates.parity.gate import Parity, questions
from dnsrun.gates.parity.names import Served, is_made_up, made_up_below, owners_to_ask
from dnsrun.gates.parity.round import OF_TALLY
from dnsrun.model.observation import Answer, Observation, Verdict, Words
from dnsrun.model.rrset import RRsetKey, key, rrset
from dnsrun.rehearse.authority import Faults
from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.zonestore import ZoneContent
from gateworld import APEX, NOON, FixedView, change, net, spec
from moveworld import (
    AFTER,
    NEW,
    NEW_NS,
    OLD,
    RECORDS,
    MoveWorld,
    delegation,
    move_case,
    move_world,
    snapshot,
    zone_text,
)

GATE = Parity()
GOOD = zone_text(ns=NEW_NS, ttl_s=300, serial=1)
OLD_MAIL, NEW_MAIL = "mail 3600 A 192.0.2.25", "mail 3600 A 192.0.2.66"


@pytest.fixture
def world() -> Iterator[MoveWorld]:
    with move_world() as one:
        yield one


def plant(world: MoveWorld, right: str, wrong: str, *, at: int = 1) -> None:
    """Change the zone of one new server."""
    assert right in GOOD
    world.new[at].set_zone(APEX, GOOD.replace(right, wrong))


def edit_old(world: MoveWorld, right: str = OLD_MAIL, wrong: str = NEW_MAIL, *, servers: int = 2) -> None:
    for one in world.old[:servers]:
        one.set_zone(APEX, zone_text().replace(right, wrong))


def judged(world: MoveWorld) -> Verdict:
    return world.verdict(GATE)


def test_passes_and_says_how_much_was_asked(world: MoveWorld) -> None:
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert verdict.because == "2 new name servers answer as expected, 337 questions each"
    assert verdict.warnings == ()
    assert verdict.evidence == ()


def test_a_ttl_above_the_planned_one_fails_and_a_lower_one_passes(world: MoveWorld) -> None:
    plant(world, "mail 300 A", "mail 30 A")
    assert judged(world).outcome == "pass"
    plant(world, "mail 300 A", "mail 601 A")
    verdict = judged(world)
    assert (verdict.outcome, verdict.because) == (
        "fail",
        "mail A should be kept 600 s at most, is 601 s at ns2.new.example",
    )


def test_a_name_that_exists_without_holding_anything_warns(world: MoveWorld) -> None:
    """Old NXDOMAIN, new NODATA."""
    plant(world, "mail 300 A", "below.ftp 300 TXT x\nmail 300 A")
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert verdict.warnings == ("ftp A should be no such name, is nothing at ns2.new.example",)


def test_n3_an_empty_name_that_does_not_exist_fails(world: MoveWorld) -> None:
    """Old NODATA, new NXDOMAIN: resolvers take it that nothing is below either (RFC 8020)."""
    empty = key("b.c.client.example", "A")
    seen = [
        _counted(one, differing=1) if one.of == OF_TALLY and one.server == NEW[0] else one for one in observed(world)
    ]
    seen.append(Observation(empty, NEW[0], NOON, Answer(3, aa=True, rrset=None, kind="nxdomain"), "tcp"))
    verdict = GATE.judge(spec(GATE), world.case, tuple(seen))
    assert (verdict.outcome, verdict.because) == ("fail", "b.c A should be nothing, is no such name at ns1.new.example")


def test_where_new_name_servers_inside_the_zone_are_the_old_side_need_not_know(world: MoveWorld) -> None:
    inside, line = dns.name.from_text("ns9.client.example"), "ns9 3600 A 203.0.113.59\n"
    content = snapshot(zone_text(RECORDS + line, ns=NEW_NS, ttl_s=300))
    world.change_move(content=content, target=delegation(*NEW_NS, str(inside), glue={str(inside): ("203.0.113.59",)}))
    for one in world.new:
        one.set_zone(APEX, zone_text(RECORDS + line, ns=NEW_NS, ttl_s=300))
    verdict = judged(world)
    assert (verdict.outcome, verdict.warnings) == ("pass", ())
    world.change_move(target=AFTER)
    assert judged(world).because == (
        "the old side has changed since, run this again: ns9 A was 203.0.113.59, is no such name at all 2 servers"
    )


def test_what_only_the_new_host_holds_fails_unless_it_is_kept(world: MoveWorld) -> None:
    plant(world, "mail 300 A", "dev 300 TXT parked\nmail 300 A")
    verdict = judged(world)
    assert (verdict.outcome, verdict.because) == (
        "fail",
        'dev TXT should be no such name, is "parked" at ns2.new.example',
    )
    world.change_move(keep=frozenset({dns.name.from_text("dev.client.example")}))
    assert judged(world).outcome == "pass"


def test_fault_45_a_server_that_does_not_serve_the_zone_fails(world: MoveWorld) -> None:
    world.new[1].faults = Faults(rcode=Rcode.REFUSED)
    verdict = judged(world)
    assert (verdict.outcome, verdict.because) == (
        "fail",
        "ns2.new.example does not serve the zone: it answers REFUSED",
    )


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 20), marks=pytest.mark.long)])
@pytest.mark.timeout(400)
def test_fault_46_a_server_that_fails_now_and_then_passes_with_a_warning_whatever_the_seed(
    world: MoveWorld, seeds: range
) -> None:
    for seed in seeds:
        world.new[1].faults = Faults(rcode=Rcode.SERVFAIL, rcode_share=0.2, seed=seed)
        verdict = judged(world)
        assert verdict.outcome == "pass", verdict.because
        assert any("had to be asked again for " in one for one in verdict.warnings)


def test_silence_fails_with_a_control_and_is_unknown_without(world: MoveWorld) -> None:
    world.new[1].faults = Faults(drop_udp=True, drop_tcp=True)
    verdict = judged(world)
    assert (verdict.outcome, verdict.because) == ("fail", "ns2.new.example does not answer over UDP")
    view = FixedView(net({}), NEW, name="new")
    alone = GATE.judge(spec(GATE), world.case, GATE.observe(spec(GATE), world.case, view, view.net))
    assert alone.outcome == "unknown"


def test_an_edit_at_the_old_side_before_the_switch_fails_since_the_new_side_is_stale(world: MoveWorld) -> None:
    edit_old(world)
    verdict = judged(world)
    assert verdict.outcome == "fail"
    assert verdict.because == (
        "the old side has changed since, run this again: mail A was 192.0.2.25, is 192.0.2.66 at all 2 servers"
    )


def test_an_edit_at_the_old_side_after_the_switch_only_warns(world: MoveWorld) -> None:
    edit_old(world, servers=1)
    world.change_move(switched=True)
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert verdict.warnings == (
        "edited at the old side: mail A should be 192.0.2.25, is 192.0.2.66 at ns1.old.example",
    )


def test_an_edit_at_the_old_side_of_what_the_playbook_changes_is_told_and_what_was_there_is_not() -> None:
    name, old, new = "mail.client.example", "192.0.2.25", "192.0.2.30"
    with move_world(change(rrset(name, 3600, "A", old), rrset(name, 600, "A", new))) as world:
        for one in world.new:
            one.set_zone(APEX, GOOD.replace(f"mail 300 A {old}", f"mail 300 A {new}"))
        edit_old(world, servers=1)
        world.change_move(switched=True)
        verdict = judged(world)
    assert verdict.outcome == "pass"
    assert verdict.warnings == (
        "edited at the old side: mail A should be 192.0.2.30, is 192.0.2.66 at ns1.old.example",
    )


def test_one_stale_server_of_the_old_side_is_no_edit(world: MoveWorld) -> None:
    edit_old(world, servers=1)
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert verdict.warnings == ("old side: mail A should be 192.0.2.25, is 192.0.2.66 at ns1.old.example",)


def test_a_difference_that_both_sides_share_is_a_warning(world: MoveWorld) -> None:
    edit_old(world)
    for one in world.new:
        one.set_zone(APEX, GOOD.replace("mail 300 A 192.0.2.25", "mail 300 A 192.0.2.66"))
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert any(one.startswith("at both sides: mail A should be 192.0.2.25, is 192.0.2.66") for one in verdict.warnings)


def test_what_the_playbook_changes_is_not_excused_by_the_old_side() -> None:
    """N1: expected differs from old where the playbook says so."""
    moves = change(
        rrset("mail.client.example", 3600, "A", "192.0.2.25"), rrset("mail.client.example", 600, "A", "192.0.2.66")
    )
    with move_world(moves) as world:
        verdict = judged(world)
        assert (verdict.outcome, verdict.because, verdict.not_yet) == (
            "fail",
            "mail A should be 192.0.2.66, is 192.0.2.25 at all 2 servers",
            True,  # what was there before the change: time may heal it
        )


def test_fault_62_a_purged_old_side_is_an_alarm_and_no_failure_of_the_new_one(world: MoveWorld) -> None:
    for one in world.old:
        one.faults = Faults(rcode=Rcode.REFUSED)
    verdict = judged(world)
    assert verdict.outcome == "pass"
    assert "old side: ns1.old.example does not serve the zone: it answers REFUSED" in verdict.warnings


def test_nobody_at_the_old_side_answers_before_the_switch_so_that_nothing_is_known(world: MoveWorld) -> None:
    for one in world.old:
        one.faults = Faults(drop_udp=True, drop_tcp=True)
    assert judged(world).outcome == "unknown"
    world.change_move(switched=True)
    assert judged(world).outcome == "pass"


def test_a_volatile_name_is_not_compared(world: MoveWorld) -> None:
    plant(world, "mail 300 A 192.0.2.25", "mail 300 A 192.0.2.99")
    world.case = replace(world.case, volatile=frozenset({dns.name.from_text("mail.client.example")}))
    assert judged(world).outcome == "pass"


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ("@ 600 MX 10 shop", "@: the mail host shop.client.example is an alias"),
        ("@ 600 MX 10 nowhere", "the mail host nowhere.client.example has no address"),
        ("@ 600 MX 10 192.0.2.25.", "the mail host 192.0.2.25 is an address, not a name"),
        ("@ 600 MX 10 mx.dead.example.", "the mail host mx.dead.example has no address"),
        ("@ 600 MX 10 mail\n@ 600 MX 0 .", "a null MX is alone"),
    ],
)
def test_m1_a_mail_host_that_takes_no_mail_fails_where_the_playbook_brings_it_and_warns_where_it_was(
    world: MoveWorld, mail: str, words: str
) -> None:
    world.hosts["mx.dead.example"] = ()
    text = zone_text().replace("@ 3600 MX 10 mail", mail)
    for one in (*world.old, *world.new):
        one.set_zone(APEX, text if one in world.old else GOOD.replace("@ 300 MX 10 mail", mail.replace("600", "300")))
    world.case = move_case(text)
    was_so = judged(world)
    assert was_so.outcome == "pass", was_so.because
    assert any(words.removeprefix("@: ") in one for one in was_so.warnings)
    held = next(
        one
        for held_key, one in snapshot(text).rrsets.items()
        if held_key.rdtype.name == "MX" and held_key.owner == APEX
    )
    world.case = move_case(text, change(rrset(APEX, 3600, "MX", "10 mail.client.example."), held))
    brought = judged(world)
    assert brought.outcome == "fail"
    assert words.removeprefix("@: ") in brought.because


def _counted(one: Observation, **more: int) -> Observation:
    """Return a tally with other numbers; what differs did not match."""
    assert isinstance(one.got, Words)
    more = {**more, "matched": more.get("matched", 0) - more.get("differing", 0)}
    facts = tuple((word, str(int(number) + more.get(word, 0))) for word, number in one.got.facts)
    return replace(one, got=Words(one.got.text, facts))


# A missing answer is no match


def observed(world: MoveWorld) -> tuple[Observation, ...]:
    view = world.view
    return GATE.observe(spec(GATE), world.case, view, view.net)


def test_a_round_that_did_not_count_every_answer_is_unknown(world: MoveWorld) -> None:
    seen = observed(world)
    assert GATE.judge(spec(GATE), world.case, seen).outcome == "pass"
    for word, number in (("matched", -1), ("asked", -1), ("asked", -337)):
        fewer = tuple(
            _counted(one, **{word: number}) if one.of == OF_TALLY and one.server == NEW[0] else one for one in seen
        )
        verdict = GATE.judge(spec(GATE), world.case, fewer)
        assert verdict.outcome == "unknown", word
        assert verdict.because.startswith("ns1.new.example was asked ")


def test_a_server_without_a_tally_and_a_round_without_servers_are_unknown(world: MoveWorld) -> None:
    seen = tuple(one for one in observed(world) if not (one.of == OF_TALLY and one.server == NEW[0]))
    assert GATE.judge(spec(GATE), world.case, seen).outcome == "unknown"
    assert GATE.judge(spec(GATE), world.case, ()).outcome == "unknown"
    assert GATE.judge(spec(GATE), replace(world.case, move=None), seen).outcome == "unknown"


def test_differences_that_were_counted_and_not_kept_are_unknown(world: MoveWorld) -> None:
    plant(world, "mail 300 A 192.0.2.25", "mail 300 A 192.0.2.99")
    seen = observed(world)
    assert GATE.judge(spec(GATE), world.case, seen).outcome == "fail"
    mail = key("mail.client.example", "A")
    assert GATE.judge(spec(GATE), world.case, tuple(one for one in seen if one.of != mail)).outcome == "unknown"


# What a server answers, name by name


ZONES = st.lists(
    st.sampled_from(
        (
            "www 60 A 192.0.2.1",
            "*.www 60 TXT x",
            "* 60 A 192.0.2.2",
            "* 60 MX 10 www",
            "a.b 60 TXT x",
            "*.b 60 CNAME www",
            "sub 60 NS ns.sub",
            "ns.sub 60 A 192.0.2.3",
            "sub 60 DS 1 8 2 " + "ab" * 32,
            "alias 60 CNAME www",
            "c.d.e 60 SRV 1 1 1 www",
        )
    ),
    unique=True,
)


@settings(deadline=None, max_examples=40)
@given(ZONES)
def test_n1_n2_n3_expectations_are_what_an_authoritative_server_answers(lines: list[str]) -> None:
    """Every name and type that is asked, held against the lookup of RFC 1034 section 4.3.2."""
    text = zone_text("\n".join(lines))
    zone, content = snapshot(text), ZoneContent.from_text(APEX, text)
    served = Served(zone)
    usual = frozenset(usual_names(APEX)[1:])
    for owner in owners_to_ask(served, zone, (), usual):
        for expected in served.at(owner):
            for rdtype in expected.types:
                wanted, found = expected.answer(rdtype), look_up(content, owner, rdtype)
                asked = RRsetKey(owner, rdtype)
                if wanted.kind in ("data", "referral"):
                    assert wanted.rrset is not None
                    section = found.answer if wanted.kind == "data" else found.authority
                    assert section, asked
                    assert wanted.rrset.rdatas == frozenset(section[0]), asked
                else:
                    assert not found.answer, asked
                    assert wanted.rcode == found.rcode, asked
                assert wanted.aa == found.authoritative, asked


def test_a_made_up_name_is_told_from_others_and_is_the_same_for_the_same_level() -> None:
    level = dns.name.from_text("WWW.client.example")
    made = made_up_below(level)
    assert made is not None
    assert made == made_up_below(dns.name.from_text("www.client.example"))
    assert is_made_up(made)
    assert not is_made_up(level)
    assert made_up_below(dns.name.from_text(".".join(("x" * 60,) * 4))) is None


def test_ten_thousand_questions_leave_no_answer_behind() -> None:
    """A round keeps a count for each server, whatever the size of the zone."""
    with move_world() as world:
        seen = [one for one in observed(world) if isinstance(one.got, Answer)]
        assert len(seen) == len(NEW) + len(OLD)  # one SOA each


def test_fault_41_a_server_that_has_nothing_is_not_asked_to_the_end(world: MoveWorld) -> None:
    hosts = "".join(f"h{number} 3600 A 192.0.2.{number % 250}\n" for number in range(400))
    world.case = move_case(zone_text(hosts))
    world.new[0].set_zone(APEX, zone_text(hosts, ns=NEW_NS, ttl_s=300))
    world.new[1].set_zone(APEX, zone_text("", ns=NEW_NS, ttl_s=300))
    for one in world.old:
        one.set_zone(APEX, zone_text(hosts))
    verdict = judged(world)
    assert verdict.outcome == "fail"
    assert all(one.endswith(" at ns2.new.example") for one in verdict.because.split("; ")[:10])
    assert verdict.because.split("; ")[10].startswith("and ")
    assert len(world.new[1].log) < len(world.new[0].log) / 2
    asked = questions(world.case, NEW)
    assert asked[NEW[0]] <= len(world.new[0].log)
    assert asked[OLD[0]] == asked[NEW[0]] - 1  # the NS RRset at the apex is each host's own


def test_what_was_edited_at_the_old_side_since_the_copy_is_a_warning_while_it_will_be_copied_again(
    world: MoveWorld,
) -> None:
    """Fault 55: the new servers hold what was copied, the old ones the edit of a colleague."""
    edit_old(world)
    copied = world.case.move
    assert copied is not None
    world.case = move_case(zone_text().replace(OLD_MAIL, NEW_MAIL))
    assert judged(world).outcome == "fail"
    world.change_move(copied=copied.content)
    verdict = judged(world)
    assert verdict.outcome == "pass"
    (warning,) = verdict.warnings
    assert warning.startswith("edited at the old side since the copy, to be copied again before the switch: ")
    assert warning.endswith("mail A should be 192.0.2.66, is 192.0.2.25 at all 2 servers")


def test_what_was_never_copied_fails_also_while_it_could_be_copied_again(world: MoveWorld) -> None:
    edit_old(world)
    copied = world.case.move
    assert copied is not None
    world.case = move_case(zone_text().replace(OLD_MAIL, NEW_MAIL))
    world.change_move(copied=copied.content)
    plant(world, "mail 300 A 192.0.2.25", "mail 300 A 192.0.2.77")
    assert judged(world).outcome == "fail"
