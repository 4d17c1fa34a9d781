"""Every record is switched in exactly one phase, and nothing follows `finish`."""

from __future__ import annotations

from collections.abc import Iterator

from dns.name import Name

from dnsrun.model.playbook import Phase, Step
from dnsrun.playbook.names import relative_text, shown
from dnsrun.playbook.wording import meant

from .facts import SWITCH, Facts, Finding, called, names_in, switching


def check(facts: Facts) -> Iterator[Finding]:
    """Find records without a phase or with two, unknown names in steps, and steps after the end."""
    steps = [(phase, step) for phase in facts.phases for step in phase.steps]
    for phase, step in steps:
        if step.kind == SWITCH:
            yield from _unknown_names(phase, step, facts)
    yield from _switched_twice(steps)
    yield from _never_switched(facts)
    yield from _after_finish(steps)


def _unknown_names(phase: Phase, step: Step, facts: Facts) -> Iterator[Finding]:
    named = names_in(step)
    owners = {key.owner for key, _ in facts.entries()} if named else set()
    for name in named:
        if name not in owners:
            known = [relative_text(owner, facts.domain) for owner in owners]
            near = meant(relative_text(name, facts.domain), known)
            yield Finding(step.mark, f"{called(phase)} switches {shown(name)}, but records has no entry for it{near}")


def _switched_twice(steps: list[tuple[Phase, Step]]) -> Iterator[Finding]:
    first: dict[Name, Phase] = {}
    for phase, step in steps:
        for name in names_in(step) if step.kind == SWITCH else ():
            if name in first:
                yield Finding(
                    step.mark, f"{called(phase)} switches {shown(name)}, as {called(first[name])} does; keep one"
                )
            first.setdefault(name, phase)


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
