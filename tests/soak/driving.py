"""A migration of a random world on the virtual clock: real engine, embedded servers, mishaps at journal entries.

After every record the promises are looked at (`promises`); what does not hold is collected, with the record.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import Ended, advance
from dnsrun.engine.run import Run
from dnsrun.errors import OutsideError
from dnsrun.gates.all import built_in
from dnsrun.model.entry import Entry, Record, RollbackAsked
from dnsrun.model.playbook import Phase
from dnsrun.model.rrset import Change, from_texts
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.journal import Head, Journal
from dnsrun.ports.provider import Receipt, RegistrarProvider, ZoneProvider
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.drive import Play, Script
from dnsrun.rehearse.trial.hands import Cast
from dnsrun.rehearse.trial.played import PhasePlayed, Played
from dnsrun.rehearse.trial.population import Population
from dnsrun.rehearse.trial.setting import Setting, Wishes, set_scene
from dnsrun.rehearse.trial.stage import PlayedHost
from dnsrun.rehearse.trial.troubles import KilledError
from dnsrun.rehearse.trial.wants import Want, wants_of
from dnsrun.wiring.plugins import kinds
from dnsrun.wiring.redaction import Redactor
from dnsrun.wiring.rehearsing import captured_in_file, open_cast
from dnsrun.wiring.world import Network, World

from .directnet import InProcess
from .making import Mishap, SoakWorld
from .promises import Watch

START = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
_IN_MEMORY = Path("/dev/shm")
_ONLY_WHEN_ADVANCING = frozenset(
    {"Intended", "Done", "Failed", "Judged", "DueSet", "Accepted", "RollbackBegun", "PhaseEnded", "RunEnded"}
)
"""Entries that the engine writes while the trial lets it go on: only there a kill is taken for one."""
_STALE_S, _DOWN_S, _PENDING_S = 600, 900, 20_000
_SETTLING = timedelta(minutes=1)
_LATE_S, _LATER_S = 30_000, 200_000


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of a world. `problems` are promises that were not kept, in words; `journal` is its octets."""

    world: SoakWorld
    played: Played
    problems: tuple[str, ...]
    journal: bytes

    @property
    def ending(self) -> str:
        """`TGT`, `CAP` or `HOLD`, as in the fault matrix; else `?`. `Watch` looks at what the zone holds."""
        outcome = self.played.outcome
        if outcome in {"refused", "paused", "waiting", "rollback-incomplete"}:
            return "HOLD"
        if outcome == "rolled-back":
            return "CAP" if self.played.ending != "between" else "?"
        return "TGT" if outcome in {"done", "nothing"} else "?"


def soak(world: SoakWorld) -> Soaked:
    """Play a world in a folder that goes with it."""
    with TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        play = SoakPlay(world, Path(folder))
        played = play.act()
        journal = (play.state_folder / "journal.jsonl").read_bytes()
        problems = (*play.watch.problems, *play.watch.at_the_end(played))
        return Soaked(world, played, tuple(dict.fromkeys(problems)), journal)


def _nobody() -> Network:
    raise AssertionError("a trial asked the network")


def _scene(world: SoakWorld, folder: Path) -> tuple[Setting, Cast]:
    playbook = read_playbook(world.playbook, "client.yaml", kinds(), today=date(2026, 12, 2))
    file = folder / "client.zone"
    file.write_text(world.zone, encoding="ascii")
    captured = captured_in_file(file, None, playbook, START)
    wishes = Wishes(ns_ttl_s=world.ns_ttl_s, delays=world.delays, signed=world.signed, ds_ttl_s=world.ns_ttl_s)
    machine = World(folder, clock=VirtualClock(START), open_network=_nobody, redactor=Redactor())
    return set_scene(playbook, captured, START, wishes), open_cast(machine, playbook)


