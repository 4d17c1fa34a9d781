"""A phase becomes a plan: acts, the moves around them, when it may start, and what failing would cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.errors import Conflict, Refused
from dnsrun.model.act import Act, Refresh, SetDelegation, SetService, WriteZone
from dnsrun.model.plan import Hazard, Plan
from dnsrun.model.playbook import Phase, Step
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot

from .content import expected_content
from .draft import Draft
from .earliest import earliest, stale_life_s
from .lacking import lacking
from .mail import mail_graph
from .moving import (
    apex_ns_ttl_s,
    copied_ttl_s,
    kept_s,
    live_before_switch,
    negative_ttl_s,
    restored_ttls,
)
from .records import ADDRESSES
from .situation import Situation, original_ttls
from .steps import STEP_KINDS
from .steps.kind import Compiled, Scene


def plan_phase(number: int, situation: Situation) -> Plan:
    """Compile a phase.

    Raises `Conflict` when a live value is in the way (all of them listed), `Refused` when an earlier phase is open.
    Whether it is too early is for the caller: `Plan.earliest`.
    """
    phase = situation.playbook.phase(number)
    _require_earlier(phase, situation)
    draft = Draft(situation, phase, _compile)
    for index in range(len(phase.steps)):
        draft.add(index)
    draft.flush()
    return _planned(phase, draft, situation)


def has_work(phase: Phase, situation: Situation) -> bool:
    """Tell whether a phase would write anything, wait or close the run, judged from the live zone."""
    compiled = [_compile(step, situation) for step in phase.steps]
    return any(step.acts or step.stay or step.conflicts for step in compiled)


def _require_earlier(phase: Phase, situation: Situation) -> None:
    for earlier in situation.playbook.phases:
        if earlier.number < phase.number and earlier.number not in situation.done and has_work(earlier, situation):
            first = (
                f'phase {phase.number} "{phase.name}" comes after phase {earlier.number} "{earlier.name}", which has '
                f"not been done; nothing was changed. Run `dnsrun apply --phase {earlier.number}` first"
            )
            raise Refused("\n".join((first, *_not_copied(phase, situation))))


def _not_copied(phase: Phase, situation: Situation) -> tuple[str, ...]:
    """Return what a switch of the name servers would lose now; nothing where the phase does not switch them."""
    if not any(step.kind == "switch-ns" for step in phase.steps):
        return ()
    return lacking(situation, content_of(situation)[0])


def _compile(step: Step, situation: Situation) -> Compiled:
    moving = situation.moving
    originals = original_ttls(situation.written)
    if moving and moving.switched:
        originals = restored_ttls(moving.captured, situation.zone)
    content, unclear = content_of(situation)
    scene = Scene(
        playbook=situation.playbook,
        zone=situation.zone,
        capabilities=situation.capabilities,
        original_ttls=originals,
        live=situation.live,
        raised_ttls=situation.raised_ttls,
        delegation=situation.delegation,
        moving=moving,
        content=content,
        unclear=unclear,
        caches_mixed=situation.caches_mixed,
    )
    return STEP_KINDS[step.kind].compile(step, scene)


def content_of(situation: Situation) -> tuple[ZoneSnapshot | None, tuple[str, ...]]:
    """Return what the new host is to hold (N0), and as sentences what keeps that from being known.

    After the switch that is what its own servers hold. None where the zone stays.
    """
    moving, playbook = situation.moving, situation.playbook
    if moving is None or playbook.zone.to is None:
        return None, ()
    servers = playbook.providers[playbook.zone.to].name_servers
    low_s = max(copied_ttl_s(playbook), situation.capabilities[playbook.zone.to].min_ttl_s)
    if moving.switched:
        return expected_content(situation.zone, (), servers, ns_ttl_s=apex_ns_ttl_s(situation.zone, low_s)), ()
    found = live_before_switch(playbook, situation.zone)
    content = expected_content(
        situation.zone, found.changes, servers, ns_ttl_s=apex_ns_ttl_s(moving.other, low_s), low_ttl_s=low_s
    )
    raised = ((key, ttl_s) for key, ttl_s in moving.raised_ttls.items() if key in content.rrsets)
    served = {key: content.rrsets[key].with_ttl(max(ttl_s, content.rrsets[key].ttl_s)) for key, ttl_s in raised}
    return replace(content, rrsets={**content.rrsets, **served}), found.conflicts


def _planned(phase: Phase, draft: Draft, situation: Situation) -> Plan:
    changes = tuple(change for act in draft.acts if isinstance(act, WriteZone) for change in act.changes)
    if draft.closes and any(not change.ttl_only for change in changes):
        draft.conflicts.append(
            f'phase {phase.number} "{phase.name}" changes records and closes the run at once, while '
            "caches still hold the old ones; give `finish` a phase of its own"
        )
    if draft.conflicts:
        raise Conflict("\n".join(dict.fromkeys(draft.conflicts)))
    acts = tuple(draft.acts)
    moving = situation.moving
    plan = Plan(
        run=situation.run,
        phase=phase.number,
        phase_name=phase.name,
        direction="forward",
        acts=acts,
        moves=tuple(draft.moves),
        checkpoint=situation.checkpoint,
        notes=(*_mail_note(situation, acts), *draft.notes),
        hazards=(*draft.hazards, *_by_hand(situation, acts)),
        guards=situation.standing,
        closes=draft.closes,
        live=situation.live,
        delegation=situation.delegation,
        target=moving.target if moving else None,
        switched=moving is not None and moving.switched,
    )
    held = earliest(plan, situation, late=draft.late, after_caches_s=draft.after_caches_s)
    return replace(
        plan,
        earliest=max((each.until for _, each in held), default=None),
        earliest_because=tuple(f"{what}: {each.because}" for what, each in held if each.until > situation.now),
        worst_recovery_s=_worst_recovery_s(plan, situation),
        worst_by_act_s=tuple(
            _worst_recovery_s(replace(plan, acts=acts[: last + 1]), situation) for last in range(len(acts))
        ),
        stale_life_s=_stale_life_s(plan, situation),
    )


def _switches(plan: Plan) -> bool:
    return any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts)


def _stale_life_s(plan: Plan, situation: Situation) -> int:
    """Return for how many seconds caches can go by what was there before: records, and the delegation (D1)."""
    records_s = stale_life_s((*situation.standing, *plan.changes(provider=situation.live)), situation.zone)
    moving = situation.moving
    if moving is None or not _switches(plan):
        return records_s
    return max(records_s, kept_s(moving.delegation, (situation.zone, moving.other)))


def _by_hand(situation: Situation, acts: tuple[Act, ...]) -> tuple[Hazard, ...]:
    """Going back needs a person wherever going forward does; a copy that nobody asks yet is not taken back."""
    delegates = any(isinstance(act, SetDelegation) for act in acts)
    taken_back = [
        act
        for act in acts
        if isinstance(act, (Refresh, SetDelegation, SetService))
        or (isinstance(act, WriteZone) and (delegates or act.provider == situation.live))
    ]
    hands = [act.provider for act in taken_back if situation.capabilities[act.provider].needs_person]
    if not hands:
        return ()
    names = ", ".join(dict.fromkeys(hands))
    return (Hazard("manual-rollback", f"to go back, a person must act at {names}, as for going forward"),)


def _mail_note(situation: Situation, acts: tuple[Act, ...]) -> tuple[str, ...]:
    """Say that mail stays, when it does and there is any."""
    changes = [change for act in acts if isinstance(act, WriteZone) for change in act.changes]
    if not changes:
        return ()
    graph = mail_graph(situation.playbook.mail, situation.zone)
    if not graph.servers or any(graph.touched(change) for change in changes):
        return ()
    mail = situation.playbook.mail
    before = mail.mailboxes if mail else ()
    if mail and mail.moves and any(graph.touched(change) for change in situation.standing):
        what, hosts = "mail goes to", [name for name in graph.servers if name not in before]
    else:
        what, hosts = ("mailboxes are on", list(before)) if before else ("mail goes to", list(graph.servers))
    shown = ", ".join(_where(name, situation.zone) for name in hosts)
    return (f"Mail does not change: {what} {shown}, and that stays.",)


def _where(name: Name, zone: ZoneSnapshot) -> str:
    found = [zone.rrsets.get(RRsetKey(name, rdtype)) for rdtype in ADDRESSES]
    addresses = [text for rrset in found if rrset for text in rrset.texts()]
    shown = name.to_text(omit_final_dot=True)
    return f"{shown} ({', '.join(addresses)})" if addresses else shown


def _worst_recovery_s(plan: Plan, situation: Situation) -> int:
    """Return for how long, in seconds, a cache can hold the new answer after it was taken back (D4).

    When the delegation goes back the right data is written at the new side as well, so that its TTLs decide.
    """
    zone = situation.zone
    negative_s = negative_ttl_s(zone)
    changes: Iterable[Change] = plan.changes(provider=situation.live)
    held = [change.after.ttl_s if change.after else negative_s for change in changes if not change.ttl_only]
    content, _ = content_of(situation) if _switches(plan) else (None, ())
    if content is not None:
        apex_ns = RRsetKey(content.apex, RdataType.NS)  # caches that hold it ask the side that gets the right data, too
        held += [rrset.ttl_s for key, rrset in content.rrsets.items() if key != apex_ns]
        held += [negative_ttl_s(situation.moving.other)] if situation.moving else []
    return max(held, default=0)
