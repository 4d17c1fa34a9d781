"""Name servers and services that fail in the middle of a phase, each by its number in the fault matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from dns.name import from_text
from dns.rcode import Rcode

from dnsrun.dnsio import stream
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import prepare
from dnsrun.model.entry import Judged, RollbackAsked
from dnsrun.rehearse.authority import Authority, Faults, TransferSource
from webworld import hang, raw
from worlds import APEX, CLIENT_ZONE, NEW, OLD, PARENT_ZONE, PLAYBOOK, Web, World, world

DAY_S = 25 * 3600


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def drive(small: World, run: Run, before_each: Callable[[], None] = lambda: None, limit: int = 600) -> Ended:
    for _ in range(limit):
        before_each()
        after = advance(run)
        if isinstance(after, Ended):
            return after
        assert isinstance(after, DueAt), after
        small.clock.wait_until(after.when)
    raise AssertionError("the phase does not end")


def lowered(small: World, text: str = PLAYBOOK) -> None:
    run = small.open(text)
    small.start(run, 1)
    assert drive(small, run) == Ended("done", "done")
    small.clock.advance(DAY_S)


def switched(small: World, text: str = PLAYBOOK) -> Run:
    """Bring phase 2 to where both name servers serve the new address."""
    lowered(small, text)
    run = small.open(text)
    small.start(run, 2)
    while small.values(small.ns2) != [f"600 {NEW}"]:
        small.clock.wait_until(small.step(run))
    return run


def is_back(small: World) -> bool:
    return all(small.values(server) == [f"600 {OLD}"] for server in (small.ns1, small.ns2))


def judged(run: Run) -> list[Judged]:
    return [record.entry for record in run.journal.read() if isinstance(record.entry, Judged)]


@contextmanager
def four(folder: Path) -> Iterator[tuple[World, list[Authority]]]:
    """The small world with four name servers; the third and fourth are given besides."""
    more = "".join(f"client.example. {{}} NS ns{n}.client.example.\n" for n in (3, 4))
    glue = "".join(f"ns{n}.client.example. {{}} A 198.51.100.{52 + n}\n" for n in (3, 4))
    with ExitStack() as stack:
        small = stack.enter_context(world(folder, CLIENT_ZONE + (more + glue).format(*[3600] * 4)))
        small.parent.set_zone(from_text("example"), PARENT_ZONE + (more + glue).format(*[86400] * 4))
        extra = [Authority({}, secondaries={APEX: TransferSource(small.ns1.endpoint)}) for _ in range(2)]
        for number, server in zip((55, 56), map(stack.enter_context, extra), strict=True):
            server.refresh(APEX)
            small.places[f"198.51.100.{number}", 53] = (server.address, server.port)
        yield small, extra


FOUR = """dnsrun: 1
domain: client.example
goal: The web site moves.
providers:
  old: {use: rfc2136, server: 198.51.100.53}
