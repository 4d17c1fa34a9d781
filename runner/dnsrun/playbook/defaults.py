"""The default phases, and what their numbers mean in playbooks that write their own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from dnsrun.errors import UsageError
from dnsrun.model.playbook import GateSpec, Mark, Phase, Playbook, Step

_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lower TTLs", ("lower-ttl",)),
    ("switch A", ("switch-records",)),
    ("verify", ("watch",)),
    ("switch NS", ()),
    ("finish", ("restore-ttl", "finish")),
)
_MOVING: Mapping[int, tuple[str, ...]] = {1: ("lower-ttl", "copy-zone"), 4: ("switch-ns", "watch")}
_OPTIONS: Mapping[str, Mapping[str, str]] = {"watch": {"for": "all-caches"}}
_WRITING = frozenset({"lower-ttl", "copy-zone", "switch-records", "switch-ns", "restore-ttl"})
_LIVE = frozenset({"switch-records", "switch-ns"})
_BY_HAND = frozenset({"manual", "command"})


def default_phases(mark: Mark, *, moves: bool) -> tuple[Phase, ...]:
    """Return the phases of a run that keeps its zone, or of one that `moves` it. Gates are not in them yet.

    Number 4 has no work where the zone stays.
    """
    return tuple(
        Phase(number, name, tuple(Step(kind, _OPTIONS.get(kind, {}), (), mark) for kind in kinds), (), mark)
        for number, name, kinds in _usual(moves=moves)
    )


def _usual(*, moves: bool) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for number, (name, kinds) in enumerate(_STEPS, start=1):
        yield number, name, _MOVING.get(number, kinds) if moves else kinds


def holds_for(phase: Phase, gate: GateSpec, earlier: tuple[Phase, ...]) -> bool:
    """Tell whether a gate of the top level holds for a phase.

    It does where records or name servers change and in the watch afterwards; a built-in gate is off in every phase.
    """
    kinds = _kinds(phase)
    changed_before = any(_LIVE & _kinds(other) for other in earlier)
    return gate.off is not None or bool(_LIVE & kinds) or ("watch" in kinds and changed_before)


def is_held(phase: Phase) -> bool:
    """Tell whether the window of the top level holds a phase's start: it changes records or name servers."""
    return bool(_LIVE & _kinds(phase))


def phase_named(playbook: Playbook, word: str) -> Phase:
    """Return the phase that a number or a name means.

    A number always means the same: it is taken only when that phase does what the default phase of this number does.
    Raises `UsageError` with the name to use instead.
    """
    if word.isascii() and word.isdigit():
        return _numbered(playbook, int(word[:9]))
    found = [phase for phase in playbook.phases if phase.name.casefold() == word.casefold()]
    if found:
        return found[0]
    near = difflib.get_close_matches(word, [phase.name for phase in playbook.phases], n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"its phases are: {_all(playbook)}"
    raise UsageError(f"this playbook has no phase of that name; {hint}")


def _numbered(playbook: Playbook, number: int) -> Phase:
    phase = next((phase for phase in playbook.phases if phase.number == number), None)
    if phase is None:
        raise UsageError(f"this playbook has no phase {number}; its phases are: {_all(playbook)}")
    if _means_default(phase, moves=playbook.zone.to is not None):
        return phase
    usual = f'"{_STEPS[number - 1][0]}"' if number <= len(_STEPS) else "nothing"
    raise UsageError(
        f"number {number} usually means {usual}, and this playbook writes its own phases: "
        f'say --phase "{phase.name}" if that is what you want'
    )


def _means_default(phase: Phase, *, moves: bool) -> bool:
    if phase.number > len(_STEPS):
        return False
    usual = frozenset({number: kinds for number, _, kinds in _usual(moves=moves)}[phase.number])
    kinds = _kinds(phase)
    if not usual & _WRITING:
        return kinds == usual or (bool(usual) and usual <= kinds and not kinds & (_WRITING | _BY_HAND))
    return kinds & _WRITING == usual & _WRITING


def _kinds(phase: Phase) -> frozenset[str]:
    return frozenset(step.kind for step in phase.steps)


def _all(playbook: Playbook) -> str:
    return ", ".join(f'"{phase.name}"' for phase in playbook.phases)
