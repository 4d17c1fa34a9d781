"""Drills in which one of the two zones is deleted, told in words, as data and as a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.drillpage import as_drill_page
from dnsrun.rehearse.trial.drills import Drill, Drilled, When, drilled, purge_old, script_of
from dnsrun.rehearse.trial.drive import Script
from dnsrun.rehearse.trial.setting import Wishes
from dnsrun.rehearse.trial.summary import Summary, recovery_s
from dnsrun.rehearse.trial.tables import drill_lines, drills_as_data
from trialworld import NS_MOVE, PLAIN, Trials

TWO = replace(PLAIN, kinds=(POPULATION["bind"], POPULATION["unbound"]))
SIX_HOURS = Wishes(ns_ttl_s=21_600)
pytestmark = pytest.mark.long
MAILBOX = Drill(2, "mailboxes at imap-k7.client.example", "imap", "half-way")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    trials, numbers = Trials(tmp_path_factory.mktemp("drills"), text=NS_MOVE, wishes=SIX_HOURS), count()

    def play(change: Callable[[Script], Script]) -> Summary:
        return trials.found(change(TWO), name=f"n{next(numbers)}")

    (found,) = drilled([MAILBOX], play, lambda _: None)
    return found


def test_nothing_goes_back_to_an_old_host_that_has_deleted_the_zone(made: Drilled) -> None:
    """Fault 62: the new zone is repaired and a person is asked; who asks the old host is failed until its TTL ends."""
    assert made.purged is not None
    last = made.purged.played.phases[-1]
    assert (last.outcome, made.purged.played.ending, made.is_allowed) == ("paused", "target", True)
    assert "not going back: ns1.old-host.example" in last.because
    assert recovery_s(made.found)["bind"] < recovery_s(made.purged)["bind"] <= 21_600
    # BIND asks nobody else before the delegation runs out, Unbound asks the parent again at once.
    assert recovery_s(made.purged)["unbound"] < recovery_s(made.purged)["bind"]


def test_a_new_zone_that_is_deleted_after_the_rollback_fails_who_still_asks_it(made: Drilled) -> None:
    """D10: that is why it stays."""
    assert made.deleted is not None
    assert made.deleted.played.outcome == made.found.played.outcome == "rolled-back"
    assert made.deleted.honest_user_seconds > 5 * made.found.honest_user_seconds
    assert recovery_s(made.deleted)["bind"] > recovery_s(made.found)["bind"]


def test_every_way_is_told_with_its_recovery(made: Drilled) -> None:
    told = "\n".join(text for text, _ in drill_lines([made]))
    for way in ("dnsrun", "by hand", "old zone deleted", "new zone deleted"):
        assert re.search(rf"(?m)^ +{way} +[\d,]+ user-seconds; caches that keep to TTLs", told)
    assert "new zone deleted: somebody deletes it straight after dnsrun's rollback" in told
    (data,) = drills_as_data([made])
    assert data["old_zone_deleted"]["outcome"] == "paused"
    assert set(data["new_zone_deleted"]["recovery_s"]) == {"bind", "unbound"}


def test_the_page_of_drills_shows_each_cache_and_nothing_runs_in_it(made: Drilled) -> None:
    page = as_drill_page("<b>x</b>", [made])
    assert "all well behind bind after" in page
    assert "PAUSED" in page
    assert "<b>x" not in page
    assert not re.search(r"<script|\bon\w+=|\bsrc=|\bhref=|url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_a_delegation_that_goes_back_to_a_deleted_zone_is_not_as_promised(made: Drilled) -> None:
    assert made.purged is not None
    wrong = replace(made.purged, played=replace(made.purged.played, ending="between"))
    assert not replace(made, purged=wrong).is_allowed


@pytest.mark.parametrize("when", ["after", "half-way"])
def test_a_service_that_fails_while_the_old_zone_is_gone_is_put_right_at_the_new_host(
    when: When, tmp_path: Path
) -> None:
    """Fault 62: servers without the zone do not say that the service is down at the old side, too."""
    trials = Trials(tmp_path, wishes=Wishes(ns_ttl_s=600))
    found = trials.found(script_of(Drill(4, "http", "http", when), TWO, also=purge_old))
    last = found.played.phases[-1]
    assert (last.outcome, found.played.ending) == ("paused", "target"), last.because
    assert "not going back: ns1.old-host.example" in last.because