zone: {from: old}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
"""


def test_fault_39_one_of_four_servers_that_lags_ten_minutes_moves_the_time_and_passes_by_itself(tmp_path: Path) -> None:
    with four(tmp_path) as (small, (third, last)):
        run = small.open(FOUR)
        small.start(run, 1)
        began = small.clock.now()
        lag_s = 600

        def follow() -> None:
            small.ns2.refresh(APEX)
            third.refresh(APEX)
            if (small.clock.now() - began).total_seconds() >= lag_s:
                last.refresh(APEX)

        assert drive(small, run, follow) == Ended("done", "done")
        assert any("ns4 still old" in each.because for each in judged(run))
        assert (small.clock.now() - began).total_seconds() >= lag_s
        earliest = prepare(small.open(FOUR), 2).plan.earliest
        assert earliest is not None
        assert (earliest - began).total_seconds() >= lag_s + 24 * 3600, "it counts from the slowest server"
        small.clock.wait_until(earliest)
        plan = prepare(small.open(FOUR), 2).plan
        assert plan.earliest is None or plan.earliest <= small.clock.now()


def test_fault_39_a_rollback_is_not_held_up_by_a_server_that_never_took_the_low_ttls(tmp_path: Path) -> None:
    with four(tmp_path) as (small, (third, _)):
        run = small.open(FOUR)
        small.start(run, 1)

        def follow() -> None:
            small.ns2.refresh(APEX)
            third.refresh(APEX)

        assert drive(small, run, follow).outcome == "paused"
        run.append(RollbackAsked("newest", None, "me"))
        assert drive(small, run, follow).outcome == "rolled-back"


def test_fault_40_a_server_that_stays_stale_takes_the_phase_back(small: World) -> None:
    lowered(small)
    small.ns2.faults = Faults(stale=True)
    run = small.open()
    small.start(run, 2)
    assert drive(small, run).outcome == "rollback-incomplete", "back, but ns2 does not fetch what proves it"
    assert small.values(small.ns1) == [f"600 {OLD}"]
    small.ns2.faults = Faults()
    assert drive(small, small.open()).outcome == "rolled-back"
    assert is_back(small)


def test_fault_42_an_ipv6_address_without_a_route_from_here_is_said_to_be_not_checked(tmp_path: Path) -> None:
    v6 = "ns2.client.example. 3600 AAAA 2001:db8::54\n"
    with world(tmp_path, CLIENT_ZONE + v6) as small:
        lowered(small)
        run = small.open()
        small.start(run, 2)
        assert drive(small, run) == Ended("done", "done")
        unchecked = {text for each in judged(run) for text in each.not_checked}
        assert any("2001:db8::54" in text for text in unchecked)


def test_fault_43_a_server_that_takes_no_tcp_fails_the_gates_and_the_phase_goes_back(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_PATIENCE_S", 0.5)
    run = switched(small)
    small.ns2.faults = Faults(drop_tcp=True)
    after = drive(small, run)
    assert after.outcome in ("rolled-back", "rollback-incomplete"), after
    assert small.values(small.ns1) == [f"600 {OLD}"]
    failed = [each for each in judged(run) if each.outcome == "fail"]
    assert "ns2 does not answer over TCP" in failed[0].because


def test_fault_45_a_server_that_refuses_to_answer_fails_the_phase(small: World) -> None:
    run = switched(small)
    small.ns2.faults = Faults(rcode=Rcode.REFUSED)
    after = drive(small, run)
    assert after.outcome == "rollback-incomplete", "ns2 cannot prove that it is back"
    assert "ns2 answers REFUSED" in next(each.because for each in judged(run) if each.outcome == "fail")
    assert small.values(small.ns1) == [f"600 {OLD}"]
    small.ns2.faults = Faults()
    assert drive(small, small.open()).outcome == "rolled-back"
    assert is_back(small)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[] if seed < 8 else pytest.mark.long) for seed in range(20)])
def test_fault_46_one_answer_in_five_that_is_servfail_does_not_change_the_verdict(seed: int, small: World) -> None:
    run = small.open()
    small.start(run, 1)
    small.ns2.faults = Faults(rcode=Rcode.SERVFAIL, rcode_share=0.2, seed=seed)
    assert drive(small, run) == Ended("done", "done")


class Moody(Web):
    """A web server that answers with the next status of a script, then 200."""

    def __init__(self) -> None:
        self.script: list[int] = []
        super().__init__()

    @property
    def status(self) -> int:
        return self.script.pop(0) if self.script else 200

    @status.setter
    def status(self, status: int) -> None:
        """The script says it."""


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param([200, 503, 200, 200], "done", id="one of five"),
        pytest.param([200, 503, 503, 503], "rolled-back", id="three in a row"),
    ],
)
def test_fault_47_a_blip_does_not_roll_back_and_three_failures_in_a_row_do(
    script: list[int], outcome: str, small: World
) -> None:
    with Moody() as moody:
        small.places[NEW, 80] = moody.place
        run = switched(small)
        moody.script = script
        assert drive(small, run).outcome == outcome
    assert is_back(small) == (outcome == "rolled-back")


def test_fault_48_a_web_server_that_hangs_ends_each_try_and_the_phase_goes_back(small: World) -> None:
    """The old address answers in the same round, so the silence is evidence."""
    run = switched(small, PLAYBOOK.replace("status: 200}", "status: 200, timeout: 1s}"))
    with raw(hang) as place:
        small.places[NEW, 80] = place
        assert drive(small, run).outcome == "rolled-back"
    assert is_back(small)


def test_fault_49_what_the_old_server_answers_does_not_pass_for_the_new_one(small: World) -> None:
    lowered(small)
    small.web_new.status = 500
    run = small.open()
    small.start(run, 2)
    after = drive(small, run)
    assert after.outcome == "refused"
    assert f"answers 500 at {NEW}" in after.because
    assert is_back(small)


def test_fault_50_a_rollback_whose_call_fails_says_what_is_left_and_finishes_when_it_is_run_again(small: World) -> None:
    run = switched(small)
    small.web_new.status = 503
    small.ns1.faults = Faults(update_rcode=Rcode.SERVFAIL)
    after = drive(small, run)
    assert after.outcome == "rollback-incomplete"
    assert "www.client.example A" in after.because
    small.ns1.faults = Faults()
    assert drive(small, small.open()).outcome == "rolled-back"
    assert is_back(small)


def test_a_rollback_has_the_secondary_fetch_the_old_data_too(small: World) -> None:
    """Story: the undo of a refresh is a refresh, proved at the secondary."""
    run = switched(small)
    assert drive(small, run) == Ended("done", "done")
    small.ns2.faults = Faults(refuse_notify=True)
    run.append(RollbackAsked("newest", None, "me"))
    looks = iter(range(10**6))

    def operator() -> None:
        if next(looks) == 30:
            small.ns2.refresh(APEX)

    after = drive(small, run, operator)
    assert after.outcome == "rolled-back"
    assert is_back(small)
