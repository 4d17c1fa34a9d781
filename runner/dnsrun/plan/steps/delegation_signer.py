"""`remove-ds` and `add-ds`: the DS at the parent, in the order in which no validating resolver fails (S1)."""

from __future__ import annotations

from dataclasses import replace

from dnsrun.model.act import SetDelegation
from dnsrun.model.playbook import Step
from dnsrun.plan.ttl import margin_s
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, Stay, StepKind, words_of


def remove(_step: Step, scene: Scene) -> Compiled:
    """Take the DS away, then stay until no cache holds it; the old zone stays signed meanwhile."""
    delegation, registrar = scene.delegation, scene.playbook.zone.registrar
    if delegation is None or registrar is None or not delegation.ds:
        return Compiled(nothing="there is no DS at the parent")
    after = replace(delegation, ds=frozenset(), ds_ttl_s=0)
    act = SetDelegation(registrar, scene.zone.apex, delegation, after)
    held_s = delegation.ds_ttl_s + margin_s(delegation.ds_ttl_s)
    note = "the old zone must stay signed until the name servers are switched and every cache follows"
    return Compiled((act,), stay=Stay("wait", held_s), conflicts=_unable(scene, registrar), notes=(note,))


def add(step: Step, scene: Scene) -> Compiled:
    """Publish the DS of the new host's keys; not before no cache asks the old servers."""
    delegation, registrar = scene.delegation, scene.playbook.zone.registrar
    wanted = frozenset(words_of(step.options, "ds") or ())
    if delegation is None or registrar is None or delegation.ds == wanted:
        return Compiled(nothing="the DS is there already")
    act = SetDelegation(registrar, scene.zone.apex, delegation, replace(delegation, ds=wanted))
    return Compiled((act,), conflicts=_unable(scene, registrar), late=True)


def _unable(scene: Scene, registrar: str) -> tuple[str, ...]:
    able = scene.capabilities[registrar]
    return () if able.ds or able.needs_person else (f"{registrar} cannot set DS; have it done by hand",)


REMOVE = StepKind(
    "remove-ds", Fragment("Take the DS away at the parent and wait until no cache holds it; before switch-ns"), remove
)
ADD = StepKind(
    "add-ds",
    Fragment(
        "Publish the DS of the new host at the parent; after the switch",
        {
            "ds": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[0-9]+ [0-9]+ [0-9]+ [0-9a-fA-F]+$"},
                "minItems": 1,
                "description": "The DS records: key tag, algorithm, digest type, digest",
            }
        },
        ("ds",),
    ),
    add,
)
