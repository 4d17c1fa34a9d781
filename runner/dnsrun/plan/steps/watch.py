"""`watch`: keep asking all gates for a time, or until no honest cache can hold the old data (T5)."""

from __future__ import annotations

from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, Stay, StepKind

ALL_CACHES = "all-caches"


def compile_step(step: Step, _scene: Scene) -> Compiled:
    """Stay and watch; a failing gate rolls back the newest phase that wrote."""
    given = step.options.get("for", ALL_CACHES)
    return Compiled(stay=Stay("watch", given if isinstance(given, int) else None))


KIND = StepKind(
    "watch",
    Fragment(
        "Go on asking every gate; a failure rolls back",
        {
            "for": {
                "anyOf": [{"const": ALL_CACHES}, {"type": "string", "format": "duration"}],
                "description": "How long, such as 2h, or all-caches: until no cache can hold the old records",
            }
        },
        ("for",),
    ),
    compile_step,
)
