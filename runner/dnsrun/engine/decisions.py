"""What there may be to do next, as values: what `decide` returns and `advance` performs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dnsrun.journal.fold import Outcome
from dnsrun.model.playbook import GateSpec


@dataclass(frozen=True, slots=True)
class Look:
    """Run one round of a gate; before it ask whether the act of the move `begun` shows, when there is one."""

    move: int
    gate: GateSpec
    begun: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Perform the act of a move."""

    move: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask whether the act of a move shows."""

    move: int


@dataclass(frozen=True, slots=True)
class SetDue:
    """A hold begins; it ends at `until` (UTC)."""

    move: int
    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Until:
    """Nothing to do before `when` (UTC)."""

    when: datetime
    because: str


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Only a person can go on; `text` says what is to be done or answered."""

    move: int
    text: str


@dataclass(frozen=True, slots=True)
class BeginBack:
    """Begin to roll back these phases, newest first."""

    phases: tuple[int, ...]
    because: str
    raise_ttls: bool


@dataclass(frozen=True, slots=True)
class PlanBack:
    """A rollback has begun and is not planned yet."""

    phases: tuple[int, ...]
    raise_ttls: bool


@dataclass(frozen=True, slots=True)
class End:
    """The phase, or the rollback, is over."""

    outcome: Outcome
    because: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do for this domain."""

    because: str


Decision = Look | Call | Settle | SetDue | Until | AskPerson | BeginBack | PlanBack | End | Nothing
