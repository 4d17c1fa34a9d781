"""Kinds of caching resolvers, as data: what each does with TTLs, delegations, silence and signatures.

Where a figure comes from stands beside it: *measured* is against the real software on loopback (rule 2.2), *settings*
is what the software prints of itself (`named -C` of BIND 9.18, `pdns_recursor --config=default` of 4.8, the manual page
of Unbound 1.17), *told* is what cannot be checked here. How many users sit behind each kind nobody has measured well
enough to weigh broken seconds by it, so the population has no weights: the worst kind decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

ChildNs = Literal["ignored", "asked", "beside"]
"""When the child's own NS RRset takes the place of the parent's: never, when a user asks for it, or whenever it is
seen, also beside other answers."""
ChildNsLife = Literal["own", "capped", "renewed"]
"""How long the child's NS RRset leads to its servers: its own TTL, not longer than what is left of the NS RRset that
it replaces, or its TTL anew each time it is seen."""


@dataclass(frozen=True, slots=True)
class CacheKind:
    """How a make of resolver behaves; all times in seconds.

    `min_ttl_s`, `max_ttl_s`, `max_negative_ttl_s`: bounds of the TTLs of data and of absences; where they contradict
    each other the lowest wins.
    `asks_parent_again`: when no server of a zone is of use, it asks the parent for new ones at once.
    `failure_s`: for how long a question that came to nothing is not tried again.
    `silent_after`, `silent_s`: a server that stays silent so many times in a row is left alone for so long; 0: never.
    `stale_s`: for how long data that has run out may be served while nobody gives better (RFC 8767), each time with
    `stale_answer_ttl_s`; 0: not at all.
    `validates`: where it is given trust anchors, what is not proved is SERVFAIL (RFC 4035 section 5).
    """

    name: str
    min_ttl_s: int = 0
    max_ttl_s: int = 86_400
    max_negative_ttl_s: int = 3_600
    child_ns: ChildNs = "beside"
    child_ns_life: ChildNsLife = "own"
    asks_parent_again: bool = False
    failure_s: int = 0
    silent_after: int = 0
    silent_s: int = 0
    stale_s: int = 0
    stale_answer_ttl_s: int = 30
    validates: bool = False

    def positive_s(self, ttl_s: int) -> int:
        """Return how long an RRset with this TTL is kept."""
        return min(max(self.min_ttl_s, ttl_s), self.max_ttl_s)

    def negative_s(self, soa_ttl_s: int, minimum_s: int) -> int:
        """Return how long an absence is kept: RFC 2308 section 5, then the cap."""
        return min(soa_ttl_s, minimum_s, self.max_negative_ttl_s)


ORDINARY = CacheKind("ordinary")
"""The caps of Unbound 1.17 as it comes: a day for data, an hour for absences."""

_BIND = CacheKind(
    "bind",
    max_ttl_s=604_800,  # settings: max-cache-ttl
    max_negative_ttl_s=10_800,  # settings: max-ncache-ttl
    child_ns_life="capped",  # measured: 10 / 60 moves with the parent, 40 / 5 with the child
    failure_s=1,  # settings: servfail-ttl; measured: right in the second in which silent servers are back
)
_UNBOUND = CacheKind(
    "unbound",
    child_ns="asked",  # measured: 40 / 5 waits for the parent until somebody asks for NS
    asks_parent_again=True,  # measured: a purged zone costs a record's TTL
    failure_s=5,  # measured: 3 s after silent servers are back it still fails, and not after 5 s
)
_RECURSOR = CacheKind(
    "powerdns-recursor",
    min_ttl_s=1,  # settings: minimum-ttl-override
    failure_s=60,  # settings: packetcache-servfail-ttl; measured: a purged zone fails for 60 s
    silent_after=64,  # settings: server-down-max-fails; measured: after a minute's silence new names are right at once
    silent_s=60,  # settings: server-down-throttle-time
)
_DAY_S = 86_400

POPULATION: Mapping[str, CacheKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _BIND,
            _UNBOUND,
            _RECURSOR,
            # draft-sury-dnsop-parent-centric-resolver: only what the parent says leads to servers.
            CacheKind("parent-centric", child_ns="ignored"),
            CacheKind("child-centric"),
            # The "ghost domains" of Jiang and others (NDSS 2012): as long as the old servers are asked, they are kept.
            CacheKind("sticky", child_ns_life="renewed"),
            # An hour is the most that the manuals of Unbound and dnsmasq advise or allow.
            CacheKind("ttl-stretching", min_ttl_s=3_600),
            # Told of a large public resolver; harmless while a domain moves, shown since it asks more often.
            CacheKind("ttl-capping", max_ttl_s=21_600),
            # Settings: max-stale-ttl and stale-answer-ttl of BIND when turned on. Measured: servers that refuse are
            # asked again each second meanwhile, stale-refresh-time is for silence.
            replace(_BIND, name="serve-stale", stale_s=_DAY_S),
            # Absences are kept as long as RFC 2308 section 5 lets them be: "one to three hours", a day at most.
            CacheKind("long-negative", max_negative_ttl_s=_DAY_S),
            # RFC 9520 section 3.2: a failure may be remembered for 5 minutes at most.
            CacheKind("throttling", failure_s=300, silent_after=3, silent_s=900),
            replace(_BIND, name="validating", validates=True),
        )
    }
)
"""The resolvers that a rehearsal lets users sit behind, by name."""
