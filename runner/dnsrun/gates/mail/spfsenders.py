"""Addresses that an SPF record names as senders, and terms that only each sender by itself can answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.errors import OutsideError
from dnsrun.model.spfrecord import MacroText, Mechanism, SpfRecord, SpfSyntaxError, read_spf, spf_texts
from dnsrun.model.text import shorten

from .spfcheck import MOST_HOSTS, MOST_LOOKUPS, Lookup

_MOST_ADDRESSES = 200
_ADDRESSES = (RdataType.A, RdataType.AAAA)


@dataclass(slots=True)
class Named:
    """What a domain's record names, in its order: addresses, the first and last of networks; and terms not readable."""

    addresses: dict[str, None] = field(default_factory=dict)
    unreadable: dict[str, None] = field(default_factory=dict)


def named_senders(domain: Name, lookup: Lookup) -> Named:
    """Return the senders that the record of a domain names, includes and redirects followed.

    What cannot be looked up names nobody. Bounded as SPF itself is, and to two hundred addresses.
    """
    named = Named()
    _Reading(lookup, named).read(domain)
    named.addresses = dict.fromkeys(list(named.addresses)[:_MOST_ADDRESSES])
    return named


class _Reading:
    def __init__(self, lookup: Lookup, named: Named) -> None:
        self._lookup = lookup
        self._named = named
        self._left = MOST_LOOKUPS

    def read(self, domain: Name) -> None:
        record = self._record(domain)
        if record is None:
            return
        for mechanism in record.mechanisms:
            self._take(mechanism, domain)
        if record.goes_on:
            self._go_on(record.goes_on, f"redirect={record.goes_on.written}", domain)

    def _record(self, domain: Name) -> SpfRecord | None:
        try:
            texts = spf_texts(self._lookup(domain, RdataType.TXT))
            return read_spf(texts[0]) if len(texts) == 1 else None
        except (OutsideError, SpfSyntaxError):
            return None

    def _take(self, mechanism: Mechanism, domain: Name) -> None:
        if mechanism.network is not None:
            self._named.addresses |= dict.fromkeys((str(mechanism.network[0]), str(mechanism.network[-1])))
        elif mechanism.name in {"exists", "ptr"}:
            self._unreadable(mechanism.written)
        elif mechanism.name == "include" and mechanism.target:
            self._go_on(mechanism.target, mechanism.written, domain)
        elif mechanism.name in {"a", "mx"}:
            self._hosts(mechanism, domain)

    def _go_on(self, target: MacroText, written: str, domain: Name) -> None:
        onto = _fixed(target, domain)
        if onto is None:
            self._unreadable(written)
        elif self._left > 0:
            self._left -= 1
            self.read(onto)

    def _hosts(self, mechanism: Mechanism, domain: Name) -> None:
        host = _fixed(mechanism.target, domain) if mechanism.target else domain
        if host is None:
            self._unreadable(mechanism.written)
            return
        for one in [host] if mechanism.name == "a" else self._mail_hosts(host):
            self._named.addresses |= dict.fromkeys(self._addresses(one))

    def _mail_hosts(self, domain: Name) -> list[Name]:
        try:
            found = self._lookup(domain, RdataType.MX)
        except OutsideError:
            return []
        return sorted({rdata.exchange for rdata in found if isinstance(rdata, MX)})[:MOST_HOSTS]

    def _addresses(self, host: Name) -> Iterator[str]:
        for rdtype in _ADDRESSES:
            try:
                found = self._lookup(host, rdtype)
            except OutsideError:
                continue
            yield from sorted(rdata.address for rdata in found if isinstance(rdata, A | AAAA))

    def _unreadable(self, written: str) -> None:
        self._named.unreadable[shorten(written, 80)] = None


def _fixed(target: MacroText, domain: Name) -> Name | None:
    """Return the name that is the same for every sender; None when there is none."""
    if not target.is_fixed:
        return None
    current = domain.to_text(omit_final_dot=True)
    whole = "".join(piece if isinstance(piece, str) else current for piece in target.pieces)
    try:
        return dns.name.from_text(whole)
    except DNSException:
        return None
