"""The names that a domain's SPF record leads to (RFC 7208). Pure; nothing is looked up."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import RRset
from dnsrun.model.spfrecord import MacroText, SpfSyntaxError, read_spf, spf_texts

_OF_HOSTS = frozenset({"a", "include", "exists"})


def policies(rrset: RRset | None) -> tuple[str, ...]:
    """Return the SPF records of a TXT RRset, sorted; one is right, two are an error (RFC 7208 section 4.5)."""
    return spf_texts(rrset.rdatas) if rrset and rrset.key.rdtype == RdataType.TXT else ()


def spf_hosts(text: str, owner: Name) -> Iterator[tuple[str, Name]]:
    """Yield each term of a record that leads to a name, and that name; nothing where the record cannot be read.

    Left out: macros, which no zone can tell, and `mx`, whose hosts are those of the MX.
    """
    try:
        record = read_spf(text)
    except SpfSyntaxError:
        return
    terms = [(one.written, one.target) for one in record.mechanisms if one.name in _OF_HOSTS]
    if record.redirect:
        terms.append((f"redirect={record.redirect.written}", record.redirect))
    for term, target in terms:
        if (host := _host(target, owner)) is not None:
            yield term, host


def _host(target: MacroText | None, owner: Name) -> Name | None:
    if target is None:
        return owner
    if not all(isinstance(piece, str) for piece in target.pieces):
        return None
    try:
        return dns.name.from_text("".join(map(str, target.pieces)))
    except DNSException:
        return None
