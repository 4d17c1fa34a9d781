"""What to do next, decided from the journal alone: gates, acts, holds and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import dns.name
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.engine.decide import decide
from dnsrun.engine.decide_acts import MAX_TRIES
from dnsrun.engine.decisions import (
    AskPerson,
    BeginBack,
    Call,
    Decision,
    End,
    Look,
    Nothing,
    PlanBack,
    SetDue,
    Settle,
    Until,
)
from dnsrun.engine.standing import Case
from dnsrun.journal.fold import RunState, fold, fold_all
from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, WriteZone
from dnsrun.model.entry import (
    Accepted,
    Done,
    DueSet,
    Entry,
    Failed,
    Intended,
    Judged,
    Opened,
    PersonAnswered,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
)
from dnsrun.model.plan import Check, Do, Hold, Move, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import Delegation
from dnsrun.plan.earliest import stale_life_s
from planworld import APEX, NOON, rrset, zone

OPENED = Opened("run1", "client.example", "d", "client.yaml", ((1, "lower"), (2, "switch"), (3, "verify")), "0.1")
WWW = Change(
    rrset("www", 1, "A", "192.0.2.10").key, rrset("www", 600, "A", "192.0.2.10"), rrset("www", 600, "A", "203.0.113.20")
)
API = Change(
    rrset("api", 1, "A", "192.0.2.10").key, rrset("api", 900, "A", "192.0.2.10"), rrset("api", 900, "A", "203.0.113.20")
)
WRITE, WRITE_API = WriteZone("host", APEX, (WWW,)), WriteZone("host", APEX, (API,))
REFRESH = Refresh("nsx", APEX)
PROGRAM, PERSON = RunCommand(("open",), ("shut",)), Instruct("us", "start the server", None, "stop it")
HTTP = GateSpec("http", "http", {}, every_s=10, within_s=300, successes=3, failures=3)
RECORDS = GateSpec("records", "records", {}, every_s=5, within_s=300, successes=1, failures=3)
CONFIRM = GateSpec("confirm", "confirm", {}, successes=1)
When = Literal["baseline", "before", "after", "safe", "back"]


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


EMPTY_ZONE = zone()


def a_plan(*moves: Move, acts: tuple[Act, ...] = (WRITE,), phase: int = 2, back: bool = False, **more: Any) -> Plan:
    direction: Literal["forward", "back"] = "back" if back else "forward"
    plan = Plan("run1", phase, "a phase", direction, acts, moves, "c", covers=(phase,) if back else (), **more)
    return replace(plan, stale_life_s=stale_life_s((*plan.guards, *plan.changes()), EMPTY_ZONE))


def check(gate: GateSpec = HTTP, when: When = "after") -> Check:
    return Check(gate, when, (0,))


LENIENT = replace(HTTP, kind="smtp", name="smtp", lenient=True)


def judged(outcome: str, move: int = 0, gate: str = "http", *, not_yet: bool = False, **facts: str) -> Judged:
    return Judged(move, gate, outcome, f"{gate} says {outcome}", not_yet, 1, facts=tuple(facts.items()))  # type: ignore[arg-type] # one of the three words


def told(plan: Plan, *entries: tuple[float, Entry]) -> RunState:
    """Fold a journal in which the plan was made at second 0."""
    planned = Planned(plan.phase, plan.direction, "plan", "c", plan.covers)
    before: tuple[tuple[float, Entry], ...] = ((-10, OPENED),)
    if plan.direction == "back":
        before += ((-9, Planned(2, "forward", "p", "c")), (-8, Intended(0, 1)), (-7, RollbackBegun((2,), "why")))
    told_entries = (*before, (0, planned), *entries)
    return fold_all(
        Record(number + 1, at(second), "", entry, str(number)) for number, (second, entry) in enumerate(told_entries)
    )


def next_of(plan: Plan, *entries: tuple[float, Entry], now: float, **case: Any) -> Decision:
    return decide(told(plan, *entries), Case(plan, **case), at(now))


WROTE: tuple[tuple[float, Entry], ...] = ((1, Intended(0, 1)), (2, Done(0, "applied")))


# Gates after a write


AFTER = a_plan(Do(0), check())


def rounds(outcomes: str, move: int = 1, *, every_s: int = 10) -> tuple[tuple[float, Entry], ...]:
    """Return rounds 10 s apart, from second 10 on: p pass, f fail, u unknown, y not yet."""
    words = {
        "p": judged("pass", move),
        "f": judged("fail", move),
        "u": judged("unknown", move),
        "y": judged("fail", move, not_yet=True),
    }
    return tuple((10 + every_s * number, words[letter]) for number, letter in enumerate(outcomes))


def test_a_gate_is_asked_as_soon_as_its_write_shows() -> None:
    assert next_of(AFTER, *WROTE, now=2) == Look(1, HTTP)


def test_the_next_round_waits_for_its_time() -> None:
    assert next_of(AFTER, *WROTE, *rounds("p"), now=19) == Until(at(20), "http: http says pass")
    assert next_of(AFTER, *WROTE, *rounds("p"), now=20) == Look(1, HTTP)


@pytest.mark.parametrize(
    ("outcomes", "now", "expected"),
    [
        ("ppp", 30, "done"),
        ("pp", 30, "look"),
        ("fppp", 40, "done"),
        ("pfppp", 50, "done"),
        ("ff", 30, "look"),
        ("fff", 30, "back"),
        ("ffpff", 60, "look"),
        ("ppfff", 50, "back"),
        ("y" * 29, 309, "look"),
        ("y" * 31, 310, "back"),
        ("yyyyyyyyyy", 5000, "look"),
        ("yyyppp", 60, "done"),
        ("u" * 29, 309, "look"),
        ("u" * 31, 310, "paused"),
        ("uuuuuuuuuu", 5000, "look"),
        ("uuuppp", 60, "done"),
        ("fufufufu", 309, "look"),
    ],
)
def test_a_gate_after_a_write(outcomes: str, now: int, expected: str) -> None:
    """An old value is waited for until `within`, other failures count in a row, what is not known only pauses.

    Who comes back after hours looks first.
    """
    decision = next_of(AFTER, *WROTE, *rounds(outcomes), now=now)

    assert (
        decision
        == {
            "done": End("done", "done"),
            "look": Look(1, HTTP),
            "back": BeginBack((2,), "http says fail", raise_ttls=False),
            "paused": End("paused", "http says unknown"),
        }[expected]
    )


LATE = a_plan(Do(0), check(replace(HTTP, late_s=900)))


@pytest.mark.parametrize(
    ("outcomes", "now", "expected"),
    [
        ("y" * 30, 310, Look(1, LATE.moves[1].gate)),  # type: ignore[union-attr] # a check
        ("y" * 31, 369, Until(at(370), "http: http says fail")),
        ("y" * 91, 910, BeginBack((2,), "http says fail", raise_ttls=False)),
        ("u" * 31, 310, End("paused", "http says unknown")),
        ("y" * 40 + "fff", 440, BeginBack((2,), "http says fail", raise_ttls=False)),
    ],
)
def test_a_server_that_is_merely_late_is_waited_for_beyond_within(
    outcomes: str, now: float, expected: Decision
) -> None:
    """Fault 39: once a minute, and no longer than it may take to follow (fault 40); all else keeps to `within`."""
    assert next_of(LATE, *WROTE, *rounds(outcomes), now=now) == expected


@pytest.mark.parametrize("outcomes", ["pf", "fu", "ppf", "yp", "pu"])
def test_a_gate_that_never_settles_is_decided_in_the_end(outcomes: str) -> None:
    """Fault 46: whatever it alternates between, twice its time is enough."""
    flapping = (outcomes * 40)[:70]

    decisions = [next_of(AFTER, *WROTE, *rounds(flapping[:n]), now=n * 10) for n in range(1, 70)]

    assert any(isinstance(decision, (BeginBack, End)) for decision in decisions)
    assert all(isinstance(decision, (Look, Until)) for decision in decisions[:30])


def test_a_failing_gate_rolls_back_the_newest_phase_that_wrote() -> None:
    """A phase that only verifies guards the one before it."""
    verify = a_plan(check(), phase=3, acts=())
    earlier: list[tuple[float, Entry]] = [
        (-6, Planned(1, "forward", "p1", "c")), (-5, Intended(0, 1)), (-5, PhaseEnded(1, "done", "")),
        (-4, Planned(2, "forward", "p2", "c")), (-3, Intended(0, 1)), (-3, PhaseEnded(2, "done", "")),
    ]  # fmt: skip
    entries = (*earlier, (0, Planned(3, "forward", "p3", "c")), *rounds("fff", 0))
    state = fold_all(Record(n + 1, at(second), "", entry, str(n)) for n, (second, entry) in enumerate(entries))

    assert decide(state, Case(verify), at(30)) == BeginBack((2,), "http says fail", raise_ttls=False)


def test_an_advisory_gate_is_asked_once_and_decides_nothing() -> None:
    plan = a_plan(Do(0), check(replace(HTTP, advisory=True)))

    assert next_of(plan, *WROTE, *rounds("f"), now=11) == End("done", "done")


def test_a_gate_may_pause_instead_of_rolling_back() -> None:
    plan = a_plan(Do(0), check(replace(HTTP, on_fail="pause")))

    assert next_of(plan, *WROTE, *rounds("fff"), now=30) == End("paused", "http says fail")


# Baselines


BASED = a_plan(check(HTTP, "baseline"), check(HTTP, "before"), Do(0), check())
DONE_THIRD: tuple[tuple[float, Entry], ...] = ((2, Intended(2, 1)), (3, Done(2, "applied")))


def test_what_the_service_says_before_is_asked_once_and_never_decides() -> None:
    assert next_of(BASED, now=0) == Look(0, HTTP)
    assert next_of(BASED, (0, judged("fail", 0, status="500")), now=0) == Look(1, HTTP)


@pytest.mark.parametrize(
    ("baseline", "after", "excused"),
    [
        (judged("fail", 0, status="500"), judged("fail", 3, status="500"), True),
        (judged("fail", 0, status="500"), judged("fail", 3, status="404"), False),
        (judged("pass", 0, status="200"), judged("fail", 3, status="200"), False),
        (judged("fail", 0), judged("fail", 3), False),
        (judged("fail", 0, status="500"), judged("unknown", 3, status="500"), False),
    ],
    ids=["same failure", "another failure", "it was well", "nothing was said", "not known"],
)
def test_a_gate_that_failed_the_same_way_before_is_not_our_doing(
    baseline: Judged, after: Judged, excused: bool
) -> None:
    plan = a_plan(check(HTTP, "baseline"), Do(0), check())
    entries = ((0, baseline), (1, Intended(1, 1)), (2, Done(1, "applied")), (3, replace(after, move=2)))

    assert isinstance(next_of(plan, *entries, now=20), End if excused else Look)


@pytest.mark.parametrize(
    ("was", "is_now", "goes_on"),
    [
        ("unknown", "unknown", True),
        ("fail", "fail", True),
        ("fail", "unknown", True),
        ("pass", "fail", False),
        ("unknown", "fail", False),
        ("pass", "unknown", False),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_gate_that_nobody_wrote_lets_be_what_was_no_better_before(
    was: str,
    is_now: str,
    goes_on: bool,
    when: When,
) -> None:
    """M4: mail that cannot be judged from here, or was broken, is no reason; mail that gets worse is."""
    if when == "after":
        plan = a_plan(check(LENIENT, "baseline"), Do(0), check(LENIENT), Hold("wait", 60, (), (0,)))
    else:
        plan = a_plan(check(LENIENT, "baseline"), check(LENIENT, "before"), Do(0))
    wrote: tuple[tuple[float, Entry], ...] = ((1, Intended(1, 1)), (2, Done(1, "applied"))) if when == "after" else ()
    move = 2 if when == "after" else 1
    seen = tuple((3 + 10 * n, judged(is_now, move, "smtp", a=str(n))) for n in range(40))
    decision = next_of(plan, (0, judged(was, 0, "smtp", a="old")), *wrote, *seen, now=500)
    if goes_on:
        assert isinstance(decision, (Call, SetDue)), decision
    else:
        assert isinstance(decision, (End, BeginBack)), decision


def test_a_failure_counts_when_the_new_side_was_well_before_the_switch() -> None:
    entries = ((0, judged("fail", 0, status="500")), (1, judged("pass", 1, status="200")), *DONE_THIRD)
    failing = tuple((10.0 + n, judged("fail", 3, status="500")) for n in range(3))

    assert isinstance(next_of(BASED, *entries, *failing, now=20), BeginBack)


@pytest.mark.parametrize(("before", "goes_back"), [("pass", True), ("fail", False)])
def test_new_mail_that_was_well_before_the_switch_is_not_excused_by_old_mail_that_was_not(
    before: str, goes_back: bool
) -> None:
    """An old server that takes nothing for postmaster says nothing of a new one that breaks."""
    plan = a_plan(check(LENIENT, "baseline"), check(LENIENT, "before"), Do(0), check(LENIENT))
    entries = ((0, judged("fail", 0, "smtp", a="550")), (1, judged(before, 1, "smtp", a="250")), *DONE_THIRD)
    failing = tuple((10.0 + n, judged("fail", 3, "smtp", b="refused")) for n in range(3))

    decision = next_of(plan, *entries, *failing, now=20)

    assert isinstance(decision, BeginBack) is goes_back


# Gates before a write


BEFORE = a_plan(check(HTTP, "before"), Do(0))


@pytest.mark.parametrize(
    ("outcomes", "decision"),
    [
        ("p", Call(1, 1)),
        ("f", Look(0, HTTP)),
        ("fff", End("refused", "http says fail")),
        ("ffp", Call(1, 1)),
        ("uuu", End("refused", "http says unknown")),
        ("y", End("refused", "http says fail")),
    ],
)
def test_nothing_is_written_while_the_future_fails_or_is_not_known(outcomes: str, decision: Decision) -> None:
    assert next_of(BEFORE, *rounds(outcomes, 0), now=60) == decision


def test_a_gate_before_the_second_write_pauses_because_something_was_written() -> None:
    plan = a_plan(Do(0), check(HTTP, "before"), Do(1), acts=(WRITE, WRITE_API))

    assert next_of(plan, *WROTE, *rounds("fff"), now=60) == End("paused", "http says fail")


def test_a_person_is_asked_and_the_answer_is_judged() -> None:
    plan = a_plan(check(CONFIRM, "before"), Do(0))
    asked = (1, judged("unknown", 0, "confirm"))

    assert next_of(plan, now=0) == Look(0, CONFIRM)
    assert next_of(plan, asked, now=9999) == AskPerson(0, "confirm says unknown")
    assert next_of(plan, asked, (2, PersonAnswered(0, "done", "taro")), now=3) == Look(0, CONFIRM)
    assert next_of(plan, asked, (3, judged("pass", 0, "confirm")), now=4) == Call(1, 1)
    assert next_of(plan, asked, (3, judged("fail", 0, "confirm")), now=4) == End("refused", "confirm says fail")


# Acts


ACT = a_plan(Do(0))
INTENDED = (0, Intended(0, 1))


def failed(*, retryable: bool = True, in_doubt: bool = False, not_before: float | None = None) -> Failed:
    when = None if not_before is None else at(not_before)
    return Failed(0, 1, "the host says no", retryable=retryable, in_doubt=in_doubt, not_before=when)


def test_an_act_is_called_once_and_then_its_servers_are_asked() -> None:
    assert next_of(ACT, now=0) == Call(0, 1)
    assert next_of(ACT, INTENDED, now=1, called=frozenset({0})) == Settle(0)
    assert next_of(ACT, INTENDED, (2, Done(0, "applied")), now=2) == End("done", "done")


def test_what_a_registrar_took_is_waited_for_by_every_process() -> None:
    """Fault 25: no second request, however often another process goes on, within the declared delay and some more."""
    taken: tuple[tuple[float, Entry], ...] = (INTENDED, (1, Accepted(0, "req-7")))
    assert next_of(ACT, *taken, now=3000, delays_s={"host": 3600}) == Settle(0)
    assert next_of(ACT, *taken, now=36000, delays_s={"host": 3600}) == Settle(0), (
        "who comes back after hours looks first"
    )
    assert isinstance(next_of(ACT, *taken, now=3841, delays_s={"host": 3600}, looked={0: at(3841)}), BeginBack)


def test_an_act_whose_end_nobody_saw_is_settled_by_asking_not_by_calling() -> None:
    """Faults 2, 3."""
    assert next_of(ACT, INTENDED, now=1) == Settle(0)


def test_servers_that_never_show_an_accepted_write_take_the_phase_back() -> None:
    """Faults 29, 40: after the host's declared delay and more; for TTLs alone it only pauses."""
    case: dict[str, Any] = {"called": frozenset({0}), "delays_s": {"host": 900}}

    assert next_of(ACT, INTENDED, now=1139, **case) == Settle(0)
    because = "www.client.example A at host: accepted, but the servers do not show it"
    assert next_of(ACT, INTENDED, now=9999, **case, looked={0: at(1139)}) == Settle(0), "a lid was closed meanwhile"
    case["looked"] = {0: at(1140)}
    assert next_of(ACT, INTENDED, now=1140, **case) == BeginBack((2,), because, raise_ttls=False)
    low = WWW.before.with_ttl(60) if WWW.before else None
    only_ttls = replace(ACT, acts=(WriteZone("host", APEX, (replace(WWW, after=low),)),))
    assert next_of(only_ttls, INTENDED, now=1140, **case) == End("paused", because)


