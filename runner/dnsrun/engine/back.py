"""Planning a rollback on the world as it is now: read, plan, journal. Never stops for want of a perfect reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.dnsio.probing import found, probe
from dnsrun.dnsio.views import ServerView
from dnsrun.errors import OutsideError
from dnsrun.gates.options import hosts
from dnsrun.journal.fold import MoveState
from dnsrun.model.act import SetDelegation
from dnsrun.model.content import Content, is_content
from dnsrun.model.entry import Captured, Planned
from dnsrun.model.observation import Answer
from dnsrun.model.plan import Check, Do, Plan
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.moving import Moving, copied_ttl_s, target_delegation
from dnsrun.plan.rollback import Undone, plan_rollback
from dnsrun.plan.situation import Situation

from .checkpoint import names_in_zone
from .eyes import ask_at, current, own_servers, side_view
from .moving import asked_zone
from .run import Run
from .shown import as_held


def plan_back(run: Run, phases: tuple[int, ...], *, raise_ttls: bool) -> Plan:
    """Read what both sides hold, plan the way back and journal it. Touches network and disk."""
    undone = tuple(_undone(run, number) for number in phases)
    home = run.playbook.zone.provider
    zone = _zone_now(run, home, undone)
    digest = run.store_zone(zone)
    view = current(run)
    moving = _moving_now(run, view, undone)
    delegation = view.parent.delegation
    run.append(Captured(phases[0], "checkpoint", home, digest, zone.completeness, zone.serial, delegation))
    situation = Situation(
        run=run.state.opened.run if run.state.opened else "",
        playbook=run.playbook,
        zone=zone,
        checkpoint=digest,
        capabilities=run.ports.capabilities,
        now=run.ports.clock.now(),
        delegation=delegation,
        moving=moving,
    )
    refreshed = _refreshed(run, view, undone, zone) if moving else None
    plan = plan_rollback(undone, situation, raise_ttls=raise_ttls, refreshed=refreshed)
    if moving:
        content = run.store_zone(refreshed) if refreshed else ""
        plan = replace(plan, other=run.store_zone(moving.other), content=content)
    run.append(Planned(plan.phase, "back", run.store_plan(plan), digest, plan.covers))
    return plan


def _moving_now(run: Run, view: ServerView, undone: tuple[Undone, ...]) -> Moving | None:
    """Return where the move stands; never refuses, as a rollback must go on."""
    to = run.playbook.zone.to
    if to is None:
        return None
    now = view.parent.delegation
    return Moving(
        switched=run.switched,
        other=_zone_now(run, to, undone),
        listed=False,
        copied=True,
        captured=run.zone(undone[-1].plan.checkpoint),
        delegation=now,
        target=target_delegation(run.playbook, now),
    )


def _refreshed(run: Run, view: ServerView, undone: tuple[Undone, ...], listed: ZoneSnapshot) -> ZoneSnapshot | None:
    """Return what the new side is to answer: the checkpoint before the switch, renewed by what the old servers answer.

    What the old host lists now is in it too, so that a name added there since is not missed.
    Only where the switch is undone. What the phase itself wrote on both sides counts as at the checkpoint. None of it
    comes from absence: what the old servers do not answer (any more) stays as it was captured.
    """
    switching = next((each.plan for each in undone if _switches(each.plan)), None)
    if switching is None or not switching.content:
        return None
    before = run.zone(switching.checkpoint)
    wanted = run.zone(switching.content)
    taken_back = _taken_back(undone)
    old = side_view(run, "old", base=view)
    known = asked_zone(run, old, before.rrsets.keys() | wanted.rrsets.keys()).rrsets
    answered = {**listed.rrsets, **found(probe(old, run.apex, _known_names(run)), run.apex).rrsets, **known}
    apex_ns = RRsetKey(run.apex, RdataType.NS)
    newer = {
        key: rrset.with_ttl(min(rrset.ttl_s, copied_ttl_s(run.playbook)))
        for key, rrset in answered.items()
        if key not in taken_back and key != apex_ns and is_content(key.rdtype)
    }
    return replace(wanted, rrsets={**wanted.rrsets, **newer, **taken_back})


def _known_names(run: Run) -> Iterator[Name]:
    """Yield what the playbook mentions anywhere: in its records and its mail, as a host of a gate or of an account."""
    yield from names_in_zone(run)
    for phase in run.playbook.phases:
        for gate in (*phase.gates, *(gate for step in phase.steps for gate in step.gates)):
            yield from hosts(gate)
    for account in run.playbook.mail.accounts.values() if run.playbook.mail else ():
        yield from filter(None, (account.imap, account.submission))


def _taken_back(undone: tuple[Undone, ...]) -> dict[RRsetKey, RRset]:
    """Return what RRsets go back to that the undone phases changed for everybody, with the TTLs as lowered."""
    found: dict[RRsetKey, RRset] = {}
    for each in undone:
        for change in each.plan.changes(provider=each.plan.live):
            if change.before and not change.ttl_only:
                found[change.key] = change.before
    return found


def _switches(plan: Plan) -> bool:
    return any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts)


def _undone(run: Run, number: int) -> Undone:
    phase = run.state.phase(number)
    plan = run.plan(phase.plan)
    performed = frozenset(
        move.act
        for index, move in enumerate(plan.moves)
        if isinstance(move, Do) and index in phase.moves and _performed(phase.moves[index])
    )
    return Undone(plan, performed, _baselines(plan, phase.moves), _served(plan, phase.moves))


def _performed(move: MoveState) -> bool:
    return bool(move.attempts)


def _served(plan: Plan, moves: Mapping[int, MoveState]) -> dict[int, tuple[RRset, ...]]:
    """Return what hosts serve with another TTL than was asked for, by the act that wrote it."""
    acts = (
        (move.act, moves[index].done)
        for index, move in enumerate(plan.moves)
        if isinstance(move, Do) and index in moves
    )
    return {act: done.served for act, done in acts if done}


def _baselines(plan: Plan, moves: Mapping[int, MoveState]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what services said at the checkpoint; what was not well then and nobody asked for, keeps nobody back."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for index, move in enumerate(plan.moves):
        rounds = moves[index].rounds if index in moves else {}
        if isinstance(move, Check) and move.when == "baseline" and move.gate.name in rounds:
            last = rounds[move.gate.name].last
            if last.outcome == "pass" or not move.gate.lenient:
                found[move.gate.name] = last.facts
    return found


def _zone_now(run: Run, provider: str, undone: tuple[Undone, ...]) -> ZoneSnapshot:
    """Return the zone as a host holds it now: what it lists, and for what we changed also what its servers answer.

    A reading that fails, or lists too little, must not hide that our value is still there (faults 29 to 31): where
    the two differ, the one that shows a value of ours that is to go back counts. Where nothing is listed the answers
    count, also those that somebody else has set (fault 56).
    """
    listed = _listed(run, provider)
    zone = listed or run.zone(_seen_before(undone, provider))
    rrsets: dict[RRsetKey, RRset] = dict(zone.rrsets)
    changes = [change for each in undone for change in each.plan.changes(provider=provider)]
    for key, answers in _answered(run, provider, frozenset(change.key for change in changes), zone).items():
        written = [change.after for change in changes if change.key == key]
        ours = [answer for answer in answers if _is_one_of(answer, written)]
        if listed is None or (ours and not _is_one_of(rrsets.get(key), written)):
            rrsets.pop(key, None)
            rrsets |= {key: held} if (held := (ours or answers)[-1]) else {}
    return replace(zone, rrsets=rrsets, taken_at=run.ports.clock.now())


def _seen_before(undone: tuple[Undone, ...], provider: str) -> str:
    plan = undone[0].plan
    return plan.other if plan.other and provider != plan.live else plan.checkpoint


def _listed(run: Run, name: str) -> ZoneSnapshot | None:
    provider = run.ports.providers[name]
    if not provider.capabilities.reads:
        return None
    try:
        return provider.read_zone(run.apex)
    except OutsideError:
        return None


def _answered(
    run: Run, provider: str, keys: frozenset[RRsetKey], zone: ZoneSnapshot
) -> dict[RRsetKey, list[RRset | None]]:
    """Return what each server of a host answers; servers may differ."""
    held = Content(zone)
    servers = own_servers(run, provider, current(run)) if keys else ()
    found: dict[RRsetKey, list[RRset | None]] = {}
    for each in ask_at(run, keys, servers):
        if isinstance(each.of, RRsetKey) and isinstance(each.got, Answer) and each.got.aa:
            found.setdefault(each.of, []).append(as_held(each.of, each.got, held))
    return found


def _is_one_of(value: RRset | None, known: list[RRset | None]) -> bool:
    return any(value.same_data(each) if value else each is None for each in known)
