"""A phase becomes a plan: acts, and the moves around them, in the order in which they are safe. Pure.

Order within a phase: what the live side says now (baseline) · gates on the future view · the write · refresh of
secondaries · the same answers at every server (t_all) · gates · waits, gates running on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dns.name import Name

from dnsrun.errors import Conflict, Refused
from dnsrun.model.act import Act, Refresh, WriteZone
from dnsrun.model.plan import Check, Do, Hazard, Hold, Move, Plan
from dnsrun.model.playbook import GateSpec, Phase, Step
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import DNS_TIMING

from .earliest import earliest, negative_ttl_s, stale_life_s
from .mail import mail_names
from .records import ADDRESSES
from .situation import Situation, original_ttls
from .steps import STEP_KINDS
from .steps.kind import Compiled, Scene
from .ttl import EQUAL_ROUNDS, ROUND_SPACING_S

DNS_GATES = ("records", "untouched")
PERSON_GATES = ("confirm",)
WATCH_EVERY_S = 60
WATCH_FAILURES = 2


def plan_phase(number: int, situation: Situation) -> Plan:
    """Compile a phase.

    Raises `Conflict` when a live value is in the way (all of them listed), `Refused` when an earlier phase is open.
    Whether it is too early is for the caller: `Plan.earliest`.
    """
    phase = situation.playbook.phase(number)
    _require_earlier(phase, situation)
    draft = _Draft(situation, phase)
    for index in range(len(phase.steps)):
        draft.add(index)
    return draft.finish()


def has_work(phase: Phase, situation: Situation) -> bool:
    """Tell whether a phase would write anything, wait or close the run, judged from the live zone."""
    compiled = [_compile(step, situation.zone, situation) for step in phase.steps]
    return any(step.acts or step.stay or step.conflicts for step in compiled)


def _require_earlier(phase: Phase, situation: Situation) -> None:
    for earlier in situation.playbook.phases:
        if earlier.number < phase.number and earlier.number not in situation.done and has_work(earlier, situation):
            raise Refused(
                f'phase {phase.number} "{phase.name}" comes after phase {earlier.number} "{earlier.name}", which has '
                f"not been done; nothing was changed. Run `dnsrun apply --phase {earlier.number}` first"
            )


def _compile(step: Step, zone: ZoneSnapshot, situation: Situation) -> Compiled:
    originals = original_ttls(situation.written)
    scene = Scene(situation.playbook, zone, situation.capabilities, originals, situation.raised_ttls)
    return STEP_KINDS[step.kind].compile(step, scene)


def built_in(kind: str) -> GateSpec:
    """Return a built-in DNS gate with its default timing."""
    timing = DNS_TIMING
    return GateSpec(
        kind,
        kind,
        {},
        every_s=timing["every_s"],
        within_s=timing["within_s"],
        successes=timing["successes"],
        failures=timing["failures"],
    )


class _Draft:
    """A plan in the making: the only mutable thing here, gone when the plan is made."""

    def __init__(self, situation: Situation, phase: Phase) -> None:
        self.situation = situation
        self.phase = phase
        self.zone = situation.zone
        self.acts: list[Act] = []
        self.moves: list[Move] = []
        self.unproved: list[GateSpec] = []
        self.pending = False
        self.began = False
        self.compiled = [_compile(step, self.zone, situation) for step in phase.steps]
        self.will_write = any(isinstance(act, WriteZone) for each in self.compiled for act in each.acts)
        self.notes: list[str] = []
        self.conflicts: list[str] = []
        self.hazards: list[Hazard] = []
        self.closes = False
        self.off = {gate.kind for step in phase.steps for gate in step.gates if gate.off}
        self.off |= {gate.kind for gate in phase.gates if gate.off}

    def add(self, index: int) -> None:
        step, following = self.phase.steps[index], self.phase.steps[index + 1 :]
        written = self.zone is not self.situation.zone
        compiled = _compile(step, self.zone, self.situation) if written else self.compiled[index]
        self.conflicts += compiled.conflicts
        self.hazards += compiled.hazards
        self.notes += (
            compiled.notes
            if compiled.acts
            else (f"{step.kind}: nothing to do: {compiled.nothing}",) * bool(compiled.nothing)
        )
        self.closes = self.closes or compiled.closes
        if compiled.stay:
            self._flush()
            gates = self._after_gates(step.gates, whole=True)
            self.moves.append(Hold(compiled.stay.kind, compiled.stay.for_s, _watching(gates), self._all()))
        if compiled.acts:
            self._do(step, compiled.acts, following)

    def _do(self, step: Step, acts: tuple[Act, ...], following: tuple[Step, ...]) -> None:
        writes = any(isinstance(act, WriteZone) for act in acts)
        if writes and self.pending:
            self._flush()
        begins = not self.began and (writes or not self.will_write)
        indexes = tuple(range(len(self.acts), len(self.acts) + len(acts)))
        gates = (*self._opening_gates(begins=begins), *step.gates)
        self.began = self.began or begins
        if begins and writes:
            self.moves += [Check(gate, "baseline", ()) for gate in self._service_gates()]
        self.moves += [Check(gate, "before", indexes) for gate in gates if gate.at != "after" and not gate.off]
        self.acts += acts
        self.moves += [Do(index) for index in indexes]
        for act in acts:
            if isinstance(act, WriteZone):
                self.zone = self.zone.apply(act.changes)
                self._refresh(act, following)
        self.unproved += step.gates
        self.pending = True

    def _opening_gates(self, *, begins: bool) -> list[GateSpec]:
        """Return the phase's gates that are due now: a person's go first of all, the others with the first write."""
        first = not self.acts
        return [gate for gate in self.phase.gates if (first if gate.kind in PERSON_GATES else begins)]

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

    def _service_gates(self) -> list[GateSpec]:
        gates = [gate for gate in self.phase.gates if gate.at != "before"]
        gates += [gate for step in self.phase.steps for gate in step.gates if gate.at != "before"]
        return [gate for gate in gates if not gate.off and gate.kind not in (*DNS_GATES, *PERSON_GATES, "serial")]

    def _after_gates(self, of_steps: Iterable[GateSpec], *, whole: bool) -> tuple[GateSpec, ...]:
        """Return the gates that run afterwards: of the steps alone, or of the whole phase with the built-in ones."""
        written = (*(self.phase.gates if whole else ()), *of_steps)
        own = [gate for gate in written if gate.at != "before" and not gate.off and gate.kind not in PERSON_GATES]
        named = {gate.kind for gate in own}
        default = [built_in(kind) for kind in DNS_GATES if whole and kind not in self.off and kind not in named]
        return (*default, *own)

    def _flush(self) -> None:
        """Everything written so far must show at every server, and the gates must pass, before going on."""
        if not self.pending:
            return
        gates = self._after_gates(self.unproved, whole=self.began)
        if all(change.ttl_only for act in self._writes() for change in act.changes):
            gates = _starting_the_clock(gates)
        self.moves += [Check(gate, "after", self._all()) for gate in gates]
        self.pending = False
        self.unproved = []

    def _writes(self) -> list[WriteZone]:
        return [act for act in self.acts if isinstance(act, WriteZone)]

    def _all(self) -> tuple[int, ...]:
        return tuple(range(len(self.acts)))

    def finish(self) -> Plan:
        self._flush()
        if self.closes and any(not change.ttl_only for act in self._writes() for change in act.changes):
            self.conflicts.append(
                f'phase {self.phase.number} "{self.phase.name}" changes records and closes the run at once, while '
                "caches still hold the old ones; give `finish` a phase of its own"
            )
        if self.conflicts:
            raise Conflict("\n".join(self.conflicts))
        situation = self.situation
        acts = tuple(self.acts)
        plan = Plan(
            run=situation.run,
            phase=self.phase.number,
            phase_name=self.phase.name,
            direction="forward",
            acts=acts,
            moves=tuple(self.moves),
            checkpoint=situation.checkpoint,
            notes=(*_mail_note(situation, acts), *self.notes),
            hazards=(*self.hazards, *_by_hand(situation, acts)),
            guards=situation.standing,
            closes=self.closes,
        )
        held = earliest(plan, situation)
        return replace(
            plan,
            earliest=max((each.until for _, each in held), default=None),
            earliest_because=tuple(f"{what}: {each.because}" for what, each in held if each.until > situation.now),
            worst_recovery_s=_worst_recovery_s(plan.changes(), situation.zone),
            worst_by_act_s=tuple(
                _worst_recovery_s(plan.changes(tuple(range(last + 1))), situation.zone) for last in range(len(acts))
            ),
            stale_life_s=stale_life_s((*situation.standing, *plan.changes()), situation.zone),
        )


def _starting_the_clock(gates: tuple[GateSpec, ...]) -> tuple[GateSpec, ...]:
    """A TTL phase exists to start a timer (T1), which counts from the first of k equal rounds."""
    return tuple(
        replace(gate, every_s=ROUND_SPACING_S, successes=EQUAL_ROUNDS) if gate.kind == "records" else gate
        for gate in gates
    )


def _watching(gates: tuple[GateSpec, ...]) -> tuple[GateSpec, ...]:
    return tuple(replace(gate, every_s=WATCH_EVERY_S, successes=1, failures=WATCH_FAILURES) for gate in gates)


def _by_hand(situation: Situation, acts: tuple[Act, ...]) -> tuple[Hazard, ...]:
    """Going back needs a person wherever going forward does."""
    hands = [
        act.provider
        for act in acts
        if isinstance(act, (WriteZone, Refresh)) and situation.capabilities[act.provider].needs_person
    ]
    if not hands:
        return ()
    names = ", ".join(dict.fromkeys(hands))
    return (Hazard("manual-rollback", f"to go back, a person must act at {names}, as for going forward"),)


def _mail_note(situation: Situation, acts: tuple[Act, ...]) -> tuple[str, ...]:
    """Say that mail stays, when it does and there is any."""
    changed = {change.key.owner for act in acts if isinstance(act, WriteZone) for change in act.changes}
    names = mail_names(situation.playbook.mail, situation.zone)
    if not names or changed & names.keys() or not changed:
        return ()
    mailboxes = situation.playbook.mail.mailboxes if situation.playbook.mail else ()
    shown = ", ".join(_where(name, situation.zone) for name in mailboxes or sorted(names))
    what = "mailboxes are on" if mailboxes else "mail goes to"
    return (f"Mail does not change: {what} {shown}, and that stays.",)


def _where(name: Name, zone: ZoneSnapshot) -> str:
    found = [zone.rrsets.get(RRsetKey(name, rdtype)) for rdtype in ADDRESSES]
    addresses = [text for rrset in found if rrset for text in rrset.texts()]
    shown = name.to_text(omit_final_dot=True)
    return f"{shown} ({', '.join(addresses)})" if addresses else shown


def _worst_recovery_s(changes: Iterable[Change], zone: ZoneSnapshot) -> int:
    """Return for how long, in seconds, a cache can hold the new answer after it was taken back (D4)."""
    negative = negative_ttl_s(zone)
    held = [change.after.ttl_s if change.after else negative for change in changes if not change.ttl_only]
    return max(held, default=0)
