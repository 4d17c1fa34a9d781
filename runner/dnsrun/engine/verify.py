"""Gates only: what was written must still show, and what comes next must be ready. Writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dnsrun.dnsio.views import ServerView
from dnsrun.journal.fold import MoveState
from dnsrun.model.observation import Verdict
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.gating import KNOW_THE_MOVE, NOT_SERVICES
from dnsrun.ports.gate import GateCase, ZoneMove

from .cases import held_before, logins, provider_at, senders_of, zone_move
from .eyes import current, future, side_view
from .rounds import judge_once
from .run import Run, merged, settled
from .start import Prepared


@dataclass(frozen=True, slots=True)
class Verified:
    """One gate, asked once. `side`: `current` for what was written, `future` for the next phase before it runs.

    `gate` is advisory, too, where nobody wrote it and it says what it said before the phase.
    """

    phase: int
    gate: GateSpec
    side: Literal["current", "future"]
    verdict: Verdict


def verify_written(run: Run) -> Iterator[Verified]:
    """Ask the gates of the newest phase that wrote, on the servers as they are. Touches the network."""
    wrote = run.state.wrote()
    if not wrote:
        return
    phase = run.state.phase(wrote[0])
    plan = run.plan(phase.plan)
    view = current(run)
    for gate in _gates(plan, ("after",)):
        provider = provider_at(run, plan, gate.side)
        # A copied zone changes nothing for a service: only what this phase itself put in place of something.
        standing = (
            run.standing(provider=provider)
            if gate.kind in NOT_SERVICES
            else settled(plan, phase.moves, provider=provider)
        )
        written = merged(standing)
        move = zone_move(run, plan, moves=phase.moves) if gate.kind in KNOW_THE_MOVE else None
        case = _case(run, plan, written, run.zone(held_before(plan, provider)), move)
        verdict, _ = judge_once(run, gate, case, side_view(run, gate.side, base=view))
        was = gate.lenient and verdict.outcome in _baselines(plan, phase.moves, gate.name)
        yield Verified(plan.phase, _let_be(gate, verdict) if was else gate, "current", verdict)


def verify_next(run: Run, prepared: Prepared) -> Iterator[Verified]:
    """Ask the gates of a prepared phase on the future view. Touches the network."""
    plan, moving = prepared.plan, prepared.situation.moving
    base = current(run)
    for gate in _gates(plan, ("before",)):
        provider = provider_at(run, plan, gate.side)
        changes = plan.changes(provider=provider)
        held = moving.other if moving and provider != prepared.situation.live else prepared.zone
        move = zone_move(run, plan, prepared.content, moves={}) if gate.kind in KNOW_THE_MOVE else None
        case = _case(run, plan, changes, held, move)
        verdict, _ = judge_once(run, gate, case, future(side_view(run, gate.side, base=base), changes))
        was = gate.lenient and verdict.outcome != "pass" and verdict.outcome == _now(run, gate, case, base)
        yield Verified(plan.phase, _let_be(gate, verdict) if was else gate, "future", verdict)


def _now(run: Run, gate: GateSpec, case: GateCase, base: ServerView) -> str:
    """Return what a gate comes to while nothing is changed yet. Touches the network."""
    return judge_once(run, gate, replace(case, changes=()), side_view(run, "live", base=base))[0].outcome


def _baselines(plan: Plan, moves: Mapping[int, MoveState], name: str) -> frozenset[str]:
    """Return what a gate came to straight before the phase wrote."""
    checks = (i for i, move in enumerate(plan.moves) if isinstance(move, Check) and move.when == "baseline")
    known = (moves[index].rounds.get(name) for index in checks if index in moves)
    return frozenset(rounds.last.outcome for rounds in known if rounds)


def _let_be(gate: GateSpec, verdict: Verdict) -> GateSpec:
    """Return a gate that nobody wrote as one that decides nothing: it says the same as before the phase."""
    return gate if verdict.outcome == "pass" else replace(gate, advisory=True)


def _case(
    run: Run,
    plan: Plan,
    changes: tuple[Change, ...],
    held: ZoneSnapshot,
    move: ZoneMove | None,
) -> GateCase:
    senders, left = senders_of(run, plan)
    return GateCase(
        apex=run.apex,
        changes=changes,
        checkpoint=held,
        volatile=run.playbook.zone.volatile,
        first_round=False,
        commands_allowed=run.ports.commands_allowed,
        move=move,
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
