"""Every record is switched in exactly one phase, and nothing follows `finish`."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.choice import Choice, choice_of
from dnsrun.model.playbook import Phase, Step
from dnsrun.model.rrset import RRsetKey
from dnsrun.playbook.names import relative_text, shown
from dnsrun.playbook.wording import meant

from .facts import SWITCH, Facts, Finding, called, names_in, switching


def check(facts: Facts) -> Iterator[Finding]:
    """Find records without a phase or with two, unknown names in steps, and steps after the end."""
    steps = [(phase, step) for phase in facts.phases for step in phase.steps]
    for phase, step in steps:
        if step.kind == SWITCH:
            yield from _unknown_names(phase, step, facts)
    yield from _switched_twice(steps, facts)
    yield from _never_switched(facts)
    yield from _after_finish(steps)


def _unknown_names(phase: Phase, step: Step, facts: Facts) -> Iterator[Finding]:
    named = names_in(step)
    types = Choice(types=choice_of(step).types)
    owners = {key.owner for key, _ in facts.entries() if key in types} if named else set()
    for name in named:
        if name not in owners:
            known = [relative_text(owner, facts.domain) for owner in owners]
            near = meant(relative_text(name, facts.domain), known)
            yield Finding(step.mark, f"{called(phase)} switches {shown(name)}, but records has no entry for it{near}")


def _switched_twice(steps: list[tuple[Phase, Step]], facts: Facts) -> Iterator[Finding]:
    first: dict[RRsetKey, Phase] = {}
    for phase, step in steps:
        choice = choice_of(step)
        limited = step.kind == SWITCH and choice.is_limited
        keys = [key for key, _ in facts.entries() if key in choice] if limited else []
        for owner, before in {key.owner: first[key] for key in keys if key in first}.items():
            yield Finding(step.mark, f"{called(phase)} switches {shown(owner)}, as {called(before)} does; keep one")
        first |= {key: phase for key in keys if key not in first}


def _never_switched(facts: Facts) -> Iterator[Finding]:
    switched = switching(step for phase in facts.phases for step in phase.steps)
    for spec in facts.records if facts.phases else ():
        left = [key.owner for key in spec.rrset_keys() if not switched(key)]
        if left:
            names = ", ".join(map(shown, left))
            yield Finding(
                spec.mark, f"no phase switches {names}; add {{kind: switch-records}} to a phase, or remove the entry"
            )


def _after_finish(steps: list[tuple[Phase, Step]]) -> Iterator[Finding]:
    ended = False
    for phase, step in steps:
        if ended:
            yield Finding(
                step.mark, f"{called(phase)}: nothing can follow 'finish', which closes the run; move it to the end"
            )
        ended = ended or step.kind == "finish"
