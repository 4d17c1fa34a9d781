"""What a step kind is: a word, the schema of its keys, and a pure function from a scene to acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dns.name import Name, from_text

from dnsrun.model.act import Act, WriteZone
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import Json, Playbook, Step
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.moving import Moving
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step may know: the zone as it will be when the step starts, and what earlier phases did.

    `live` is the provider that is delegated to, and `zone` what it holds. `original_ttls` are the TTLs that RRsets had
    before this run lowered them, in seconds; `raised_ttls` those that the host serves though a lower one was asked for.
    `delegation` is what the parent serves. Where the zone moves, `moving` says how far it is and `content` what the new
    host is to hold (N0); `unclear` are sentences about what keeps that from being known. `caches_mixed`: some caches
    may still ask the servers that were delegated to before.
    """

    playbook: Playbook
    zone: ZoneSnapshot
    capabilities: Mapping[str, Capabilities]
    original_ttls: Mapping[RRsetKey, int]
    live: str
    raised_ttls: Mapping[RRsetKey, int] = field(default_factory=dict)
    delegation: Delegation | None = None
    moving: Moving | None = None
    content: ZoneSnapshot | None = None
    unclear: tuple[str, ...] = ()
    caches_mixed: bool = False

    @property
    def floor_s(self) -> int:
        """The lowest TTL, in seconds, that the live host serves."""
        return self.capabilities[self.live].min_ttl_s

    def write(self, changes: tuple[Change, ...]) -> tuple[WriteZone, ...]:
        """Return one write at the live host, or none when there is nothing to change."""
        return (WriteZone(self.live, self.zone.apex, changes),) if changes else ()

    def write_everywhere(self, changes: tuple[Change, ...]) -> tuple[WriteZone, ...]:
        """Return the writes at the live host, and at the other one where a cache may ask it or it holds a copy."""
        return (*self.write(changes), *self._at_other(changes))

    def _at_other(self, changes: tuple[Change, ...]) -> tuple[WriteZone, ...]:
        moving, zone = self.moving, self.playbook.zone
        if moving is None or zone.to is None or not (moving.copied or moving.switched):
            return ()
        provider = zone.provider if moving.switched else zone.to
        if not self.capabilities[provider].writes:
            return ()
        held = moving.other.rrsets
        mirrored = tuple(
            Change(change.key, held.get(change.key), change.after)
            for change in changes
            if not _same_data(held.get(change.key), change.after)
        )
        return (WriteZone(provider, self.zone.apex, mirrored),) if mirrored else ()


def _same_data(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one else other is None


@dataclass(frozen=True, slots=True)
class Stay:
    """How long a step stays: `for_s` None until no honest cache can hold the old data."""

    kind: Literal["wait", "watch"]
    for_s: int | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A step as acts, and how long it stays afterwards.

    `notes` are for the person; `conflicts` refuse the phase; `nothing` says why it does nothing. `late`: it must not
    begin before no cache asks the servers any more that were delegated to earlier (D1). `after_caches_s`: nor before
    no cache holds what earlier steps changed, and so many seconds have passed since (None: at any time).
    """

    acts: tuple[Act, ...] = ()
    stay: Stay | None = None
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    nothing: str = ""
    closes: bool = False
    late: bool = False
    after_caches_s: int | None = None


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
