"""Which RRsets a step means: those of its `names` and of its `types`, all where neither is written."""

from __future__ import annotations

from dataclasses import dataclass

from dns.name import from_text
from dns.rdatatype import RdataType

from .playbook import Step
from .rrset import Labels, RRsetKey, folded_labels


@dataclass(frozen=True, slots=True)
class Choice:
    """The names, as folded labels, and the types that are meant; None: all of them."""

    names: frozenset[Labels] | None = None
    types: frozenset[RdataType] | None = None

    @property
    def is_limited(self) -> bool:
        """Not every RRset is meant."""
        return self.names is not None or self.types is not None

    def __contains__(self, key: RRsetKey) -> bool:
        return (self.names is None or key.labels in self.names) and (self.types is None or key.rdtype in self.types)


def choice_of(step: Step) -> Choice:
    """Return what a checked step is limited to."""
    names, types = step.options.get("names"), step.options.get("types")
    return Choice(
        frozenset(folded_labels(from_text(str(name))) for name in names) if isinstance(names, tuple) else None,
        frozenset(RdataType.make(str(word)) for word in types) if isinstance(types, tuple) else None,
    )
