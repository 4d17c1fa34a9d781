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
from dnsrun.plan.gating import KNOW_THE_MOVE
from dnsrun.ports.gate import GateCase

from .cases import held_before, logins, provider_at, senders_of, zone_move
from .eyes import current, future, side_view
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
    view = current(run)
    for gate in _gates(plan, ("after",)):
        provider = provider_at(run, plan, gate.side)
        written = merged(run.standing(provider=provider))
        case = _case(run, plan, gate, written, run.zone(held_before(plan, provider)))
        verdict, _ = judge_once(run, gate, case, side_view(run, gate.side, base=view))
        yield Verified(plan.phase, gate, "current", verdict)


def verify_next(run: Run, prepared: Prepared) -> Iterator[Verified]:
    """Ask the gates of a prepared phase on the future view. Touches the network."""
    plan, moving = prepared.plan, prepared.situation.moving
    base = current(run)
    for gate in _gates(plan, ("before",)):
        provider = provider_at(run, plan, gate.side)
        changes = plan.changes(provider=provider)
        held = moving.other if moving and provider != prepared.situation.live else prepared.zone
        case = _case(run, plan, gate, changes, held, prepared.content)
        verdict, _ = judge_once(run, gate, case, future(side_view(run, gate.side, base=base), changes))
        yield Verified(plan.phase, gate, "future", verdict)


def _case(
    run: Run,
    plan: Plan,
    gate: GateSpec,
    changes: tuple[Change, ...],
    held: ZoneSnapshot,
    content: ZoneSnapshot | None = None,
) -> GateCase:
    senders, left = senders_of(run, plan)
    return GateCase(
        apex=run.apex,
        changes=changes,
        checkpoint=held,
        volatile=run.playbook.zone.volatile,
        first_round=False,
        commands_allowed=run.ports.commands_allowed,
        move=zone_move(run, plan, content) if gate.kind in KNOW_THE_MOVE else None,
        accounts=logins(run),
        senders=senders,
        left=left,
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
