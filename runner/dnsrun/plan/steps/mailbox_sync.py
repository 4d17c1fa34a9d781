"""`mailbox-sync`: copy the mailboxes to the new server, by a person or a program. Nothing is taken back: it adds."""

from __future__ import annotations

from dnsrun.model.act import Act, Instruct, RunCommand
from dnsrun.model.playbook import Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, text_of, words_of

_TEXT = "copy the mailboxes from the old server to the new one"


def compile_step(step: Step, _scene: Scene) -> Compiled:
    """Copy once; who writes a program runs it, else a person is asked."""
    argv, operator = words_of(step.options, "run"), text_of(step.options, "operator")
    if argv is None and operator is None:
        return Compiled(conflicts=(f"{step.mark}: mailbox-sync needs `operator:` (who copies), or `run:` (a program)",))
    text = text_of(step.options, "text") or _TEXT
    act: Act = RunCommand(argv, ()) if argv else Instruct(operator or "", text, None, "")
    return Compiled((act,))


KIND = StepKind(
    "mailbox-sync",
    Fragment(
        "Copy the mailboxes to the new server: once early, and once more before mail is switched off",
        {
            "operator": {"type": "string", "description": "Who copies them"},
            "text": {"type": "string", "description": "What to do, as it is to be shown"},
            "run": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string"},
                "description": "Program and arguments, without a shell; needs --allow-commands",
            },
        },
    ),
    compile_step,
)
