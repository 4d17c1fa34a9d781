"""`switch-ns`: have the parent delegate the domain to the new host, once it serves everything."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.act import SetDelegation
from dnsrun.model.playbook import Step
from dnsrun.plan.moving import Moving
from dnsrun.ports.kinds import Fragment

from .copy_zone import copy_conflicts, copying
from .kind import Compiled, Scene, StepKind


def compile_step(_step: Step, scene: Scene) -> Compiled:
    """Bring the new host up to date, then move the delegation; the gates in between are the planner's."""
    moving, registrar = scene.moving, scene.playbook.zone.registrar
    if moving is None or registrar is None or moving.switched:
        return Compiled(nothing="the name servers are switched already")
    if moving.delegation.ns == moving.target.ns:
        return Compiled(nothing="the parent delegates to the new name servers already, and not by this run")
    conflicts = (*copy_conflicts(scene), *_unfit_registrar(scene, moving, registrar))
    act = SetDelegation(registrar, scene.zone.apex, moving.delegation, moving.target)
    return Compiled((*copying(scene), act), conflicts=conflicts)


def _unfit_registrar(scene: Scene, moving: Moving, registrar: str) -> Iterator[str]:
    able = scene.capabilities[registrar]
    if moving.target.glue and not able.glue and not able.needs_person:
        names = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in moving.target.glue))
        yield f"{registrar} cannot set the addresses (glue) of {names}; use name servers outside the domain"


KIND = StepKind(
    "switch-ns",
    Fragment(
        "Have the parent zone delegate to the new name servers; only after everything there was asked and found right"
    ),
    compile_step,
)
