"""A gate kind around another one: as the other, until something is changed in a class of its own."""

from __future__ import annotations

from dataclasses import dataclass

from dnsrun.model.observation import Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.net import Net, View


@dataclass(slots=True)
class Wrapped:
    """Asks and judges as `real` does."""

    real: Gate

    @property
    def kind(self) -> str:
        """The word used in playbooks."""
        return self.real.kind

    @property
    def fragment(self) -> Fragment:
        """As the real gate."""
        return self.real.fragment

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask one round. Touches the network."""
        return self.real.observe(spec, case, view, net)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        return self.real.judge(spec, case, seen)
