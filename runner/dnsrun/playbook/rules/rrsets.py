"""Each RRset is declared once, and what is said to stay is not declared."""

from __future__ import annotations

from collections.abc import Iterator

from dns.rdatatype import to_text

from dnsrun.model.playbook import RecordSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.playbook.names import shown

from .facts import Facts, Finding


def check(facts: Facts) -> Iterator[Finding]:
    """Find RRsets with two entries, and twins that are said to stay but have an entry."""
    first: dict[RRsetKey, RecordSpec] = {}
    for key, spec in facts.entries():
        if key in first:
            line = first[key].mark.line
            yield Finding(
                spec.mark,
                f"{shown(key.owner)} {to_text(key.rdtype)} has an entry already, in line {line}; "
                "one entry declares all values of a name and type, so put them together",
            )
        first.setdefault(key, spec)
    for spec in facts.records:
        for kept in (RRsetKey(name, rdtype) for name in spec.names for rdtype in sorted(spec.keeps)):
            if kept in first:
                yield Finding(
                    spec.mark,
                    f"{shown(kept.owner)} {to_text(kept.rdtype)} is said to stay, but has an entry in line "
                    f"{first[kept].mark.line}; remove one of the two",
                )
