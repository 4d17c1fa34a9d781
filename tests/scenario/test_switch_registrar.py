"""What registrars do to people while the name servers move, and on the way back: slow, lying, refusing, parking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsrun.engine.advance import Advance, Ended, advance
from dnsrun.engine.progress import AtParent, CallFailed, GoingBack
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.start import prepare, resume
from dnsrun.errors import Refused
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Astray, RollbackAsked
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import Playbook
from dnsrun.ports.provider import Capabilities
from registrars import PLACEHOLDERS, Manners, TellingClock, TryingRegistrar, trying_registrar
from switchworld import NEW_SERVERS, NS_ONLY, OLD_SERVERS, PARENT, SwitchWorld, client_zone, switch_world
from worlds import APEX, START


def astray(run: Run) -> list[tuple[datetime, Astray]]:
    """Return what was journaled of name servers that nobody planned, with its time."""
    return [(record.at, record.entry) for record in run.journal.read() if isinstance(record.entry, Astray)]


TEXT = f"""{NS_ONLY}phases:
  - {{name: copy, steps: [{{kind: copy-zone}}]}}
  - {{name: switch, steps: [{{kind: switch-ns}}, {{kind: watch, for: 2m}}]}}
"""
DECLARED_S = 3600
HOUR = timedelta(hours=1)
PARKED = {name.to_text(omit_final_dot=True) for name in PLACEHOLDERS}
IMAP, RIGHT, WRONG = "imap-7f3a.client.example.", "192.0.2.25", "192.0.2.99"


class Hasty(TryingRegistrar):
    """Declares an hour, so that patience ends within a test's time."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, declared_delay_s=DECLARED_S)


@dataclass(kw_only=True)
class Office(SwitchWorld):
    """The world of a switch with a registrar between dnsrun and the parent zone."""

    clock: TellingClock = field(default_factory=lambda: TellingClock(START))
    registrar: TryingRegistrar = field(init=False)

    def __post_init__(self) -> None:
        behind = trying_registrar(PARENT, Endpoint(PARENT, self.parent.address, self.parent.port), self.clock)
        self.registrar = Hasty(behind._behind, self.clock)

    def ports(self, playbook: Playbook, journal: FileJournal) -> Ports:
        return replace(super().ports(playbook, journal), registrars={"registry": self.registrar})

    def has(self, manners: Manners) -> None:
        self.registrar.manners = manners

    def until(self, run: Run, what: Callable[[], bool], *, limit: int = 3000) -> datetime:
        """Go on until something is so; return when."""
        for _ in range(limit):
            if what():
                return self.clock.now()
            after = advance(run)
            assert not isinstance(after, Ended), after
            self.clock.wait_until(after.when)
        raise AssertionError("it never comes")

    def end(self, run: Run) -> Ended:
        """Go on until the phase is over."""
        after: Advance = self.drive(run, limit=5000)
        assert isinstance(after, Ended), after
        return after

    def copied(self) -> Run:
        run = self.open(TEXT)
        self.start(run, 1)
        assert self.end(run).outcome == "done"
        return self.open(TEXT)

    def asks_to_switch(self) -> Run:
        """Copy and verify, and begin to switch, until the registrar has been asked."""
        run = self.copied()
        self.start(run, 2)
        self.until(run, lambda: bool(self.registrar.requests) or any(isinstance(e, CallFailed) for e in self.events))
        return run

    def switched(self) -> Run:
        run = self.asks_to_switch()
        self.until(run, lambda: run.switched)
        return run

    def at_parent(self) -> list[str]:
        """Return the states of the delegation that were told, each once."""
        return list(dict.fromkeys(event.handover.state for event in self.events if isinstance(event, AtParent)))

    def serves(self, value: str) -> bool:
        return self.held(self.new, IMAP, "A") == [f"600 {value}"]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    with switch_world(tmp_path) as made:
        parts = {each.name: getattr(made, each.name) for each in fields(made) if each.name not in {"clock", "events"}}
        yield Office(**parts)


# Slow


def test_a_slow_registrar_is_waited_for_and_asked_once(here: Office) -> None:
    here.has(Manners(delay_s=3000))
    run = here.asks_to_switch()
    asked = here.clock.now()
    assert here.until(run, lambda: run.switched) - asked >= timedelta(seconds=3000)
    assert here.end(run).outcome == "done"
    assert here.delegated() == set(NEW_SERVERS)
    assert len(here.registrar.requests) == 1


def test_the_data_comes_right_at_once_and_the_delegation_when_the_registrar_is_done(here: Office) -> None:
    """Fault 51: what users suffer from ends with the data, hours before the delegation."""
    run = here.switched()
    here.has(Manners(delay_s=3000))
    here.edit(here.new, IMAP, WRONG)
    began = here.until(run, lambda: any(isinstance(event, GoingBack) for event in here.events))
    asked = here.until(run, lambda: len(here.registrar.requests) == 2)
    assert asked - began < timedelta(minutes=2)
    assert here.until(run, lambda: here.serves(RIGHT)) - began < timedelta(minutes=2)
    assert here.delegated() == set(NEW_SERVERS)
    assert here.end(run).outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)
    assert here.clock.now() - asked >= timedelta(seconds=3000)
    assert len(here.registrar.requests) == 2


