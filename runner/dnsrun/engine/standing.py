"""Where a phase stands when something is to be decided, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dnsrun.journal.fold import Active, MoveState, RunState
from dnsrun.model.act import SetDelegation
from dnsrun.model.plan import Do, Plan
from dnsrun.model.rrset import RRsetKey

from .decisions import BeginBack, Decision, End
from .words import in_full


@dataclass(frozen=True, slots=True)
class Case:
    """What decide may know besides the state.

    `called`: moves whose call this very process made and got an answer for; `looked`: when (UTC) it last asked whether
    the act of a move shows, and `unshown` what a server did not show of it then. `delays_s`: a provider's declared
    delay. `settled_at`: when what earlier phases wrote was seen everywhere (UTC). `fresh`: gates, by move and name,
    that passed in this very process not long ago: only these open a change of the delegation. `registrars` are the
    names of those that set delegations.
    """

    plan: Plan | None
    called: frozenset[int] = frozenset()
    delays_s: dict[str, int] = field(default_factory=dict)
    settled_at: datetime | None = None
    fresh: frozenset[tuple[int, str]] = frozenset()
    registrars: frozenset[str] = frozenset()
    looked: Mapping[int, datetime] = field(default_factory=dict)
    unshown: Mapping[int, tuple[RRsetKey, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """The active plan, how far it has come, and the time (UTC)."""

    state: RunState
    active: Active
    plan: Plan
    case: Case
    now: datetime

    @property
    def back(self) -> bool:
        """Tell whether this is a rollback."""
        return self.plan.direction == "back"

    @property
    def moves_data(self) -> bool:
        """Tell whether what stands or falls here is data or the delegation, not TTLs alone."""
        if any(isinstance(act, SetDelegation) for act in self.plan.acts):
            return True
        return any(not change.ttl_only for change in self.plan.changes() or self.plan.guards)

    def stop(self, because: str) -> Decision:
        """End without going back: nothing was written, or a person must decide."""
        if self.back:
            return End("rollback-incomplete", because)
        wrote = any(_may_have_written(move) for move in self.active.moves.values())
        return End("paused", because) if wrote else End("refused", because)

    def failed_for_good(self, because: str) -> Decision | None:
        """Stop; a rollback goes on with its other acts."""
        return None if self.back else self.stop(because)

    def unproved(self, because: str) -> Decision | None:
        """Servers that differ in data go back to one answer; servers that differ in TTLs wait for a person."""
        return self.fall_back(because) if self.moves_data and not self.back else self.failed_for_good(because)

    def fall_back(self, because: str) -> Decision:
        """A gate fails back to the checkpoint of the newest phase that wrote."""
        wrote = self.state.wrote()
        return BeginBack(wrote[:1], because, raise_ttls=False) if wrote else End("paused", because)

    def incomplete(self, because: str = "") -> End | None:
        """End a rollback with everything that is left; None where nothing is."""
        left = [text for text in (self.not_taken_back(), because) if text]
        return End("rollback-incomplete", "; ".join((*left, *self.plan.left))) if left else None

    def not_taken_back(self) -> str:
        """Return what a person would have to take back, every RRset of it, in words; empty when all is (P9)."""
        open_acts = [
            in_full(self.plan.acts[move.act], self.case.unshown.get(index, ())) + _last_said(self.active.move(index))
            for index, move in enumerate(self.plan.moves)
            if isinstance(move, Do) and not self.active.move(index).done
        ]
        return "not taken back: " + "; ".join(open_acts) if open_acts else ""


def _last_said(move: MoveState) -> str:
    return f" ({move.failed.because})" if move.failed else ""


def _may_have_written(move: MoveState) -> bool:
    """Tell whether a call may have had an effect: all but a first one that was refused for a conflict."""
    certainly_not = move.attempts == 1 and move.failed is not None and move.failed.conflict and not move.done
    return bool(move.attempts) and not certainly_not
