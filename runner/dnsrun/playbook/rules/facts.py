"""What the rules look at: the checked parts of a playbook, and which phase switches which record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import dns.name
from dns.name import Name
from dns.rdata import Rdata

from dnsrun.model.choice import choice_of
from dnsrun.model.playbook import MailSpec, Mark, NotifySpec, Phase, ProviderSpec, RecordSpec, Step, ZoneSpec
from dnsrun.model.rrset import RRsetKey

SWITCH = "switch-records"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a place, and what to do."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The parts of one playbook that could be read; `registrars` are the words in `use` that set delegations.

    `keeps_mail` is where it says that the new web host keeps the domain's mail to itself.
    """

    domain: Name
    mail: MailSpec | None
    records: tuple[RecordSpec, ...]
    phases: tuple[Phase, ...]
    zone: ZoneSpec
    zone_mark: Mark
    providers: Mapping[str, ProviderSpec]
    registrars: frozenset[str]
    notify: tuple[NotifySpec, ...] = ()
    keeps_mail: Mark | None = None

    def entries(self) -> Iterator[tuple[RRsetKey, RecordSpec]]:
        """Yield every RRset with its entry, in file order."""
        return ((key, spec) for spec in self.records for key in spec.rrset_keys())

    def switched_in(self, phase: Phase) -> dict[RRsetKey, RecordSpec]:
        """Return the RRsets that a phase switches first: earlier phases have switched the others."""
        now = switching(phase.steps)
        earlier = switching(step for other in self.phases if other.number < phase.number for step in other.steps)
        return {key: spec for key, spec in self.entries() if now(key) and not earlier(key)}


def names_in(step: Step) -> tuple[Name, ...]:
    """Return the owner names that a step is limited to; none when it is not limited."""
    names = step.options.get("names")
    return tuple(dns.name.from_text(str(name)) for name in names) if isinstance(names, tuple) else ()


def switching(steps: Iterable[Step]) -> Callable[[RRsetKey], bool]:
    """Return what tells whether one of these steps switches an RRset."""
    choices = [choice_of(step) for step in steps if step.kind == SWITCH]
    return lambda key: any(key in choice for choice in choices)


def new_data(spec: RecordSpec) -> frozenset[Rdata]:
    """Return the values that an entry brings."""
    return spec.values or frozenset(new for _, new in spec.replaces)


def called(phase: Phase) -> str:
    """Return how messages speak of a phase."""
    return f'phase {phase.number} "{phase.name}"'
