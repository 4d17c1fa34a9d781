"""What a report is made from: the records of one run, and the plans and the playbook that they name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import dns.name
from dns.name import Name

from dnsrun.journal.fold import RunState, fold, fold_all
from dnsrun.model.act import SetDelegation
from dnsrun.model.entry import Opened, Planned, Record
from dnsrun.model.plan import Move, Plan
from dnsrun.model.playbook import Playbook
from dnsrun.model.zone import ZoneSnapshot


@dataclass(frozen=True, slots=True)
class RunOf:
    """One run of a journal: its identifier, when it began, and every record up to its end, earlier runs' too."""

    run: str
    began: datetime
    first: int
    records: tuple[Record, ...]

    @property
    def own(self) -> tuple[Record, ...]:
        """The records of this run alone."""
        return tuple(record for record in self.records if record.seq >= self.first)


def runs_of(records: Iterable[Record]) -> tuple[RunOf, ...]:
    """Return the runs of a journal, oldest first; what precedes the first `Opened` belongs to the first run."""
    every = tuple(records)
    begins: list[tuple[int, Opened]] = []
    for index, record in enumerate(every):
        if isinstance(record.entry, Opened) and (not begins or begins[-1][1].run != record.entry.run):
            begins.append((index, record.entry))
    ends = [*(index for index, _ in begins[1:]), len(every)]
    starts = [0, *(index for index, _ in begins[1:])]
    return tuple(
        RunOf(opened.run, every[index].at, every[start].seq, every[:end])
        for (index, opened), start, end in zip(begins, starts, ends, strict=False)
    )


def plans_named(run: RunOf) -> tuple[str, ...]:
    """Return the digests of the plans that a run's records name."""
    return tuple(dict.fromkeys(record.entry.plan for record in run.own if isinstance(record.entry, Planned)))


def zones_named(run: RunOf, plans: Iterable[Plan]) -> tuple[str, ...]:
    """Return the digests of the zones whose TTLs say how long caches ask earlier name servers (D1)."""
    return tuple(dict.fromkeys(filter(None, (*_served(plans), _captured(fold_all(run.records))))))


def _served(plans: Iterable[Plan]) -> tuple[str, ...]:
    moving = [plan for plan in plans if any(isinstance(act, SetDelegation) for act in plan.acts)]
    return tuple(digest for plan in moving for digest in (plan.checkpoint, plan.content) if digest)


def _captured(state: RunState) -> str:
    return next((entry.zone for entry in state.captures if entry.zone), "")


@dataclass(frozen=True)
class Source:
    """Everything that a report may know.

    `plans` goes by digest, `zones` too: those that `zones_named` names.
    `playbook` is the one that the run rests on, None when this version cannot read it.
    `is_internal`: logins, paths, programs and hosts' own error texts may be shown (threat 27).
    """

    run: RunOf
    plans: Mapping[str, Plan]
    playbook: Playbook | None
    now: datetime
    is_internal: bool = False
    zones: Mapping[str, ZoneSnapshot] = field(default_factory=dict)

    @cached_property
    def state(self) -> RunState:
        """What the journal says at the end of the run."""
        return fold_all(self.run.records)

    @property
    def served(self) -> tuple[ZoneSnapshot, ...]:
        """The zones as they were served where the name servers were changed."""
        return tuple(self.zones[digest] for digest in _served(self.plans.values()) if digest in self.zones)

    @property
    def captured(self) -> ZoneSnapshot | None:
        """The zone as it was first seen, before TTLs were lowered; None where it is not known."""
        return self.zones.get(_captured(self.state))

    @cached_property
    def opened(self) -> Opened:
        """How the run was opened last, edits of the playbook included."""
        found = [record.entry for record in self.run.own if isinstance(record.entry, Opened)]
        return found[-1]

    @cached_property
    def apex(self) -> Name:
        """The domain."""
        return dns.name.from_text(self.opened.domain)

    def steps(self) -> Iterator[tuple[RunState, Record]]:
        """Yield each record of the run with the state straight before it."""
        state = RunState()
        for record in self.run.records:
            if record.seq >= self.run.first:
                yield state, record
            state = fold(state, record)

    def active(self, state: RunState) -> Plan | None:
        """Return the plan that is being carried out in a state."""
        return self.plans.get(state.active.planned.plan) if state.active else None

    def move(self, state: RunState, index: int) -> Move | None:
        """Return one move of the active plan."""
        plan = self.active(state)
        return plan.moves[index] if plan and index < len(plan.moves) else None

    def phase_words(self, number: int) -> str:
        """Return a phase as people say it, such as `phase 2 "switch A"`."""
        names = dict(self.opened.phases)
        return f'phase {number} "{names[number]}"' if number in names else f"phase {number}"