def test_a_failed_call_is_tried_again_when_the_host_says() -> None:
    """Fault 21."""
    entries = (INTENDED, (1, failed(not_before=60)))

    assert next_of(ACT, *entries, now=59) == Until(at(60), "trying again: the host says no")
    assert next_of(ACT, *entries, now=60) == Call(0, 2)


def test_a_call_in_doubt_is_looked_for_before_it_is_called_again() -> None:
    """Faults 25, 26: it may take effect as late as the host declares."""
    entries = (INTENDED, (1, failed(in_doubt=True)))

    assert next_of(ACT, *entries, now=89, delays_s={"host": 90}) == Settle(0)
    assert next_of(ACT, *entries, now=90, delays_s={"host": 90}) == Call(0, 2)


def test_a_request_whose_answer_nobody_heard_is_looked_for_before_its_gate_speaks_of_a_stranger() -> None:
    """Fault 3: the process died straight after it; by now the parent may show it, and that is no incident."""
    delegation = GateSpec("delegation", "delegation", {}, successes=1)
    plan = a_plan(check(delegation, "before"), Do(0), acts=(SetDelegation("registry", APEX, AT_OLD, AT_NEW),))
    lost = Failed(1, 1, "it does not show", retryable=True, in_doubt=False, not_before=at(10))
    entries = ((1, judged("pass", gate="delegation")), (2, Intended(1, 1)), (3, lost))

    assert next_of(plan, *entries, now=900) == Look(0, delegation, begun=1)
    assert next_of(plan, *entries, now=900, fresh=frozenset({(0, "delegation")})) == Call(1, 2)