class SoakPlay(Play):
    """A trial that is watched at every record and call, and in which the world's mishaps happen."""

    def __init__(self, world: SoakWorld, folder: Path) -> None:
        setting, cast_ = _scene(world, folder)
        self.world = world
        self.state_folder = folder / "project" / "state"  # paths in the journal begin with the folder above it (P10)
        self.state_folder.parent.mkdir()
        caches = tuple(POPULATION[name] for name in world.kinds)
        super().__init__(setting, cast_, built_in(), self.state_folder, Script(seed=world.seed, kinds=caches))
        self.stage = InProcess(setting, self.agenda, self.troubles)
        self.troubles.floors_s.update(world.floors_s)
        wants = {(want.name, want.rdtype): want for want in (*_spares(world, setting), *wants_of(setting))}
        self.population = Population(setting, tuple(wants.values()), self.services, caches, seed=world.seed)
        self.population.caches = tuple(one for one in self.population.caches if one.number % 2 == 0)
        self.begun_with: Mapping[str, ZoneSnapshot] = {name: host.content for name, host in self.stage.hosts.items()}
        self.watch = Watch(self)
        self.advancing = False
        self.refusing: list[str] = []
        self.happened: list[Mishap] = []
        self._seen: Counter[str] = Counter()

    def _opened(self) -> Run:
        run = super()._opened()
        run.journal = WatchedJournal(run.journal, self)
        hosts = {name: cast("ZoneProvider", _Watched(each, self)) for name, each in run.ports.providers.items()}
        others = {name: cast("RegistrarProvider", _Watched(each, self)) for name, each in run.ports.registrars.items()}
        run.ports = replace(run.ports, providers=hosts, registrars=others)
        return run

    def _play_phase(self, phase: Phase) -> PhasePlayed:
        before = {name: host.content for name, host in self.stage.hosts.items()}
        played = super()._play_phase(phase)
        if played.outcome == "refused":
            self.watch.refused(before)
        return played

    def _drive(self) -> tuple[str, str]:
        self.advancing = True
        try:
            return super()._drive()
        finally:
            self.advancing = False

    def _live_on(self, *, recovering: bool) -> None:
        super()._live_on(recovering=False)
        self.watch.rest()
        if self.run.state.phases and any(one.outcome == "rolled-back" for one in self.run.state.phases.values()):
            self._roll_back_again()
        elif not self.run.state.ended and self.run.state.wrote():
            self._give_up()

    def _give_up(self) -> None:
        """P1, P9: what stopped half-way goes back to what was captured, or names what does not."""
        self.phase = next((one for one in self.setting.playbook.phases if one.gates), None)  # it is what web sites show
        self.run.append(RollbackAsked("all", None, "somebody who gives up"))
        outcome, because = self._drive()
        self.agenda.wait_until(self.agenda.now() + _SETTLING)
        self.watch.given_up(outcome, because)

    def _roll_back_again(self) -> None:
        """P7: on a copy of the folder, as on another machine, a second rollback finds nothing to write."""
        calls = self.watch.calls
        shutil.copytree(self.state_folder, self.state_folder.parent / "copy")
        self._folder = self.state_folder.parent / "copy"
        run = super()._opened()
        if run.state != self.run.state:
            self.watch.miss("P7", "the copied journal does not fold into the same state")
        if run.state.active is None and run.state.ended is None and not run.state.wrote():
            run.append(RollbackAsked("newest", None, "another machine"))
            after = advance(run)
            if not isinstance(after, Ended) or self.watch.calls != calls:
                self.watch.miss("P7", f"a second rollback does not find everything done: {after}")

    @property
    def _switching(self) -> int:
        """The number of the phase that switches the name servers; 0 where none does."""
        phases = self.setting.playbook.phases
        return next((one.number for one in phases if any(step.kind == "switch-ns" for step in one.steps)), 0)

    # Mishaps

    def due_after(self, entry: Entry) -> Iterator[Mishap]:
        """Yield what goes wrong at this entry."""
        kind = type(entry).__name__
        self._seen[kind] += 1
        yield from (one for one in self.world.mishaps if (one.after, one.count) == (kind, self._seen[kind]))

    def is_killed_before(self, entry: Entry) -> bool:
        """Tell whether the process ends before this entry is written; once only."""
        kind = type(entry).__name__
        for one in self.world.mishaps:
            if (one.what, one.after, one.count) == ("kill-before", kind, self._seen[kind] + 1):
                self._seen[f"killed before {one}"] += 1
                return self._seen[f"killed before {one}"] == 1
        return False

    def happen(self, mishap: Mishap) -> None:
        """Let something go wrong, at once or later."""
        self.happened.append(mishap)
        if mishap.what == "kill":
            raise KilledError
        self.agenda.later(mishap.late_s, lambda: self._begin(mishap))

    def _begin(self, mishap: Mishap) -> None:
        what, agenda = mishap.what, self.agenda
        if what in {"busy", "in-doubt", "lost"}:
            self.refusing += [what] * (3 if what == "busy" else 1)
        elif what == "stale":
            self._stop_following(list(self.stage.hosts.values())[-1])
        elif what == "pending":
            self.troubles.pending_s = _PENDING_S
        elif what in {"late", "later"}:
            self.troubles.late_s = _LATE_S if what == "late" else _LATER_S
        elif what == "forgotten":
            self.troubles.forgets = True
        elif what == "mistyped":
            self.troubles.mistypes = True
        elif what == "down":
            new = {text for held in self.setting.target.rrsets.values() for text in held.texts()}
            new -= {text for held in self.setting.zone.rrsets.values() for text in held.texts()}
            agenda.change(lambda: self.services.down.update(new))
            agenda.later(_DOWN_S, lambda: agenda.change(lambda: self.services.down.difference_update(new)))
        elif what == "ask-rollback":
            self._ask_rollback()
        elif what in {"edit", "edit-ours"}:
            self._edit(ours=what == "edit-ours")

    def _stop_following(self, host: PlayedHost) -> None:
        """Have the last secondary of a host stand still for ten minutes."""

        def recover() -> None:
            self.troubles.stale.clear()
            host.catch_up()

        self.troubles.stale.add(host.servers[-1])
        self.agenda.later(_STALE_S, recover)

    def _ask_rollback(self) -> None:
        """Have somebody ask for a rollback from another terminal."""
        other = super()._opened()
        if other.state.opened and not other.state.ended:
            other.append(RollbackAsked("newest", None, "a second terminal"))

    def _edit(self, *, ours: bool) -> None:
        """Have a colleague change an address at the old host: one that the playbook is about, or another one."""
        if self.run.switched and self.run.state.phase(self._switching).outcome == "done":
            return  # nobody asks the old host any more
        host = self.stage.hosts[self.setting.playbook.zone.provider]
        spoken = {key for spec in self.setting.playbook.records for key in spec.rrset_keys()}
        asked = {(want.name, want.rdtype) for want in self.population.wants}
        for key, held in sorted(host.content.rrsets.items(), key=lambda pair: pair[0].order()):
            about = key in spoken if ours else key not in spoken and (key.owner, key.rdtype) not in asked
            if key.rdtype == RdataType.A and about:
                change = Change(key, held, from_texts(key, held.ttl_s, ["198.51.100.77"]))
                self.foreign.append(change)
                host.write([change])
                return


