"""A plan: a phase compiled into acts and the moves that surround them. Data; printed, digested, refused, resumed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .act import Act, WriteZone
from .playbook import GateSpec
from .rrset import Change
from .zone import Delegation


@dataclass(frozen=True, slots=True)
class Check:
    """Run a gate until it is decided.

    `when`: `baseline` (what the live side says straight before, never decides), `before` a write (in the future
    view), `after` it, or in a rollback: `safe` (does the old side answer as at the baseline?) and `back`.
    `acts` are the indexes of the acts it speaks of: their changes make the overlay of
    the future view and the expectation afterwards.
    """

    gate: GateSpec
    when: Literal["baseline", "before", "after", "safe", "back"]
    acts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Do:
    """Perform one act: intend, call, observe, settle."""

    act: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Stay until a time, gates running: `wait` counts `for_s` from t_all; `watch` as well, or until caches are clean.

    `for_s` None: until no honest cache can hold the old data (T5), and `at_least_s` seconds from t_all.
    """

    kind: Literal["wait", "watch"]
    for_s: int | None
    gates: tuple[GateSpec, ...]
    acts: tuple[int, ...]
    at_least_s: int = 0


Move = Check | Do | Hold


@dataclass(frozen=True, slots=True)
class Hazard:
    """A named risk that a person accepts singly, with a reason."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One phase, forward or back.

    `checkpoint` is the digest of the zone captured straight before. `earliest` (UTC) is when the phase may start,
    with `earliest_because`. `worst_recovery_s`: seconds for which clients suffer at worst when it fails and is
    rolled back; `worst_by_act_s`: the same for each act, when it and those before it are taken back.
    `stale_life_s`: seconds for which a cache can go on holding what was there before this phase and those
    that stand. `covers` lists the phases that a rollback undoes. `guards` are the standing changes of earlier phases:
    what must go on being served. `closes`: the run ends with this phase. `left` are RRsets that a rollback does not
    touch because somebody else has changed them, as sentences. `live` is the provider that was delegated to when this
    was planned (empty: the playbook's only one). Where the zone moves, `other` is the digest of what the other host
    held then, `content` that of what the new one is to hold, `delegation` what the parent served, `target` what it is
    to serve in the end; `switched`: the parent served it already.
    """

    run: str
    phase: int
    phase_name: str
    direction: Literal["forward", "back"]
    acts: tuple[Act, ...]
    moves: tuple[Move, ...]
    checkpoint: str
    earliest: datetime | None = None
    earliest_because: tuple[str, ...] = ()
    worst_recovery_s: int = 0
    worst_by_act_s: tuple[int, ...] = ()
    stale_life_s: int = 0
    hazards: tuple[Hazard, ...] = ()
    notes: tuple[str, ...] = ()
    covers: tuple[int, ...] = ()
    guards: tuple[Change, ...] = ()
    closes: bool = False
    left: tuple[str, ...] = ()
    live: str = ""
    other: str = ""
    content: str = ""
    delegation: Delegation | None = None
    target: Delegation | None = None
    switched: bool = False

    def changes(self, acts: tuple[int, ...] | None = None, *, provider: str | None = None) -> tuple[Change, ...]:
        """Return the RRset changes of the given acts (all when None), in order; only at one provider if given."""
        chosen = range(len(self.acts)) if acts is None else acts
        writes = (act for act in (self.acts[index] for index in chosen) if isinstance(act, WriteZone))
        return tuple(change for act in writes if provider in {None, act.provider} for change in act.changes)

    @property
    def writes(self) -> bool:
        """Tell whether anything outside changes."""
        return bool(self.acts)
