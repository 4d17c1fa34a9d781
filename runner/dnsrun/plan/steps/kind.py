"""What a step kind is: a word, the schema of its keys, and a pure function from a scene to acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dns.name import Name, from_text

from dnsrun.model.act import Act, WriteZone
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import Json, Playbook, Step
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step may know: the zone as it will be when the step starts, and what earlier phases did.

    `original_ttls` are the TTLs that RRsets had before this run lowered them, in seconds; `raised_ttls` those that the
    host serves though a lower one was asked for.
    """

    playbook: Playbook
    zone: ZoneSnapshot
    capabilities: Mapping[str, Capabilities]
    original_ttls: Mapping[RRsetKey, int]
    raised_ttls: Mapping[RRsetKey, int] = field(default_factory=dict)

    def write(self, changes: tuple[Change, ...]) -> tuple[WriteZone, ...]:
        """Return one write at the zone's provider, or none when there is nothing to change."""
        return (WriteZone(self.playbook.zone.provider, self.zone.apex, changes),) if changes else ()


@dataclass(frozen=True, slots=True)
class Stay:
    """How long a step stays: `for_s` None until no honest cache can hold the old data."""

    kind: Literal["wait", "watch"]
    for_s: int | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A step as acts. `notes` are for the person; `conflicts` refuse the phase; `nothing` says why it does nothing."""

    acts: tuple[Act, ...] = ()
    stay: Stay | None = None
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    nothing: str = ""
    closes: bool = False


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind of step. `writes_records`: it changes RDATA in the zone. `compile` is pure."""

    word: str
    fragment: Fragment
    compile: Callable[[Step, Scene], Compiled]
    writes_records: bool = False


def names_of(options: Mapping[str, Json], key: str = "names") -> frozenset[Name] | None:
    """Return the owner names in an option, None when it is not given."""
    given = options.get(key)
    return frozenset(from_text(str(name)) for name in given) if isinstance(given, tuple) else None


def number_of(options: Mapping[str, Json], key: str, default: int) -> int:
    """Return a whole number from the options."""
    given = options.get(key)
    return given if isinstance(given, int) else default


def text_of(options: Mapping[str, Json], key: str) -> str | None:
    """Return a text from the options, None when it is not given."""
    given = options.get(key)
    return given if isinstance(given, str) else None


def words_of(options: Mapping[str, Json], key: str) -> tuple[str, ...] | None:
    """Return a list of texts from the options, None when it is not given."""
    given = options.get(key)
    return tuple(str(word) for word in given) if isinstance(given, tuple) else None
