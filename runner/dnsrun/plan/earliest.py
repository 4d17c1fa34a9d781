"""When a phase may start so that caches follow: T1, T2, T5 and T8, each with its reason in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from dns.name import Name

from dnsrun.errors import Refused
from dnsrun.model.act import SetDelegation
from dnsrun.model.entry import TtlSample
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Playbook, Step
from dnsrun.model.rrset import Change, RRset, RRsetKey, target_of
from dnsrun.model.window import LOOKAHEAD
from dnsrun.model.zone import ZoneSnapshot

from .moving import negative_ttl_s
from .registry import registry_freeze
from .situation import Situation
from .steps.kind import number_of
from .ttl import Held, caches_clean_at, earliest_change, held_until, margin_s

DAY_S = 86_400
OUTSIDE_WINDOW = "outside the window"


def earliest(
    plan: Plan, situation: Situation, *, late: bool = False, after_caches_s: int | None = None
) -> list[tuple[str, Held]]:
    """Return what keeps the phase from starting, and until when; in the past where it no longer does.

    Caches first; then, from the moment at which they allow it, the hours of the registry and the phase's window.
    Raises `Refused` when the window does not open within a year of that.

    `late`: a step must not begin while caches ask the servers that were delegated to before. `after_caches_s`: nor
    while one holds what earlier phases changed, and not for so many seconds since.
    """
    lowered = _lowering(situation.playbook, plan.phase)
    low = _low_ttls(plan, situation, *lowered) if lowered else ()
    moved = _after_move(situation) if late else ()
    caches = [*low, *_new_names(plan, situation), *_closing(plan, situation, after_caches_s), *moved]
    if not (plan.moves or plan.closes):
        return caches
    return [*caches, *_hours(plan, situation, max([situation.now, *(held.until for _, held in caches)]))]


def _hours(plan: Plan, situation: Situation, start: datetime) -> Iterable[tuple[str, Held]]:
    """Return what keeps the phase from beginning at `start`, until a moment that suits both.

    The registry takes no changes for a while each night; a delegation is not begun shortly before.
    """
    window = situation.playbook.phase(plan.phase).window
    delegates = any(isinstance(act, SetDelegation) for act in plan.acts)
    found: dict[str, Held] = {}
    end = start + LOOKAHEAD
    while start < end:
        opens = window.opens(start) if window else start
        if opens is None:
            break
        if window and opens > start:
            found[OUTSIDE_WINDOW] = Held(opens, window.words(start))
        closed_until = registry_freeze(situation.zone.apex, opens) if delegates else None
        if closed_until is None:
            return found.items()
        found["the registry"] = Held(closed_until, "it takes no changes of delegations until then")
        start = closed_until
    raise Refused(
        f'phase {plan.phase} "{plan.phase_name}" cannot start within a year: the window ({window}) never suits; '
        "nothing was changed. Mend `window` in the playbook"
    )


def _after_move(situation: Situation) -> Iterator[tuple[str, Held]]:
    """D1 after a switch, D10 after it was taken back."""
    moving = situation.moving
    if moving and moving.clean_at:
        side = "old" if moving.switched else "new"
        yield "the delegation", Held(moving.clean_at, f"caches may ask the {side} name servers until then")


def stale_life_s(changes: Iterable[Change], zone: ZoneSnapshot) -> int:
    """Return for how many seconds a cache can go on holding what was there before these changes (T4, T5)."""
    data = [change for change in changes if not change.ttl_only]
    absent_s = negative_ttl_s(zone)
    lives = [change.before.ttl_s if change.before else absent_s for change in data]
    return max(lives, default=0)


def _low_ttls(plan: Plan, situation: Situation, step: Step, low_s: int) -> Iterator[tuple[str, Held]]:
    """T1: each RRset that the phase changes, once the old TTL has run out; T2 where a server cannot be asked."""
    taken: dict[RRsetKey, list[TtlSample]] = {}
    for (key, _), series in situation.samples.items():
        taken.setdefault(key, []).extend(series)
    for change in plan.changes(provider=situation.live):
        if change.ttl_only or change.before is None:
            continue
        samples = taken.get(change.key, [])
        low_ttl_s = max(low_s, change.before.ttl_s)
        found = earliest_change(
            samples,
            low_ttl_s=low_ttl_s,
            low_since=situation.playbook.zone.ttl_low_since,
            wait_at_least_s=number_of(step.options, "wait_at_least", DAY_S),
        )
        if found:
            yield str(change.key), found
        high = held_until(samples, ttl_above_s=low_ttl_s)
        if high and situation.unobserved:
            yield str(change.key), _unseen(high, situation)


def _unseen(high: datetime, situation: Situation) -> Held:
    """T2: a server that cannot be asked is taken to fetch the zone as late as its timers allow (RFC 1035 3.3.13)."""
    late_s = situation.zone.follows_within_s or DAY_S
    servers = ", ".join(situation.unobserved)
    until = high + timedelta(seconds=late_s + margin_s(late_s))
    return Held(until, f"{servers} cannot be asked from here and may follow {late_s} s late")


def _new_names(plan: Plan, situation: Situation) -> Iterator[tuple[str, Held]]:
    """T8: a record may be made to point to a name of an earlier phase once no cache holds that it does not exist."""
    created = {change.key.owner for change in situation.standing if change.before is None and change.after}
    created -= situation.moving.captured.owners() if situation.moving else frozenset()  # only copied
    settled = situation.settled_at
    changes = [change for change in plan.changes(provider=situation.live) if not change.ttl_only]
    for change in changes:
        for name in sorted(_targets(change.after) & created if settled else ()):
            negative = negative_ttl_s(situation.zone)
            until = settled + timedelta(seconds=negative + margin_s(negative)) if settled else situation.now
            shown = name.to_text(omit_final_dot=True)
            yield str(change.key), Held(until, f"caches may hold until then that {shown} does not exist")


def _targets(rrset: RRset | None) -> set[Name]:
    found = (target_of(rdata) for rdata in rrset.rdatas) if rrset else ()
    return {name for name in found if name is not None}


def _closing(plan: Plan, situation: Situation, after_caches_s: int | None) -> Iterator[tuple[str, Held]]:
    """T5: the run closes, and old services go off, only when no honest cache leads to them."""
    changed = [change for change in situation.standing if not (change.ttl_only or _is_copy(change, situation))]
    settled = situation.settled_at
    if changed and settled is not None and (plan.closes or after_caches_s is not None):
        until = caches_clean_at(settled, [stale_life_s(changed, situation.zone)])
        until = max(until, settled + timedelta(seconds=after_caches_s or 0))
        yield "the old records", Held(until, "caches may hold them until then")


def _is_copy(change: Change, situation: Situation) -> bool:
    """Tell whether a change at the new host only brought what the old one had: no cache saw a difference."""
    captured = situation.moving.captured.rrsets.get(change.key) if situation.moving else None
    return captured is not None and change.after is not None and captured.same_data(change.after)


def _lowering(playbook: Playbook, number: int) -> tuple[Step, int] | None:
    """Return the step that lowers TTLs for a phase, and how low; None where none does, or only after that phase."""
    phases = [phase for phase in playbook.phases if phase.number <= number]
    steps = [step for phase in phases for step in phase.steps if step.kind == "lower-ttl"]
    return (steps[0], number_of(steps[0].options, "ttl", playbook.low_ttl_s)) if steps else None
