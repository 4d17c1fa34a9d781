"""A change of name servers in words: from whom to whom, by whom, how long caches ask whom, how long it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from dns.name import Name

from dnsrun.engine.cases import POLLED_S, zone_move
from dnsrun.engine.eyes import recent, side_view
from dnsrun.engine.run import Run
from dnsrun.gates.parity.sides import Sides
from dnsrun.model.act import SetDelegation, WriteZone
from dnsrun.model.plan import Check, Plan
from dnsrun.model.times import duration
from dnsrun.model.zone import Delegation
from dnsrun.plan.moving import apex_ns_ttl_s, asked_s, clean_at, kept_s, negative_ttl_s
from dnsrun.plan.planner import content_of
from dnsrun.plan.situation import Situation
from dnsrun.ports.gate import GateCase, ZoneMove
from dnsrun.ports.net import Rate, estimate
from dnsrun.ports.provider import Capabilities


@dataclass(frozen=True, slots=True)
class Handing:
    """What a switch of name servers costs in time, all in seconds.

    `parent_s` and `zone_s` are the TTLs of the NS RRset at the parent and in the zone. `asked_s`: caches ask the old
    servers so long. `kept_s`: until no cache holds what they said (D1). `unknown_s`: after going back, until a name is
    found again that only the old side holds and nobody knew. `questions` are asked at `servers` servers (parity),
    which takes `takes`.
    """

    parent_s: int
    zone_s: int
    asked_s: int
    kept_s: int
    unknown_s: int
    questions: int
    servers: int
    takes: timedelta


def switch_of(plan: Plan) -> SetDelegation | None:
    """Return the act that moves the name servers, None when the plan has none."""
    acts = (act for act in plan.acts if isinstance(act, SetDelegation))
    return next((act for act in acts if act.moves_servers), None)


def handing(run: Run, plan: Plan, situation: Situation, polite: Rate) -> Handing | None:
    """Return what the switch in a plan costs, None where it has none. Asks where the servers are, when not known.

    `polite` is how hard a server is asked.
    """
    moving = situation.moving
    content, _ = content_of(situation)
    if switch_of(plan) is None or moving is None or content is None:
        return None
    zones = (content, situation.zone)
    kept = clean_at(situation.now, kept_s(moving.delegation, zones, moving.captured)) - situation.now
    parent_s = moving.delegation.ttl_s
    asks = any(isinstance(one, Check) and one.gate.kind == "parity" for one in plan.moves)  # unless switched off
    move = zone_move(run, plan, content) if asks else None
    questions, servers, takes = _asking(run, situation, move, polite) if move else (0, 0, timedelta())
    return Handing(
        parent_s=parent_s,
        zone_s=apex_ns_ttl_s(situation.zone, 0),
        asked_s=asked_s(moving.delegation, zones, moving.captured),
        kept_s=int(kept.total_seconds()),
        unknown_s=parent_s + apex_ns_ttl_s(content, 0) + negative_ttl_s(moving.other),
        questions=questions,
        servers=servers,
        takes=takes,
    )


def _asking(run: Run, situation: Situation, move: ZoneMove, polite: Rate) -> tuple[int, int, timedelta]:
    sides = Sides(GateCase(run.apex, (), situation.zone, run.playbook.zone.volatile), move)
    new = side_view(run, "new", base=recent(run, at_most_s=POLLED_S)).servers
    counts = {server: sides.planned("old") for server in move.old_servers}
    counts |= {server: sides.planned("new") for server in new}
    return sum(counts.values()), len(counts), estimate(counts, polite=polite)


def delegation_lines(plan: Plan, capabilities: Mapping[str, Capabilities]) -> list[str]:
    """Return what each change of the delegation does, and who does it."""
    return [
        line
        for act in plan.acts
        if isinstance(act, SetDelegation)
        for line in _change(act, "by hand" if capabilities[act.provider].needs_person else "by API")
    ]


def _change(act: SetDelegation, how: str) -> list[str]:
    where = f"        at {act.provider}, {how}"
    lines = []
    if act.moves_servers:
        lines += [f"  name servers   {names_of(act.before)}", f"               → {names_of(act.after)}{where}"]
        lines += [f"  addresses of name servers (glue): {_glue(act.after)}"] if act.after.glue else []
        lines += [f"  DS stays as it is: {', '.join(sorted(act.after.ds))}"] if act.after.ds else []
        return lines
    gone, new = act.before.ds - act.after.ds, act.after.ds - act.before.ds
    lines += [f"  DS {text} removed{where}" for text in sorted(gone)]
    lines += [f"  DS {text} published{where}" for text in sorted(new)]
    return lines


def switch_lines(known: Handing) -> list[str]:
    """Return what to expect of a switch: the check before it, and how long both sides must stay up."""
    lines = []
    if known.questions:
        lines.append(
            f"  First all {known.servers} old and new name servers are asked for every record (parity): "
            f"{known.questions:,} questions, {_about(known.takes)}."
        )
    ttls = f"TTL of the name servers: {duration(known.parent_s)} at the parent, {duration(known.zone_s)} in the zone"
    lines.append(f"  After it caches may ask the old name servers for {duration(known.asked_s)} ({ttls})")
    lines.append(f"    and keep what these say: leave both sides as they are for {duration(known.kept_s)}.")
    return lines


def _about(takes: timedelta) -> str:
    seconds = takes.total_seconds()
    return f"about {duration(seconds)} each time" if seconds >= 1 else "in less than a second"


def is_copy(plan: Plan, act: WriteZone) -> bool:
    """Tell whether a write copies the zone to the host that nobody asks yet; a mirrored change is no copy."""
    if plan.switched or plan.live in {"", act.provider} or plan.target is None or plan.direction == "back":
        return False
    live = {change.key for change in plan.changes(provider=plan.live) if not change.ttl_only}
    return not {change.key for change in act.changes} <= live


def copy_lines(plan: Plan, capabilities: Mapping[str, Capabilities]) -> list[str]:
    """Return how much is copied where, and by whom."""
    lines = []
    for act in plan.acts:
        if isinstance(act, WriteZone) and is_copy(plan, act):
            new = sum(change.before is None for change in act.changes)
            gone = sum(change.after is None for change in act.changes)
            numbers = ((new, "new"), (len(act.changes) - new - gone, "changed"), (gone, "removed"))
            counts = ", ".join(f"{number} {word}" for number, word in numbers if number)
            how = "by hand" if capabilities[act.provider].needs_person else "by API"
            sets = "record set" if len(act.changes) == 1 else "record sets"
            lines.append(f"  copies {len(act.changes)} {sets} to {act.provider} ({counts})        {how}")
    return lines


def names_of(delegation: Delegation) -> str:
    """Return the name servers of a delegation as people write them."""
    return ", ".join(map(_text, sorted(delegation.ns)))


def _glue(delegation: Delegation) -> str:
    return "; ".join(f"{_text(name)} {', '.join(found)}" for name, found in sorted(delegation.glue.items()))


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True)


def cheaper(situation: Situation) -> str:
    """Return that the goal needs no change of name servers, where that can be said; else nothing.

    It can while the old host can be written and nothing was copied: then all `records` can be changed there.
    """
    moving, zone = situation.moving, situation.playbook.zone
    if moving is None or moving.switched or moving.copied or not situation.playbook.records:
        return ""
    if not situation.capabilities[zone.provider].writes:
        return ""
    return (
        f"Cheaper: all `records` of this playbook can be changed at {zone.provider}; they need no change of name "
        "servers. If they are the whole goal, leave `to` and `registrar` out of `zone`."
    )
