"""A signed domain beforehand: what whoever validates meets when it moves, with dnsrun and by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dns.rdatatype import RdataType

from answers import answered
from dnsrun.model.content import is_content
from dnsrun.model.rrset import Change, rrset
from dnsrun.plan.moving import target_delegation
from dnsrun.rehearse import scenery
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.byhand import switch_by_hand
from dnsrun.rehearse.trial.drills import Drill, script_of
from dnsrun.rehearse.trial.drive import Play, Script
from dnsrun.rehearse.trial.keys import MadeUpKey
from dnsrun.rehearse.trial.page import as_page
from dnsrun.rehearse.trial.played import PhasePlayed
from dnsrun.rehearse.trial.setting import Setting, Wishes, set_scene
from dnsrun.rehearse.trial.summary import summary
from trialworld import DAY_S, START, Trials

HOUR_S = 3_600
DS_TTL_S = HOUR_S + HOUR_S // 2
REFUSED = "not signed, and the parent has a DS: validating resolvers answer SERVFAIL"
SIGNED = Wishes(ns_ttl_s=DAY_S, ds_ttl_s=DS_TTL_S, signed=True)
BOTH = Script(kinds=(POPULATION["bind"], POPULATION["validating"]))
"""The same make of cache, once with and once without validation."""
KNOWN_ZONE = re.sub(r"(?m)^(s2026b|intra|\*).*\n", "", scenery.FIRST_ZONE).replace("-k7", "")
"""The demo's zone with nothing in it that cannot be guessed."""
KNOWN = scenery.playbook_text().replace("-k7", "")
UNSIGN = "  - {name: unsign, steps: [{kind: remove-ds}]}\n"
WITH_UNSIGN = scenery.playbook_text().replace("  - name: switch NS\n", f"{UNSIGN}  - name: switch NS\n")
SIGN = f"  - {{name: sign, steps: [{{kind: add-ds, ds: ['12345 13 2 {'ab' * 32}']}}]}}\n"
WITH_SIGN = WITH_UNSIGN.replace("  - name: finish\n", f"{SIGN}  - name: finish\n")
MOVED = f"""phases:
  - {{name: lower TTLs, steps: [{{kind: lower-ttl}}, {{kind: copy-zone}}]}}
  - {{name: switch A, steps: [{{kind: switch-records}}]}}
  - {{name: verify, steps: [{{kind: watch, for: all-caches}}]}}
{UNSIGN}\
  - {{name: switch NS, steps: [{{kind: switch-ns}}, {{kind: watch, for: all-caches}}]}}
  - {{name: finish, steps: [{{kind: restore-ttl}}, {{kind: finish}}]}}
"""
"""The default phases, and the DS taken away before the switch."""


def ready_made(tmp_path: Path, phases: str = "") -> Trials:
    """Return trials of the ready-made playbook for a zone that moves."""
    hosts = {"imap_host": "imap-k7.client.example.jp", "smtp_host": "smtp-k7.client.example.jp"}
    zone = scenery.FIRST_ZONE.replace(scenery.DOMAIN, f"{scenery.DOMAIN}.jp")
    return Trials(tmp_path, text=answered("zone-move", **hosts) + phases, zone=zone, wishes=SIGNED)


def copied(play: Play) -> None:
    """Give the new host everything that the old one has, and let users live on for an hour."""
    old, new = (play.stage.hosts[name] for name in ("old_host", "new_host"))
    keys = [key for key in old.content.rrsets if is_content(key.rdtype) and key.rdtype != RdataType.NS]
    new.write([Change(key, new.content.rrsets.get(key), old.content.rrsets[key]) for key in keys])
    play.agenda.wait_until(play.agenda.now() + timedelta(hours=1))


