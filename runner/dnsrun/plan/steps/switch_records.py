"""`switch-records`: bring the records of the playbook to their desired state."""

from __future__ import annotations

from dnsrun.model.playbook import Step
from dnsrun.plan.mail import mail_conflicts, mail_unsaid
from dnsrun.plan.records import desired
from dnsrun.plan.wildcards import killed_answers
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, names_of


def compile_step(step: Step, scene: Scene) -> Compiled:
    """Compare the entries with the live zone and write the difference."""
    names = names_of(step.options)
    specs = [spec for spec in scene.playbook.records if names is None or names & frozenset(spec.names)]
    floor_s = scene.capabilities[scene.playbook.zone.provider].min_ttl_s
    found = desired(specs, scene.zone, new_ttl_s=max(scene.playbook.low_ttl_s, floor_s), names=names)
    conflicts = (
        *found.conflicts,
        *killed_answers(found.changes, scene.zone),
        *mail_unsaid(found.changes, scene.playbook.mail, scene.zone),
        *mail_conflicts(found.changes, specs, scene.playbook.mail, scene.zone),
    )
    nothing = "" if found.changes else "; ".join(found.already) or "no record of the playbook is meant here"
    stay_behind = tuple(f"stays behind: {text}" for text in found.stay_behind)
    return Compiled(
        scene.write(found.changes), notes=(*found.already, *stay_behind), conflicts=conflicts, nothing=nothing
    )


KIND = StepKind(
    "switch-records",
    Fragment(
        "Change the records to what the playbook says",
        {
            "names": {
                "type": "array",
                "items": {"type": "string", "format": "owner-name"},
                "description": "Only the records of these names; without it all records of the playbook",
            }
        },
    ),
    compile_step,
    writes_records=True,
)
