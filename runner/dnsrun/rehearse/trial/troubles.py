"""What goes wrong in a trial; nothing unless said. One value that the stage, the hands and the drive look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dns.name import Name


class KilledError(Exception):
    """The process was killed straight after a call; the journal is all that is left of it."""


@dataclass(slots=True)
class Troubles:
    """Switches for faults.

    `stale`: name servers that never follow. `empty`: name servers that hold the zone without content. `floors_s`: the
    lowest TTL (seconds) that a host serves, by the playbook's name for it. `pending_s`: how much longer the registrar
    takes. `forgets`: people never do what they are told; `late_s`: how much longer they take. `mistypes`: what is
    typed by hand misses one RRset.
    `refusals`: how many calls are answered with 429. `halves`: how many batches are applied only half, with an error.
    `kill_at`: the process ends after the n-th call, counted from 1. `calls` counts them.
    `lies`: what the host writes of its next batch of new data, which it says that it has written. `doubts`: what comes
    of its next batch of new data, to which it gives no answer. `replays`: that batch reaches it once more.
    `denied_from`: the n-th call and all later ones are not let in. `errors`: how many calls are answered with 500.
    `hidden`: a name that the new host's servers leave out, since a wildcard answers for it all the same.
    `placeholder_s`: for how long the registry shows a placeholder in between. `rejects`: the registry turns the next
    order down. `locked`: the registrar lets nobody change anything. `flaps`: a server answers now this, now that.
    """

    stale: set[Name] = field(default_factory=set)
    empty: set[Name] = field(default_factory=set)
    floors_s: dict[str, int] = field(default_factory=dict)
    hidden: Name | None = None
    pending_s: int = 0
    forgets: bool = False
    mistypes: bool = False
    late_s: int = 0
    refusals: int = 0
    halves: int = 0
    kill_at: int = 0
    calls: int = 0
    lies: Literal["", "nothing", "something else"] = ""
    doubts: Literal["", "nothing", "at once", "later"] = ""
    replays: bool = False
    denied_from: int = 0
    errors: int = 0
    placeholder_s: int = 0
    rejects: bool = False
    locked: bool = False
    flaps: bool = False
