"""The TTL ledger: what caches can still hold, and when a change is safe. Rules H, T1, T2, T4, T5, T8. Pure.

Everything rests on samples: a server gave an RRset with a TTL at a time. What was given before the first sample
is unknown and taken as a day (`UNKNOWN_PAST_S`), unless somebody attests since when the TTL is low.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dnsrun.model.entry import TtlSample
from dnsrun.model.rrset import RRset, RRsetKey

UNKNOWN_PAST_S = 86_400
ABSENT = "-"
EQUAL_ROUNDS = 3  # k: timers count from the first of k equal rounds
ROUND_SPACING_S = 10

Samples = Mapping[tuple[RRsetKey, str], tuple[TtlSample, ...]]


def margin_s(ttl_s: int) -> int:
    """Return m, the margin for a TTL in seconds: 5 %, at least 60 s."""
    return max(60, -(-ttl_s // 20))


def value_digest(rrset: RRset | None) -> str:
    """Return a short digest of the RDATA, `-` for an absent RRset; TTL aside."""
    if rrset is None:
        return ABSENT
    return hashlib.sha256("\n".join(rrset.texts()).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Held:
    """Until when (UTC) a cache may hold an answer, and the reason in words."""

    until: datetime
    because: str


def held_until(samples: Iterable[TtlSample], *, ttl_above_s: int = -1, value: str | None = None) -> datetime | None:
    """Return the latest time at which an honest cache can hold an answer of the kind asked for (H).

    `samples` are those of one RRset, of any servers. The kind: answers with a TTL above `ttl_above_s`, and with
    this `value` digest when it is given. A server may have given what a sample shows until its next sample.
    None: no sample shows such an answer. An answer that is still given counts as given at its last sample.
    """
    ends = [end for series in _by_server(samples).values() for end in _ends(series, ttl_above_s, value)]
    return max(ends, default=None)


def _by_server(samples: Iterable[TtlSample]) -> dict[str, list[TtlSample]]:
    series: dict[str, list[TtlSample]] = {}
    for sample in samples:
        series.setdefault(sample.server, []).append(sample)
    return {server: sorted(found, key=lambda sample: sample.at) for server, found in series.items()}


def _ends(series: list[TtlSample], ttl_above_s: int, value: str | None) -> Iterable[datetime]:
    for index, sample in enumerate(series):
        if sample.ttl_s > ttl_above_s and value in (None, sample.value):
            given_until = series[index + 1].at if index + 1 < len(series) else sample.at
            yield given_until + timedelta(seconds=sample.ttl_s)


def unknown_past(samples: Iterable[TtlSample], *, low_ttl_s: int, low_since: datetime | None) -> datetime | None:
    """Return until when caches may hold what was given before anybody looked; None without samples.

    A day before the first sample of each server, counted from that sample; `low_since` (UTC), if attested, replaces
    that sample's time when the first sample shows a TTL of at most `low_ttl_s`.
    """
    firsts = [series[0] for series in _by_server(samples).values()]
    ends = [_past(first, low_ttl_s, low_since) for first in firsts]
    return max(ends, default=None)


def _past(first: TtlSample, low_ttl_s: int, low_since: datetime | None) -> datetime:
    attested = low_since is not None and first.ttl_s <= low_ttl_s and low_since < first.at
    start = low_since if attested and low_since else first.at
    return start + timedelta(seconds=max(UNKNOWN_PAST_S, first.ttl_s))


def earliest_change(
    samples: Iterable[TtlSample], *, low_ttl_s: int, low_since: datetime | None, wait_at_least_s: int
) -> Held | None:
    """Return when an RRset may be changed so that caches follow within `low_ttl_s` seconds (T1).

    The latest of: the old TTL running out after the last server was seen low, the unknown past, and
    `wait_at_least_s` after lowering where it was lowered. None: no sample. Pure.
    """
    known = list(samples)
    past = unknown_past(known, low_ttl_s=low_ttl_s, low_since=low_since)
    if past is None:
        return None
    high = held_until(known, ttl_above_s=low_ttl_s)
    highest = max(sample.ttl_s for sample in known)
    candidates = [Held(past, "its TTL before today is not known, so a day is assumed")]
    if high is not None:
        until = high + timedelta(seconds=margin_s(highest))
        candidates.append(Held(until, f"the old TTL ({highest} s) runs out then"))
        waited = last_seen_high(known, low_ttl_s) + timedelta(seconds=wait_at_least_s)
        candidates.append(Held(waited, f"the playbook waits {wait_at_least_s} s after lowering"))
    return max(candidates, key=lambda held: held.until)


def last_seen_high(samples: Iterable[TtlSample], low_ttl_s: int) -> datetime:
    """Return t_all of the low TTL: when the last server was first seen low after being high."""
    times = []
    for series in _by_server(samples).values():
        high = [index for index, sample in enumerate(series) if sample.ttl_s > low_ttl_s]
        if high:
            times.append(series[min(high[-1] + 1, len(series) - 1)].at)
    return max(times)


def caches_clean_at(t_all: datetime, ttls_s: Iterable[int]) -> datetime:
    """Return when no honest cache holds what was served before `t_all` with these TTLs any more (T5).

    Chains are cached link by link, so the largest TTL counts (T4).
    """
    longest = max(ttls_s, default=0)
    return t_all + timedelta(seconds=longest + margin_s(longest))
