"""Name servers that nobody planned at the parent, in a sentence. Loads nothing: `dnsrun status` stays quick. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dnsrun.model.times import duration, full_time


@dataclass(frozen=True, slots=True)
class Misled:
    """What the parent gave though nobody planned it: `served` says what, by server, of `servers` in all.

    `since` it was seen, `until` it was gone, None while that was not seen. Caches keep it for up to `ttl_s` seconds,
    at most until `forgotten_at`. Times are UTC.
    """

    since: datetime
    until: datetime | None
    forgotten_at: datetime | None
    served: Mapping[str, str]
    servers: int
    ttl_s: int


def incident_words(known: Misled) -> str:
    """Return in one sentence what was served, when, and how long caches keep it."""
    what = "; ".join(dict.fromkeys(known.served.values()))
    where = "1 server of the parent zone" if known.servers == 1 else f"{known.servers} servers of the parent zone"
    if known.until is None or known.forgotten_at is None:
        return (
            f"INCIDENT since {full_time(known.since)}: {where} gave {what}, neither the old nor the new name servers; "
            f"it was not seen to be gone, and caches keep it up to {duration(known.ttl_s)}. "
            "If it stays, look for a typo, or ask the registrar"
        )
    return (
        f"INCIDENT from {full_time(known.since)} until {full_time(known.until)}: {where} gave {what}, "
        f"neither the old nor the new name servers; caches may hold it until {full_time(known.forgotten_at)}"
    )


def incident_data(known: Misled | None) -> dict[str, Any] | None:
    """Return it as JSON has it; times in RFC 3339 form."""
    if known is None:
        return None
    return {
        "since": _text(known.since),
        "until": _text(known.until),
        "caches_until": _text(known.forgotten_at),
        "served": dict(known.served),
        "servers": known.servers,
        "ttl": known.ttl_s,
    }


def incident_of(data: Mapping[str, Any] | None) -> Misled | None:
    """Return what `incident_data` made into data."""
    if not data:
        return None
    since, until, forgotten = (data[name] for name in ("since", "until", "caches_until"))
    return Misled(
        datetime.fromisoformat(since),
        datetime.fromisoformat(until) if until else None,
        datetime.fromisoformat(forgotten) if forgotten else None,
        data["served"],
        data["servers"],
        data["ttl"],
    )


def _text(when: datetime | None) -> str | None:
    return when.isoformat().replace("+00:00", "Z") if when else None