def test_a_refusal_pauses_and_says_why() -> None:
    """Fault 37."""
    decision = next_of(ACT, INTENDED, (1, failed(retryable=False)), now=2)

    assert decision == End("paused", "www.client.example A at host: the host says no")


def test_a_paused_phase_goes_on_when_a_person_says_so() -> None:
    """Fault 37: the credentials were renewed."""
    entries = (INTENDED, (1, failed(retryable=False)), (2, PhaseEnded(2, "paused", "")), (3, Resumed(2)))

    assert isinstance(next_of(ACT, *entries, now=4), (Call, Settle))


def test_a_host_that_fails_for_ever_is_called_a_bounded_number_of_times() -> None:
    """Fault 22: then the phase pauses, and nothing is rolled back by itself."""
    state, calls, now = told(ACT), 0, 0.0
    while isinstance(decision := decide(state, Case(ACT), at(now)), (Call, Until)):
        now += 30
        if isinstance(decision, Call):
            calls += 1
            for entry in (Intended(0, decision.attempt), failed(not_before=now + 20)):
                state = fold(state, Record(state.head[0] + 1, at(now), "", entry, "d"))
        assert calls <= MAX_TRIES

    assert decision == End("paused", "www.client.example A at host: the host says no")
    assert calls == MAX_TRIES