def _spares(world: SoakWorld, setting: Setting) -> Iterator[Want]:
    for name in world.spares:
        yield Want("other", dns.name.from_text(name, setting.apex), RdataType.A)


class WatchedJournal:
    """A journal whose every record is looked at; mishaps happen at its entries."""

    def __init__(self, inner: Journal, play: SoakPlay) -> None:
        self._inner = inner
        self._play = play

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, entry: Entry, *, head: Head) -> Record:
        play = self._play
        mortal = play.advancing and type(entry).__name__ in _ONLY_WHEN_ADVANCING
        if mortal and play.is_killed_before(entry):
            raise KilledError
        record = self._inner.append(entry, head=head)
        play.watch.after(record)
        for mishap in play.due_after(entry):
            if mishap.what != "kill-before" and (mortal or mishap.what != "kill"):
                play.happen(mishap)
        return record


class _Watched:
    """A host or registrar: calls that change something are looked at, and come to nothing where they are to."""

    def __init__(self, inner: Any, play: SoakPlay) -> None:
        self._inner = inner
        self._play = play

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        if self._play.stage.is_planning:  # only words are asked for
            return cast("Receipt", self._inner.apply(apex, changes))
        self._play.watch.before_write(changes)
        return cast("Receipt", self._call(lambda: self._inner.apply(apex, changes)))

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        if self._play.stage.is_planning:
            return cast("Receipt", self._inner.replace_delegation(domain, before=before, after=after))
        self._play.watch.before_delegating()
        return cast("Receipt", self._call(lambda: self._inner.replace_delegation(domain, before=before, after=after)))

    def _call(self, what: Any) -> object:
        trouble = self._play.refusing.pop(0) if self._play.refusing else ""
        if trouble == "busy":
            raise OutsideError("429 Too Many Requests", retryable=True, certainty="not-applied", retry_after_s=60)
        if trouble == "lost":
            raise OutsideError("no answer", retryable=True, certainty="in-doubt")
        receipt = what()
        if trouble == "in-doubt":
            raise OutsideError("no answer", retryable=True, certainty="in-doubt")
        return receipt
