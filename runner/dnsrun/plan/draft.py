"""A plan in the making: moves in the order in which they are safe. Pure.

Order within a phase: what the live side says now (baseline) · gates on the future view · the write · refresh of
secondaries · the same answers at every server (t_all) · gates · waits, gates running on. Before the delegation moves
the new side is brought up to date, shown at every server of it, and held against what it is to serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from dnsrun.model.act import Act, Refresh, SetDelegation, WriteZone
from dnsrun.model.plan import Check, Do, Hazard, Hold, Move
from dnsrun.model.playbook import GateSpec, Phase, Side, Step
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot

from .gating import (
    DNS_GATES,
    MOVE_GATES,
    NOT_SERVICES,
    PERSON_GATES,
    afterwards,
    at_side,
    built_in,
    looking_at,
    mail_gates,
    starting_the_clock,
    switched_off,
    waiting_for_late,
    watching,
    written_kinds,
)
from .mail import mail_graph
from .situation import Situation
from .steps.kind import Compiled

LAST_COPY = "mailbox-sync"  # done again right before mail is switched off: what came until then goes along
Compile = Callable[[Step, Situation], Compiled]


class Draft:
    """Takes the steps of a phase one by one; the only mutable thing in planning, gone when the plan is made.

    `situation` is what it will be once the steps taken so far are done.
    """

    def __init__(self, situation: Situation, phase: Phase, compile_step: Compile) -> None:
        self.situation = situation
        self.acts: list[Act] = []
        self.moves: list[Move] = []
        self.notes: list[str] = []
        self.conflicts: list[str] = []
        self.hazards: list[Hazard] = []
        self.closes = False
        self.late = False
        self.after_caches_s: int | None = None
        self._followed: list[Change] = []
        self._compile = compile_step
        self._start = situation
        self._unproved: list[GateSpec] = []
        self._pending: list[int] = []
        self._began = False
        self._off = switched_off(phase)
        self._compiled = [compile_step(step, situation) for step in phase.steps]
        acts = [act for each in self._compiled for act in each.acts]
        self._will_write = any(_writes(act) for act in acts)
        self._switches = any(isinstance(act, SetDelegation) and act.moves_servers for act in acts)
        sides = {self._side(act.provider) for act in acts if isinstance(act, WriteZone)}
        self._own_side: Side = "new" if self._switches or sides == {"new"} else "live"
        self._phase = replace(phase, gates=(*phase.gates, *self._mail_gates(phase, acts)))

    def _mail_gates(self, phase: Phase, acts: Iterable[Act]) -> tuple[GateSpec, ...]:
        """Return the built-in gates of mail where the phase touches what it rides on: who may send, and protocols."""
        playbook, live = self.situation.playbook, self.situation.live
        written = written_kinds(phase)
        if self._switches:
            return mail_gates(playbook.mail, playbook.domain, written)
        served = (one for act in acts if isinstance(act, WriteZone) and act.provider == live for one in act.changes)
        changes = [change for change in served if not change.ttl_only]
        if not changes:  # nothing to look for in a zone that may be large
            return ()
        graph = mail_graph(playbook.mail, self.situation.zone)
        roles = {ride.role for change in changes if (ride := graph.touched(change))}
        policy = (built_in("spf"),) if roles and "spf" not in written else ()
        return policy + (mail_gates(playbook.mail, playbook.domain, written) if roles - {"sending"} else ())

    def add(self, index: int) -> None:
        """Take one step of the phase."""
        step, following = self._phase.steps[index], self._phase.steps[index + 1 :]
        is_first = self.situation is self._start
        compiled = self._compiled[index] if is_first else self._compile(step, self.situation)
        self.conflicts += compiled.conflicts
        self.hazards += compiled.hazards
        self.notes += (
            compiled.notes
            if compiled.acts
            else (f"{step.kind}: nothing to do: {compiled.nothing}",) * bool(compiled.nothing)
        )
        self.closes = self.closes or compiled.closes
        self.late = self.late or compiled.late
        if (at_least_s := self._rest_before(index)) is not None:
            self._let_caches_follow(step, at_least_s)
        groups = _groups(compiled.acts)
        for acts in groups:
            self._do(acts, step.gates if acts is groups[-1] else (), following)
        if compiled.stay:
            self.flush()
            gates = watching(self._gates_of_a_hold(step))
            self.moves.append(Hold(compiled.stay.kind, compiled.stay.for_s, gates, self._all()))

    def _rest_before(self, index: int) -> int | None:
        """Return how long caches must follow before a step; the last copy of the mailboxes waits as what follows it."""
        own, steps = self._compiled[index], self._phase.steps
        if own.after_caches_s is not None or steps[index].kind != LAST_COPY:
            return own.after_caches_s
        for step, compiled in zip(steps[index + 1 :], self._compiled[index + 1 :], strict=True):
            if compiled.after_caches_s is not None or step.kind == LAST_COPY or any(map(_writes, compiled.acts)):
                return compiled.after_caches_s
        return None

    def _let_caches_follow(self, step: Step, at_least_s: int) -> None:
        """Wait here for what this phase has changed; what an earlier one has, the phase itself waits for."""
        changes = [change for change in self._changes("live") if not change.ttl_only]
        if changes and changes != self._followed:
            self._followed = changes
            self.flush()
            gates = watching(self._gates_of_a_hold(step))
            self.moves.append(Hold("wait", None, gates, self._all(), at_least_s))
        self.after_caches_s = max(self.after_caches_s or 0, at_least_s)

    def _do(self, acts: tuple[Act, ...], of_step: tuple[GateSpec, ...], following: tuple[Step, ...]) -> None:
        writes = any(_writes(act) for act in acts)
        if writes and self._pending:
            self.flush()
        begins = not self._began and (writes or not self._will_write)
        indexes = tuple(range(len(self.acts), len(self.acts) + len(acts)))
        if begins and writes:
            self.moves += [Check(gate, "baseline", ()) for gate in self._service_gates()]
        self.moves += [Check(gate, "before", indexes) for gate in self._gates_before(acts, of_step, begins=begins)]
        self._began = self._began or begins
        self.acts += acts
        self.moves += [Do(index) for index in indexes]
        self._pending += indexes
        for act in acts:
            if isinstance(act, WriteZone):
                self._wrote(act)
                self._refresh(act, following)
        self._unproved += of_step

    def _wrote(self, act: WriteZone) -> None:
        """Go on from the zone as it is after a write, at whichever host."""
        now = self.situation
        if act.provider == now.live:
            self.situation = replace(now, zone=now.zone.apply(act.changes))
        elif now.moving:
            other = now.moving.other.apply(act.changes)
            self.situation = replace(now, moving=replace(now.moving, other=other, copied=True))

    def _gates_before(self, acts: tuple[Act, ...], of_step: tuple[GateSpec, ...], *, begins: bool) -> list[GateSpec]:
        """Return what runs straight before: a person's go first of all, the phase's gates with its first live write.

        Where the zone is moved, that is before the delegation, and on the new servers as they are.
        """
        first = not self.acts
        delegates = any(isinstance(act, SetDelegation) for act in acts)
        due = delegates if self._switches else begins
        gates = [gate for gate in self._phase.gates if (first if gate.kind in PERSON_GATES else due)]
        own = [gate for gate in (*gates, *of_step) if gate.at != "after" and not gate.off]
        own = [gate if gate.kind in PERSON_GATES else replace(gate, side=self._own_side) for gate in own]
        return [*self._move_gates(acts), *own]

    def _move_gates(self, acts: tuple[Act, ...]) -> tuple[GateSpec, ...]:
        """Return the gates without which no delegation moves: the whole of them for servers, `dnssec` for a new DS."""
        for act in acts:
            if isinstance(act, SetDelegation) and act.moves_servers:
                return tuple(built_in(kind, "new") for kind in MOVE_GATES if kind not in self._off)
            if isinstance(act, SetDelegation) and act.after.ds and "dnssec" not in self._off:
                return (built_in("dnssec", "live"),)
        return ()

    def _refresh(self, act: WriteZone, following: tuple[Step, ...]) -> None:
        """Insert a refresh for each secondary that copies from this host, unless the playbook does it next."""
        explicit: set[str] = set()
        for step in following:
            if step.kind != "refresh-secondary":
                break
            explicit.add(str(step.options["provider"]))
        for secondary in self.situation.playbook.zone.secondaries.get(act.provider, ()):
            if secondary not in explicit:
                self.acts.append(Refresh(secondary, act.apex))
                self.moves.append(Do(len(self.acts) - 1))
                self._pending.append(len(self.acts) - 1)

    def _service_gates(self) -> list[GateSpec]:
        written = (*self._phase.gates, *(gate for step in self._phase.steps for gate in step.gates))
        return [gate for gate in afterwards(written) if gate.kind not in NOT_SERVICES]

    def flush(self) -> None:
        """Everything written so far must show at every server, and the gates must pass, before going on."""
        if not self._pending:
            return
        for side in self._pending_sides():
            gates = waiting_for_late(self._dns_gates(side), self._zone_at(side))
            if all(change.ttl_only for change in self._changes(side)):
                gates = starting_the_clock(gates)
            self.moves += [Check(gate, "after", self._at(side)) for gate in gates]
        own = (*(self._phase.gates if self._began else ()), *self._unproved)
        gates = (*self._proving_the_switch(), *at_side(afterwards(own), self._own_side))
        self.moves += [Check(gate, "after", self._all()) for gate in gates]
        self._pending = []
        self._unproved = []

    def _pending_sides(self) -> list[Side]:
        """Return the sides whose servers are to show something; the live one always, since it must stay as it is."""
        acts = [self.acts[index] for index in self._pending]
        sides = {self._side(act.provider) for act in acts if isinstance(act, WriteZone)}
        if not self._switches and self._began and self._own_side == "live":
            sides.add("live")
        order: tuple[Side, ...] = ("live", "new", "old")
        return [side for side in order if side in sides]

    def _dns_gates(self, side: Side) -> tuple[GateSpec, ...]:
        own = {gate.kind for gate in afterwards((*self._phase.gates, *self._unproved))}
        return tuple(built_in(kind, side) for kind in DNS_GATES if kind not in self._off and kind not in own)

    def _proving_the_switch(self) -> tuple[GateSpec, ...]:
        """Return the built-in gates after the delegation has moved; none when it has not."""
        acts = [self.acts[index] for index in self._pending]
        if not any(isinstance(act, SetDelegation) and act.moves_servers for act in acts):
            return ()
        return tuple(built_in(kind, "new") for kind in ("delegation", "parity", "dnssec") if kind not in self._off)

    def _gates_of_a_hold(self, step: Step) -> tuple[GateSpec, ...]:
        own = at_side(afterwards((*self._phase.gates, *step.gates)), self._own_side)
        moving = self.situation.moving
        gates = () if self._switches else self._dns_gates("live")
        if self._switches or (moving and moving.switched and self.situation.caches_mixed):
            kinds = ("records", "delegation", "parity")
            gates += tuple(built_in(kind, "new") for kind in kinds if kind not in self._off)
        elif moving and moving.copied and "parity" not in self._off:
            # What nobody asks yet breaks nobody: a person looks at it.
            gates += (replace(built_in("parity", "new"), on_fail="pause"),)
        return (*gates, *own, *looking_at(self.situation.playbook.resolvers))

    def _changes(self, side: Side) -> tuple[Change, ...]:
        return tuple(
            change
            for index in self._at(side)
            if isinstance(act := self.acts[index], WriteZone)
            for change in act.changes
        )

    def _at(self, side: Side) -> tuple[int, ...]:
        """Return the acts that one side's servers are to show."""
        return tuple(
            index
            for index, act in enumerate(self.acts)
            if not isinstance(act, WriteZone) or self._side(act.provider) == side
        )

    def _side(self, provider: str) -> Side:
        if provider == self.situation.live:
            return "live"
        return "new" if provider == self.situation.playbook.zone.to else "old"

    def _zone_at(self, side: Side) -> ZoneSnapshot:
        moving = self.situation.moving
        return self.situation.zone if side == "live" or moving is None else moving.other

    def _all(self) -> tuple[int, ...]:
        return tuple(range(len(self.acts)))


def _writes(act: Act) -> bool:
    return isinstance(act, (WriteZone, SetDelegation))


def _groups(acts: Iterable[Act]) -> list[tuple[Act, ...]]:
    """Return the acts of a step, each delegation by itself: what is written before must show first."""
    groups: list[tuple[Act, ...]] = []
    for act in acts:
        if groups and not isinstance(act, SetDelegation) and not isinstance(groups[-1][-1], SetDelegation):
            groups[-1] = (*groups[-1], act)
        else:
            groups.append((act,))
    return groups
