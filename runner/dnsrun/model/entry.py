"""Journal entries: what happened in a run, in order. Folding them gives the state; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .rrset import RRset, RRsetKey
from .zone import Completeness, Delegation

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """A run begins, or goes on with an edited playbook (same `run`). `playbook` is the digest of its text."""

    run: str
    domain: str
    playbook: str
    path: str
    phases: tuple[tuple[int, str], ...]
    version: str


@dataclass(frozen=True, slots=True)
class Captured:
    """A zone was captured; `zone` is the digest of its text."""

    phase: int
    role: Literal["capture", "checkpoint"]
    provider: str
    zone: str
    completeness: Completeness
    serial: int | None
    delegation: Delegation | None
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A phase was planned; `plan` is the digest of the plan."""

    phase: int
    direction: Literal["forward", "back"]
    plan: str
    checkpoint: str
    covers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HazardAccepted:
    """A person accepted a named risk."""

    phase: int
    hazard: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateOff:
    """A built-in gate does not run, by the playbook's word."""

    phase: int
    gate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intended:
    """The act of this move is about to be performed: durable before the call (P2). `attempt` counts from 1."""

    move: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A registrar has taken the request of this move; `operation` is its name for it, empty when it gave none."""

    move: int
    operation: str


@dataclass(frozen=True, slots=True)
class TtlSample:
    """A server gave an RRset with this TTL; `value` is a digest of the RDATA, `-` when the RRset is absent."""

    key: RRsetKey
    server: str
    ttl_s: int
    value: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """TTLs that servers gave: what the TTL ledger rests on (H)."""

    samples: tuple[TtlSample, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The call of this move came back with an error; whether it took effect is settled by asking.

    `conflict`: the host refused all of it, since an RRset was neither what it was nor what it is to be.
    """

    move: int
    attempt: int
    because: str
    retryable: bool
    in_doubt: bool
    not_before: datetime | None = None
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The act of this move shows at the servers it can move.

    `served` are RRsets that are served with another TTL than was asked for: the host clamps (T7, fault 32).
    `delegated` is what every server of the parent zone serves now, where that was the act.
    """

    move: int
    how: Literal["applied", "already", "by-hand", "left"]
    note: tuple[str, ...] = ()
    served: tuple[RRset, ...] = ()
    delegated: Delegation | None = None


@dataclass(frozen=True, slots=True)
class Astray:
    """Servers of the parent zone serve name servers that are neither the old nor the new ones (D2, fault 54).

    Seen while asking whether the act of this move shows. `served` says of each of these servers what it serves, by
    server; of `servers` in all only the first are written down. Both are empty when no server does so any more. Caches
    that ask meanwhile keep it for up to `ttl_s` seconds. Written when it begins, when it changes, and when it is gone.
    """

    move: int
    served: tuple[tuple[str, str], ...] = ()
    servers: int = 0
    ttl_s: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate's verdict for one round. `facts` is what a service said, for comparison after a rollback."""

    move: int
    gate: str
    outcome: Literal["pass", "fail", "unknown"]
    because: str
    not_yet: bool
    asked: int
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DueSet:
    """The hold of this move ends at `until` (absolute UTC)."""

    move: int
    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class RollbackAsked:
    """Somebody asked for a rollback; whoever gets the hold performs it."""

    scope: Literal["newest", "to-phase", "all"]
    to_phase: int | None
    by: str


@dataclass(frozen=True, slots=True)
class RollbackBegun:
    """The rollback of these phases (newest first) begins; `raise_ttls`: lowered TTLs are raised again, last."""

    phases: tuple[int, ...]
    because: str
    raise_ttls: bool = False


@dataclass(frozen=True, slots=True)
class PersonAsked:
    """A person was told what to do; `text` is what was printed."""

    move: int
    operator: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonAnswered:
    """A person answered the `confirm` or the instruction of this move."""

    move: int
    answer: Literal["done", "declined"]
    by: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person has a paused phase go on: what failed is tried afresh."""

    phase: int


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase ended; `because` is the sentence that was shown."""

    phase: int
    outcome: Literal["done", "rolled-back", "rollback-incomplete", "refused", "paused"]
    because: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is closed; rollback is refused afterwards."""

    outcome: Literal["finished", "rolled-back"]


Entry = (
    Opened
    | Captured
    | Planned
    | HazardAccepted
    | GateOff
    | Intended
    | Accepted
    | Observed
    | Failed
    | Done
    | Astray
    | Judged
    | DueSet
    | RollbackAsked
    | RollbackBegun
    | PersonAsked
    | PersonAnswered
    | Resumed
    | PhaseEnded
    | RunEnded
)


@dataclass(frozen=True, slots=True)
class Record:
    """A journal line: `seq` counts from 1, `at` is UTC, `previous` and `digest` chain the lines (SHA-256)."""

    seq: int
    at: datetime
    previous: str
    entry: Entry
    digest: str