# Lying


def test_a_registrar_that_says_done_and_does_nothing_is_not_believed(here: Office) -> None:
    here.has(Manners(lies=True))
    run = here.asks_to_switch()
    asked = here.clock.now()
    ended = here.end(run)
    assert ended.outcome == "rolled-back", ended
    assert here.clock.now() - asked >= timedelta(seconds=DECLARED_S)
    assert not run.switched
    assert here.delegated() == set(OLD_SERVERS)
    assert here.open(TEXT).state.phase(2).outcome == "rolled-back"


def test_a_way_back_that_a_registrar_only_pretends_is_not_complete(here: Office) -> None:
    run = here.switched()
    here.has(Manners(lies=True))
    here.edit(here.new, IMAP, WRONG)
    ended = here.end(run)
    assert ended.outcome == "rollback-incomplete", ended
    assert "not taken back" in ended.because
    assert "ns1.old.example" in ended.because
    assert here.serves(RIGHT)
    assert here.delegated() == set(NEW_SERVERS)


# Refusing


def test_a_refused_change_leaves_the_old_name_servers_and_is_no_switch(here: Office) -> None:
    """Fault 52."""
    here.has(Manners(delay_s=600, rejects="ns1.new.example is not registered"))
    run = here.asks_to_switch()
    ended = here.end(run)
    assert ended.outcome == "paused", ended
    assert "ns1.new.example is not registered" in ended.because
    assert not run.switched
    assert here.delegated() == set(OLD_SERVERS)
    assert here.clock.now() - START < HOUR * 3
    here.has(Manners())
    resume(run)
    assert here.end(run).outcome == "done"
    assert here.delegated() == set(NEW_SERVERS)


def test_after_a_refused_change_going_back_changes_nothing(here: Office) -> None:
    """Fault 52: there is nothing at the parent to take back, and the new host keeps its copy."""
    here.has(Manners(delay_s=600, rejects="ns1.new.example is not registered"))
    run = here.asks_to_switch()
    here.end(run)
    before = here.new.zone_text(APEX)
    here.has(Manners())
    run.append(RollbackAsked("newest", None, "a test"))
    assert here.end(run).outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)
    assert here.new.zone_text(APEX) == before


# Placeholder


def test_name_servers_of_the_registrar_at_the_parent_are_an_incident_and_are_waited_out(here: Office) -> None:
    """Fault 54."""
    here.has(Manners(delay_s=60, placeholder_s=600))
    run = here.asks_to_switch()
    here.until(run, lambda: here.delegated() == PARKED)
    here.until(run, lambda: "wrong" in here.at_parent())
    said = next(str(e.handover) for e in here.events if isinstance(e, AtParent) and e.handover.state == "wrong")
    assert "neither the old nor the new name servers" in said
    assert "park1.registrar.example" in said
    assert "900 s" in said, "for how long caches keep them"
    assert here.end(run).outcome == "done"
    assert here.delegated() == set(NEW_SERVERS)
    assert len(here.registrar.requests) == 1
    (seen_at, seen), (gone_at, gone) = astray(run)
    parents = (("ns.example (198.51.100.2)", "park1.registrar.example, park2.registrar.example"),)
    assert (seen.served, seen.servers, seen.ttl_s) == (parents, 1, 900)
    assert (gone.served, gone.servers) == ((), 0)
    assert gone_at - seen_at == pytest.approx(timedelta(seconds=600), abs=timedelta(seconds=30))


def test_a_process_that_comes_back_while_they_are_there_journals_them_no_second_time(here: Office) -> None:
    """P1: killed straight after the record, and again straight after it is over."""
    here.has(Manners(placeholder_s=600))
    run = here.asks_to_switch()
    here.until(run, lambda: run.state.incident is not None)
    second = here.open(TEXT)
    here.until(second, lambda: second.catch_up().incident is None)
    third = here.open(TEXT)
    assert here.end(third).outcome == "done"
    assert [bool(entry.served) for _, entry in astray(third)] == [True, False]
    assert here.delegated() == set(NEW_SERVERS)


def test_name_servers_of_the_registrar_on_the_way_back_are_waited_out_too(here: Office) -> None:
    run = here.switched()
    here.has(Manners(placeholder_s=600))
    here.edit(here.new, IMAP, WRONG)
    here.until(run, lambda: "wrong" in here.at_parent())
    assert here.end(run).outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)
    assert len(here.registrar.requests) == 2
    assert [bool(entry.served) for _, entry in astray(run)] == [True, False]


