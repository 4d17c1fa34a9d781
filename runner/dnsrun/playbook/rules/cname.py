"""A CNAME is alone at its name, and mail and delegations never lead to one.

RFC 1034 section 3.6.2, RFC 2181 sections 10.1 and 10.3; as far as the playbook alone shows it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns.rdatatype import RdataType, to_text

from dnsrun.model.playbook import RecordSpec
from dnsrun.model.rrset import Labels, folded_labels
from dnsrun.playbook.names import shown
from dnsrun.playbook.rdata import targets

from .facts import Facts, Finding, new_data

_NEVER_TO_CNAME = frozenset({RdataType.MX, RdataType.NS})


def check(facts: Facts) -> Iterator[Finding]:
    """Find other data beside a CNAME, and MX and NS values that lead to one."""
    aliases = {key.labels for key, spec in facts.entries() if key.rdtype == RdataType.CNAME and not spec.absent}
    for key, spec in facts.entries():
        if key.labels in aliases and key.rdtype != RdataType.CNAME and not spec.absent:
            yield Finding(
                spec.mark,
                f"{shown(key.owner)} gets a CNAME in this playbook, which stands alone at its name; "
                f"remove this {to_text(key.rdtype)} entry, or make it absent: true",
            )
    for spec in facts.records:
        if spec.rdtype in _NEVER_TO_CNAME:
            yield from _leading_to(spec, aliases)


def _leading_to(spec: RecordSpec, aliases: set[Labels]) -> Iterator[Finding]:
    leading = {name for value in new_data(spec) for name in targets(value)}
    for target in sorted(name for name in leading if folded_labels(name) in aliases):
        yield Finding(
            spec.mark,
            f"this {to_text(spec.rdtype)} leads to {shown(target)}, which is a CNAME in this playbook; "
            "write the name that the CNAME leads to",
        )
