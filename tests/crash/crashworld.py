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
from typing import Literal, cast

from dns.name import Name

from crash.disk import DurableDisk, Tree, watching_fsync, write
from crash.words import ZONE, playbook_text
from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import Busy, DueAt, Ended, NeedsPerson, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare, resume
from dnsrun.errors import OutsideError
from dnsrun.journal.store import FileJournal
from dnsrun.model.act import Instruct, RunCommand
from dnsrun.model.entry import Entry, PersonAnswered, Record
from dnsrun.model.observation import Endpoint
from dnsrun.model.plan import Do
from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.journal import Head
from dnsrun.ports.provider import Capabilities, Receipt, SecondaryHost, ZoneProvider
from dnsrun.rehearse.authority import Authority, RRsetChange
from servers.waiting import eventually
from worlds import APEX, START, World, world

Variant = Literal["resume", "rollback"]
JOURNAL = "client.example/journal.jsonl"
STALE_LOCK = b'{"pid": 4194301, "since": "2026-03-02T09:00:00Z", "doing": "phase 2, going forward"}'


@dataclass(frozen=True, slots=True)
class Point:
    """A moment at which a process may die: all that is left then. `commits` are the writes that took effect so far."""

    where: str
    phase: int
    disk: Tree
    now: datetime
    zones: tuple[str, str]
    outside: Tree
    web: tuple[int, int]
    commits: tuple[RRsetChange, ...]

    @property
    def left(self) -> tuple[object, ...]:
        """What tells this point from others, the time aside."""
        return self.disk.get(JOURNAL, b""), self.zones, tuple(sorted(self.outside.items())), self.web


class CrashWorld:
    """A small world that keeps book of its points."""

    def __init__(self, small: World, base: Path) -> None:
        self.small = small
        self.base = base
        self.outside = base / "outside"
        self.outside.mkdir()
        self.text = playbook_text(str(self.outside))
        self.points: list[Point] = []
        self.recording = False
        self.phase = 0
        self.declines = 0
        self.stumbles = 0
        self.waits = 0
        self.calls = 0
        self._folders = 0
        self._since = 0
        self._earlier: tuple[RRsetChange, ...] = ()
        self.start_at(Point("", 0, {}, START, (ZONE, ZONE), {}, (200, 200), ()))

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
        for server, text in zip((self.small.ns1, self.small.ns2), point.zones, strict=True):
            server.set_zone(APEX, text)
        self.small.web_old.status, self.small.web_new.status = point.web
        self.small.folder = folder
        self.small.clock = VirtualClock(point.now + timedelta(seconds=after_s))
        self.small.events.clear()
        self.phase, self.declines, self.stumbles, self.waits, self.calls = point.phase, 0, 0, 0, 0
        self._texts: dict[tuple[int, int], str] = {}
        self._since, self._earlier = len(self.small.ns1.log), point.commits

    def synced(self, handle: int) -> None:
        """Note an fsync of this process."""
        self.disk.synced(handle)

    def here(self, where: str, *, zones: tuple[str, str] | None = None, torn: bytes = b"") -> Point:
        """Return what a process would leave that died now."""
        disk = dict(self.disk.tree())
        if torn:
            disk[JOURNAL] = disk.get(JOURNAL, b"") + torn
        outside = {path.name: path.read_bytes() for path in self.outside.iterdir()}
        web = (self.small.web_old.status, self.small.web_new.status)
        zones = zones or self.zones
        return Point(where, self.phase, disk, self.small.clock.now(), zones, outside, web, self.commits)

    def note(self, where: str, *, zones: tuple[str, str] | None = None, torn: bytes = b"") -> None:
        """Record this point, while recording."""
        if self.recording:
            self.points.append(self.here(f"{where}, phase {self.phase}", zones=zones, torn=torn))

    @property
    def zones(self) -> tuple[str, str]:
        return self._text(self.small.ns1), self._text(self.small.ns2)

    def _text(self, server: Authority) -> str:
        """Return a zone's text, made once for each version."""
        version = (server.port, server.serial(APEX))
        if version not in self._texts:
            self._texts[version] = server.zone_text(APEX)
        return self._texts[version]

    @property
    def commits(self) -> tuple[RRsetChange, ...]:
        """What took effect at the primary, oldest first."""
        return (*self._earlier, *(change for record in self._updates() for change in record))

    @property
    def vain_updates(self) -> int:
        """How many updates since the last point changed nothing: somebody wrote what was there already."""
        return sum(not record for record in self._updates())

    def _updates(self) -> Iterator[tuple[RRsetChange, ...]]:
        yield from (record.changes for record in self.small.ns1.log[self._since :] if record.kind == "update")

    # Runs

    @cached_property
    def playbook(self) -> Playbook:
        return self.small.playbook(self.text)

    def open(self) -> Run:
        """Open the run afresh, as a new process would."""
        journal = RecordedJournal(self.small.folder / "client.example", self.small.clock, self)
        ports = self.small.ports(self.playbook, journal)
        providers = {name: cast("ZoneProvider", Watched(each, self)) for name, each in ports.providers.items()}
        run = Run(self.playbook, journal, replace(ports, providers=providers, commands_allowed=True))
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
        if prepared.plan.earliest:
            self.small.clock.wait_until(prepared.plan.earliest)
        begin(run, prepared, {hazard.name: "known" for hazard in prepared.plan.hazards})

    def go(self, run: Run, *, until: str = "") -> str:
        """Advance to the end of the phase, persons doing their part; a phase that never began is begun."""
        for _ in range(600):
            if until and until in self.zones[0]:
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

    def follow(self) -> None:
        """Wait until the secondary has fetched."""
        eventually(lambda: self.small.ns1.serial(APEX) == self.small.ns2.serial(APEX), 10, "the secondary follows")


class Watched:
    """A provider whose calls are points: before, and after the effect but before the caller knows."""

    def __init__(self, inner: ZoneProvider, world: CrashWorld) -> None:
        self._inner = inner
        self._world = world

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    @property
    def own_servers(self) -> object:
        return self._inner.own_servers

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        return self._inner.read_zone(apex)

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        self._world.called("a write")
        self._world.note("before a write")
        receipt = self._inner.apply(apex, changes)
        self._world.note("after a write")
        if self._world.stumbles:
            self._world.stumbles -= 1
            raise OutsideError("no answer", retryable=True, certainty="in-doubt")
        return receipt

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        self._world.called("a refresh")
        self._world.note("before a refresh")
        before = self._world.zones
        receipt = cast("SecondaryHost", self._inner).refresh(apex, servers)
        self._world.note("after a refresh that is not carried out", zones=before)
        self._world.follow()
        self._world.note("after a refresh")
        return receipt


class RecordedJournal(FileJournal):
    """A journal whose appends are points: before, in the middle of the line, and after it before the caller knows."""

    def __init__(self, folder: Path, clock: VirtualClock, world: CrashWorld) -> None:
        super().__init__(folder, clock)
        self._world = world

    def append(self, entry: Entry, *, head: Head) -> Record:
        world, kind = self._world, type(entry).__name__
        world.note(f"before {kind}")
        before = world.here("")
        record = super().append(entry, head=head)
        if world.recording:
            line = world.disk.tree()[JOURNAL][len(before.disk.get(JOURNAL, b"")) :]
            cut = (1, len(line) // 2, len(line) - 1)[record.seq % 3]
            world.points.append(
                replace(
                    before,
                    where=f"in the middle of {kind}, phase {world.phase}",
                    disk={**before.disk, JOURNAL: before.disk.get(JOURNAL, b"") + line[:cut]},
                )
            )
        world.note(f"after {kind}")
        return record


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
