"""A small world in which every point where a process can die is recorded, and to which each can be brought back.

What a dead process leaves is what is on the disk and what the servers hold: a recorded point is both, and the time.
Of the disk it keeps only what had been synced, and at points inside an append also a part of the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Literal, NamedTuple, cast

from dns.name import Name

from crash.disk import DurableDisk, Tree, watching_fsync, write
from crash.watched import JOURNAL, RecordedJournal, Watched, WatchedRegistrar
from crash.words import ZONE, playbook_text
from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import Busy, DueAt, Ended, NeedsPerson, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare, resume
from dnsrun.model.act import Instruct, RunCommand, SetService
from dnsrun.model.entry import PersonAnswered, RollbackAsked
from dnsrun.model.plan import Do
from dnsrun.model.playbook import Playbook
from dnsrun.ports.provider import ZoneProvider
from dnsrun.rehearse.authority import Authority, RRsetChange
from servers.waiting import eventually
from switchworld import SwitchWorld
from worlds import APEX, START, World, world

Variant = Literal["resume", "rollback"]
AskedWhen = Literal["", "before the call", "after the call"]
STALE_LOCK = b'{"pid": 4194301, "since": "2026-03-02T09:00:00Z", "doing": "phase 2, going forward"}'


class Kept(NamedTuple):
    """A zone at a server: what it holds is part of every point."""

    server: Authority
    apex: Name


class Commit(NamedTuple):
    """A write that took effect at a kept zone, by its number."""

    at: int
    change: RRsetChange


@dataclass(frozen=True, slots=True)
class Point:
    """A moment at which a process may die: all that is left then. `commits` are the writes that took effect so far."""

    where: str
    phase: int
    disk: Tree
    now: datetime
    zones: tuple[str, ...]
    outside: Tree
    web: tuple[int, int]
    commits: tuple[Commit, ...]

    @property
    def left(self) -> tuple[object, ...]:
        """What tells this point from others, the time aside."""
        return self.disk.get(JOURNAL, b""), self.zones, tuple(sorted(self.outside.items())), self.web


class PointWorld:
    """A small world that keeps book of its points. `keeps` are the zones that it holds to account."""

    small: World | SwitchWorld

    def __init__(self, small: World | SwitchWorld, base: Path, keeps: tuple[Kept, ...], text: str) -> None:
        self.small = small
        self.base = base
        self.keeps = keeps
        self.outside = base / "outside"
        self.outside.mkdir()
        self.text = text
        self.points: list[Point] = []
        self.recording = False
        self.phase = 0
        self.asks: AskedWhen = ""
        self.declines = 0
        self.stumbles = 0
        self.waits = 0
        self.calls = 0
        self._folders = 0
        self._since: tuple[int, ...] = ()
        self._earlier: tuple[Commit, ...] = ()
        zones = tuple(server.zone_text(apex) for server, apex in keeps)
        self.untouched = Point("", 0, {}, START, zones, {}, (200, 200), ())
        self.start_at(self.untouched)

    # Being somewhere

    def start_at(self, point: Point, *, after_s: int = 0, lock: bytes = b"") -> None:
        """Bring disk, servers and time back to a point, `after_s` seconds later."""
        rmtree(self.small.folder, ignore_errors=True)
        self._folders += 1
        folder = self.base / f"state{self._folders}"
        write(point.disk, folder)
        self.disk = DurableDisk(folder)
        self.disk.restart(point.disk, folder)
        if lock and (folder / "client.example").is_dir():
            (folder / "client.example/lock").write_bytes(lock)
        for path in self.outside.iterdir():
            path.unlink()
        for name, content in point.outside.items():
            (self.outside / name).write_bytes(content)
        for (server, apex), text in zip(self.keeps, point.zones, strict=True):
            server.set_zone(apex, text)
        self.small.web_old.status, self.small.web_new.status = point.web
        self.small.folder = folder
        self.small.clock = VirtualClock(point.now + timedelta(seconds=after_s))
        self.small.events.clear()
        self.phase, self.declines, self.stumbles, self.waits, self.calls = point.phase, 0, 0, 0, 0
        self._texts: dict[tuple[int, int], str] = {}
        self._since, self._earlier = tuple(len(server.log) for server, _ in self.keeps), point.commits

    def synced(self, handle: int) -> None:
        """Note an fsync of this process."""
        self.disk.synced(handle)

    def here(self, where: str, *, zones: tuple[str, ...] | None = None, torn: bytes = b"") -> Point:
        """Return what a process would leave that died now."""
        disk = dict(self.disk.tree())
        if torn:
            disk[JOURNAL] = disk.get(JOURNAL, b"") + torn
        outside = {path.name: path.read_bytes() for path in self.outside.iterdir()}
        web = (self.small.web_old.status, self.small.web_new.status)
        zones = zones or self.zones
        return Point(where, self.phase, disk, self.small.clock.now(), zones, outside, web, self.commits)

    def note(self, where: str, *, zones: tuple[str, ...] | None = None, torn: bytes = b"") -> None:
        """Record this point, while recording."""
        if self.recording:
            self.points.append(self.here(f"{where}, phase {self.phase}", zones=zones, torn=torn))

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(self._text(kept) for kept in self.keeps)

    def _text(self, kept: Kept) -> str:
        """Return a zone's text, made once for each version."""
        version = (kept.server.port, kept.server.serial(kept.apex))
        if version not in self._texts:
            self._texts[version] = kept.server.zone_text(kept.apex)
        return self._texts[version]

    @property
    def commits(self) -> tuple[Commit, ...]:
        """What updates changed, oldest first at each zone."""
        return (*self._earlier, *(Commit(at, change) for at, changes in self._updates() for change in changes))

    @property
    def vain_updates(self) -> int:
        """How many updates since the last point changed nothing: somebody wrote what was there already."""
        return sum(not changes for _, changes in self._updates())

    def _updates(self) -> Iterator[tuple[int, tuple[RRsetChange, ...]]]:
        for at, (kept, since) in enumerate(zip(self.keeps, self._since, strict=True)):
            yield from ((at, record.changes) for record in kept.server.log[since:] if record.kind == "update")

    # Runs

    @cached_property
    def playbook(self) -> Playbook:
        return self.small.playbook(self.text)

    def open(self) -> Run:
        """Open the run afresh, as a new process would."""
        journal = RecordedJournal(self.small.folder / "client.example", self.small.clock, self)
        ports = self.small.ports(self.playbook, journal)
        providers = {name: cast("ZoneProvider", Watched(each, self)) for name, each in ports.providers.items()}
        registrars = {name: WatchedRegistrar(each, self) for name, each in ports.registrars.items()}
        ports = replace(ports, providers=providers, registrars=registrars, commands_allowed=True)
        run = Run(self.playbook, journal, ports)
        run.catch_up()
        return run

    def begin(self, number: int) -> Run:
        """Begin a phase as early as it may."""
        run = self.open()
        self.phase = number
        self._begin(run, number)
        return run

    def _begin(self, run: Run, number: int) -> None:
        prepared = prepare(run, number)
        if prepared.plan.earliest and prepared.plan.earliest > self.small.clock.now():
            self.small.clock.wait_until(prepared.plan.earliest)
            prepared = prepare(run, number)
        begin(run, prepared, {hazard.name: "known" for hazard in prepared.plan.hazards})

    def go(self, run: Run, *, until: str = "") -> str:
        """Advance to the end of the phase, persons doing their part; a phase that never began is begun."""
        for _ in range(600):
            if until and any(until in zone for zone in self.zones):
                return "reached"
            after = advance(run)
            if isinstance(after, (DueAt, Busy)):
                self.small.clock.wait_until(after.when)
            elif isinstance(after, NeedsPerson):
                self._ask_person(run, after)
            elif (ending := self._ended(run, after)) is not None:
                return ending
        raise AssertionError("the phase does not end")

    def _ended(self, run: Run, after: Ended) -> str | None:
        state = run.state.phase(self.phase)
        if after.outcome == "paused":
            self.waits += 1
            assert self.waits < 5, after.because
            resume(run)
            return None
        if after.outcome == "rollback-incomplete":
            self.waits += 1
            assert self.waits < 5, after.because
            return None
        if after.outcome != "rolled-back" and state.outcome in {None, "open"}:
            self._begin(run, self.phase)
            return None
        return str(after.outcome)

    # The person

    def _ask_person(self, run: Run, asked: NeedsPerson) -> None:
        plan = run.active_plan()
        assert plan is not None
        move = plan.moves[asked.move]
        act = plan.acts[move.act] if isinstance(move, Do) else None
        if isinstance(act, Instruct):
            self._do_by_hand(act.text)
        if isinstance(act, SetService) and asked.question:
            self._write("mail", "on\n" if act.after else "off\n")
        if isinstance(act, RunCommand) and "run" not in self.lines("done"):
            self._write("done", "run\n")
        if not asked.question:
            self.small.clock.wait_until(asked.when)
            return
        declines = isinstance(act, Instruct) and self.declines > 0
        self.declines -= declines
        run.append(PersonAnswered(asked.move, "declined" if declines else "done", "somebody"))

    def _do_by_hand(self, text: str) -> None:
        if text == "close the door":
            (self.outside / "door").unlink(missing_ok=True)
        else:
            self._write("door" if text == "open the door" else "hands", "")

    def _write(self, name: str, text: str) -> None:
        with (self.outside / name).open("a") as file:
            file.write(text)

    def lines(self, name: str) -> list[str]:
        """Return what programs and people left in a file outside."""
        path = self.outside / name
        return path.read_text().split() if path.exists() else []

    # The outside

    def called(self, name: str) -> None:
        """Note a call to a provider; P2: what it is about to do is on the disk."""
        self.calls += 1
        line = self.disk.tree()[JOURNAL].splitlines()[-1]
        assert json.loads(line)["entry"]["is"] == "Intended", f"{name} without a durable intent"

    def somebody_asks(self, when: AskedWhen) -> None:
        """Have a rollback asked for from a second terminal, when that is the moment for it."""
        if self.asks == when:
            self.asks = ""
            self.open().append(RollbackAsked("newest", None, "a second terminal"))

    def follow(self) -> None:
        """Wait until the secondaries have fetched; there are none."""


class CrashWorld(PointWorld):
    """The world of a zone that stays: a primary and its secondary."""

    small: World

    def __init__(self, small: World, base: Path) -> None:
        keeps = (Kept(small.ns1, APEX), Kept(small.ns2, APEX))
        super().__init__(small, base, keeps, playbook_text(str(base / "outside")))

    def follow(self) -> None:
        """Wait until the secondary has fetched."""
        eventually(lambda: self.small.ns1.serial(APEX) == self.small.ns2.serial(APEX), 10, "the secondary follows")


@contextmanager
def crash_world(base: Path) -> Iterator[CrashWorld]:
    """Start the servers; ends what it started."""
    with world(base / "none", ZONE) as small:
        made = CrashWorld(small, base)
        with watching_fsync(made.synced):
            yield made


def content(zone_text: str) -> frozenset[str]:
    """Return the records of a zone, its SOA aside."""
    return frozenset(line for line in zone_text.splitlines() if " SOA " not in line)
