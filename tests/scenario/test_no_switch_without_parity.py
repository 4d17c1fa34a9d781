"""No switch of the name servers without a fresh pass of `parity`, `delegation`, `dnssec` and `spf` each (P6).

Every row tries one of these gates with all others switched off, so that nothing else can be what stops. The proof is
the log of the parent: no update reaches it. The only way through is `off` for that very gate.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from cli.conftest import Project, Result
from crash import movingwords as words
from dnsrun.engine.advance import Ended, advance
from dnsrun.engine.decide import decide
from dnsrun.engine.decisions import Call
from dnsrun.engine.fresh import still_fresh
from dnsrun.engine.run import Run
from dnsrun.engine.standing import Case
from dnsrun.engine.start import begin, prepare
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Entry, Intended, Judged, Record, RollbackAsked
from dnsrun.plan.gating import MOVE_GATES
from dnsrun.ports.journal import Head
from dnsrun.rehearse.authority import Authority, Faults
from switchworld import NEW_SERVERS, OLD_SERVERS, PARENT, SwitchWorld, switch_world
from worlds import APEX, World

_HEAD = words.TEXT[: words.TEXT.index("phases:")].replace(
    "registrar: registry}", "registrar: registry, volatile: [_spf]}"
)
TEXT = f"""{_HEAD}phases:
  - name: copy
    steps: [{{kind: copy-zone}}]
  - name: switch
    steps: [{{kind: switch-ns}}]
"""
SWITCH = 2
MINUTE_S = 60
# What `parity` lets differ, since it changes by itself, `spf` reads all the same.
_SPF = """client.example. 120 TXT "v=spf1 include:_spf.client.example -all"
_spf.client.example. 120 TXT "v=spf1 ip4:192.0.2.25 -all"
"""
_DS = "client.example. 60 DS 4711 13 2 " + "AB" * 32 + "\n"
gates = pytest.mark.parametrize("gate", MOVE_GATES)


def playbook(*gates_off: str, more: str = "") -> str:
    """Return the playbook with gates switched off, each for a reason that names it."""
    lines = [f'{{kind: {gate}, off: "{gate} is looked at by hand"}}' for gate in gates_off]
    listed = ", ".join(filter(None, (*lines, more)))
    return TEXT + (f"    gates: [{listed}]\n" if listed else "")


def only(gate: str) -> str:
    """Return the playbook in which this gate alone is on."""
    return playbook(*(one for one in MOVE_GATES if one != gate))


@dataclass
class Here:
    """A project whose zone is copied; the second new name server is a server by itself."""

    project: Project
    world: SwitchWorld
    second: Authority
    updates_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.updates_before = self._updates()

    def _updates(self) -> int:
        return sum(record.kind == "update" for record in self.world.parent.log)

    @property
    def updates(self) -> int:
        """How many updates the parent's primary has got, with an effect or without."""
        return self._updates() - self.updates_before

    def assert_not_switched(self) -> None:
        assert self.updates == 0
        assert self.world.delegated() == set(OLD_SERVERS)

    def open(self, text: str) -> Run:
        """Open the run as a new process does."""
        return self.world.open(text)

    def begun(self, text: str) -> Run:
        """Begin the switch, whatever is at risk."""
        run = self.open(text)
        prepared = prepare(run, SWITCH)
        begin(run, prepared, {hazard.name: "known" for hazard in prepared.plan.hazards}, accept_changes=True)
        return run

    def begun_and_passed(self, text: str, gate: str) -> Run:
        """Begin the switch and stop where the gate has passed and the call is next."""
        run = self.begun(text)
        for _ in range(20):
            if isinstance(decide(run.state, _case(run), self.world.clock.now()), Call):
                judged = [r.entry for r in run.journal.read() if isinstance(r.entry, Judged) and r.entry.gate == gate]
                assert [one.outcome for one in judged] == ["pass"]
                return run
            advance(run)
        raise AssertionError("the call never comes")

    def ended(self, run: Run) -> Ended:
        after = self.world.drive(run)
        assert isinstance(after, Ended), after
        return after

    # What each gate finds, and no other one

    def spoil(self, gate: str) -> None:
        """Break what only this gate sees."""
        serial = self.second.serial(APEX)
        text = self.second.zone_text(APEX)
        if gate == "parity":
            self.second.set_zone(APEX, text.replace("A 192.0.2.10", "A 192.0.2.99"))
        elif gate == "delegation":
            self.second.set_zone(APEX, text.replace(f" {serial} ", f" {serial + 1} ", 1))
        elif gate == "spf":
            self.second.set_zone(APEX, text.replace("ip4:192.0.2.25", "ip4:192.0.2.26"))
        else:
            self.world.parent.set_zone(PARENT, self.world.parent.zone_text(PARENT) + _DS)

    def blind(self, gate: str) -> None:
        """Take away what this gate needs to judge; others may judge on."""
        if gate == "delegation":
            for server in (self.world.parent, self.world.old, self.world.new, self.second):
                server.faults = Faults(drop_tcp=True)
            return
        lines = self.world.parent.zone_text(PARENT).splitlines(keepends=True)
        self.world.parent.set_zone(PARENT, "".join(line for line in lines if ".new.example. 86400 " not in line))

    def edit_new_side(self) -> None:
        """Raise the serial at both new servers, as an edit of a record and back again does."""
        for server in (self.world.new, self.second):
            serial = server.serial(APEX)
            server.set_zone(APEX, server.zone_text(APEX).replace(f" {serial} ", f" {serial + 1} ", 1))


