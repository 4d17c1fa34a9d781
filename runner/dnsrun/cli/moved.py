"""How far a zone is that moves, and until when which side must stay up, from the journal alone. Touches the disk."""

from __future__ import annotations

import json
from datetime import timedelta

from dnsrun.journal.fold import RunState
from dnsrun.model.act import SetDelegation
from dnsrun.model.codec import decode
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Playbook
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import from_text
from dnsrun.plan.moving import apex_ns_ttl_s, clean_at, kept_s, negative_ttl_s
from dnsrun.ports.journal import Journal

from .stage import Moved, Stage


def moved(journal: Journal, state: RunState, playbook: Playbook) -> Moved | None:
    """Return how far the zone's move is, None where it stays. Touches the disk; raises `JournalError`."""
    zone = playbook.zone
    if zone.to is None:
        return None
    if not state.delegated:
        return Moved("copied" if _is_copied(state, playbook) else "not copied", zone.provider, zone.to)
    at, now = state.delegated[-1]
    is_new = now.ns == frozenset(server.name for server in playbook.providers[zone.to].name_servers)
    stage: Stage = "switched" if is_new else "rolled back"
    found = _newest_switch(journal, state)
    if found is None:
        return Moved(stage, zone.provider, zone.to, at)
    plan, act = found
    first, *since = _zones(journal, state, plan)
    left = act.before if is_new else act.after
    # The last cache asks just before it drops the new name servers, and keeps that the name does not exist.
    absent_s = negative_ttl_s(from_text(journal.get(plan.other))) if plan.other else 0
    unknown_s = act.after.ttl_s + apex_ns_ttl_s(since[-1] if since else first, 0) + absent_s
    return Moved(
        stage,
        zone.provider,
        zone.to,
        at,
        at + timedelta(seconds=unknown_s),
        clean_at(at, kept_s(left, since, first)),
    )


def _is_copied(state: RunState, playbook: Playbook) -> bool:
    done = (phase for phase in playbook.phases if state.phase(phase.number).outcome == "done")
    return any(step.kind == "copy-zone" for phase in done for step in phase.steps)


def _newest_switch(journal: Journal, state: RunState) -> tuple[Plan, SetDelegation] | None:
    for digest in reversed(state.written):
        plan: Plan = decode(Plan, json.loads(journal.get(digest)))
        for act in plan.acts:
            if isinstance(act, SetDelegation) and act.moves_servers:
                return plan, act
    return None


def _zones(journal: Journal, state: RunState, plan: Plan) -> list[ZoneSnapshot]:
    """Return the zone as it was first seen, at the switch, and as the new host was to hold it."""
    first = next((entry.zone for entry in state.captures if entry.zone), "")
    return [from_text(journal.get(digest)) for digest in (first, plan.checkpoint, plan.content) if digest]
