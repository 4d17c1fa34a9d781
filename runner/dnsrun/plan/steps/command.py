"""`command`: run a program, without a shell, only when the person has allowed programs (threat 9)."""

from __future__ import annotations

from dnsrun.model.act import RunCommand
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, text_of, words_of

_ARGV = {"type": "array", "minItems": 1, "items": {"type": "string"}}


def compile_step(step: Step, _scene: Scene) -> Compiled:
    """Run one program."""
    argv = words_of(step.options, "run") or ()
    undo = words_of(step.options, "undo")
    reason = text_of(step.options, "irreversible") or "no undo is given"
    hazards = () if undo else (Hazard("irreversible", f"`{' '.join(argv)}` cannot be taken back: {reason}"),)
    return Compiled((RunCommand(argv, undo),), hazards=hazards)


KIND = StepKind(
    "command",
    Fragment(
        "Run a program; needs --allow-commands",
        {
            "run": {**_ARGV, "description": "Program and arguments, without a shell"},
            "undo": {**_ARGV, "description": "Program and arguments that take it back"},
            "irreversible": {"type": "string", "description": "Why it cannot be taken back"},
        },
        ("run",),
    ),
    compile_step,
)
