"""Single findings of gates that check many different things, and the verdict that they come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dnsrun.model.observation import Endpoint, Observation, Verdict

_LINES = 10
_EVIDENCE = 50


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is not as it should be: it blocks, time may heal it, nobody can say, or it is only told."""

    level: Literal["fail", "late", "unknown", "warning"]
    text: str
    server: Endpoint | None = None


def failing(text: str, server: Endpoint | None = None) -> Found:
    """Return a finding that fails the gate."""
    return Found("fail", text, server)


def late(text: str, server: Endpoint | None = None) -> Found:
    """Return a finding that time alone may heal."""
    return Found("late", text, server)


def unsure(text: str, server: Endpoint | None = None) -> Found:
    """Return what could not be found out."""
    return Found("unknown", text, server)


def warning(text: str) -> Found:
    """Return what is only told."""
    return Found("warning", text)


def conclude(
    found: Iterable[Found], seen: Sequence[Observation], good: str, *, not_checked: tuple[str, ...] = ()
) -> Verdict:
    """Return the verdict: what fails before what is late before what is unknown; `good` when there is nothing."""
    every = list(dict.fromkeys(found))
    warnings = tuple(one.text for one in every if one.level == "warning")
    by_level = {level: [one for one in every if one.level == level] for level in ("fail", "late", "unknown")}
    blocking = [one for each in by_level.values() for one in each]
    if not blocking:
        return Verdict("pass", good, not_checked=not_checked, warnings=warnings)
    servers = {one.server for one in blocking}
    evidence = tuple(one for one in seen if one.server in servers and not one.control)[:_EVIDENCE]
    outcome: Literal["fail", "unknown"] = "fail" if by_level["fail"] or by_level["late"] else "unknown"
    return Verdict(
        outcome,
        first([one.text for one in blocking]),
        evidence,
        not_yet=not by_level["fail"] and bool(by_level["late"]),
        not_checked=not_checked,
        warnings=warnings,
    )


def first(lines: Sequence[str]) -> str:
    """Return the first few lines in one, and how many more there are."""
    if len(lines) <= _LINES:
        return "; ".join(lines)
    return "; ".join((*lines[:_LINES], f"and {len(lines) - _LINES} more"))