def test_a_program_whose_end_nobody_saw_is_not_run_again_without_a_person() -> None:
    plan = a_plan(Do(0), acts=(PROGRAM,))

    assert isinstance(next_of(plan, INTENDED, now=1), AskPerson)


def test_a_declined_instruction_pauses() -> None:
    plan = a_plan(Do(0), acts=(PERSON,))
    entries = (INTENDED, (1, PersonAsked(0, "us", "x")), (2, PersonAnswered(0, "declined", "taro")))

    assert next_of(plan, *entries, now=3) == End("paused", 'declined: "start the server" by us')


# Holds


WAIT = a_plan(Do(0), check(RECORDS), Hold("wait", 900, (RECORDS, HTTP), (0,)))
WATCH = a_plan(Do(0), check(RECORDS), Hold("watch", None, (RECORDS, HTTP), (0,)))
SHOWN = (*WROTE, (30, judged("pass", 1, "records")))
DUE = (31, DueSet(2, at(930), "wait"))


def in_hold(outcomes: str, start: float, *, every_s: int = 60, gate: str = "http") -> tuple[tuple[float, Entry], ...]:
    letters = {"p": ("pass", False), "f": ("fail", False), "u": ("unknown", False), "y": ("fail", True)}
    return tuple(
        (start + every_s * number, judged(letters[one][0], 2, gate, not_yet=letters[one][1]))
        for number, one in enumerate(outcomes)
    )


def test_a_wait_counts_from_when_every_server_showed_the_change() -> None:
    """t_all, not the time of the call."""
    assert next_of(WAIT, *SHOWN, now=500) == SetDue(2, at(930), "wait for 900 s")


def test_a_watch_without_an_end_lasts_until_no_cache_holds_the_old_record() -> None:
    """T5: 600 s after t_all and the margin."""
    assert next_of(WATCH, *SHOWN, now=31) == SetDue(2, at(30 + 600 + 60), "until no cache can hold the old records")


