"""What a new or vanishing name does to its neighbours: wildcards and empty non-terminals (N2, N3). Pure.

RFC 4592: a wildcard answers only below its closest encloser; a new name, and every empty non-terminal that it
creates above itself, stops the wildcard from answering there for all types.
"""

from __future__ import annotations

from collections.abc import Iterable

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRset
from dnsrun.model.zone import ZoneSnapshot

_STAR = dns.name.Name((b"*",))


def killed_answers(changes: Iterable[Change], zone: ZoneSnapshot) -> tuple[str, ...]:
    """Return a sentence for each wildcard answer that the changes would take away without saying so."""
    after = zone.apply(changes)
    existed, exist = _existing(zone), _existing(after)
    new = sorted(exist - existed)
    return tuple(text for name in new for text in _lost_at(name, zone, after))


def _existing(zone: ZoneSnapshot) -> frozenset[Name]:
    """Return all names that exist: owner names and the empty non-terminals above them, up to the apex."""
    names: set[Name] = set()
    for owner in zone.owners():
        name = owner
        while name not in names and name.is_subdomain(zone.apex):
            names.add(name)
            if name == zone.apex:
                break
            name = name.parent()
    return frozenset(names)


def wildcard_for(name: Name, zone: ZoneSnapshot) -> tuple[RRset, ...]:
    """Return the RRsets of the wildcard that answers for a name that does not exist; empty when none does."""
    existing = _existing(zone)
    encloser = name
    while encloser not in existing and encloser != dns.name.root:
        encloser = encloser.parent()
    return zone.at(_STAR.concatenate(encloser)) if encloser != dns.name.root and encloser != name else ()


def _lost_at(name: Name, zone: ZoneSnapshot, after: ZoneSnapshot) -> Iterable[str]:
    answered = wildcard_for(name, zone)
    kept = {rrset.key.rdtype for rrset in after.at(name)}
    lost = [rrset for rrset in answered if rrset.key.rdtype not in kept]
    answers_everything = RdataType.CNAME in kept
    if lost and not answers_everything and not name.is_wild():
        types = ", ".join(f"{rrset.key} ({', '.join(rrset.texts())})" for rrset in lost)
        yield (
            f"creating {name.to_text(omit_final_dot=True)} stops the wildcard from answering there: {types}; "
            "add entries for these too if they are wanted"
        )
