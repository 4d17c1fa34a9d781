"""The promises, looked at after every journal record of a soak, before every call, and at the end.

P1  after kills alone a run ends at its target; whatever happens, nothing but what the playbook says changes
P2  a call is preceded by its durable intent: the last line on the disk
P3  what somebody else edited stands, going forward and back
P4  an RRset is removed only where the playbook says so, or where this run made it
P5  when records are switched no honest cache keeps the old ones for longer than their low TTL, and when the run
    closes none has any of them
P6  nothing is written in a phase before its gates have passed, and the name servers not before the phase's time
P7  a second rollback, from a copy of the folder, writes nothing
P8  what the journal says from the disk is what the run believes
P9  a rollback that is not complete names exactly what is left, also one that begins where a run stopped half-way; one
    that is complete names what somebody else has edited; what is refused changed nothing
P10 the same seed gives the same octets (`same_twice`, beside this)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from dns.rdatatype import RdataType

from dnsrun.journal.fold import fold_all
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Done, Judged, Planned, Record, RollbackBegun, RunEnded
from dnsrun.model.plan import Check, Plan
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.moving import target_delegation
from dnsrun.plan.steps.lower_ttl import lowered_keys
from dnsrun.rehearse.trial.played import Played
from dnsrun.rehearse.trial.population import Asker, Cache, is_honest

from .making import HARMLESS

if TYPE_CHECKING:
    from .driving import SoakPlay


class Watch:
    """Keeps book of a play: what was promised and does not hold, in words."""

    def __init__(self, play: SoakPlay) -> None:
        self._play = play
        self.problems: list[str] = []
        self.calls = 0
        self._looked_at = -1
        self._record: Record | None = None
        self._warnings: set[str] = set()
        self._told: set[tuple[RRsetKey, int]] = set()
        self._to_be_named: frozenset[RRsetKey] = frozenset()

    def miss(self, promise: str, what: str) -> None:
        """Note a promise that was not kept."""
        record = self._record
        where = f"record {record.seq} ({type(record.entry).__name__}, {record.at:%d %H:%M:%S})" if record else "start"
        self.problems.append(f"{promise}, {where}: {what}")

    # After every record

    def after(self, record: Record) -> None:
        """Look at the world as this record found it."""
        self._record = record
        if self._looked_at != self._play.agenda.version:
            self._looked_at = self._play.agenda.version
            self._look_at_zones()
        if isinstance(record.entry, Planned) and record.entry.direction == "forward":
            self._not_too_early(record)
        if isinstance(record.entry, Judged):
            self._warnings |= set(record.entry.warnings)
        if isinstance(record.entry, RollbackBegun):
            self._to_be_named, self._told = self._edited_of(record.entry.phases), set()
        if isinstance(record.entry, Done):
            self._told |= {(rrset.key, rrset.ttl_s) for rrset in record.entry.served}
        if isinstance(record.entry, RunEnded):
            self._nobody_has_the_old()

    def _look_at_zones(self) -> None:
        play = self._play
        for name, host in play.stage.hosts.items():
            for server in host.servers:
                for key, held in _differing(host.holds(server).snapshot, self._start[name]):
                    if not self._may_hold(name, key, held):
                        shown = ", ".join(held.texts()) + f" (TTL {held.ttl_s})" if held else "nothing"
                        self.miss("P1", f"{server} holds for {key} what it may not: {shown}")
        for change in play.foreign:
            home = play.stage.hosts[play.setting.playbook.zone.provider]
            now = home.content.rrsets.get(change.key)
            if not _same(now, change.after):
                self.miss("P3", f"{change.key} was edited by somebody else and is overwritten")
        if play.stage.delegation.ns not in self._delegations:
            self.miss("P1", f"the parent delegates to {sorted(play.stage.delegation.ns)}")

    def _may_hold(self, host: str, key: RRsetKey, held: RRset | None) -> bool:
        play, moves_in = self._play, host == self._play.setting.playbook.zone.to
        if any(change.key == key and _same(held, change.after) for change in play.foreign):
            return True
        before, then, target = (
            zone.rrsets.get(key) for zone in (self._start[host], play.setting.zone, play.setting.target)
        )
        if held is None:
            return before is None or target is None  # P4
        if moves_in and not _same(held, before):
            return any(_same(held, one) for one in (then, target))
        floor_s = play.troubles.floors_s.get(host, 0)
        if held.ttl_s == floor_s:
            return any(_same(held, one) for one in (then, target))
        highest_s = max((one.ttl_s for one in (then, target) if one), default=0)
        lowered = key in self._lowered and held.ttl_s <= max(highest_s, play.setting.playbook.low_ttl_s)
        return any(_same(held, one) and (held.ttl_s == (one.ttl_s if one else 0) or lowered) for one in (then, target))

    def _not_too_early(self, record: Record) -> None:
        plan = self._plan(record)
        if plan and plan.earliest and record.at < plan.earliest:
            self.miss("P5", f"phase {plan.phase} is planned before {plan.earliest:%d %H:%M:%S}")

    def _plan(self, record: Record) -> Plan | None:
        return self._play.run.plan(record.entry.plan) if isinstance(record.entry, Planned) else None

    def _nobody_has_the_old(self) -> None:
        self._play.population.live_until(self._play.agenda.now())
        for cache, asker in self._honest():
            if asker.met and asker.met[-1].state == "old":
                self.miss("P5", f"the run closes while a cache ({cache.kind.name}) still has the old {asker.want}")

    def _edited_of(self, phases: Iterable[int]) -> frozenset[RRsetKey]:
        """Return what somebody else has edited so far of what these phases have changed at the host that is edited."""
        run, home = self._play.run, self._play.setting.playbook.zone.provider
        plans = (run.plan(run.state.phase(number).plan) for number in phases)
        ours = {change.key for plan in plans for change in plan.changes(provider=home) if not change.ttl_only}
        return frozenset(change.key for change in self._play.foreign if change.key in ours)

    # Before every call

    def before_write(self, changes: tuple[Change, ...]) -> None:
        """Look at what a write is to change, straight before it."""
        self._called("a write")
        switched = {change.key for change in changes if change.before and not change.ttl_only}
        moved = {key for key in switched if key in self._switching}
        if moved and self._goes_forward:
            self._caches_keep_it_short(moved)

    def before_delegating(self) -> None:
        """Look at a change of the delegation, straight before it."""
        self._called("a change of the delegation")

    def _called(self, what: str) -> None:
        self.calls += 1
        line = (self._play.state_folder / "journal.jsonl").read_bytes().splitlines()[-1]
        if json.loads(line)["entry"]["is"] != "Intended":
            self.miss("P2", f"{what} without a durable intent")
        if self._goes_forward:
            self._gates_have_passed(what)

    @property
    def _goes_forward(self) -> bool:
        active = self._play.run.state.active
        return active is not None and active.planned.direction == "forward"

    def _gates_have_passed(self, what: str) -> None:
        run = self._play.run
        plan, active = run.active_plan(), run.state.active
        if plan is None or active is None:
            self.miss("P6", f"{what} without a plan")
            return
        now = max((index for index, move in active.moves.items() if move.attempts), default=0)
        for index, move in enumerate(plan.moves[:now]):
            if isinstance(move, Check) and move.when == "before":
                rounds = active.move(index).rounds.get(move.gate.name)
                if rounds is None or rounds.last.outcome != "pass":
                    self.miss("P6", f"{what} before the gate {move.gate.name} has passed")
        if plan.earliest and self._play.agenda.now() < plan.earliest:
            self.miss("P6", f"{what} before the phase may start")

    def _caches_keep_it_short(self, keys: Iterable[RRsetKey]) -> None:
        """Ask the caches themselves how long they keep what is about to change."""
        play, names = self._play, {(key.owner, key.rdtype) for key in keys}
        play.population.live_until(play.agenda.now())
        lowest_s = max(play.setting.playbook.low_ttl_s, play.troubles.floors_s.get(play.run.live, 0))
        for cache, asker in self._honest():
            left_s = (asker.due - play.agenda.now()).total_seconds()
            if (asker.want.name, asker.want.rdtype) in names and left_s > lowest_s:
                self.miss(
                    "P5", f"{asker.want} is switched, and a cache ({cache.kind.name}) keeps it for {left_s:.0f} s"
                )

    def _honest(self) -> Iterator[tuple[Cache, Asker]]:
        for cache in self._play.population.caches:
            if is_honest(cache.kind):
                yield from ((cache, asker) for asker in cache.askers)

    # At the end

    def rest(self) -> None:
        """Look once more, when everything is quiet."""
        self._look_at_zones()
        run = self._play.run
        journal = FileJournal(self._play.state_folder, self._play.agenda)
        if fold_all(journal.read()) != run.catch_up():
            self.miss("P8", "the journal on the disk says something else than the run believes")

    def refused(self, before: Mapping[str, ZoneSnapshot]) -> None:
        """Look at a phase that was refused: it says that it changed nothing."""
        for name, host in self._play.stage.hosts.items():
            for key, _ in self._changed(host.content, before[name]):
                self.miss("P9", f"the phase was refused, and {key} has changed at {name}")

    def given_up(self, outcome: str, because: str) -> None:
        """Look at what is left after everything was to be taken back: what was captured, or what is named."""
        play, home = self._play, self._play.setting.playbook.zone.provider
        left = set(map(str, self._left(play.stage.hosts[home].content, home)))
        left |= {"the delegation"} if play.stage.delegation.ns != play.setting.delegation.ns else set()
        if outcome == "rolled-back" and left:
            self.miss("P1", f"everything is rolled back, it says, and {sorted(left)} are not: {because}")
        named = {
            name for name in {"the delegation", *left, *map(str, self._start[home].rrsets)} if _names(because, name)
        }
        named -= {str(change.key) for change in play.foreign}
        if outcome != "rolled-back" and not left <= named:
            self.miss("P9", f"{outcome}: {sorted(left - named)} are left and not named: {because}")
        others = (name for name in self._start if name != home)
        elsewhere = {
            str(key) for name in others for key, _ in _differing(play.stage.hosts[name].content, self._start[home])
        }
        if outcome != "rolled-back" and not named <= left | elsewhere:
            self.miss("P9", f"{outcome}: {sorted(named - left - elsewhere)} are named and not left: {because}")

    def _left(self, now: ZoneSnapshot, home: str) -> Iterator[RRsetKey]:
        """Yield what is not as captured, TTLs too, where neither somebody else nor the host's floor made it so.

        Whoever says that a TTL was typed which does not show is believed; the act's record says so.
        """
        yield from (key for key, _ in self._changed(now, self._start[home]))
        floor_s = self._play.troubles.floors_s.get(home, 0)
        for key, held in _differing(now, self._start[home]):
            before = self._start[home].rrsets.get(key)
            as_told = held is not None and (key, held.ttl_s) in self._told
            if held and before and held.same_data(before) and held.ttl_s != max(before.ttl_s, floor_s) and not as_told:
                yield key

    def _changed(self, now: ZoneSnapshot, then: ZoneSnapshot) -> Iterator[tuple[RRsetKey, RRset | None]]:
        """Yield the data that differ and were not edited by somebody else."""
        edited = {change.key: change.after for change in self._play.foreign}
        for key, held in _differing(now, then):
            if not _same(held, then.rrsets.get(key)) and not (key in edited and _same(held, edited[key])):
                yield key, held

    def at_the_end(self, played: Played) -> Iterator[str]:
        """Yield what is wrong with how it ended."""
        mishaps = {mishap.what for mishap in self._play.happened}
        outcomes = [phase.outcome for phase in played.phases]
        words = f"{outcomes}, {played.ending}: {played.phases[-1].because} {played.phases[-1].failed}"
        if mishaps <= HARMLESS and (played.outcome not in {"done", "nothing"} or played.ending != "target"):
            yield f"P1, end: nothing was in the way of the target: {words}"
        if mishaps <= HARMLESS:
            yield from _late(played)
        if played.outcome in {"done", "nothing"} and played.ending != "target" and not self._is_told_of(played):
            yield f"P1, end: it says done, and {played.left_over} differ"
        if played.outcome == "rolled-back" and played.ending == "between":
            yield f"P1, end: it says rolled back, and {played.left_over} are neither"
        if played.outcome in {"rolled-back", "rollback-incomplete"}:
            yield from self._unnamed(played.phases[-1].because)
        if mishaps <= HARMLESS:
            yield from self._wrong_answers(played)

    def _unnamed(self, because: str) -> Iterator[str]:
        """Yield what a rollback left alone since somebody else had edited it, and does not name (fault 56)."""
        for key in sorted(self._to_be_named, key=RRsetKey.order):
            if not _names(because, str(key)):
                yield f"P9, end: {key} was edited by somebody else, was left alone and is not named: {because}"

    def _is_told_of(self, played: Played) -> bool:
        """Tell whether what differs was edited by others at the side that is left: that is warned of, not carried."""
        edited = {str(change.key) for change in self._play.foreign}
        warned = any("edited at the old side" in warning for warning in self._warnings)
        return warned and set(played.left_over) <= edited

    def _wrong_answers(self, played: Played) -> Iterator[str]:
        """Users behind honest caches get the old or the new, nothing else, whatever the run itself must overcome."""
        for story in played.stories:
            for met in story.met:
                if story.honest and met.state == "broken":
                    yield (
                        f"users: {story.want} behind {story.kind} at {met.since:%d %H:%M:%S}: "
                        f"{met.cause} {', '.join(met.data)}"
                    )

    # What is known of the world

    @cached_property
    def _start(self) -> Mapping[str, ZoneSnapshot]:
        return self._play.begun_with

    @cached_property
    def _delegations(self) -> tuple[frozenset[object], ...]:
        setting = self._play.setting
        old = setting.delegation
        return (old.ns, target_delegation(setting.playbook, old).ns) if setting.playbook.zone.to else (old.ns,)

    @cached_property
    def _lowered(self) -> frozenset[RRsetKey]:
        return lowered_keys(self._play.setting.playbook, self._play.setting.zone)

    @cached_property
    def _switching(self) -> frozenset[RRsetKey]:
        return frozenset(key for spec in self._play.setting.playbook.records for key in spec.rrset_keys())


def _late(played: Played) -> Iterator[str]:
    """A phase may begin when it was first said that it may: waiting never makes it later."""
    ready_at = played.began
    for phase in played.phases:
        due_at = max(ready_at, phase.earliest or ready_at)
        if phase.began > due_at:
            yield f"P5, end: phase {phase.number} was to begin at {due_at:%d %H:%M:%S}, and may only at {phase.began}"
        ready_at = phase.ended


def _differing(now: ZoneSnapshot, then: ZoneSnapshot) -> Iterator[tuple[RRsetKey, RRset | None]]:
    """Yield what differs, TTLs too; the SOA aside, whose serial goes forward."""
    for key in now.rrsets.keys() | then.rrsets.keys():
        held = now.rrsets.get(key)
        if key.rdtype != RdataType.SOA and held != then.rrsets.get(key):
            yield key, held


def _names(words: str, name: str) -> bool:
    return re.search(rf"(?<![\w.*-]){re.escape(name)}(?!\w)", words) is not None


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one is not None and other is not None else one is other
