"""Single faults of a provider's API, each by its number in the fault matrix; a real PowerDNS behind a proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crash.pdnsplace import FOREIGN, ORIGIN, OURS, Place, data, journal, started
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import prepare, resume
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.entry import RollbackAsked
from dnsrun.model.rrset import key
from faultproxy import Weather

WWW = (f"www.{ORIGIN}", "A")


@pytest.fixture(scope="module")
def servers() -> Iterator[Place]:
    with started() as made:
        yield made


@pytest.fixture
def place(servers: Place, tmp_path: Path) -> Place:
    servers.reset(Weather(Random(0)), tmp_path)
    return servers


def weather(place: Place, trouble: str = "", times: int = 1, **more: Any) -> None:
    """Let one kind of trouble happen so many times, from now on."""
    place.proxy.weather = Weather(Random(1), frozenset({trouble}), share=1.0, left=times, **more)


def nothing(_run: Run) -> None:
    """Disturb nothing."""


def drive(place: Place, run: Run, disturb: Callable[[Run], None] = nothing) -> Ended:
    for _ in range(600):
        place.follow()
        after = advance(run)
        disturb(run)
        if isinstance(after, Ended):
            return after
        assert isinstance(after, DueAt), after
        place.shop.clock.wait_until(after.when)
    raise AssertionError(f"the phase does not end: {journal(place)}")


def lowered(place: Place) -> None:
    run = place.shop.open()
    place.shop.start(run, 1)
    assert drive(place, run) == Ended("done", "done")
    place.shop.clock.advance(25 * 3600)


def switching(place: Place) -> Run:
    """Bring a run straight before its first write."""
    lowered(place)
    place.proxy.forwarded.clear()
    run = place.shop.open()
    place.shop.start(run, 2)
    return run


def is_switched(place: Place) -> bool:
    held = place.held()
    return all(data(held, name) == after for name, (_, after) in OURS.items())


def is_as_before(place: Place) -> bool:
    held = place.held()
    return all(data(held, name) == before for name, (before, _) in OURS.items())


def first_call_at(place: Place, run: Run) -> datetime:
    """Advance until the write has been tried once."""
    while not place.proxy.happened:
        place.shop.clock.wait_until(place.shop.step(run))
    return place.shop.clock.now()


def test_fault_21_a_host_that_says_when_to_come_back_is_left_alone_until_then(place: Place) -> None:
    run = switching(place)
    weather(place, "429 after", times=12)
    began = place.shop.clock.now()
    assert drive(place, run) == Ended("done", "done")
    assert (place.shop.clock.now() - began).total_seconds() >= 12 * 7
    assert is_switched(place)
    assert len(place.proxy.forwarded) == 1


def test_fault_22_refusing_for_half_an_hour_holds_and_never_rolls_back_by_itself(place: Place) -> None:
    run = switching(place)
    weather(place, "429", times=10**6)
    began = place.shop.clock.now()
    after = drive(place, run)
    assert after.outcome == "paused"
    assert "429" in after.because
    waited_s = (place.shop.clock.now() - began).total_seconds()
    assert waited_s > 120
    assert len(place.proxy.happened) < waited_s, "it backs off"
    assert place.proxy.forwarded == []
    assert "RollbackBegun" not in journal(place)
    weather(place)
    run = place.shop.open()
    resume(run)
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)


@pytest.mark.parametrize(
    ("trouble", "effects"),
    [
        pytest.param("500 before", 1, id="23 500 and not applied"),
        pytest.param("500 after", 1, id="24 500 but applied"),
        pytest.param("closed after", 1, id="25 time-out after the commit"),
        pytest.param("twice", 1, id="28 the call is replayed"),
        pytest.param("swallowed", 1, id="36 accepted and never published"),
        pytest.param("half", 2, id="27 half of the batch"),
    ],
)
def test_faults_23_to_28_and_36_a_write_has_its_effect_once(place: Place, trouble: str, effects: int) -> None:
    run = switching(place)
    weather(place, trouble)
    after = drive(place, run)
    if trouble == "swallowed":
        assert after.outcome == "rolled-back"
        assert "do not show it" in journal(place)
        run = place.shop.open()
        place.shop.start(run, 2)
        after = drive(place, run)
    assert after == Ended("done", "done")
    assert is_switched(place)
    assert len(place.proxy.forwarded) == effects
    written = [entry["name"] for rrsets in place.proxy.forwarded for entry in rrsets if entry["type"] != "SOA"]
    assert sorted(written) == sorted({*written}), "no RRset is written twice"


def test_fault_26_a_write_that_takes_effect_late_is_found_and_not_made_again(place: Place) -> None:
    run = switching(place)
    weather(place, "held up")
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)
    assert len(place.proxy.forwarded) == 1


def test_fault_26_a_write_that_takes_effect_after_the_rollback_is_taken_back_too(place: Place) -> None:
    run = switching(place)
    weather(place, "held up")
    first_call_at(place, run)
    run.append(RollbackAsked("newest", None, "second terminal"))
    after = drive(place, run)
    assert after.outcome == "rolled-back"
    place.shop.clock.advance(3600)
    place.follow()
    assert is_as_before(place)


def test_fault_29_a_listing_that_lags_behind_the_write_is_no_drift(place: Place) -> None:
    lowered(place)
    weather(place, reads_late_s=240, serves_late_s=40)
    run = place.shop.open()
    place.shop.start(run, 2)
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)
    assert "Stranger" not in journal(place)
    run.append(RollbackAsked("newest", None, "me"))
    assert drive(place, run).outcome == "rolled-back"
    assert is_as_before(place)


@pytest.mark.parametrize(
    ("trouble", "number"), [("cut", 30), ("truncated", 30), ("empty", 31), ("doubled", 28)], ids=str
)
def test_faults_28_30_31_a_listing_that_is_not_whole_begins_nothing_and_deletes_nothing(
    place: Place, trouble: str, number: int
) -> None:
    assert number
    lowered(place)
    before = place.held()
    weather(place, trouble, times=10**6)
    with pytest.raises((Refused, OutsideError)):
        prepare(place.shop.open(), 2)
    assert place.held() == before


def test_fault_30_a_listing_cut_short_in_the_middle_of_a_rollback_deletes_nothing(place: Place) -> None:
    run = switching(place)
    before = place.held()
    assert drive(place, run) == Ended("done", "done")
    weather(place, "truncated", times=10**6)
    run.append(RollbackAsked("newest", None, "me"))
    after = drive(place, run)
    assert set(before) - set(place.held()) <= {(f"gone.{ORIGIN}", "A")}
    weather(place)
    if after.outcome != "rolled-back":
        after = drive(place, place.shop.open())
    assert after.outcome == "rolled-back"
    assert is_as_before(place)


def test_fault_32_a_host_that_raises_the_ttl_is_believed_and_not_asked_for_ever(place: Place) -> None:
    weather(place, ttl_floor_s=1200)
    lowered(place)
    run = place.shop.open()
    assert place.held()[WWW][0] == 1200
    assert "this host raises it" in journal(place)
    assert prepare(run, 1).nothing_to_do, "no endless diff"
    prepared = prepare(run, 2)
    (switch,) = [change for change in prepared.plan.changes() if change.key == key("www.client.example", "A")]
    assert switch.after is not None
    assert switch.after.ttl_s == 1200
    place.shop.start(run, 2)
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)


def test_fault_33_names_in_capitals_without_their_dot_are_no_difference(place: Place) -> None:
    lowered(place)
    place.proxy.weather.respells = True
    assert prepare(place.shop.open(), 1).nothing_to_do
    run = place.shop.open()
    place.shop.start(run, 2)
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)


@pytest.mark.parametrize("status", [401, 403])
def test_fault_37_a_key_that_ends_in_the_middle_holds_the_run_until_it_is_renewed(place: Place, status: int) -> None:
    run = switching(place)
    weather(place, denied_from=0, denied_status=status)
    after = drive(place, run)
    assert after.outcome == "paused"
    assert str(status) in after.because
    assert is_as_before(place)
    weather(place)
    run = place.shop.open()
    resume(run)
    assert drive(place, run) == Ended("done", "done")
    assert is_switched(place)


def test_fault_56_what_somebody_else_changed_since_is_left_alone_and_named_by_the_rollback(place: Place) -> None:
    run = switching(place)
    assert drive(place, run) == Ended("done", "done")
    place.edit(*WWW, [{"content": FOREIGN, "disabled": False}], 600)
    run.append(RollbackAsked("newest", None, "me"))
    after = drive(place, run)
    assert after.outcome == "rolled-back"
    assert f"www.client.example A is {FOREIGN} now, set by somebody else" in after.because
    held = place.held()
    assert data(held, WWW) == (FOREIGN,)
    assert all(data(held, name) == before for name, (before, _) in OURS.items() if name != WWW)
