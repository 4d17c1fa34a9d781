"""What a plan rests on, gathered beforehand: planning itself asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.ports.provider import Capabilities

from .moving import Moving
from .ttl import Samples


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a plan rests on. `zone` is the checkpoint, `checkpoint` its digest.

    `done` are the phases that ended well; `standing` the changes of earlier phases that are being served.
    `settled_at` (UTC) is when the newest of them was seen at every server. `written` is everything that this run ever
    wrote, oldest first, taken back or not. `unobserved` are servers that cannot be asked from here. `raised_ttls` are
    TTLs, in seconds, that the host serves though a lower one was asked for (fault 32). `delegation` is what the parent
    serves; `moving` is set where the zone moves, and `zone` is then that of the host that is delegated to.
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
    delegation: Delegation | None = None
    moving: Moving | None = None

    @property
    def caches_mixed(self) -> bool:
        """Tell whether honest caches may still ask the servers that were delegated to before (D1, D10)."""
        return self.moving is not None and self.moving.clean_at is not None and self.now < self.moving.clean_at

    @property
    def live(self) -> str:
        """The provider whose servers the parent delegates to."""
        zone = self.playbook.zone
        return zone.to if self.moving and self.moving.switched and zone.to else zone.provider


def original_ttls(standing: Iterable[Change]) -> Mapping[RRsetKey, int]:
    """Return the TTLs, in seconds, that RRsets had before the first change that lowered them."""
    originals: dict[RRsetKey, int] = {}
    for change in standing:
        if change.ttl_only and change.before and change.after and change.after.ttl_s < change.before.ttl_s:
            originals.setdefault(change.key, change.before.ttl_s)
    return originals
