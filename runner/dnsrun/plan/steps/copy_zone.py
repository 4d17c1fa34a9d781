"""`copy-zone`: have the new host hold what the old one will serve when the name servers are switched."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.act import WriteZone
from dnsrun.model.playbook import Step
from dnsrun.model.rrset import Change, RRset
from dnsrun.plan.moving import beyond, to_write
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind

_SHOWN = 10
LOW_NEGATIVE_S = 300  # T8: it bounds how long a forgotten record hurts


def compile_step(_step: Step, scene: Scene) -> Compiled:
    """Write what is missing or different at the new host; remove nothing that the playbook does not say."""
    if scene.moving is None or scene.moving.switched:
        return Compiled(nothing="the new host is delegated to already")
    conflicts = copy_conflicts(scene)
    acts = copying(scene)
    nothing = "" if acts or conflicts else "the new host holds the zone already"
    return Compiled(acts, conflicts=conflicts, notes=copy_notes(scene), nothing=nothing)


def copying(scene: Scene) -> tuple[WriteZone, ...]:
    """Return the write at the new host, or none when it holds the content already."""
    moving, content, to = scene.moving, scene.content, scene.playbook.zone.to
    if moving is None or content is None or to is None:
        return ()
    changes = to_write(content, moving.other, apex_ns=scene.capabilities[to].apex_ns)
    if scene.playbook.zone.extras == "remove":
        changes += tuple(Change(rrset.key, rrset, None) for rrset in _extras(scene))
    return (WriteZone(to, scene.zone.apex, changes),) if changes else ()


def copy_conflicts(scene: Scene) -> tuple[str, ...]:
    """Return, as sentences, what keeps the zone from being copied or switched at all."""
    return (*scene.unclear, *_unfit_capture(scene), *_unfit_host(scene), *_unwanted(scene))


def copy_notes(scene: Scene) -> tuple[str, ...]:
    """Return what the person should know of the new host."""
    to = scene.playbook.zone.to
    notes = []
    if kept := sorted(name.to_text(omit_final_dot=True) for name in scene.playbook.zone.keep):
        notes.append(f"stays at the new host though the old zone does not hold it: {', '.join(kept)}")
    negative_s = scene.moving.other.negative_ttl_s if scene.moving else None
    if negative_s is not None and negative_s > LOW_NEGATIVE_S:
        notes.append(
            f"{to} lets caches keep for {negative_s} s that a name does not exist, so a forgotten one hurts so long; "
            f"lower the SOA minimum there to {LOW_NEGATIVE_S} if you can"
        )
    return tuple(notes)


def _unfit_capture(scene: Scene) -> Iterator[str]:
    if scene.zone.completeness == "probed":
        yield (
            "what the zone holds is only known from public questions; names that nobody guesses would be lost with the "
            "switch. Ask the operator of the old DNS for the whole zone and add "
            "`capture: {file: ..., given_by: ..., on: ..., covers: all}`, or `capture: {transfer: SERVER}`, to `zone`; "
            'README, "When the old zone is only probed", has the message to send'
        )
    for raw in scene.zone.unmodelled[:_SHOWN]:
        yield f"the old zone holds what cannot be copied as it is: {raw}; declare it in `records`, then go on"


def _unfit_host(scene: Scene) -> Iterator[str]:
    to = scene.playbook.zone.to or ""
    if scene.moving and scene.moving.unreadable:
        yield f"{scene.moving.unreadable}; create the zone there (empty is enough), readable and writable for us"
    capabilities = scene.capabilities[to]
    if capabilities.serves_before_delegation is False:
        yield (
            f"{to} does not answer for a zone before it is delegated to it, so nothing can be tested beforehand; "
            "have its operator serve the zone first, or move to another host"
        )
    if capabilities.types is not None and scene.content is not None:
        lost = [rrset for rrset in scene.content.rrsets.values() if rrset.key.rdtype not in capabilities.types]
        if lost:
            yield f"{to} cannot hold {_list(lost)}; move to another host, or say in `records` what becomes of them"


def _unwanted(scene: Scene) -> Iterator[str]:
    found = _extras(scene)
    if found and scene.playbook.zone.extras == "refuse":
        yield (
            f"{scene.playbook.zone.to} holds what the old zone does not: {_list(found)}. Say in `zone` what becomes of "
            "it: `extras: remove`, or `extras: {keep: [NAMES]}`"
        )


def _extras(scene: Scene) -> tuple[RRset, ...]:
    if scene.moving is None or scene.content is None or not scene.moving.listed:
        return ()
    return beyond(scene.content, scene.moving.other, scene.playbook.zone.keep)


def _list(rrsets: tuple[RRset, ...] | list[RRset]) -> str:
    shown = [str(each.key) for each in rrsets]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


KIND = StepKind(
    "copy-zone",
    Fragment(
        "Write the zone at the new host, as it will be when the name servers are switched",
        {
            "ttl": {
                "type": "integer",
                "minimum": 60,
                "maximum": 86_400,
                "description": "The highest TTL there, in seconds",
            }
        },
    ),
    compile_step,
)
