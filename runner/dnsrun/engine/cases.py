"""What a gate may know, and the servers it asks, for one move of the active plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from dns.name import Name

from dnsrun.journal.fold import MoveState
from dnsrun.model.act import Refresh, SetDelegation
from dnsrun.model.plan import Check, Do, Hold, Plan
from dnsrun.model.playbook import GateSpec, Sender, Side
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.earliest import stale_life_s
from dnsrun.plan.gating import KNOW_THE_MOVE
from dnsrun.plan.mail import CARRYING, mail_graph
from dnsrun.plan.ttl import caches_clean_at
from dnsrun.ports.gate import GateCase, Login, ZoneMove
from dnsrun.ports.net import View

from .eyes import future, recent, recent_side, side_view
from .run import Run, merged, settled
from .watchful import WatchfulNet

POLLED_S = 60
SEEN_S = 10


def view_for(run: Run, move: Check | Hold, gate: GateSpec, changes: tuple[Change, ...]) -> View:
    """Return the view that a gate asks through: what will be (before, safe) or what is. Touches the network.

    Whom the parent delegates to was seen ten seconds ago at most: the gates of one moment need not all ask the roots.
    """
    view = recent_side(run, gate.side, WatchfulNet(run), at_most_s=SEEN_S)
    if isinstance(move, Check) and move.when in {"before", "safe"}:
        return future(view, changes)
    return view


def gate_case(run: Run, plan: Plan, index: int, gate: GateSpec) -> GateCase:
    """Return what the gate of a move may know. Touches the disk (checkpoint)."""
    move = plan.moves[index]
    active = run.state.active
    known = active.move(index) if active else None
    acts = move.acts if isinstance(move, (Check, Hold)) else ()
    provider = provider_at(run, plan, gate.side)
    if isinstance(move, Check) and move.when in {"before", "safe"}:
        changes = plan.changes(acts, provider=provider)
    else:
        guards = plan.guards if provider == (plan.live or provider) else ()
        changes = merged((*guards, *settled(plan, active.moves if active else {}, acts, provider=provider)))
        if gate.side == "new" and isinstance(move, Hold) and plan.content:
            if plan.content not in run.matters:
                run.matters[plan.content] = tuple(_what_matters(run, plan))
            changes = merged((*changes, *run.matters[plan.content]))
    rounds = known.rounds.get(gate.name) if known else None
    senders, left = senders_of(run, plan)
    passed = any(gate.name in state.rounds and state.rounds[gate.name].passed_at for state in _after(plan, run))
    return GateCase(
        apex=run.apex,
        changes=changes,
        checkpoint=run.zone(held_before(plan, provider)),
        volatile=run.playbook.zone.volatile,
        waits_for=_waits_for(run, plan, index),
        first_round=rounds is None and not passed,
        commands_allowed=run.ports.commands_allowed,
        answer=_answer(known),
        phase=plan.phase,
        move=zone_move(run, plan) if gate.kind in KNOW_THE_MOVE else None,
        accounts=logins(run),
        senders=senders,
        left=left,
    )


def senders_of(run: Run, plan: Plan) -> tuple[frozenset[str], frozenset[str]]:
    """Return the addresses that send the domain's mail while a phase runs, and those that send it no more."""
    senders = run.playbook.mail.senders if run.playbook.mail else ()
    numbers = {phase.name: phase.number for phase in run.playbook.phases}
    gone = frozenset(one.address for one in senders if _is_gone(one, run, plan))
    begun = (one.address for one in senders if one.since is None or plan.phase >= numbers[one.since])
    return frozenset(begun) - gone, gone


