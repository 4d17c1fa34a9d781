"""`wait`: let time pass, counted from the moment when every server shows what was written (t_all)."""

from __future__ import annotations

from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, Stay, StepKind, number_of


def compile_step(step: Step, _scene: Scene) -> Compiled:
    """Stay for the given time; gates go on running."""
    return Compiled(stay=Stay("wait", number_of(step.options, "for", 0)))


KIND = StepKind(
    "wait",
    Fragment(
        "Wait, counted from when every name server shows the change; the gates go on",
        {"for": {"type": "string", "format": "duration", "description": "How long, such as 15m"}},
        ("for",),
    ),
    compile_step,
)
