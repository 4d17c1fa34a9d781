"""Beginning a phase: read the world, plan, and only then journal. `prepare` writes nothing anywhere."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dnsrun import __version__
from dnsrun.dnsio.views import ServerView
from dnsrun.errors import Refused
from dnsrun.model.content import HOSTS_OWN
from dnsrun.model.entry import Captured, GateOff, HazardAccepted, Observed, Opened, Planned, Resumed, TtlSample
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Side
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.planner import content_of, plan_phase
from dnsrun.plan.records import already_there
from dnsrun.plan.situation import Situation
from dnsrun.plan.steps.lower_ttl import lowered_keys

from .checkpoint import expected_zone, read_checkpoint
from .delegation import refuse_when_locked
from .eyes import ask_at, side_view
from .moving import read_moving
from .run import Run
from .samples import merge, new_samples
from .sheets import keep, undo_folder, undone_by_hand


@dataclass(frozen=True, slots=True)
class Prepared:
    """A phase that could begin: its plan and what it rests on.

    `foreign` names edits by others since the last capture; `warnings` what the capture found. `undo_sheet` is what
    a person must do to go back, where the host has no other hands (empty otherwise), `undo_files` what goes with it.
    `content` is what the new host is to hold, where the zone moves.
    """

    plan: Plan
    situation: Situation
    delegation: Delegation | None
    samples: tuple[TtlSample, ...]
    foreign: tuple[str, ...]
    warnings: tuple[str, ...]
    undo_sheet: str = ""
    content: ZoneSnapshot | None = None
    undo_files: tuple[tuple[str, str], ...] = ()

    @property
    def zone(self) -> ZoneSnapshot:
        """The checkpoint."""
        return self.situation.zone

    @property
    def nothing_to_do(self) -> bool:
        """Tell whether the phase neither writes nor waits nor closes the run."""
        return not self.plan.moves and not self.plan.closes


def prepare(run: Run, number: int) -> Prepared:
    """Capture, compare with what is expected, and plan a phase. Reads the network and the disk; writes nothing.

    Raises `Refused`, `Conflict` or `OutsideError`. Whether it is too early is in the plan's `earliest`.
    """
    refuse_when_open(run)
    checkpoint = read_checkpoint(run)
    _refuse_without_v6(run, checkpoint.view)
    zone = checkpoint.zone
    if run.state.opened is None:
        _refuse_when_begun_elsewhere(run, zone)
    keys = sorted(_sampled(run, zone), key=RRsetKey.order)
    samples = new_samples(ask_at(run, keys, checkpoint.servers), run.state.samples)
    moving = read_moving(run, checkpoint.view, zone)
    situation = Situation(
        run=run.state.opened.run if run.state.opened else secrets.token_hex(8),
        playbook=run.playbook,
        zone=zone,
        checkpoint="",
        capabilities=run.ports.capabilities,
        now=run.ports.clock.now(),
        samples=merge(run.state.samples, samples),
        done=frozenset(n for n, phase in run.state.phases.items() if phase.outcome == "done"),
        standing=run.standing(below=number),
        settled_at=run.settled_at(),
        written=run.written(),
        unobserved=tuple(str(server) for server in checkpoint.unobserved),
        raised_ttls=run.raised_ttls(run.live),
        delegation=checkpoint.delegation,
        moving=moving,
    )
    plan = plan_phase(number, situation)
    _refuse_to_write_twice(run, plan)
    refuse_when_locked(run, plan)
    foreign = foreign_edits(run, zone)
    sheet, files = undone_by_hand(run, plan)
    content, _ = content_of(situation)
    return Prepared(
        plan, situation, checkpoint.delegation, samples, foreign, checkpoint.warnings, sheet, content, files
    )


def refuse_when_open(run: Run) -> None:
    """Raise `Refused` when the run is closed or a phase is in the middle."""
    state = run.state
    domain = run.apex.to_text(omit_final_dot=True)
    if state.ended:
        raise Refused(f"{domain}: the run is finished; nothing was changed. To move again, begin in a new folder")
    if state.going_back or (state.active and state.active.planned.direction == "back"):
        raise Refused(f"{domain}: a rollback is not finished; nothing more was changed. Run `dnsrun resume {domain}`")
    if state.active:
        number = state.active.planned.phase
        raise Refused(
            f"{domain}: phase {number} is open; nothing more was changed. "
            f"Run `dnsrun resume {domain}` to go on, or `dnsrun rollback {domain}` to go back"
        )


def _refuse_without_v6(run: Run, view: ServerView) -> None:
    """Fault 42: who demands IPv6 does not begin where name servers cannot be asked over it. Touches the network."""
    if not run.playbook.zone.require_v6:
        return
    sides: tuple[Side, ...] = ("old", "new")
    views = (view, *(side_view(run, side, base=view) for side in sides if run.playbook.zone.to))
    if hidden := dict.fromkeys(str(server) for one in views for server in one.not_checked):
        raise Refused(
            f"{', '.join(hidden)} cannot be asked: there is no IPv6 from here, and the playbook says "
            "`require_v6: true`; nothing was changed. Run it where IPv6 works, or take that line out"
        )


def _refuse_when_begun_elsewhere(run: Run, zone: ZoneSnapshot) -> None:
    """No journal, but the live zone shows target values already: somebody holds the journal of this run."""
    if found := already_there(run.playbook.records, zone, new_ttl_s=run.playbook.low_ttl_s):
        raise Refused(
            "this looks begun: " + "; ".join(found) + ". Where is its .dnsrun? Nothing was changed. "
            "Copy the folder here, or take out the records that are done"
        )


def _refuse_to_write_twice(run: Run, plan: Plan) -> None:
    """A phase that is done stands with its own way back; writing it anew would lose that."""
    phase = run.state.phase(plan.phase)
    if phase.outcome == "done" and phase.plan and plan.acts:
        raise Refused(
            f'phase {plan.phase} "{plan.phase_name}" is done, and there is something to do again; nothing was changed. '
            "Take it back first (`dnsrun rollback`), or put what is new into a phase of its own"
        )


def _sampled(run: Run, zone: ZoneSnapshot) -> frozenset[RRsetKey]:
    """Return the RRsets whose TTLs the ledger needs: what exists and changes, and what leads to it."""
    wanted = {key for spec in run.playbook.records for key in spec.rrset_keys()} | lowered_keys(run.playbook, zone)
    return frozenset(key for key in wanted if key in zone.rrsets)


def foreign_edits(run: Run, live: ZoneSnapshot) -> tuple[str, ...]:
    """Return, as sentences, what differs from the last capture and is not our doing (fault 55)."""
    expected = expected_zone(run)
    if expected is None:
        return ()
    volatile = run.playbook.zone.volatile
    keys = sorted(expected.rrsets.keys() | live.rrsets.keys(), key=RRsetKey.order)
    return tuple(
        f"{key} was {_text(expected.rrsets.get(key))}, is {_text(live.rrsets.get(key))}"
        for key in keys
        if key.rdtype not in HOSTS_OWN and key.owner not in volatile
        if not _same(expected.rrsets.get(key), live.rrsets.get(key))
    )


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one else other is None


def _text(rrset: RRset | None) -> str:
    return ", ".join(rrset.texts()) if rrset else "absent"


def begin(run: Run, prepared: Prepared, accepted: Mapping[str, str], *, accept_changes: bool = False) -> Plan:
    """Journal that a prepared phase begins, with the hazards that were accepted (name to reason).

    Raises `Refused` when a hazard of the plan is not accepted, or the playbook was edited since the run began and
    `accept_changes` is False (fault 57). Touches the disk only.
    """
    plan = prepared.plan
    missing = [hazard for hazard in plan.hazards if hazard.name not in accepted]
    if missing:
        listed = "\n".join(f"  {hazard.name}: {hazard.text}" for hazard in missing)
        raise Refused(f'not accepted yet; nothing was changed. Accept each with --accept NAME="reason":\n{listed}')
    open_run(run, plan.run, accept_changes=accept_changes)
    digest = run.store_zone(prepared.zone)
    plan = replace(plan, checkpoint=digest)
    if prepared.situation.moving and prepared.content:
        other = run.store_zone(prepared.situation.moving.other)
        plan = replace(plan, other=other, content=run.store_zone(prepared.content))
    zone = prepared.zone
    run.append(
        Captured(
            plan.phase,
            "checkpoint",
            prepared.situation.live,
            digest,
            zone.completeness,
            zone.serial,
            prepared.delegation,
            prepared.foreign,
        )
    )
    if prepared.samples:
        run.append(Observed(prepared.samples))
    if prepared.undo_sheet:
        run.journal.put(prepared.undo_sheet + "\n", suffix="undo.txt")
        sheets = (("undo.txt", prepared.undo_sheet + "\n"), *prepared.undo_files)
        keep(run, sheets, undo_folder(plan.phase))
    for hazard in {hazard.name: hazard for hazard in plan.hazards}.values():
        run.append(HazardAccepted(plan.phase, hazard.name, accepted[hazard.name]))
    _journal_gates_off(run, plan)
    run.append(Planned(plan.phase, "forward", run.store_plan(plan), digest))
    return plan


def _journal_gates_off(run: Run, plan: Plan) -> None:
    phase = run.playbook.phase(plan.phase)
    for gate in (*phase.gates, *(gate for step in phase.steps for gate in step.gates)):
        if gate.off:
            run.append(GateOff(plan.phase, gate.kind, gate.off))


def remember(run: Run, prepared: Prepared) -> None:
    """Journal the TTLs that the servers gave, though the phase does not begin yet: they count from now on.

    Else nobody would ever have seen them before, and the wait of a day would begin anew with each attempt. Touches
    the disk only; raises `Lost` or `JournalError`.
    """
    if prepared.samples:
        run.append(Observed(prepared.samples))


def open_run(run: Run, run_id: str, *, accept_changes: bool) -> None:
    """Journal that the run begins, or goes on with an edited playbook; raise `Refused` for an edit not accepted."""
    opened = run.state.opened
    if opened and opened.playbook == run.playbook.digest:
        return
    if opened and not accept_changes:
        raise Refused(
            f"{run.playbook.path} has been edited since this run began; nothing was changed. "
            "Look at `dnsrun plan`, then run again with --accept-changes"
        )
    run.journal.put(run.playbook.text, suffix="yaml")
    phases = tuple((phase.number, phase.name) for phase in run.playbook.phases)
    domain = run.apex.to_text(omit_final_dot=True)
    run.append(Opened(run_id, domain, run.playbook.digest, run.playbook.path, phases, __version__))


def resume(run: Run) -> None:
    """Have a paused phase try afresh; nothing when no phase is paused. Touches the disk only."""
    active = run.state.active
    if active and active.paused is not None:
        run.append(Resumed(active.planned.phase))
