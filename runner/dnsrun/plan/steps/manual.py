"""`manual`: a person does something; a gate proves it, or the person says so."""

from __future__ import annotations

from typing import Any

from dnsrun.model.act import Instruct
from dnsrun.model.codec import decode
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import GateSpec, Step
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, text_of


def compile_step(step: Step, _scene: Scene) -> Compiled:
    """Ask one person to do one thing."""
    proof: Any = step.options.get("proof")
    undo = text_of(step.options, "undo")
    act = Instruct(
        operator=str(step.options["operator"]),
        text=str(step.options["text"]),
        proof=decode(GateSpec, proof) if proof else None,
        undo_text=undo,
    )
    return Compiled((act,), hazards=hand_hazard(undo, text_of(step.options, "irreversible"), act.text))


def hand_hazard(undo: str | None, irreversible: str | None, what: str) -> tuple[Hazard, ...]:
    """Return the hazard of a step that dnsrun cannot take back by itself."""
    if undo is not None:
        return (Hazard("manual-rollback", f"to go back a person must act: {undo}"),)
    return (Hazard("irreversible", f'"{what}" cannot be taken back: {irreversible or "no undo is given"}'),)


KIND = StepKind(
    "manual",
    Fragment(
        "A person does something; proved by a gate, or confirmed",
        {
            "operator": {"type": "string", "description": "Who does it"},
            "text": {"type": "string", "description": "What to do, as it is to be shown"},
            "undo": {"type": "string", "description": "How to take it back"},
            "irreversible": {"type": "string", "description": "Why it cannot be taken back"},
            "proof": {"type": "object", "format": "gate", "description": "The gate that shows it is done"},
        },
        ("operator", "text"),
    ),
    compile_step,
)
