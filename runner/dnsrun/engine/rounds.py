"""One round of one gate: the view, the case, the question, the verdict, journaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dns.rdatatype import RdataType

from dnsrun.gates.mail.refusals import is_greylisting
from dnsrun.gates.parity.round import serves_zone
from dnsrun.gates.silence import NOT_ASKED
from dnsrun.model.act import SetDelegation
from dnsrun.model.entry import Judged, Observed
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import GateSpec, Json
from dnsrun.model.rrset import RRsetKey
from dnsrun.plan.gating import NOT_SERVICES
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import View

from .cases import gate_case, view_for
from .eyes import ask_at, current, future, side_view
from .fresh import keep_fresh
from .progress import Judging
from .run import Run
from .samples import new_samples
from .watchful import WatchfulNet

EVIDENCE_MAX = 20
# What differs from one answer to the next: a renewed certificate, a greeting with its date, counts of messages.
RENEWED = frozenset(
    {"certificate_fingerprint", "not_after", "banner", "rcpt_said", "said", "messages", "seconds", "note"}
)
_INCOMPARABLE = RENEWED | {"certificate_issuer"}  # authorities sign a renewal with any of their intermediates
_LABELS_IN_A_POOL = 3  # the least that is compared of a pool's names, with the label that differs


def look(run: Run, plan: Plan, index: int, gate: GateSpec) -> Verdict:
    """Run one round of a gate for a move and journal it. Touches the network and the disk.

    Raises `Lost` when the journal moves on meanwhile: a rollback was asked for, and the round is worth nothing.
    """
    move = plan.moves[index]
    if not isinstance(move, (Check, Hold)):
        raise TypeError("only checks and holds have gates")
    begun = run.ports.clock.now()
    case = gate_case(run, plan, index, gate)
    view = view_for(run, move, gate, case.changes)
    verdict, seen = judge_once(run, gate, case, view, compare="as_before" in gate.options)
    if verdict.outcome == "pass" and run.playbook.zone.require_v6 and plan.direction == "forward":
        verdict = _with_v6(view, verdict)
    if verdict.outcome == "fail" and _blames_the_switch(plan, move, gate):
        verdict = _not_only_there(run, gate, case, verdict)
    if verdict.outcome == "pass" and isinstance(move, Check) and move.when == "before":
        keep_fresh(run, (index, gate.name), view, begun)
    samples = new_samples(seen, run.state.samples) if gate.kind == "records" else ()
    if samples:
        run.append(Observed(samples))
    run.append(_judged(index, gate, verdict, seen))
    rounds = run.state.active.move(index).rounds[gate.name] if run.state.active else None
    run.tell(Judging(move, gate, verdict, rounds.failures if rounds else 0))
    return verdict


def _with_v6(view: View, verdict: Verdict) -> Verdict:
    """Return what a pass is worth to who demands IPv6: without name servers that cannot be asked over it (fault 42)."""
    hidden = [str(server) for server in view.not_checked if str(server) in verdict.not_checked]
    if not hidden:
        return verdict
    words = f"{verdict.because}; {', '.join(hidden)} cannot be asked, and the playbook says `require_v6: true`"
    return replace(verdict, outcome="unknown", because=words)


def _blames_the_switch(plan: Plan, move: Check | Hold, gate: GateSpec) -> bool:
    """Tell whether a failing service may be the fault of the delegation that has moved."""
    after = isinstance(move, Hold) or move.when == "after"
    switches = any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts)
    return after and switches and plan.direction == "forward" and gate.kind not in NOT_SERVICES


def _not_only_there(run: Run, gate: GateSpec, case: GateCase, verdict: Verdict) -> Verdict:
    """Going back helps only where the service answers through the old name servers; else a person looks.

    Servers that do not have the zone any more say nothing about the service: then the new host is put right (fault 62).
    """
    old = side_view(run, "old", base=current(run, WatchfulNet(run)))
    if not any(map(serves_zone, ask_at(run, [RRsetKey(run.apex, RdataType.SOA)], old.servers))):
        return verdict
    through_old, _ = judge_once(run, gate, case, future(old, ()))
    if through_old.outcome == "pass":
        return verdict
    words = f"{verdict.because}; through the old name servers too, so going back would not help"
    return replace(verdict, outcome="unknown", because=words, not_yet=False)


def judge_once(
    run: Run, gate: GateSpec, case: GateCase, view: View, *, compare: bool = False
) -> tuple[Verdict, tuple[Observation, ...]]:
    """Observe and judge one round, journaling nothing. Touches the network."""
    kind = run.ports.gates[gate.kind]
    seen = kind.observe(gate, case, view, WatchfulNet(run))
    if compare:
        return as_before(gate, seen), seen
    return kind.judge(gate, case, seen), seen


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
    # Where nothing was learnt at the checkpoint there is nothing to come back to.
    untold = {name.partition(" ")[0] for name in before if name.endswith(f" {NOT_ASKED}")}
    before = {
        name: value
        for name, value in before.items()
        if name.partition(" ")[0] not in untold and name.partition(" ")[2] not in _INCOMPARABLE
    }
    now = dict(facts_of(seen))
    asked = {e.server.address: e.got for e in seen if not e.control and e.server.address not in untold}
    if untold and not asked:
        return Verdict("pass", f"{gate.name} could not be asked before either", tuple(seen))
    silent = [each for each in seen if isinstance(each.got, NoReply) and not each.control]
    waits = {each.server.address for each in seen if isinstance(each.got, Words) and is_greylisting(each.got)}
    changed = [name for name, value in before.items() if name in now and not _is_as_good(name, value, now[name], waits)]
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


def _is_as_good(name: str, before: str, now: str, waits: set[str]) -> bool:
    """Tell whether one thing that a service said is what it was, or no worse for those who come back.

    `waits` are the addresses that only want to be asked again: the first time counts for nothing (greylisting). The
    servers behind one address of a large host greet by names of their own.
    """
    if before == now:
        return True
    address, _, fact = name.partition(" ")
    if fact == "rcpt_code":
        return address in waits or (before.startswith("4") and now.startswith("2"))
    if fact == "server":
        labels, others = before.lower().split("."), now.lower().split(".")
        return labels[1:] == others[1:] and len(labels) >= _LABELS_IN_A_POOL
    return False


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
