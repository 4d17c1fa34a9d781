"""`restore-ttl`: give the RRsets back the TTLs they had before this run lowered them (T6)."""

from __future__ import annotations

from dnsrun.model.playbook import Step
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind


def compile_step(_step: Step, scene: Scene) -> Compiled:
    """Raise what was lowered, where it still exists and is still lower."""
    keys = sorted(scene.original_ttls, key=RRsetKey.order)
    live = [scene.zone.rrsets[key] for key in keys if key in scene.zone.rrsets]
    changes = tuple(
        Change(rrset.key, rrset, rrset.with_ttl(scene.original_ttls[rrset.key]))
        for rrset in live
        if rrset.ttl_s < scene.original_ttls[rrset.key]
    )
    return Compiled(
        scene.write(changes), nothing="" if changes else "no TTL was lowered in this run", late=bool(changes)
    )


KIND = StepKind("restore-ttl", Fragment("Raise the TTLs again that this run lowered"), compile_step)
