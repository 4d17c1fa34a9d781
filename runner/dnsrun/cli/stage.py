"""How far the move of a zone is, in a sentence. Loads nothing: `dnsrun status` stays quick. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dnsrun.model.times import full_time

Stage = Literal["not copied", "copied", "switched", "rolled back"]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the move is. Times are UTC; None before the name servers were switched.

    `at`: every server of the parent showed the newest delegation. `unknown_until`: after going back, a name that only
    the old side holds and nobody knew is found again by then, also where caches hold that it is absent (D4).
    `clean_at`: no honest cache asks the other side any more, nor holds what it said (D1, D10).
    """

    stage: Stage
    old: str
    new: str
    at: datetime | None = None
    unknown_until: datetime | None = None
    clean_at: datetime | None = None


def stage_words(known: Moved, now: datetime) -> str:
    """Return in one sentence how far the move is, and what must stay up until when."""
    if known.at is None or known.stage in {"not copied", "copied"}:
        return f"the zone is {known.stage} to {known.new}; the name servers are those of {known.old}"
    told = f"name servers {known.stage} {full_time(known.at)}"
    if known.clean_at is None:
        return told
    other = known.old if known.stage == "switched" else known.new
    if known.clean_at <= now:
        return f"{told}; no cache asks {other} any more"
    return f"{told}; caches may ask {other} or hold what it said until {full_time(known.clean_at)}: {_keep(known)}"


def _keep(known: Moved) -> str:
    if known.stage == "switched":
        return "leave both sides up"
    return f"leave the zone at {known.new} in place"
