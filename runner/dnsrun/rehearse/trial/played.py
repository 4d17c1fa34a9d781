"""What came out of a trial, as values: phases, what every cache's users met, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .population import Met
from .wants import Want

Ending = Literal["target", "checkpoint", "between"]


@dataclass(frozen=True, slots=True)
class PhasePlayed:
    """One phase. `earliest` (UTC) is when the plan let it start; `worst_recovery_s` is what the plan promised.

    `outcome` is the engine's word, `nothing` for a phase without work, `waiting` where a person never acted.
    `went_back_at`: when the rollback began; `failed`: the sentence that began it.
    `moved_servers`: the phase has the parent delegate to other name servers.
    """

    number: int
    name: str
    earliest: datetime | None
    began: datetime
    ended: datetime
    outcome: str
    because: str
    worst_recovery_s: int = 0
    went_back_at: datetime | None = None
    failed: str = ""
    hazards: tuple[str, ...] = ()
    moved_servers: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """What the users of one name behind one cache met, in the order of time, until `until` (UTC).

    `honest`: the cache keeps nothing for longer than its TTL. `keeps_servers_s`: for how many seconds it goes on asking
    the name servers that it was told.
    """

    kind: str
    number: int
    honest: bool
    keeps_servers_s: int
    want: Want
    met: tuple[Met, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Played:
    """A whole trial. `ending`: what the zone's servers hold at the end; `left_over`: RRsets that are neither.

    `delegated`: the name servers that the parent names at the end; `lowered`: how many RRsets these give with a lower
    TTL than was captured; `not_reached`: the phases after the one at which it ended. `served_new_at`: since when every
    server of the delegation gave the new data of a name. `asked` is what a person was told to do. `incidents`: what
    nobody planned and the run told, in words.
    """

    domain: str
    began: datetime
    ended: datetime
    phases: tuple[PhasePlayed, ...]
    stories: tuple[Story, ...]
    ending: Ending
    left_over: tuple[str, ...]
    assumed: tuple[str, ...]
    not_rehearsed: tuple[str, ...]
    served_new_at: tuple[tuple[Want, datetime], ...] = ()
    asked: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    delegated: tuple[str, ...] = ()
    not_reached: tuple[str, ...] = ()
    lowered: int = 0

    @property
    def outcome(self) -> str:
        """How the last phase ended that was begun."""
        return self.phases[-1].outcome if self.phases else "nothing"
