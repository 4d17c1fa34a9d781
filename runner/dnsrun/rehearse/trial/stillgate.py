"""Gates that remember their newest round: asked the same in a world that stands still, they see the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import Net, View

from .wrapped import Wrapped


@dataclass(slots=True)
class _Round:
    """What a round was asked, in which version of the world, what it saw, and what that was worth, once judged."""

    version: int
    case: GateCase
    view: str
    servers: tuple[Endpoint, ...]
    seen: tuple[Observation, ...]
    verdict: Verdict | None = None

    def answers(self, version: int, case: GateCase, view: View) -> bool:
        return (self.version, self.view, self.servers) == (version, view.name, view.servers) and self.case == case


@dataclass(slots=True)
class StillGate(Wrapped):
    """A gate kind; a round of hundreds of names is asked once for each version of the world."""

    version: Callable[[], int]
    _newest: dict[tuple[str, str], _Round] = field(default_factory=dict)

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask one round, or give what the same round saw."""
        known = self._newest.get((spec.name, spec.kind))
        if known is None or not known.answers(self.version(), case, view):
            seen = self.real.observe(spec, case, view, net)
            known = _Round(self.version(), case, view.name, view.servers, seen)
            self._newest[spec.name, spec.kind] = known
        return known.seen

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round, or say what was said of the same one; pure."""
        known = self._newest.get((spec.name, spec.kind))
        if known is None or known.seen is not seen or known.case != case:
            return self.real.judge(spec, case, seen)
        if known.verdict is None:
            known.verdict = self.real.judge(spec, case, seen)
        return known.verdict