def _is_gone(sender: Sender, run: Run, plan: Plan) -> bool:
    if sender.until == "always":
        return False
    if sender.until != "switch":
        return run.ports.clock.now().date() > date.fromisoformat(sender.until)
    changed = [change for change in run.standing(below=plan.phase) if not change.ttl_only]
    settled_at = run.settled_at()
    if run.playbook.zone.to or not changed or settled_at is None:
        return False  # caches may lead to it as long as the run lasts
    life_s = stale_life_s(changed, run.zone(plan.checkpoint))
    return run.ports.clock.now() >= caches_clean_at(settled_at, [life_s])


def logins(run: Run) -> Mapping[str, Login]:
    """Return the mail accounts that gates may use, by the playbook's names."""
    accounts, secrets = run.playbook.mail.accounts if run.playbook.mail else {}, run.ports.secrets
    return {name: Login(account, secrets) for name, account in accounts.items()} if secrets else {}


def _what_matters(run: Run, plan: Plan) -> Iterable[Change]:
    """Yield what must stay at the new servers and is asked every minute: names of mail and of the playbook.

    The whole zone is too much for that; it is asked more rarely (`parity`).
    """
    content = run.zone(plan.content)
    mail = mail_graph(run.playbook.mail, content).keys
    names = {name for spec in run.playbook.records for name in spec.names}
    for key, rrset in content.rrsets.items():
        if key in mail or (key.owner in names and key.rdtype in CARRYING):
            yield Change(key, rrset, rrset)


def provider_at(run: Run, plan: Plan, side: Side) -> str:
    """Return the provider whose servers one side is."""
    zone = run.playbook.zone
    if side == "live":
        return plan.live or zone.provider
    return zone.to if side == "new" and zone.to else zone.provider


def held_before(plan: Plan, provider: str) -> str:
    """Return the digest of what a provider held straight before the phase."""
    return plan.other if plan.other and provider != plan.live else plan.checkpoint


def zone_move(
    run: Run, plan: Plan, content: ZoneSnapshot | None = None, *, moves: Mapping[int, MoveState] | None = None
) -> ZoneMove | None:
    """Return what the gates of a move know, None where the delegation stays as it is.

    `content` is what the new host is to hold where the plan is not stored yet, `moves` how far the plan has come where
    it is not the active one. Touches the network (where the old servers are) and the disk.
    """
    act = next((act for act in reversed(plan.acts) if isinstance(act, SetDelegation)), None)
    delegation = act.before if act else plan.delegation
    target = act.after if act else plan.delegation if plan.switched else plan.target
    if delegation is None or target is None:
        return None
    if moves is None:
        moves = run.state.active.moves if run.state.active else {}
    done = {move.act for i, move in enumerate(plan.moves) if isinstance(move, Do) and i in moves and moves[i].done}
    content = content or run.zone(plan.content or plan.checkpoint)
    if plan.switched or plan.direction == "forward":
        # What this phase has written there shows with the TTLs that the host serves.
        content = content.apply(settled(plan, moves, provider=plan.live if plan.switched else run.playbook.zone.to))
    names = {name for spec in run.playbook.records for name in spec.names}
    return ZoneMove(
        content=content,
        old_servers=side_view(run, "old", base=recent(run, at_most_s=POLLED_S)).servers if run.playbook.zone.to else (),
        delegation=delegation,
        target=target,
        switched=plan.switched if act is None else plan.acts.index(act) in done,
        names=frozenset(names | _mail_hosts(run)),
        keep=run.playbook.zone.keep,
        copied=None if act or plan.switched else _copied(run, plan),
    )


def _copied(run: Run, plan: Plan) -> ZoneSnapshot | None:
    """Return what an earlier phase copied to the new host, None where none did. Touches the disk."""
    for number in sorted(run.state.wrote(), reverse=True):
        steps = run.playbook.phase(number).steps
        content = run.plan(run.state.phase(number).plan).content
        if number < plan.phase and content and any(step.kind == "copy-zone" for step in steps):
            return run.zone(content)
    return None


def _mail_hosts(run: Run) -> set[Name]:
    mail = run.playbook.mail
    return {*mail.mailboxes, *mail.submission} if mail else set()


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
