"""The two stories, rehearsed from the ready-made playbooks: what people did by hand, and the same with the gates on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from answers import answered
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.byhand import CALL_AFTER, SWITCHED_OFF_AFTER, switch_by_hand
from dnsrun.rehearse.trial.setting import Wishes
from dnsrun.rehearse.trial.summary import Span, Summary
from readymade import MAIL_OLD, client
from trialworld import PLAIN, Trials, broken

TWO_HOURS = Wishes(ns_ttl_s=7_200)
HONEST = replace(PLAIN, kinds=tuple(POPULATION[name] for name in ("bind", "parent-centric")))
BY_HAND = replace(HONEST, instead=switch_by_hand)
OLD = ("ns1.old.example", "ns2.old.example")
MAILBOX = "imap-7f3a.client.example.jp A"
RECORD_TTL = timedelta(minutes=30)
NEGATIVE_TTL = timedelta(minutes=5)


def trials(folder: Path, name: str, servers: Iterable[str] = OLD) -> Trials:
    zone = "$ORIGIN client.example.jp.\n" + client(*servers)
    return Trials(folder, text=answered(name), zone=zone, wishes=TWO_HOURS)


def failing(found: Summary, name: str) -> list[Span]:
    return [span for span in found.spans if str(span.want) == name]


def assert_never(found: Summary) -> None:
    assert {phase.outcome for phase in found.played.phases} <= {"done", "nothing"}
    assert (found.played.ending, found.broken_user_seconds) == ("target", 0)


@pytest.fixture(scope="module", params=["zone-move-by-hand", "zone-move"])
def naive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return trials(tmp_path_factory.mktemp("naive"), request.param).found(BY_HAND)


def switched_at(found: Summary) -> datetime:
    """Return when the parent served the new name servers."""
    return found.played.phases[1].began + timedelta(minutes=15)


def test_story_a_by_hand_the_web_is_right_all_day(naive: Summary) -> None:
    assert broken(naive, "web") == 0
    assert not failing(naive, "client.example.jp MX")  # also what everybody can look up stays right


def test_story_a_by_hand_mailboxes_disappear_cache_by_cache_up_to_two_hours_later(naive: Summary) -> None:
    spans = failing(naive, MAILBOX)
    first = min(span.since for span in spans)
    last = max(span.since for span in spans)
    assert first - switched_at(naive) > timedelta(minutes=20)  # whoever looked at the page at once saw nothing wrong
    assert last - switched_at(naive) <= timedelta(hours=2) + RECORD_TTL
    assert {cause for span in spans for cause, _ in span.causes} == {"no such name"}


def test_story_a_by_hand_mail_returns_two_hours_after_the_old_name_servers(naive: Summary) -> None:
    back_at = naive.played.phases[1].went_back_at
    assert back_at is not None
    spans = failing(naive, MAILBOX)
    assert back_at - min(span.since for span in spans) <= CALL_AFTER + timedelta(minutes=1)
    back_for = max(span.until for span in spans) - (back_at + timedelta(minutes=15))
    assert timedelta(hours=1, minutes=30) < back_for <= timedelta(hours=2) + NEGATIVE_TTL
    assert naive.played.ending == "checkpoint"


@pytest.mark.parametrize("name", ["zone-move-by-hand", pytest.param("zone-move", marks=pytest.mark.long)])
def test_story_a_with_the_gates_on_nobody_is_failed(tmp_path: Path, name: str) -> None:
    found = trials(tmp_path, name).found(HONEST)
    assert_never(found)
    assert MAILBOX in {str(want) for want in found.undisturbed}


def test_story_a_with_the_public_records_only_the_name_servers_are_not_switched(tmp_path: Path) -> None:
    """Nobody has given the whole zone: what made the mail break is refused before anything is written."""
    made = trials(tmp_path, "zone-move-by-hand")
    text = "\n".join(line for line in made.text.splitlines() if not line.strip().startswith("covers: all"))
    found = replace(made, text=text).found(HONEST)
    assert (found.played.outcome, found.broken_user_seconds) == ("refused", 0)
    assert "what the zone holds is only known from public questions" in found.played.phases[-1].because


def test_story_a_changing_only_the_web_records_breaks_no_mail(tmp_path: Path) -> None:
    """The second way on: the zone stays where it is."""
    assert_never(trials(tmp_path, "web-move").found(HONEST))


@pytest.mark.long
def test_story_b_by_hand_mail_fails_where_the_old_address_is_still_known_and_stays_off(tmp_path: Path) -> None:
    """The TTLs were not lowered; the written way back, "restore the three records", leaves mail off."""
    found = trials(tmp_path, "mail-switch", ("ns1.host.example", "ns2.copies.example")).found(BY_HAND)
    spans = failing(found, "mail.client.example.jp A")
    typed, ended = found.played.phases
    assert {cause for span in spans for cause, _ in span.causes} == {f"mail is switched off at {MAIL_OLD}"}
    assert min(span.since for span in spans) - typed.ended == SWITCHED_OFF_AFTER
    healed = [span for span in spans if span.since < (ended.went_back_at or ended.ended)]
    assert max(span.until for span in healed) - typed.ended <= 2 * RECORD_TTL  # the secondary's refresh, then a TTL
    assert max(span.longest_s for span in spans) > timedelta(days=3).total_seconds()
    assert "the records are put back" in ended.because


def test_story_b_with_the_gates_on_nobody_is_failed(tmp_path: Path) -> None:
    found = trials(tmp_path, "mail-switch", ("ns1.host.example", "ns2.copies.example")).found(HONEST)
    assert_never(found)
    switch = next(phase for phase in found.played.phases if phase.name == "switch the mail")
    assert switch.earliest is not None
    assert switch.earliest - found.played.phases[0].began >= timedelta(hours=24)


@pytest.mark.long
def test_story_a_later_the_mail_moves_to_microsoft_and_nobody_is_failed(tmp_path: Path) -> None:
    found = trials(tmp_path, "microsoft-365").found(HONEST)
    assert_never(found)
    assert any("DKIM keys at" in text for text in found.played.assumed)