def test_a_watch_counts_the_standing_changes_of_earlier_phases() -> None:
    """T4: the largest TTL counts."""
    plan = a_plan(Hold("watch", None, (HTTP,), ()), phase=3, acts=(), guards=(WWW, API))

    assert next_of(plan, now=50, settled_at=at(-100)) == SetDue(
        0, at(-100 + 900 + 60), "until no cache can hold the old records"
    )


def test_without_the_records_gate_a_hold_counts_from_now_not_from_an_earlier_phase() -> None:
    plan = a_plan(Do(0), Hold("wait", 900, (), (0,)))

    assert next_of(plan, *WROTE, now=40, settled_at=at(-5000)) == SetDue(1, at(940), "wait for 900 s")


def test_a_records_gate_before_the_write_is_not_its_proof() -> None:
    plan = a_plan(check(RECORDS, "before"), Do(0), Hold("wait", 900, (), (0,)))
    entries = ((-5, judged("pass", 0, "records")), (1, Intended(1, 1)), (2, Done(1, "applied")))

    assert next_of(plan, *entries, now=40) == SetDue(2, at(940), "wait for 900 s")


def test_gates_go_on_in_a_hold_and_nobody_is_woken_between_rounds() -> None:
    hold_gates = (replace(RECORDS, every_s=60), replace(HTTP, every_s=60))
    plan = a_plan(Do(0), check(RECORDS), Hold("wait", 900, hold_gates, (0,)))
    one = (40, judged("pass", 2, "records"))
    both = (*SHOWN, DUE, one, (41, judged("pass", 2)))

    assert next_of(plan, *SHOWN, DUE, now=31) == Look(2, hold_gates[0])
    assert next_of(plan, *SHOWN, DUE, one, now=40) == Look(2, hold_gates[1])
    assert next_of(plan, *both, now=50) == Until(at(100), "wait")
    assert next_of(plan, *both, now=100) == Look(2, hold_gates[0])


def test_the_end_of_a_hold_needs_equal_rounds_ten_seconds_apart() -> None:
    """k = 3: a timer that counts from t_all is only as good as the rounds that agree."""
    plan = a_plan(Do(0), check(RECORDS), Hold("wait", 900, (RECORDS,), (0,)))
    entries = (*SHOWN, DUE)

    decisions = []
    for passed in range(4):
        seen = in_hold("p" * passed, 930, every_s=10, gate="records")
        decisions.append(next_of(plan, *entries, *seen, now=930 + 10 * passed))

    assert decisions == [Look(2, RECORDS)] * 3 + [End("done", "done")]
    assert next_of(plan, *entries, *in_hold("p", 930, gate="records"), now=935) == Until(at(940), "wait")


def watching(outcomes: str, *, now: float) -> Decision:
    gates = (replace(HTTP, every_s=60, successes=1, failures=2),)
    plan = a_plan(Do(0), check(RECORDS), Hold("watch", 7200, gates, (0,)))
    return next_of(plan, *SHOWN, (31, DueSet(2, at(7230), "watch")), *in_hold(outcomes, 60), now=now)


def test_a_watch_that_fails_twice_in_a_row_goes_back() -> None:
    assert isinstance(watching("pppff", now=310), BeginBack)
    assert isinstance(watching("ppfpf", now=310), Until)


def test_a_blip_while_watching_is_one_failure() -> None:
    """Fault 47: also when it is an old value, long after the records had settled."""
    assert isinstance(watching("pppppppppy", now=610), Until)
    assert isinstance(watching("pppppppppyy", now=670), BeginBack)


def test_a_watch_that_cannot_see_pauses() -> None:
    assert watching("pppuuuuuuu", now=670) == End("paused", "http says unknown")


def test_a_gate_that_failed_before_does_not_keep_a_hold_open_for_ever() -> None:
    plan = a_plan(check(HTTP, "baseline"), Do(0), Hold("wait", 900, (HTTP,), (0,)))
    entries: tuple[tuple[float, Entry], ...] = (
        (0, judged("fail", 0, status="500")), (1, Intended(1, 1)), (2, Done(1, "applied")), (3, DueSet(2, at(903), "")),
        *((10.0 + 60 * n, judged("fail", 2, status="500")) for n in range(16)),
    )  # fmt: skip

    assert isinstance(next_of(plan, *entries, now=850), (Look, Until))
    assert next_of(plan, *entries, now=980) == End("done", "done")


