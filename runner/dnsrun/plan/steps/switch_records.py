"""`switch-records`: bring the records of the playbook to their desired state."""

from __future__ import annotations

from dnsrun.model.choice import choice_of
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import Step
from dnsrun.model.rrset import Change
from dnsrun.plan.mail import MailGraph, mail_conflicts, mail_graph, mail_unsaid
from dnsrun.plan.records import desired
from dnsrun.plan.wildcards import killed_answers
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind


def compile_step(step: Step, scene: Scene) -> Compiled:
    """Compare the entries with the live zone and write the difference."""
    choice = choice_of(step)
    specs = [spec for spec in scene.playbook.records if any(key in choice for key in spec.rrset_keys())]
    new_ttl_s = max(scene.playbook.low_ttl_s, scene.floor_s)
    found = desired(specs, scene.zone, new_ttl_s=new_ttl_s, chosen=choice.__contains__)
    graph = mail_graph(scene.playbook.mail, scene.zone)
    conflicts = (
        *found.conflicts,
        *killed_answers(found.changes, scene.zone),
        *mail_unsaid(found.changes, scene.playbook.mail, graph, scene.zone.apex),
        *mail_conflicts(found.changes, specs, scene.playbook.mail, graph),
    )
    nothing = "" if found.changes else "; ".join(found.already) or "no record of the playbook is meant here"
    stay_behind = tuple(f"stays behind: {text}" for text in found.stay_behind)
    one_sided, hazards = _one_sided(found.changes, graph, scene)
    return Compiled(
        scene.write_everywhere(found.changes),
        notes=(*found.already, *stay_behind),
        conflicts=conflicts,
        hazards=hazards,
        nothing=nothing,
        late=one_sided,
    )


def _one_sided(changes: tuple[Change, ...], graph: MailGraph, scene: Scene) -> tuple[bool, tuple[Hazard, ...]]:
    """Tell whether the switch must wait for D1: caches still ask an old host that nobody of us can write.

    Where only web names change the playbook's people may accept mixed answers instead.
    """
    moving, old = scene.moving, scene.playbook.zone.provider
    if not changes or moving is None or not (moving.switched and scene.caches_mixed) or scene.capabilities[old].writes:
        return False, ()
    if any(graph.touched(change) for change in changes):
        return True, ()
    until = f"{moving.clean_at:%Y-%m-%d %H:%M} UTC" if moving.clean_at else ""
    return False, (Hazard("mixed-answers", f"caches that still ask {old} go on getting the old records until {until}"),)


KIND = StepKind(
    "switch-records",
    Fragment(
        "Change the records to what the playbook says",
        {
            "names": {
                "type": "array",
                "items": {"type": "string", "format": "owner-name"},
                "description": "Only the records of these names; without it all records of the playbook",
            },
            "types": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "format": "record-type"},
                "description": "Only the records of these types, such as TXT, where a name has several",
            },
        },
    ),
    compile_step,
    writes_records=True,
)
