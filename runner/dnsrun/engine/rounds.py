"""One round of one gate: the view, the case, the question, the verdict, journaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dns.name import Name

from dnsrun.gates.silence import NOT_ASKED
from dnsrun.journal.fold import MoveState
from dnsrun.model.act import Refresh
from dnsrun.model.entry import Judged, Observed
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.plan import Check, Do, Hold, Plan
from dnsrun.model.playbook import GateSpec, Json
from dnsrun.model.rrset import Change
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import View

from .eyes import current, future
from .progress import Judging
from .run import Run, merged, settled
from .samples import new_samples
from .watchful import WatchfulNet

EVIDENCE_MAX = 20
RENEWED = frozenset({"certificate_fingerprint", "not_after"})  # a certificate renewed meanwhile is no difference


def look(run: Run, plan: Plan, index: int, gate: GateSpec) -> Verdict:
    """Run one round of a gate for a move and journal it. Touches the network and the disk.

    Raises `Lost` when the journal moves on meanwhile: a rollback was asked for, and the round is worth nothing.
    """
    move = plan.moves[index]
    if not isinstance(move, (Check, Hold)):
        raise TypeError("only checks and holds have gates")
    case = gate_case(run, plan, index, gate)
    verdict, seen = judge_once(run, gate, case, view_for(run, move, case.changes), compare="as_before" in gate.options)
    samples = new_samples(seen, run.state.samples) if gate.kind == "records" else ()
    if samples:
        run.append(Observed(samples))
    run.append(_judged(index, gate, verdict, seen))
    rounds = run.state.active.move(index).rounds[gate.name] if run.state.active else None
    run.tell(Judging(move, gate, verdict, rounds.failures if rounds else 0))
    return verdict


def judge_once(
    run: Run, gate: GateSpec, case: GateCase, view: View, *, compare: bool = False
) -> tuple[Verdict, tuple[Observation, ...]]:
    """Observe and judge one round, journaling nothing. Touches the network."""
    kind = run.ports.gates[gate.kind]
    seen = kind.observe(gate, case, view, WatchfulNet(run))
    if compare:
        return as_before(gate, seen), seen
    return kind.judge(gate, case, seen), seen


def view_for(run: Run, move: Check | Hold, changes: tuple[Change, ...]) -> View:
    """Return the view that a move asks through: what will be (before, safe) or what is. Touches the network."""
    view = current(run, WatchfulNet(run))
    if isinstance(move, Check) and move.when in {"before", "safe"}:
        return future(view, changes)
    return view


def gate_case(run: Run, plan: Plan, index: int, gate: GateSpec) -> GateCase:
    """Return what the gate of a move may know. Touches the disk (checkpoint)."""
    move = plan.moves[index]
    active = run.state.active
    known = active.move(index) if active else None
    acts = move.acts if isinstance(move, (Check, Hold)) else ()
    if isinstance(move, Check) and move.when in {"before", "safe"}:
        changes = plan.changes(acts)
    else:
        changes = merged((*plan.guards, *settled(plan, active.moves if active else {}, acts)))
    rounds = known.rounds.get(gate.name) if known else None
    passed = any(gate.name in state.rounds and state.rounds[gate.name].passed_at for state in _after(plan, run))
    return GateCase(
        apex=run.apex,
        changes=changes,
        checkpoint=run.zone(plan.checkpoint),
        volatile=run.playbook.zone.volatile,
        waits_for=_waits_for(run, plan, index),
        first_round=rounds is None and not passed,
        commands_allowed=run.ports.commands_allowed,
        answer=_answer(known),
        phase=plan.phase,
    )


def _answer(known: MoveState | None) -> str | None:
    if known is None or known.answer is None:
        return None
    return "yes" if known.answer.answer == "done" else "no"


def _after(plan: Plan, run: Run) -> Iterable[MoveState]:
    active = run.state.active
    for index, move in enumerate(plan.moves):
        if active and (isinstance(move, Hold) or (isinstance(move, Check) and move.when in {"after", "back"})):
            yield active.move(index)


def _waits_for(run: Run, plan: Plan, index: int) -> frozenset[Name]:
    """Return the name servers of secondaries that a later step refreshes: they may be stale until then."""
    active = run.state.active
    names: set[Name] = set()
    for number, move in enumerate(plan.moves):
        act = plan.acts[move.act] if isinstance(move, Do) else None
        if isinstance(act, Refresh) and number > index and not (active and active.move(number).done):
            names |= {server.name for server in run.playbook.providers[act.provider].name_servers}
    return frozenset(names)


def facts_of(seen: Iterable[Observation]) -> tuple[tuple[str, str], ...]:
    """Return what services said, by address: the basis for "as it was before"."""
    facts = []
    for each in seen:
        if isinstance(each.got, Words) and not each.control:
            kept = ((name, value) for name, value in each.got.facts if name not in RENEWED)
            facts += [(f"{each.server.address} {name}", value) for name, value in kept]
    return tuple(sorted(facts))


def as_before(gate: GateSpec, seen: tuple[Observation, ...]) -> Verdict:
    """Judge whether a service says what it said at the checkpoint, whatever the playbook wants of the new one."""
    wanted: Json = gate.options.get("as_before", {})
    before = {str(name): str(value) for name, value in wanted.items()} if isinstance(wanted, Mapping) else {}
    now = dict(facts_of(seen))
    asked = {each.server.address: each.got for each in seen if not each.control}
    silent = [each for each in seen if isinstance(each.got, NoReply) and not each.control]
    changed = [name for name, value in before.items() if name in now and now[name] != value]
    # What leads elsewhere now was led there by somebody else, and stays: nothing goes back to the old place there.
    missing = [name for name in before if name not in now and name.partition(" ")[0] in asked]
    if not asked or any(isinstance(got, Words) and got.fact(NOT_ASKED) for got in asked.values()):
        return Verdict("unknown", f"{gate.name} could not be asked", tuple(seen))
    if changed:
        name = changed[0]
        return Verdict("fail", f"{gate.name}: {name} was {before[name]}, is {now[name]}", tuple(seen))
    if missing:
        sure = any(isinstance(each.got, NoReply) and each.got.why == "refused" for each in silent)
        words = f"{gate.name}: {missing[0].partition(' ')[0]} does not answer as before"
        return Verdict("fail" if sure else "unknown", words, tuple(silent))
    return Verdict("pass", f"{gate.name} answers as before", tuple(seen))


def _judged(index: int, gate: GateSpec, verdict: Verdict, seen: tuple[Observation, ...]) -> Judged:
    return Judged(
        move=index,
        gate=gate.name,
        outcome=verdict.outcome,
        because=verdict.because,
        not_yet=verdict.not_yet,
        asked=len(seen),
        differing=tuple(_line(each) for each in verdict.evidence[:EVIDENCE_MAX]) if verdict.outcome != "pass" else (),
        warnings=verdict.warnings,
        not_checked=verdict.not_checked,
        facts=facts_of(seen),
    )


def _line(each: Observation) -> str:
    return f"{each.of} at {each.server}: {answer_text(each)}"


def answer_text(each: Observation) -> str:
    """Return what came back, as a line for people (not escaped)."""
    got = each.got
    if isinstance(got, NoReply):
        return {"timeout": "no answer", "refused": "connection refused"}.get(got.why, got.why)
    if isinstance(got, Words):
        return got.text
    if got.rrset is not None and got.kind == "data":
        return f"{', '.join(got.rrset.texts())} (TTL {got.rrset.ttl_s})"
    return {"nodata": "no record of this type", "nxdomain": "no such name", "referral": "a referral"}.get(
        got.kind, f"error, RCODE {got.rcode}"
    )
