"""`finish`: close the run. Writes nothing; afterwards a rollback is refused."""

from __future__ import annotations

from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind


def compile_step(_step: Step, _scene: Scene) -> Compiled:
    """Close the run."""
    return Compiled(closes=True, late=True)


KIND = StepKind("finish", Fragment("Close the run; says what may be switched off now"), compile_step)
