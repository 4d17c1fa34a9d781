"""What a new name does to its neighbours: wildcards and empty non-terminals (N2, N3). Pure.

RFC 4592: a wildcard answers only below its closest encloser; a new name, and every empty non-terminal that it
creates above itself, stops the wildcard from answering there for all types.
"""

from __future__ import annotations

from collections.abc import Iterable

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.content import Content
from dnsrun.model.rrset import Change, RRset, folded_labels
from dnsrun.model.zone import ZoneSnapshot


def killed_answers(changes: Iterable[Change], zone: ZoneSnapshot) -> Iterable[str]:
    """Yield a sentence for each wildcard answer that the changes would take away without saying so."""
    made = tuple(changes)
    before = Content(zone)
    uncovered = before.uncovered_by(change.key.owner for change in made if change.after)
    if not uncovered:
        return
    held = zone.at_owners(folded_labels(wildcard) for _, wildcard in uncovered)
    will_be = zone.apply(made).at_owners(folded_labels(name) for name, _ in uncovered)
    for name, wildcard in uncovered:
        if not name.is_wild():
            yield from _lost_at(name, held[folded_labels(wildcard)], will_be[folded_labels(name)])


def _lost_at(name: Name, answered: tuple[RRset, ...], after: tuple[RRset, ...]) -> Iterable[str]:
    kept = {rrset.key.rdtype for rrset in after}
    lost = [rrset for rrset in answered if rrset.key.rdtype not in kept]
    if lost and RdataType.CNAME not in kept:
        types = ", ".join(f"{rrset.key} ({', '.join(rrset.texts())})" for rrset in lost)
        yield (
            f"creating {name.to_text(omit_final_dot=True)} stops the wildcard from answering there: {types}; "
            "add entries for these too if they are wanted"
        )