def test_the_ready_made_move_is_refused_before_it_breaks_whoever_validates(tmp_path: Path) -> None:
    """S0: the way on stands in the refusal, and everything before it has harmed nobody."""
    found = ready_made(tmp_path).found(BOTH)
    switch = found.played.phases[-1]
    assert (switch.name, switch.outcome, found.broken_user_seconds) == ("switch NS", "refused", 0)
    assert "add a step remove-ds before switch-ns" in switch.because
    assert {story.kind for story in found.played.stories} == {"bind", "validating"}


def test_with_the_ds_removed_first_nobody_who_validates_is_failed(tmp_path: Path) -> None:
    """S1: the switch waits until the DS has left every cache."""
    found = Trials(tmp_path, text=WITH_UNSIGN, wishes=SIGNED).found(Script(kinds=BOTH.kinds[1:]))
    assert {phase.outcome for phase in found.played.phases} == {"done"}
    assert (found.broken_user_seconds, found.played.ending) == (0, "target")


@pytest.mark.long
def test_the_ready_made_move_with_the_ds_removed_has_the_same_journal_twice(tmp_path: Path) -> None:
    """P10: signatures of made-up keys follow from what is signed."""
    trials = ready_made(tmp_path, MOVED)
    found = trials.found(BOTH)
    assert {phase.outcome for phase in found.played.phases} == {"done"}
    assert (found.broken_user_seconds, found.played.ending) == (0, "target")
    unsign = next(phase for phase in found.played.phases if phase.name == "unsign")
    assert (unsign.ended - unsign.began).total_seconds() > DS_TTL_S
    trials.found(BOTH, name="again")
    assert trials.journal() == trials.journal("again")


@pytest.mark.long
@pytest.mark.parametrize(
    ("drill", "servers", "signed"),
    [
        (Drill(4, "records", "records", "after"), "old-host", True),
        (Drill(5, "http", "http", "half-way"), "old-host", False),
        (Drill(6, "records", "records", "after"), "new-host", False),
    ],
    ids=str,
)
def test_going_back_puts_a_ds_back_only_where_it_harms_nobody(
    tmp_path: Path, drill: Drill, servers: str, *, signed: bool
) -> None:
    """S2: the DS returns while the name servers have not moved, stays away after that, and a new one goes first."""
    play = Trials(tmp_path, text=WITH_SIGN, wishes=SIGNED).play(script_of(drill, BOTH, by_hand=False))
    found = summary(play.act())
    assert (found.played.outcome, found.played.ending) == ("rolled-back", "target")
    assert all(servers in name.to_text() for name in play.stage.delegation.ns)
    assert bool(play.stage.delegation.ds) == signed
    assert not any("validating resolvers answer SERVFAIL" in span.why for span in found.spans)
    assert not any("the parent" in by for span in found.spans for _, by in span.causes)


@pytest.mark.long
def test_a_registrar_that_removes_the_ds_half_a_day_late_is_waited_for(tmp_path: Path) -> None:
    trials = Trials(tmp_path, text=WITH_UNSIGN, wishes=SIGNED)

    def slow(play: Play) -> None:
        play.troubles.pending_s = DAY_S // 2

    found = trials.found(replace(BOTH, arrange=slow))
    assert found.broken_user_seconds == 0


@pytest.mark.long
def test_the_ds_of_the_new_hosts_key_is_published_last_and_validates(tmp_path: Path) -> None:
    trials = Trials(tmp_path, text=WITH_SIGN, wishes=SIGNED)
    play = trials.play(BOTH)
    found = summary(play.act())
    assert {phase.outcome for phase in found.played.phases} == {"done"}
    assert found.broken_user_seconds == 0
    assert play.setting.signing is not None
    assert play.stage.delegation.ds == {play.setting.signing.keys["new_host"].ds}
    assert any("to which the DS of add-ds points" in text for text in found.played.assumed)


