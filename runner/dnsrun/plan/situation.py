"""What a plan rests on, gathered beforehand: planning itself asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.provider import Capabilities

from .ttl import Samples


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a plan rests on. `zone` is the checkpoint, `checkpoint` its digest.

    `done` are the phases that ended well; `standing` the changes of earlier phases that are being served.
    `settled_at` (UTC) is when the newest of them was seen at every server. `written` is everything that this run ever
    wrote, oldest first, taken back or not. `unobserved` are servers that cannot be asked from here. `raised_ttls` are
    TTLs, in seconds, that the host serves though a lower one was asked for (fault 32).
    """

    run: str
    playbook: Playbook
    zone: ZoneSnapshot
    checkpoint: str
    capabilities: Mapping[str, Capabilities]
    now: datetime
    samples: Samples = field(default_factory=dict)
    done: frozenset[int] = frozenset()
    standing: tuple[Change, ...] = ()
    settled_at: datetime | None = None
    written: tuple[Change, ...] = ()
    unobserved: tuple[str, ...] = ()
    raised_ttls: Mapping[RRsetKey, int] = field(default_factory=dict)


def original_ttls(standing: Iterable[Change]) -> Mapping[RRsetKey, int]:
    """Return the TTLs, in seconds, that RRsets had before the first change that lowered them."""
    originals: dict[RRsetKey, int] = {}
    for change in standing:
        if change.ttl_only and change.before and change.after and change.after.ttl_s < change.before.ttl_s:
            originals.setdefault(change.key, change.before.ttl_s)
    return originals
