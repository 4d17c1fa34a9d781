"""What a report says, as values: four chapters, without markup, every time in UTC. Renderers turn them into text.

Texts may hold what came from outside, as it came: every renderer makes them fit for its own medium (threats 16, 17).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["run", "capture", "phase", "risk", "off", "change", "check", "wait", "person", "back", "incident", "end"]
GapKind = Literal[
    "gate off",
    "risk accepted",
    "not checked",
    "warning",
    "foreign edit",
    "left alone",
    "advisory",
    "capture",
    "incident",
]
State = Literal["done", "open", "paused", "going back", "rolled back", "refused", "next", "later", "no work", "closed"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `times`: it was seen so often, last at `last_at`. `until`: it lasts until then."""

    at: datetime
    kind: Kind
    says: str
    details: tuple[str, ...] = ()
    until: datetime | None = None
    times: int = 1
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Affected:
    """Users may have met what was written from `since` on, `until` the last cache had forgotten it; None: open."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a phase was stopped, paused or taken back.

    `came_from`: `check` (gate `gate` did not pass), `call` (the host did not take a call), `person`, or `other`.
    `seen` are the answers that differed, `guarded` the changes that the phase makes. `times` counts failures in a
    row before `decided_at`; `last_good` is the check's last pass before them, `first_bad` the first of them.
    """

    phase: int
    phase_name: str
    came_from: Literal["check", "call", "person", "other"]
    gate: str
    says: str
    led_to: str
    decided_at: datetime
    seen: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()
    times: int = 0
    last_good: datetime | None = None
    first_bad: datetime | None = None
    affected: Affected | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """How often one gate ran at one place of a phase, and what came out; `waited` counts "not at every server yet"."""

    phase: int
    phase_name: str
    gate: str
    is_built_in: bool
    when: str
    passed: int = 0
    waited: int = 0
    failed: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Lock:
    """What cannot be done before `until`; None: not any more."""

    says: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not protected, not asked or not dnsrun's doing. `phase` 0: of no single phase."""

    kind: GapKind
    phase: int
    says: str


@dataclass(frozen=True, slots=True)
class PhaseNow:
    """Where one phase stands. `at`: since when. `not_before`: what opens it then, as far as the journal tells."""

    number: int
    name: str
    state: State
    at: datetime | None = None
    because: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command to type, exactly, and what it does; `not_before` (UTC) is when it is not refused any more."""

    line: str
    does: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a person has to do; `who` is the playbook's word for them."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """A run, as it is told to the client.

    `domain` is in A-labels, `unicode` the same in U-labels, empty when there are none (threat 23). `playbook` is the
    SHA-256 of its text; `version` wrote the journal, `made_with` the report. `records` and `as_of` say how far the
    journal had come. `unclear` names what the report could not find out.
    """

    domain: str
    unicode: str
    goal: str
    run: str
    playbook: str
    version: str
    made_with: str
    made_at: datetime
    records: int
    as_of: datetime
    result: str
    timeline: tuple[Happening, ...]
    causes: tuple[Cause, ...]
    checks: tuple[Checked, ...]
    safeguards: tuple[str, ...]
    locks: tuple[Lock, ...]
    gaps: tuple[Gap, ...]
    phases: tuple[PhaseNow, ...]
    commands: tuple[CommandLine, ...]
    way_back: tuple[CommandLine, ...]
    by_hand: tuple[ByHand, ...]
    other_runs: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
