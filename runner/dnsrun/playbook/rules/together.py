"""What never happens in one phase: addresses with name servers (D5), a new host with what points at it (T8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dns.rdatatype import RdataType, to_text

from dnsrun.model.playbook import Phase, RecordSpec
from dnsrun.model.rrset import Labels, RRsetKey, folded_labels
from dnsrun.playbook.names import shown
from dnsrun.playbook.rdata import targets

from .facts import Facts, Finding, called, new_data

_WHERE = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME, RdataType.HTTPS, RdataType.SVCB})
_HOST_DATA = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME})


def check(facts: Facts) -> Iterator[Finding]:
    """Find phases that mix the two classes of change, and pointers that come with their target."""
    for phase in facts.phases:
        switched = facts.switched_in(phase)
        yield from _mixed(phase, switched)
        yield from _pointing_at_new(phase, switched, facts)


def _mixed(phase: Phase, switched: Mapping[RRsetKey, RecordSpec]) -> Iterator[Finding]:
    moved = next((key for key in switched if key.rdtype in _WHERE), None)
    for key, spec in switched.items():
        if key.rdtype == RdataType.NS and moved:
            yield Finding(
                spec.mark,
                f"{called(phase)} changes name servers ({shown(key.owner)} NS) and addresses ({shown(moved.owner)} "
                f"{to_text(moved.rdtype)}); give each a phase of its own: {{kind: switch-records, names: [...]}}",
            )


def _pointing_at_new(phase: Phase, switched: Mapping[RRsetKey, RecordSpec], facts: Facts) -> Iterator[Finding]:
    new = _new_hosts(switched, facts)
    # By identity: an entry may hold thousands of names, and its hash is that of all of them.
    for spec in {id(spec): spec for spec in switched.values()}.values():
        pointed = {name for value in new_data(spec) for name in targets(value)}
        for name in sorted(name for name in pointed if folded_labels(name) in new and name not in spec.names):
            yield Finding(
                spec.mark,
                f"{called(phase)} creates {shown(name)} and points {shown(spec.names[0])} {to_text(spec.rdtype)} "
                "at it; caches may still hold that it does not exist. Create it in an earlier phase, "
                "or give its entry 'was' when it exists already",
            )


def _new_hosts(switched: Mapping[RRsetKey, RecordSpec], facts: Facts) -> set[Labels]:
    """Return the names that this phase creates: values without `was`, and nothing else known at the name."""
    known = {key.labels for key, spec in facts.entries() if spec.was or spec.replaces}
    earlier = {key.labels for key, _ in facts.entries()} - {key.labels for key in switched}
    created = {key.labels for key, spec in switched.items() if key.rdtype in _HOST_DATA and spec.values}
    return created - known - earlier