def test_records_that_never_agree_for_long_do_not_keep_a_hold_open_for_ever() -> None:
    """Fault 46: one of several backends behind an address stays old."""
    plan = a_plan(Do(0), check(RECORDS), Hold("wait", 900, (RECORDS,), (0,)))
    flapping = in_hold("pf" * 70, 40, every_s=60, gate="records")

    late = 930 + 2 * RECORDS.within_s
    seen = [one for one in flapping if one[0] <= late + 60]

    assert isinstance(next_of(plan, *SHOWN, DUE, *seen[:-1], now=late - 100), (Look, Until))
    assert isinstance(next_of(plan, *SHOWN, DUE, *seen[: len(seen) // 2 * 2], now=late + 60), BeginBack)


def test_an_advisory_gate_does_not_end_a_watch() -> None:
    plan = a_plan(Do(0), Hold("wait", 100, (replace(HTTP, advisory=True),), (0,)))
    entries = (*WROTE, (3, DueSet(1, at(103), "")), *((10.0 + n, judged("fail", 1)) for n in range(50)))

    assert next_of(plan, *entries, now=103) == End("done", "done")


# The way back


BACK_ACTS: tuple[Act, ...] = (WRITE, REFRESH, WRITE_API)
BACK = a_plan(Do(0), Do(1), Do(2), check(RECORDS, "back"), acts=BACK_ACTS, back=True)


def back_told(*entries: tuple[float, Entry], plan: Plan = BACK, now: float = 100, **case: Any) -> Decision:
    return next_of(plan, *entries, now=now, **case)


def all_done(*moves: int) -> tuple[tuple[float, Entry], ...]:
    return tuple((10, entry) for move in moves for entry in (Intended(move, 1), Done(move, "applied")))


def refused(move: int) -> tuple[tuple[float, Entry], ...]:
    return ((10, Intended(move, 1)), (11, replace(failed(retryable=False), move=move)))


def test_a_rollback_that_shows_everywhere_is_over() -> None:
    passed = (50, judged("pass", 3, "records"))

    assert back_told(*all_done(0, 1, 2), passed) == End("rolled-back", "")


def test_what_was_left_to_others_is_said_at_the_end() -> None:
    """Fault 56."""
    plan = replace(BACK, left=("www is x now, set by somebody else; it was left alone",))

    assert back_told(*all_done(0, 1, 2), (50, judged("pass", 3, "records")), plan=plan) == End(
        "rolled-back", "www is x now, set by somebody else; it was left alone"
    )


def test_one_act_that_fails_does_not_stop_the_others() -> None:
    """Fault 50, P9."""
    assert back_told(*refused(0)) == Call(1, 1)
    assert back_told(*refused(0), *all_done(1)) == Call(2, 1)


def test_what_could_not_be_taken_back_is_listed_in_the_end() -> None:
    """P9."""
    decision = back_told(*refused(0), *all_done(1, 2), (50, judged("pass", 3, "records")))

    assert decision == End("rollback-incomplete", "not taken back: www.client.example A at host (the host says no)")


@pytest.mark.parametrize(("unshown", "named"), [((), range(7)), ((3, 6), (3, 6))])
def test_what_is_left_is_named_rrset_by_rrset(unshown: tuple[int, ...], named: Iterable[int]) -> None:
    """P9: all of them, or those that some server did not show when it was last asked; and what others have set."""
    held = [rrset(f"www{number}", 600, "A", "192.0.2.1") for number in range(7)]
    many = WriteZone("host", APEX, tuple(Change(one.key, None, one) for one in held))
    plan = replace(a_plan(Do(0), acts=(many,), back=True), left=("x is y now, set by somebody else",))
    keys = tuple(many.changes[number].key for number in unshown)

    decision = back_told(*refused(0), plan=plan, unshown={0: keys} if keys else {})

    words = ", ".join(f"www{number}.client.example A" for number in named)
    left = f"not taken back: {words} at host (the host says no); x is y now, set by somebody else"
    assert decision == End("rollback-incomplete", left)


def test_a_check_that_fails_after_the_way_back_says_incomplete() -> None:
    failing = tuple((50.0 + n, judged("fail", 3, "records")) for n in range(3))

    assert back_told(*all_done(0, 1, 2), *failing) == End("rollback-incomplete", "records says fail")


def test_nothing_goes_back_to_a_side_that_does_not_answer_as_before() -> None:
    plan = a_plan(check(replace(HTTP, failures=2), "safe"), Do(0), back=True)
    failing = tuple((50.0 + n, judged("fail", 0)) for n in range(2))

    decision = back_told(*failing, plan=plan)

    assert isinstance(decision, End)
    assert decision.outcome == "paused"
    assert "not going back" in decision.because


def test_a_gate_that_nobody_wrote_and_that_cannot_be_asked_any_more_keeps_nothing_from_going_back() -> None:
    """Who began in an office and goes back from home, where port 25 is closed, gets back."""
    unwritten = replace(LENIENT, failures=2)
    plan = a_plan(check(unwritten, "safe"), Do(0), check(unwritten, "back"), back=True)
    unknown = tuple((50.0 + 10 * n, judged("unknown", 0, "smtp")) for n in range(2))

    assert isinstance(back_told(*unknown[:1], plan=plan), Look), "asked once more"
    assert back_told(*unknown, plan=plan) == Call(1, 1)

    after = tuple((70.0 + 10 * n, judged("unknown", 2, "smtp")) for n in range(2))
    assert back_told(*unknown, *all_done(1), *after, plan=plan) == End("rolled-back", "")


def test_a_gate_that_nobody_wrote_and_that_fails_keeps_the_data_from_going_back() -> None:
    plan = a_plan(check(replace(LENIENT, failures=2), "safe"), Do(0), back=True)
    failing = tuple((50.0 + n, judged("fail", 0, "smtp")) for n in range(2))

    decision = back_told(*failing, plan=plan)

    assert isinstance(decision, End)
    assert decision.outcome == "paused"


WITH_HANDS = a_plan(Do(0), Do(1), Do(2), acts=(PERSON, PROGRAM, WRITE), back=True)
ASKED: tuple[tuple[float, Entry], ...] = ((1, Intended(0, 1)), (2, PersonAsked(0, "us", "stop it")))


def test_data_goes_back_while_a_person_is_asked() -> None:
    """No class waits for a slower one when waiting makes users worse off."""
    assert back_told(plan=WITH_HANDS) == Call(0, 1)
    assert back_told(*ASKED, plan=WITH_HANDS) == Call(1, 1)
    assert back_told(*ASKED, *all_done(1), plan=WITH_HANDS) == Call(2, 1)


AT_NEW, AT_OLD = (
    Delegation(frozenset({dns.name.from_text(f"ns.{host}.example")}), {}, frozenset(), 900) for host in ("new", "old")
)
SWITCH_BACK = SetDelegation("registry", APEX, AT_NEW, AT_OLD)
WITH_REFRESH = a_plan(Do(0), Do(1), Do(2), check(RECORDS, "back"), acts=(WRITE, REFRESH, SWITCH_BACK), back=True)


def test_the_registrar_is_called_as_soon_as_the_data_call_is_sent() -> None:
    """D4: neither the host nor a secondary that waits for it holds the delegation up; all must end."""
    sent = (1, Intended(0, 1))
    assert back_told(plan=WITH_REFRESH) == Call(0, 1)
    assert back_told(sent, plan=WITH_REFRESH, now=2) == Call(2, 1)
    assert back_told(sent, (2, Intended(2, 1)), plan=WITH_REFRESH, now=3) == Settle(0)
    assert back_told(*all_done(0), (12, Intended(2, 1)), plan=WITH_REFRESH, now=13) == Call(1, 1)
    assert back_told(*all_done(0, 1), (12, Intended(2, 1)), plan=WITH_REFRESH, now=13) == Settle(2)


def test_what_follows_a_wait_of_the_way_back_waits_for_it() -> None:
    """S2: a DS is gone from caches before the name servers go back, however slow the data is."""
    plan = a_plan(Do(0), Do(1), Hold("wait", 660, (), (1,)), Do(2), acts=(WRITE, SWITCH_BACK, SWITCH_BACK), back=True)
    assert back_told((1, Intended(0, 1)), (2, Intended(1, 1)), plan=plan, now=3) == Settle(0)


def test_a_rollback_is_not_over_while_a_person_is_asked() -> None:
    assert back_told(*ASKED, *all_done(1, 2), plan=WITH_HANDS) == Settle(0)


def test_a_person_who_declines_does_not_stop_the_data() -> None:
    declined = (*ASKED, (3, PersonAnswered(0, "declined", "taro")))

    assert back_told(*declined, *all_done(1), plan=WITH_HANDS) == Call(2, 1)
    assert back_told(*declined, *all_done(1, 2), plan=WITH_HANDS) == End(
        "rollback-incomplete", 'not taken back: "start the server" by us'
    )


def test_a_program_whose_end_nobody_saw_does_not_stop_the_data() -> None:
    killed = (*ASKED, (3, PersonAnswered(0, "done", "taro")), (4, Done(0, "by-hand")), (5, Intended(1, 1)))

    assert back_told(*killed, plan=WITH_HANDS) == Call(2, 1)
    assert back_told(*killed, *all_done(2), plan=WITH_HANDS) == End("rollback-incomplete", "not taken back: `open`")


STANDING: tuple[tuple[float, Entry], ...] = (
    (1, Planned(1, "forward", "p1", "c")), (2, Intended(0, 1)), (3, PhaseEnded(1, "done", "")),
    (4, Planned(3, "forward", "p3", "c")), (5, Intended(0, 1)), (6, PhaseEnded(3, "done", "")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "phases", "raise_ttls"),
    [
        (RollbackAsked("newest", None, "taro"), (3,), False),
        (RollbackAsked("to-phase", 1, "taro"), (3, 2), False),
        (RollbackAsked("to-phase", 3, "taro"), (), False),
        (RollbackAsked("all", None, "taro"), (3, 2, 1), True),
    ],
    ids=["newest", "to phase 1", "to phase 3", "all"],
)
def test_a_request_from_a_second_terminal_comes_first(
    asked: RollbackAsked, phases: tuple[int, ...], raise_ttls: bool
) -> None:
    """Windows, waits and gates never delay it."""
    state = told(AFTER, *WROTE, *STANDING, (7, asked))

    assert decide(state, Case(AFTER), at(8)) == BeginBack(phases, "asked for by taro", raise_ttls=raise_ttls)


def test_a_narrower_request_takes_nothing_from_a_rollback_under_way() -> None:
    """`rollback` typed beside a `rollback --all` must not have the name servers go forward again."""
    begun = RollbackBegun((3, 2, 1), "why", raise_ttls=True)
    state = told(AFTER, *WROTE, *STANDING, (7, begun), (8, RollbackAsked("newest", None, "taro")))

    assert decide(state, Case(AFTER), at(9)) == BeginBack((3, 2, 1), "asked for by taro", raise_ttls=True)


def test_a_rollback_that_was_begun_is_planned_next_whoever_comes() -> None:
    """Fault 7: killed before the plan was journaled."""
    state = told(AFTER, *WROTE, (3, RollbackBegun((2,), "why", raise_ttls=True)))

    assert decide(state, Case(None), at(4)) == PlanBack((2,), raise_ttls=True)


def test_an_incomplete_rollback_is_planned_again() -> None:
    state = told(BACK, *refused(0), (90, PhaseEnded(2, "rollback-incomplete", "x")))

    assert decide(state, Case(None), at(100)) == PlanBack((2,), raise_ttls=False)


def test_without_an_open_phase_there_is_nothing_to_do() -> None:
    assert decide(RunState(), Case(None), NOON) == Nothing("no phase is open")
    assert decide(told(AFTER, *WROTE, (3, PhaseEnded(2, "done", ""))), Case(None), at(4)) == Nothing("no phase is open")


# Any state, any time


GATES = st.builds(
    lambda kind, number, **more: GateSpec(kind, f"{kind}-{number}", {}, **more),
    st.sampled_from(("http", "records", "untouched", "confirm")),
    st.integers(0, 1),
    every_s=st.sampled_from((5, 60)),
    within_s=st.sampled_from((0, 300)),
    successes=st.integers(1, 3),
    failures=st.integers(1, 3),
    on_fail=st.sampled_from(("rollback", "pause")),
    advisory=st.booleans(),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    known: tuple[Act, ...] = (WRITE, WRITE_API, REFRESH, PROGRAM, PERSON)
    acts = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
    move = st.one_of(
        st.builds(Do, st.integers(0, len(acts) - 1)),
        st.builds(Check, GATES, st.sampled_from(("baseline", "before", "after", "safe", "back")), st.just((0,))),
        st.builds(
            Hold,
            st.sampled_from(("wait", "watch")),
            st.sampled_from((None, 0, 900)),
            st.lists(GATES, max_size=2, unique_by=lambda gate: gate.name).map(tuple),
            st.just((0,)),
        ),
    )
    moves = tuple(draw(st.lists(move, min_size=1, max_size=5)))
    return a_plan(*moves, acts=acts, back=draw(st.booleans()))


def entries_of(plan: Plan) -> st.SearchStrategy[Entry]:
    move = st.integers(0, len(plan.moves) - 1)
    gate = st.sampled_from([f"{kind}-{n}" for kind in ("http", "records", "untouched", "confirm") for n in (0, 1)])
    when = st.integers(-100, 5000).map(at)
    return st.one_of(
        st.builds(Intended, move, st.integers(1, 12)),
        st.builds(Done, move, st.just("applied")),
        st.builds(Failed, move, st.integers(1, 12), st.just("x"), st.booleans(), st.booleans(), st.none() | when),
        st.builds(
            lambda of, name, outcome, waits: judged(outcome, of, name, not_yet=waits and outcome == "fail", status="1"),
            move, gate, st.sampled_from(("pass", "fail", "unknown")), st.booleans(),
        ),
        st.builds(DueSet, move, when, st.just("")),
        st.builds(PersonAsked, move, st.just("us"), st.just("x")),
        st.builds(PersonAnswered, move, st.sampled_from(("done", "declined")), st.just("taro")),
        st.builds(Resumed, st.just(2)),
        st.sampled_from((PhaseEnded(2, "paused", ""), PhaseEnded(2, "done", ""), PhaseEnded(2, "rolled-back", ""))),
        st.sampled_from((RollbackAsked("all", None, "taro"), RollbackBegun((2,), ""), RollbackBegun((), ""))),
    )  # fmt: skip


@given(data=st.data(), plan=plans(), now=st.integers(-1000, 20_000))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_state_has_a_decision_and_the_same_one_twice(data: st.DataObject, plan: Plan, now: int) -> None:
    found = data.draw(st.lists(st.tuples(st.integers(0, 5000), entries_of(plan)), max_size=20))
    state = told(plan, *found)
    case = Case(plan, frozenset(data.draw(st.sets(st.integers(0, 4)))), {"host": 60}, at(0))

    decision = decide(state, case, at(now))

    assert decision == decide(state, case, at(now))
    if state.going_back and state.active and plan.direction == "back" and isinstance(decision, End):
        open_moves = [n for n, move in enumerate(plan.moves) if isinstance(move, Do) and not state.active.move(n).done]
        assert decision.outcome != "rolled-back" or not open_moves, "a rollback is over when every act shows"


@given(data=st.data(), plan=plans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_plan_comes_to_an_end_whatever_the_world_answers(data: st.DataObject, plan: Plan) -> None:
    """Nothing loops for ever: faults 22, 40, 46 to 48."""
    state, now = told(plan), 0.0
    for _ in range(2000):
        decision = decide(state, Case(plan, settled_at=NOON), at(now))
        if isinstance(decision, (End, BeginBack, PlanBack, Nothing)):
            return
        now += 1
        if isinstance(decision, Until):
            assert decision.when > at(now - 1)
            now = (decision.when - NOON).total_seconds()
        for entry in answers(data, decision):
            state = fold(state, Record(state.head[0] + 1, at(now), "", entry, str(now)))
    raise AssertionError(f"still at {decision} after {now} s")


def answers(data: st.DataObject, decision: Decision) -> tuple[Entry, ...]:
    """Return what the journal gets when the world answers a decision in some way."""
    if isinstance(decision, SetDue):
        return (DueSet(decision.move, decision.until, ""),)
    if isinstance(decision, AskPerson):
        return (PersonAnswered(decision.move, data.draw(st.sampled_from(("done", "declined"))), "taro"),)
    if isinstance(decision, Look):
        outcome = data.draw(st.sampled_from(("pass", "fail", "unknown")))
        if decision.gate.kind == "confirm":
            outcome = "unknown" if outcome == "unknown" and data.draw(st.booleans()) else "pass"
        waits = outcome == "fail" and data.draw(st.booleans())
        return (judged(outcome, decision.move, decision.gate.name, not_yet=waits),)
    if isinstance(decision, (Call, Settle)):
        move, attempt = decision.move, decision.attempt if isinstance(decision, Call) else 1
        retryable = data.draw(st.booleans())
        ends: tuple[Entry, ...] = (Done(move, "applied"), Failed(move, attempt, "x", retryable, in_doubt=False))
        result = data.draw(st.sampled_from(ends))
        return (Intended(move, attempt), result) if isinstance(decision, Call) else (result,)
    return ()


def test_a_server_that_falls_back_during_a_hold_moves_its_end() -> None:
    """T5: t_all is when every server shows it, again where one had fallen back meanwhile."""
    plan = a_plan(Do(0), check(RECORDS), Hold("wait", 900, (RECORDS,), (0,)))
    entries = (*SHOWN, (31, DueSet(2, at(930), "wait")), *in_hold("pfp", 60, gate="records"))
    decision = next_of(plan, *entries, now=200)
    assert isinstance(decision, SetDue)
    assert decision.until == at(180 + 900)
