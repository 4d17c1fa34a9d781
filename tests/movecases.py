"""Delegations that move from an old host to a new one, for real caches and for the model: values and zone texts.

Clients have asked for `FILLED_S` seconds when the parent switches; the old host goes on serving the old zone, or
drops it at once. Times are seconds after the switch (rule 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FILLED_S = 8.0
LATE_S = 9.0
TTL_S, NEGATIVE_S = 3, 6
ROOT, PARENT, OLD, NEW = "198.51.100.1", "198.51.100.2", "198.51.100.53", "203.0.113.53"
OLD_VALUE, NEW_VALUE = "192.0.2.1", "192.0.2.2"
LONG_S = 1_000_000
LONG = "long.example."
"""A domain whose TTLs are longer, in seconds, than any cache keeps anything."""
OLD_NS, NEW_NS = "ns.old.example.", "ns.new.example."

Look = tuple[float, str | None]
"""When a client asked, in seconds after the switch, and what it got; None: no answer, or an error."""


@dataclass(frozen=True, slots=True)
class Case:
    """A domain of its own: TTLs of the delegation at the parent and of the child's NS RRset, in seconds.

    Clients ask for the NS RRset, too: from the beginning on (`asks_ns`), or late (`LATE_S`), when the parent's has
    nearly run out.
    """

    parent_s: int
    child_s: int
    asks_ns: bool = False
    asks_ns_late: bool = False
    purged: bool = False

    @property
    def domain(self) -> str:
        """The absolute name of the domain."""
        ways = "".join(f"-{word}" for word, is_so in self._ways().items() if is_so)
        return f"p{self.parent_s}-c{self.child_s}{ways}.example."

    def asks_ns_at(self, at_s: float) -> bool:
        """Tell whether clients ask for NS so many seconds after the switch."""
        return self.asks_ns or (self.asks_ns_late and at_s >= LATE_S)

    def _ways(self) -> Mapping[str, bool]:
        return {"ns": self.asks_ns, "late-ns": self.asks_ns_late, "purged": self.purged}


@dataclass(frozen=True, slots=True)
class Play:
    """Cases that are played at the same time, for so many seconds after the switch."""

    cases: tuple[Case, ...]
    longest_s: float


PLAYS = {
    "quick": Play(
        (
            *(Case(*ttls, asks_ns=asks_ns) for ttls in ((4, 24), (20, 2)) for asks_ns in (False, True)),
            Case(20, 20, purged=True),
        ),
        24.0,
    ),
    "measured": Play(
        (
            *(Case(*ttls, asks_ns=asks_ns) for ttls in ((20, 20), (10, 60), (40, 5)) for asks_ns in (False, True)),
            Case(20, 20, asks_ns_late=True),
            Case(40, 40, purged=True),
        ),
        70.0,
    ),
}
"""What tells the kinds apart in half a minute, and the table of rule 2.2."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clients of one cache met: when they first got the new answer, and which looks failed after the switch.

    Both in seconds after the switch; `failed_s` are the first and the last failure, None when there was none.
    """

    new_after_s: float
    failed_s: tuple[float, float] | None


def seen(looks: Sequence[Look]) -> Seen:
    """Sum up what clients saw; infinity when they never got the new answer."""
    failed = [at for at, value in looks if at >= 0 and value not in (OLD_VALUE, NEW_VALUE)]
    new = min((at for at, value in looks if value == NEW_VALUE), default=float("inf"))
    return Seen(new, (failed[0], failed[-1]) if failed else None)


def root_zone() -> str:
    """Return the root: it delegates `example.`."""
    return f"""$TTL 86400
@ SOA a.root. nobody. 1 1800 900 604800 86400
@ NS a.root.
a.root. A {ROOT}
example. NS ns.example.
ns.example. A {PARENT}
"""


def parent_zone(cases: Sequence[Case], server: str = OLD_NS) -> str:
    """Return the parent, which delegates every case's domain to `server`."""
    head = f"""$TTL 86400
@ SOA ns nobody 1 1800 900 604800 {NEGATIVE_S}
@ NS ns
ns A {PARENT}
{OLD_NS} A {OLD}
{NEW_NS} A {NEW}
"""
    head += f"{LONG} NS {OLD_NS}\n"
    return head + "".join(f"{case.domain} {case.parent_s} NS {server}\n" for case in cases)


def long_zone() -> str:
    """Return the zone of `LONG`, at the old host."""
    return f"""$TTL {LONG_S}
@ SOA {OLD_NS} nobody 7 1800 900 604800 {LONG_S}
@ NS {OLD_NS}
www A {OLD_VALUE}
"""


def zone(case: Case, server: str, value: str) -> str:
    """Return a case's domain as the host of `server` has it."""
    return f"""$TTL {TTL_S}
@ {NEGATIVE_S} SOA {server} nobody 7 1800 900 604800 {NEGATIVE_S}
@ {case.child_s} NS {server}
www A {value}
"""