# Errors


def test_a_lost_answer_has_no_second_effect(here: Office) -> None:
    """Fault 25."""
    here.has(Manners(loses_answer=True, delay_s=900))
    run = here.asks_to_switch()
    assert here.end(run).outcome == "done"
    assert here.delegated() == set(NEW_SERVERS)
    assert len(here.registrar.requests) == 1


def test_while_the_registrar_fails_everything_else_goes_back_and_what_is_left_is_listed(here: Office) -> None:
    """Fault 50: a re-run finishes it."""
    run = here.switched()
    here.has(Manners(fails=1000))
    here.edit(here.new, IMAP, WRONG)
    ended = here.end(run)
    assert ended.outcome == "rollback-incomplete", ended
    assert ended.because == (
        "not taken back: the delegation of client.example to ns1.old.example, ns2.old.example at registry "
        "(the registrar answers 500)"
    )
    assert here.serves(RIGHT)
    assert here.delegated() == set(NEW_SERVERS)
    here.has(Manners())
    again = here.open(TEXT)
    assert here.end(again).outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)


def test_errors_that_pass_are_tried_through(here: Office) -> None:
    run = here.switched()
    here.has(Manners(fails=4))
    here.edit(here.new, IMAP, WRONG)
    assert here.end(run).outcome == "rolled-back"
    assert here.delegated() == set(OLD_SERVERS)
    assert len(here.registrar.requests) == 2


# Locked


def test_a_locked_domain_is_refused_before_anything_is_written(here: Office) -> None:
    """Fault 53: the lock came after phase 1; the registrar is asked before each phase that needs it."""
    run = here.copied()
    here.has(Manners(locked="clientTransferProhibited: the domain is locked"))
    head, new = run.state.head, here.new.zone_text(APEX)
    with pytest.raises(Refused, match=r"registry.*the domain is locked.*[Nn]othing was changed"):
        prepare(run, 2)
    assert run.catch_up().head == head
    assert here.new.zone_text(APEX) == new
    assert here.registrar.requests == []
    here.has(Manners())
    prepare(run, 2)


def test_a_lock_that_comes_between_the_gates_and_the_call_leaves_the_old_name_servers(here: Office) -> None:
    """Fault 53."""
    run = here.copied()
    here.start(run, 2)
    here.has(Manners(locked="the domain is locked"))
    ended = here.end(run)
    assert ended.outcome in {"refused", "paused"}, ended
    assert "the domain is locked" in ended.because
    assert here.delegated() == set(OLD_SERVERS)
    assert not run.switched


# Gone


def test_purged_old_servers_are_not_gone_back_to_by_way_of_any_registrar(here: Office) -> None:
    """Fault 62: the registrar is not even asked."""
    run = here.switched()
    here.old.set_zone(APEX, client_zone(records=""))
    here.edit(here.new, IMAP, WRONG)
    ended = here.end(run)
    assert ended.outcome == "paused"
    assert "not going back" in ended.because
    assert len(here.registrar.requests) == 1
    assert here.serves(RIGHT)


# Another process


def test_going_on_in_another_process_does_not_ask_a_slow_registrar_again(here: Office) -> None:
    """Fault 25: `resume` from cron while the registry takes its time."""
    here.has(Manners(delay_s=3000))
    here.asks_to_switch()
    for _ in range(5):
        run = here.open(TEXT)
        for _ in range(6):
            here.clock.wait_until(here.step(run))
    assert len(here.registrar.requests) == 1
    assert here.end(here.open(TEXT)).outcome == "done"
    assert len(here.registrar.requests) == 1


def test_going_back_in_another_process_does_not_ask_a_slow_registrar_again(here: Office) -> None:
    """Fault 51, from cron."""
    run = here.switched()
    here.has(Manners(delay_s=3000))
    here.edit(here.new, IMAP, WRONG)
    here.until(run, lambda: len(here.registrar.requests) == 2)
    for _ in range(5):
        run = here.open(TEXT)
        for _ in range(6):
            here.clock.wait_until(here.step(run))
    assert here.serves(RIGHT)
    assert here.end(here.open(TEXT)).outcome == "rolled-back"
    assert len(here.registrar.requests) == 2
    assert here.delegated() == set(OLD_SERVERS)


def test_what_is_still_on_its_way_when_somebody_goes_back_never_arrives(here: Office) -> None:
    """Fault 51: the registrar is told though the parent still shows the old name servers, and has the last word."""
    here.has(Manners(delay_s=3000))
    run = here.asks_to_switch()
    asked = here.clock.now()
    run.append(RollbackAsked("newest", None, "a test"))
    assert here.end(run).outcome == "rolled-back"
    assert here.clock.now() - asked >= timedelta(seconds=3000)
    assert len(here.registrar.requests) == 2
    here.clock.advance(7200)
    assert here.delegated() == set(OLD_SERVERS)
