"""`switch-ns`: have the parent delegate the domain to the new host, once it serves everything."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.act import SetDelegation
from dnsrun.model.playbook import Step
from dnsrun.plan.listed import unlisted_types
from dnsrun.plan.mail import mail_graph, mailboxes_unsaid
from dnsrun.plan.moving import Moving, asked_s, negative_ttl_s
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
    mail = scene.playbook.mail
    conflicts = (
        *copy_conflicts(scene),
        *_unfit_registrar(scene, moving, registrar),
        *mailboxes_unsaid(mail, mail_graph(mail, scene.content or scene.zone), scene.zone),
    )
    act = SetDelegation(registrar, scene.zone.apex, moving.delegation, moving.target)
    unlisted = unlisted_types(scene.zone)
    hazards = (unlisted,) if unlisted else ()
    return Compiled((*copying(scene), act), conflicts=conflicts, hazards=hazards, notes=_notes(scene, moving))


def _notes(scene: Scene, moving: Moving) -> tuple[str, ...]:
    """Say how far the way back reaches (D3, D4)."""
    zones = (scene.zone, moving.other, *((scene.content,) if scene.content else ()))
    longest_s = asked_s(moving.target, zones) + negative_ttl_s(moving.other)
    known = "if it goes back, what is known comes right within the TTLs of its records, since both sides get it"
    return (
        f"{known}; a name that nobody knew waits until no cache goes by the new name servers, {longest_s} s at worst",
    )


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
