"""What happens, as values, for whoever listens. The CLI prints them; nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dnsrun.model.act import Act
from dnsrun.model.handover import Handover
from dnsrun.model.observation import Verdict
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.playbook import GateSpec


@dataclass(frozen=True, slots=True)
class Judging:
    """A gate was asked once. `failures` counts in a row."""

    move: Check | Hold
    gate: GateSpec
    verdict: Verdict
    failures: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A round that compares many answers has got so many more as expected."""

    count: int


@dataclass(frozen=True, slots=True)
class Calling:
    """An act is about to be performed."""

    act: Act
    attempt: int
    back: bool


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call came back with an error; `again_at` (UTC) is when it is tried next, if it is."""

    act: Act
    because: str
    again_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An act shows at the servers that it moves."""

    act: Act
    how: str
    note: tuple[str, ...]
    back: bool


@dataclass(frozen=True, slots=True)
class AtParent:
    """How far a change of the delegation has come at the parent's servers; `back`: it is being taken back."""

    handover: Handover
    back: bool = False


@dataclass(frozen=True, slots=True)
class Staying:
    """A wait or watch lasts until `until` (UTC)."""

    move: Hold
    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class GoingBack:
    """A rollback begins."""

    plan: Plan
    because: str


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """A person is told what to do."""

    operator: str
    text: str


Event = Judging | Compared | Calling | CallFailed | Shown | Staying | GoingBack | AskedPerson | AtParent
Listener = Callable[[datetime, Event], None]