def test_by_hand_with_the_ds_left_only_whoever_validates_is_failed_and_told_why(tmp_path: Path) -> None:
    """The page looks fine to most: nobody asks a resolver that validates."""
    trials = Trials(tmp_path, text=KNOWN, zone=KNOWN_ZONE, wishes=replace(SIGNED, ns_ttl_s=HOUR_S))
    found = trials.found(replace(BOTH, instead=switch_by_hand))
    switch = found.played.phases[-1]
    assert {span.kind for span in found.spans} == {"validating"}
    assert {span.want.service for span in found.spans} >= {"web", "mail"}
    assert all(span.why.startswith(f"ns1.new-host.example, ns2.new-host.example: {REFUSED}") for span in found.spans)
    # From when the old name servers and the data have left a cache, until it has forgotten the new ones.
    assert found.spans[0].since > switch.began
    assert 0 < (found.spans[-1].until - switch.ended).total_seconds() <= HOUR_S
    assert found.worst_s <= HOUR_S
    assert REFUSED in as_page(found)


def test_a_ds_removed_with_the_switch_fails_whoever_still_holds_it(tmp_path: Path) -> None:
    """S1: the DS goes first, and the switch waits for its TTL."""
    switched: list[datetime] = []

    def too_late(play: Play) -> tuple[PhasePlayed, ...]:
        copied(play)
        switched.append(play.agenda.now())
        play.stage.delegate(replace(target_delegation(play.setting.playbook, play.stage.delegation), ds=frozenset()))
        play.agenda.wait_until(switched[0] + timedelta(hours=4))
        return ()

    trials = Trials(tmp_path, text=KNOWN, zone=KNOWN_ZONE, wishes=replace(SIGNED, ns_ttl_s=HOUR_S))
    found = trials.found(replace(BOTH, instead=too_late))
    assert {(span.kind, REFUSED in span.why) for span in found.spans} == {("validating", True)}
    lasted = (max(span.until for span in found.spans) - switched[0]).total_seconds()
    assert HOUR_S < lasted <= DS_TTL_S


@dataclass(frozen=True)
class SameKeys(Trials):
    """Trials in which the captured new host has the keys that the captured DS points to."""

    def setting(self) -> Setting:
        key = MadeUpKey(scenery.APEX, "real")
        held = rrset(scenery.APEX, HOUR_S, "DNSKEY", key.public.to_text())
        captured, delegation = self.captured(), super().setting().delegation
        captured = replace(
            captured,
            other=replace(captured.zone, rrsets={**captured.zone.rrsets, held.key: held}),
            delegation=replace(delegation, ds=frozenset({key.ds})),
        )
        return set_scene(self.playbook(), captured, START, Wishes())


def test_a_new_host_with_the_old_hosts_keys_keeps_whoever_validates_well_with_the_ds_left(tmp_path: Path) -> None:
    trials = SameKeys(tmp_path, text=KNOWN, zone=KNOWN_ZONE, wishes=replace(SIGNED, ns_ttl_s=HOUR_S))
    found = trials.found(replace(BOTH, instead=switch_by_hand))
    assert "the new host signs with the keys of the old one" in found.played.assumed
    assert {story.kind for story in found.played.stories} == {"bind", "validating"}
    assert found.broken_user_seconds == 0


@pytest.mark.parametrize(
    ("more", "wishes", "words"),
    [
        ("", Wishes(), "without DS"),
        ("", Wishes(signed=True), "with DS; the keys that the zone is signed with are made up"),
        ("@ DNSKEY {key}\n", Wishes(), "the zone is signed, and the parent has no DS"),
        ("@ DNSKEY {key}\n", Wishes(signed=False), "the zone is signed, and the parent has no DS"),
    ],
)
def test_what_is_made_up_about_signatures_is_said(tmp_path: Path, more: str, wishes: Wishes, words: str) -> None:
    zone = scenery.FIRST_ZONE + more.format(key=MadeUpKey(scenery.APEX, "real").public.to_text())
    setting = Trials(tmp_path, zone=zone, wishes=wishes).setting()
    assert words in "; ".join(setting.assumed)
    assert bool(setting.signing) == bool(wishes.signed)
    assert not any(key.rdtype.name == "DNSKEY" for key in setting.zone.rrsets)
