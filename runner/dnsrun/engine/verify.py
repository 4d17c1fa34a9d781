"""Gates only: what was written must still show, and what comes next must be ready. Writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dnsrun.model.observation import Verdict
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import GateCase

from .eyes import current, future
from .rounds import judge_once
from .run import Run, merged
from .start import Prepared


@dataclass(frozen=True, slots=True)
class Verified:
    """One gate, asked once. `side`: `current` for what was written, `future` for the next phase before it runs."""

    phase: int
    gate: GateSpec
    side: Literal["current", "future"]
    verdict: Verdict


def verify_written(run: Run) -> Iterator[Verified]:
    """Ask the gates of the newest phase that wrote, on the servers as they are. Touches the network."""
    wrote = run.state.wrote()
    if not wrote:
        return
    plan = run.plan(run.state.phase(wrote[0]).plan)
    case = _case(run, merged(run.standing()), run.zone(plan.checkpoint))
    view = current(run)
    for gate in _gates(plan, ("after",)):
        verdict, _ = judge_once(run, gate, case, view)
        yield Verified(plan.phase, gate, "current", verdict)


def verify_next(run: Run, prepared: Prepared) -> Iterator[Verified]:
    """Ask the gates of a prepared phase on the future view. Touches the network."""
    plan = prepared.plan
    case = _case(run, plan.changes(), prepared.zone)
    view = future(current(run), plan.changes())
    for gate in _gates(plan, ("before",)):
        verdict, _ = judge_once(run, gate, case, view)
        yield Verified(plan.phase, gate, "future", verdict)


def _case(run: Run, changes: tuple[Change, ...], checkpoint: ZoneSnapshot) -> GateCase:
    return GateCase(
        apex=run.apex,
        changes=changes,
        checkpoint=checkpoint,
        volatile=run.playbook.zone.volatile,
        first_round=False,
        commands_allowed=run.ports.commands_allowed,
    )


def _gates(plan: Plan, when: tuple[str, ...]) -> tuple[GateSpec, ...]:
    """Return each gate of the plan once, by name."""
    named: dict[str, GateSpec] = {}
    for move in plan.moves:
        if isinstance(move, Check) and move.when in when:
            named.setdefault(move.gate.name, move.gate)
        if isinstance(move, Hold) and "after" in when:
            named |= {gate.name: gate for gate in move.gates if gate.name not in named}
    return tuple(named.values())