def _case(run: Run) -> Case:
    return Case(run.active_plan(), frozenset(run.called), fresh=still_fresh(run))


@dataclass(frozen=True)
class Stage:
    """Everything as it is when the zone has just been copied; each test starts there."""

    project: Project
    world: SwitchWorld
    second: Authority
    template: Path
    texts: tuple[str, str, str, str]

    def reset(self) -> Here:
        shutil.rmtree(self.project.folder)
        shutil.copytree(self.template, self.project.folder)
        servers = (self.world.old, self.world.new, self.second)
        for server, text in zip(servers, self.texts, strict=False):
            server.set_zone(APEX, text)
        self.world.parent.set_zone(PARENT, self.texts[3])
        for server in (*servers, self.world.parent):
            server.faults = Faults()
        return Here(self.project, self.world, self.second)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    base = tmp_path_factory.mktemp("stage")
    folder = base / "clients"
    (folder / "playbooks").mkdir(parents=True)
    environment = {"HOME": str(base), "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(base / "state")}
    with switch_world(folder / ".dnsrun") as world:
        world.old.set_zone(APEX, words.old_zone() + _SPF)
        world.new.set_zone(APEX, words.new_zone())
        world.parent.set_zone(PARENT, words.parent())
        project = Project(folder, cast("World", world), environment)
        project.write(playbook())
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            assert project("apply", "--phase", "copy", "--yes").code == 0
        copied = world.new.zone_text(APEX)
        texts = (world.old.zone_text(APEX), copied, copied, world.parent.zone_text(PARENT))
        shutil.copytree(folder, base / "template")
        with Authority({APEX: copied}) as second:
            world.places[NEW_SERVERS["ns2.new.example"], 53] = (second.address, second.port)
            yield Stage(project, world, second, base / "template", texts)


@pytest.fixture
def here(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Here:
    made = stage.reset()
    monkeypatch.chdir(made.project.folder)
    return made


# What each row leaves the gate with, and how the phase is driven from there


@gates
def test_a_gate_that_passes_lets_the_switch_through(here: Here, gate: str) -> None:
    """The control: with nothing broken each row would switch, so it is the gate that stops the others."""
    assert here.ended(here.begun(only(gate))).outcome == "done"
    assert here.updates == 1
    assert here.world.delegated() == set(NEW_SERVERS)


@gates
def test_a_gate_that_fails_stops_the_switch(here: Here, gate: str) -> None:
    here.spoil(gate)
    ended = here.ended(here.begun(only(gate)))
    assert ended.outcome == "refused", ended
    here.assert_not_switched()


@gates
def test_a_gate_that_cannot_tell_stops_the_switch(here: Here, gate: str) -> None:
    """The new name servers have no address any more, or nothing takes TCP: that is unknown, and no pass."""
    run = here.begun(only(gate))
    here.blind(gate)
    ended = here.ended(run)
    assert ended.outcome == "refused", ended
    judged = [record.entry.outcome for record in run.journal.read() if isinstance(record.entry, Judged)]
    assert judged[-1] == "unknown"
    here.assert_not_switched()


@gates
def test_a_pass_of_an_earlier_process_opens_nothing(here: Here, gate: str) -> None:
    """Killed between gate and call: whoever comes next asks the gate again."""
    here.begun_and_passed(only(gate), gate)
    here.spoil(gate)
    ended = here.ended(here.open(only(gate)))
    assert ended.outcome == "refused", ended
    here.assert_not_switched()


@gates
def test_a_pass_that_is_too_old_opens_nothing(here: Here, gate: str) -> None:
    run = here.begun_and_passed(only(gate), gate)
    here.spoil(gate)
    here.world.clock.advance(11 * MINUTE_S)
    assert here.ended(run).outcome == "refused"
    here.assert_not_switched()


@gates
def test_a_pass_on_other_data_opens_nothing(here: Here, gate: str) -> None:
    """The serials at the new side are not those that the gate saw."""
    run = here.begun_and_passed(only(gate), gate)
    here.edit_new_side()
    here.spoil(gate)
    assert here.ended(run).outcome == "refused"
    here.assert_not_switched()


class Killed(Exception):
    """The process dies here."""


@gates
def test_killed_between_the_intent_and_the_call_the_gate_is_asked_again(
    here: Here, gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was intended and not done is no licence: hours later the new side may be another one."""
    run = here.begun_and_passed(only(gate), gate)
    _at_the_intent(run, monkeypatch, _die)
    with pytest.raises(Killed):
        advance(run)
    here.spoil(gate)
    here.world.clock.advance(3600)
    ended = here.ended(here.open(only(gate)))
    # A DS that somebody sets meanwhile is nothing that dnsrun takes back: that is said, and a person decides.
    assert ended.outcome == ("rollback-incomplete" if gate == "dnssec" else "paused"), ended
    here.assert_not_switched()


@gates
def test_a_second_terminal_that_is_first_stops_the_switch(
    here: Here, gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 17: it asks for a rollback when the intent is journaled and the call is next."""
    run = here.begun_and_passed(only(gate), gate)
    second = here.open(only(gate))

    def asks() -> None:
        second.catch_up()
        second.append(RollbackAsked("newest", None, "a second terminal"))

    _at_the_intent(run, monkeypatch, asks)
    assert here.ended(run).outcome == "rolled-back"
    here.assert_not_switched()


@gates
def test_a_second_terminal_that_goes_on_asks_the_gate_itself(here: Here, gate: str) -> None:
    """The first process has its pass, the second one does not have it."""
    first = here.begun_and_passed(only(gate), gate)
    here.spoil(gate)
    assert here.ended(here.open(only(gate))).outcome == "refused"
    assert here.ended(first).outcome == "refused"
    here.assert_not_switched()


def _die() -> None:
    raise Killed


def _at_the_intent(run: Run, monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Have something happen when the next intent is on the disk and the call is not made yet."""
    append = run.journal.append

    def appended(entry: Entry, *, head: Head) -> Record:
        record = append(entry, head=head)
        if isinstance(entry, Intended):
            monkeypatch.undo()
            do()
        return record

    assert isinstance(run.journal, FileJournal)
    monkeypatch.setattr(run.journal, "append", appended)


# The command line


HAZARDS = ("manual-rollback", "unlisted-types", "irreversible", "mixed-answers")


@gates
def test_no_option_of_the_command_gets_past_a_gate(here: Here, gate: str) -> None:
    """`--yes` and `--accept` of every hazard there is, of the gate itself too; and it is said what is wrong."""
    here.spoil(gate)
    names = (*HAZARDS, *MOVE_GATES)
    accepted = [word for name in names for word in ("--accept", f"{name}=I know better")]
    options = ("--yes", "--accept-changes", *accepted)
    refused = here.project("apply", "--phase", "switch", *options)
    assert refused.code == 5, refused.all
    assert "What visitors get was not changed." in refused.all
    here.assert_not_switched()
    again = here.project("resume", "client.example")
    assert again.code in {0, 5}, again.all
    here.assert_not_switched()


@gates
def test_a_person_at_the_terminal_gets_past_no_gate(here: Here, gate: str) -> None:
    here.spoil(gate)
    refused = here.project("apply", "--phase", "switch", typed="y\ny\nyes\n", terminal=True)
    assert refused.code == 5, refused.all
    here.assert_not_switched()


@gates
@pytest.mark.parametrize("weaker", ["advisory: true, at: after", "on_fail: pause, failures: 1000, within: 30d"])
def test_a_gate_written_more_weakly_in_the_playbook_still_stops(here: Here, gate: str, weaker: str) -> None:
    here.spoil(gate)
    here.project.write(playbook(more=f"{{kind: {gate}, {weaker}}}"))
    refused = here.project("apply", "--phase", "switch", "--yes", "--accept-changes")
    assert refused.code == 5, refused.all
    here.assert_not_switched()


@gates
def test_switching_all_other_gates_off_does_not_help(here: Here, gate: str) -> None:
    here.spoil(gate)
    here.project.write(only(gate))
    refused = here.project("apply", "--phase", "switch", "--yes", "--accept-changes")
    assert refused.code == 5, refused.all
    here.assert_not_switched()


@gates
def test_the_one_way_through_is_off_for_that_very_gate_and_every_report_says_so(here: Here, gate: str) -> None:
    here.spoil(gate)
    here.project.write(playbook(gate))
    unread = here.project("apply", "--phase", "switch", "--yes")
    assert unread.code == 5, "the edit must be accepted"
    here.assert_not_switched()
    through = here.project("apply", "--phase", "switch", "--yes", "--accept-changes")
    assert through.code == 0, through.all
    assert here.updates == 1
    assert here.world.delegated() == set(NEW_SERVERS)
    entries = [json.loads(line)["entry"] for line in (here.project.state / "journal.jsonl").read_text().splitlines()]
    off = [entry for entry in entries if entry["is"] == "GateOff"]
    assert [(entry["gate"], entry["reason"]) for entry in off] == [(gate, f"{gate} is looked at by hand")]
    for form in ("text", "markdown", "json"):
        assert f"{gate} is looked at by hand" in _flat(here.project("report", "--format", form))


def _flat(result: Result) -> str:
    assert result.code == 0, result.all
    return " ".join(result.out.split())
