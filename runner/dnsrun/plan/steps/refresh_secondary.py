"""`refresh-secondary`: have a secondary fetch the zone now, and prove it by serial and content."""

from __future__ import annotations

from dnsrun.model.act import Refresh
from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind


def compile_step(step: Step, scene: Scene) -> Compiled:
    """Refresh one secondary."""
    return Compiled((Refresh(str(step.options["provider"]), scene.zone.apex),))


KIND = StepKind(
    "refresh-secondary",
    Fragment(
        "Have a secondary fetch the zone; proved by its serial and its answers",
        {"provider": {"type": "string", "format": "provider", "description": "The secondary, a name below providers"}},
        ("provider",),
    ),
    compile_step,
)
