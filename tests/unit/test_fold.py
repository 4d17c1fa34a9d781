"""The state is what the records say, one by one: the same for every reader, whole or from where it stopped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.journal.fold import _STEPS, RunState, fold, fold_all
from dnsrun.model.entry import (
    Accepted,
    Astray,
    Captured,
    Done,
    DueSet,
    Entry,
    Failed,
    GateOff,
    HazardAccepted,
    Intended,
    Judged,
    Observed,
    Opened,
    PersonAnswered,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
    RunEnded,
    TtlSample,
)
from dnsrun.model.rrset import key
from valuemaking import values

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPENED = Opened("run1", "client.example", "d", "client.yaml", ((1, "lower"), (2, "switch")), "0.1")
UNCHANGED = (GateOff,)  # told in reports, from the journal itself


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def recorded(entries: Iterable[Entry], spacing_s: int = 10) -> list[Record]:
    return [
        Record(number + 1, at(number * spacing_s), f"d{number}", entry, f"d{number + 1}")
        for number, entry in enumerate(entries)
    ]


def told(*entries: Entry) -> RunState:
    return fold_all(recorded((OPENED, *entries)))


def judged(outcome: str, *, not_yet: bool = False) -> Judged:
    return Judged(1, "http", outcome, "why", not_yet, 1)  # type: ignore[arg-type] # one of the three words


FORWARD = (Planned(2, "forward", "plan2", "check2"), Intended(0, 1))
JOURNALS = st.lists(
    st.one_of(
        values(Entry),
        st.sampled_from((OPENED, *FORWARD, Done(0, "applied"), judged("pass"), judged("fail"), Resumed(2))),
        st.sampled_from((RollbackAsked("all", None, "taro"), RollbackBegun((2, 1), "why"), RollbackBegun((), "why"))),
        st.sampled_from(
            (PhaseEnded(2, "done", ""), PhaseEnded(2, "rolled-back", ""), PhaseEnded(1, "rolled-back", ""))
        ),
    ),
    max_size=25,
)


# Any journal


@pytest.mark.parametrize("kind", get_args(Entry), ids=lambda kind: str(kind.__name__))
def test_every_kind_of_entry_is_folded_or_left_out_on_purpose(kind: type) -> None:
    assert (kind in _STEPS) != (kind in UNCHANGED)


@given(entries=JOURNALS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_beginning_of_every_journal_folds(entries: list[Entry]) -> None:
    """P1: a process killed anywhere leaves a beginning of the journal."""
    state = RunState()
    for record in recorded(entries):
        state = fold(state, record)
        assert state.head == (record.seq, record.digest)
        assert list(state.wrote()) == sorted(state.wrote(), reverse=True)


@given(entries=JOURNALS, stop=st.integers(0, 25))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_going_on_from_where_a_reader_stopped_gives_the_same_state(entries: list[Entry], stop: int) -> None:
    records = recorded(entries)
    first = fold_all(records[:stop])
    whole = fold_all(records)

    on = first
    for record in records[stop:]:
        on = fold(on, record)

    assert on == whole
    assert first == fold_all(records[:stop]), "folding on has changed an earlier state"


# What runs and phases become


def test_a_run_begins_with_the_first_record() -> None:
    state = told()

    assert state.opened == OPENED
    assert state.opened_at == NOON
    assert state.active is None


def test_an_edited_playbook_goes_on_with_the_same_run() -> None:
    """Fault 57: the phases that were done stay done."""
    edited = Opened("run1", "client.example", "e", "client.yaml", OPENED.phases, "0.1")

    state = told(*FORWARD, Done(0, "applied"), PhaseEnded(2, "done", "done"), edited)

    assert state.opened == edited
    assert state.opened_at == NOON
    assert state.phase(2).outcome == "done"


def test_a_new_run_forgets_everything_but_the_ttls_that_were_seen() -> None:
    seen = TtlSample(key("www.client.example", "A"), "ns1", 600, "v", NOON)

    state = told(
        Observed((seen,)), *FORWARD, RunEnded("finished"), Opened("run2", "client.example", "d", "p", (), "0.1")
    )

    assert state.phases == {}
    assert state.ended is None
    assert state.samples == {(seen.key, "ns1"): (seen,)}


def test_a_placeholder_at_the_parent_lasts_until_it_is_seen_to_be_gone() -> None:
    first, more = Astray(0, (("a.nic.example", "park"),), 1, 900), Astray(0, (("b.nic.example", "park"),), 1, 60)

    during, after = told(*FORWARD, first, more), told(*FORWARD, first, more, Astray(0), Astray(0))

    assert during.incident is not None
    assert (during.incident.since, during.incident.last, during.incident.ttl_s) == (at(30), more, 900)
    assert during.incident.forgotten_at is None
    assert after.incident is None
    assert [incident.until for incident in after.incidents] == [at(50)]
    assert after.incidents[0].forgotten_at == at(50 + 900)


def test_a_second_placeholder_is_an_incident_of_its_own() -> None:
    seen = Astray(0, (("a.nic.example", "park"),), 1, 900)

    state = told(*FORWARD, seen, Astray(0), seen)

    assert [(each.since, each.until) for each in state.incidents] == [(at(30), at(40)), (at(50), None)]


def test_a_phase_stands_from_its_first_intent_on() -> None:
    """P2: what was intended may have been done."""
    assert told(FORWARD[0]).wrote() == ()
    assert told(*FORWARD).wrote() == (2,)


def test_a_plan_that_writes_nothing_leaves_the_standing_one() -> None:
    done = (*FORWARD, Done(0, "applied"), PhaseEnded(2, "done", "done"))

    state = told(*done, Planned(2, "forward", "again", "check3"), PhaseEnded(2, "done", "nothing to do"))

    assert state.phase(2).plan == "plan2"
    assert state.phase(2).moves[0].done == Done(0, "applied")


def test_a_phase_that_was_rolled_back_stands_no_longer() -> None:
    """P7: and a second rollback finds nothing to do."""
    begun = (*FORWARD, RollbackBegun((2,), "why"), Planned(2, "back", "plan-back", "now", (2,)), Intended(0, 1))

    between, after = told(*begun), told(*begun, Done(0, "applied"), PhaseEnded(2, "rolled-back", ""))

    assert between.wrote() == (2,)
    assert between.going_back is not None
    assert after.wrote() == ()
    assert after.going_back is None
    assert after.active is None
    assert after.phase(2).outcome == "rolled-back"


def test_what_was_only_watched_after_a_phase_that_went_back_is_to_be_watched_again() -> None:
    state = fold_all(
        recorded(
            [
                OPENED,
                Planned(2, "forward", "p2", "z"),
                Intended(0, 1),
                PhaseEnded(2, "done", "done"),
                Planned(3, "forward", "p3", "z"),
                PhaseEnded(3, "done", "done"),
                RollbackBegun((2,), "asked"),
                PhaseEnded(2, "rolled-back", ""),
            ]
        )
    )
    assert state.phase(3).outcome is None
    assert state.phase(2).outcome == "rolled-back"


def test_a_rollback_of_several_phases_ends_with_the_last_of_them() -> None:
    """Fault 7: killed between two of the records."""
    begun = (Planned(1, "forward", "plan1", "c"), Intended(0, 1), PhaseEnded(1, "done", ""), *FORWARD)
    back = (
        *begun,
        RollbackBegun((2, 1), "why"),
        Planned(2, "back", "b", "c", (2, 1)),
        PhaseEnded(2, "rolled-back", ""),
    )

    assert told(*back).going_back == RollbackBegun((1,), "why")
    assert told(*back).wrote() == (1,)
    assert told(*back, PhaseEnded(1, "rolled-back", "")).going_back is None


def test_a_rollback_that_is_incomplete_is_still_to_be_done() -> None:
    """P9."""
    state = told(
        *FORWARD,
        RollbackBegun((2,), "why"),
        Planned(2, "back", "b", "c", (2,)),
        PhaseEnded(2, "rollback-incomplete", "x"),
    )

    assert state.going_back is not None
    assert state.active is None
    assert state.wrote() == (2,)


def test_a_rollback_of_nothing_is_over_at_once() -> None:
    """Also when the process dies between its two records."""
    state = told(FORWARD[0], RollbackAsked("all", None, "taro"), RollbackBegun((), "nothing to take back"))

    assert state.going_back is None
    assert state.asked_back is None
    assert state.active is None


def test_a_request_stands_until_the_rollback_begins() -> None:
    asked = RollbackAsked("newest", None, "taro")

    assert told(*FORWARD, asked).asked_back == asked
    assert told(*FORWARD, asked, RollbackBegun((2,), "why")).asked_back is None


def test_a_pause_keeps_the_plan_and_says_why() -> None:
    state = told(*FORWARD, PhaseEnded(2, "paused", "the host says no"))

    assert state.active is not None
    assert state.active.paused == "the host says no"


def test_going_on_forgets_failures_and_keeps_what_was_reached() -> None:
    """Fault 37: the credentials were renewed."""
    failed = Failed(0, 1, "401", retryable=False, in_doubt=False)
    state = told(*FORWARD, judged("pass"), failed, PhaseEnded(2, "paused", "401"), Resumed(2))

    assert state.active is not None
    assert state.active.paused is None
    assert state.active.move(0).failed is None
    assert state.active.move(0).attempts == 1
    assert state.active.move(1).rounds["http"].successes == 1


def test_a_closed_run_stays_closed() -> None:
    assert told(*FORWARD, PhaseEnded(2, "done", ""), RunEnded("finished")).ended == RunEnded("finished")


def test_captures_and_accepted_hazards_are_kept() -> None:
    captured = Captured(1, "capture", "host", "z", "complete", 7, None)
    hazard = HazardAccepted(1, "manual-rollback", "we are in the office")

    state = told(captured, hazard)

    assert (state.captures, state.hazards) == ((captured,), (hazard,))


# What moves become


def test_a_call_that_failed_is_counted_and_forgotten_by_the_next() -> None:
    failed = Failed(0, 1, "429", retryable=True, in_doubt=False)
    state = told(*FORWARD, failed, Intended(0, 2), failed)
    assert state.active is not None

    assert (state.active.move(0).attempts, state.active.move(0).tries) == (2, 2)
    assert state.active.move(0).failed == failed
    after = told(*FORWARD, failed, Intended(0, 2)).active
    assert after is not None
    assert after.move(0).failed is None


def test_a_request_that_a_registrar_took_is_known_until_it_is_refused_or_made_anew() -> None:
    """Fault 52: whichever process goes on asks what became of it."""
    accepted, refused = Accepted(0, "req-7"), Failed(0, 0, "refused", retryable=False, in_doubt=False)
    for further, known in ((), accepted), ((refused,), None), ((Intended(0, 2),), None):
        state = told(*FORWARD, Intended(0, 1), accepted, *further)
        assert state.active is not None
        assert state.active.move(0).accepted == known


def test_deadlines_questions_and_answers_belong_to_their_move() -> None:
    due, asked, answered = DueSet(2, at(900), "wait"), PersonAsked(0, "us", "do it"), PersonAnswered(0, "done", "taro")
    state = told(*FORWARD, asked, answered, due)
    assert state.active is not None

    assert state.active.move(2).due == due, "fault 6: the deadline is absolute and survives a restart"
    assert (state.active.move(0).asked, state.active.move(0).answer) == (asked, answered)


@pytest.mark.parametrize(
    ("outcomes", "successes", "failures"),
    [
        ("p", 1, 0),
        ("pp", 2, 0),
        ("ppf", 0, 1),
        ("fff", 0, 3),
        ("ffp", 1, 0),
        ("fpf", 0, 1),
        ("ffu", 0, 1),
        ("uuf", 0, 1),
        ("uuu", 0, 3),
        ("yyy", 0, 0),
        ("yyf", 0, 1),
        ("fyf", 0, 1),
        ("py", 0, 1),
        ("pyy", 0, 2),
    ],
)
def test_rounds_are_counted_in_a_row(outcomes: str, successes: int, failures: int) -> None:
    """`y` is "not yet": no failure until the gate has passed once, a failure afterwards."""
    words = {"p": judged("pass"), "f": judged("fail"), "u": judged("unknown"), "y": judged("fail", not_yet=True)}
    active = told(*FORWARD, *(words[letter] for letter in outcomes)).active
    assert active is not None
    rounds = active.move(1).rounds["http"]

    assert (rounds.successes, rounds.failures, rounds.total) == (successes, failures, len(outcomes))


def test_the_time_of_equal_rounds_is_that_of_the_first() -> None:
    """t_all: a round that differs starts the count again."""
    active = told(*FORWARD, judged("pass"), judged("fail"), judged("pass"), judged("pass")).active
    assert active is not None
    rounds = active.move(1).rounds["http"]

    assert rounds.first_at == at(30)
    assert rounds.passed_at == at(50)
    assert rounds.last_at == at(60)


def test_what_belongs_to_no_plan_changes_nothing() -> None:
    assert told(Done(0, "applied"), judged("pass")) == fold_all(
        [*recorded((OPENED,)), Record(3, NOON, "d2", GateOff(1, "spf", "x"), "d3")]
    )
