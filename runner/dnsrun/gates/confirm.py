"""Gate `confirm`: a person's go. Never evidence, and `--yes` does not answer it."""

from __future__ import annotations

from dnsrun.model.observation import Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.net import Net, View

from . import options


class Confirm:
    """Ask a person; only `yes` passes."""

    kind = "confirm"
    fragment = Fragment(
        "a person says yes",
        {"question": {"description": "what is asked; to be answered with yes or no", "type": "string"}},
        required=("question",),
        defaults={"every_s": 10, "within_s": 300, "successes": 1, "failures": 1},
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - nothing is asked of the network
        """Ask nothing: the engine brings the answer in the case."""
        return ()

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the answer alone decides
        """Judge the answer; pure."""
        question = shorten(options.text(spec, "question"))
        if case.answer is None:
            return Verdict("unknown", f'a person must answer: "{question}"')
        if case.answer == "yes":
            return Verdict("pass", f'"{question}" yes')
        return Verdict("fail", f'"{question}" {shorten(case.answer, 80)}')
