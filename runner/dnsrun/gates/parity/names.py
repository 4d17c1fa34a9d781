"""Which names parity asks, and what a server that holds the zone answers at each (N1, N2, N3). Pure.

A server may hold what the zone does not, so that everything asked has an expectation: a name that the zone lacks is
not to exist, an empty non-terminal is to hold nothing, and below every name a made-up one tells whether a wildcard
answers there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import dns.name
import dns.rdatatype
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from dnsrun.dnsio.probing import usual_names
from dnsrun.model.content import is_content
from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, data, referral
from dnsrun.model.observation import Answer
from dnsrun.model.rrset import Labels, RRset, RRsetKey, folded_labels, target_of
from dnsrun.model.zone import ZoneSnapshot

_WORDS = "A AAAA MX TXT CNAME NS SRV CAA TLSA SVCB HTTPS PTR DS SSHFP NAPTR SPF LOC"
_TYPES = tuple(map(dns.rdatatype.from_text, _WORDS.split()))
_ONE = (RdataType.A,)  # below a name that does not exist nothing is: one question says it (RFC 8020)
_CUT, _SIGNER = (RdataType.NS,), (RdataType.DS,)
_SPF_NAMES = ("include:", "a:", "mx:", "exists:", "ptr:", "redirect=")


class Served:
    """A zone as a server answers it, name by name: wildcards, aliases, empty non-terminals and zone cuts."""

    def __init__(self, zone: ZoneSnapshot, *, apex_ns: bool = True) -> None:
        """`apex_ns` False: the NS RRset at the apex is not compared."""
        self.apex = zone.apex
        self._top = len(zone.apex.labels)
        self._held: dict[Labels, dict[RdataType, RRset]] = {}
        for key, rrset in zone.rrsets.items():
            if is_content(key.rdtype) and rrset.rdatas:
                self._held.setdefault(key.labels, {})[key.rdtype] = rrset
        apex = folded_labels(zone.apex)
        self._cuts = frozenset(labels for labels, held in self._held.items() if RdataType.NS in held) - {apex}
        self._ends = self._cuts | {labels for labels, held in self._held.items() if RdataType.DNAME in held}
        self._names = self._with_empty(apex)
        self._types = _all_types(key.rdtype for key in zone.rrsets)
        unasked = {RdataType.DS} if apex_ns else {RdataType.DS, RdataType.NS}
        self._apex_types = tuple(rdtype for rdtype in self._types if rdtype not in unasked)  # DS: the parent's

    def at(self, owner: Name) -> tuple[Expected, ...]:
        """Return what is to be asked and answered at an owner name within the zone; nothing below a cut or a DNAME."""
        labels = folded_labels(owner)
        if self._is_hidden(labels):
            return ()
        if labels in self._cuts:
            return self._at_cut(owner, self._held[labels])
        if held := self._held.get(labels):
            return (self._holding(owner, held, self._apex_types if len(labels) == self._top else self._types),)
        if labels in self._names:
            return (Expected(owner, self._types, {}, NODATA),)
        wild = self._wildcard_over(labels)
        if wild is None:
            return (Expected(owner, _ONE, {}, NXDOMAIN),)
        made = {rdtype: replace(rrset, key=RRsetKey(owner, rdtype)) for rdtype, rrset in wild.items()}
        return (self._holding(owner, made, self._types),)

    def answer(self, key: RRsetKey) -> Answer:
        """Return what a server is to answer to one question; outside of what is compared: no such data."""
        for expected in self.at(key.owner):
            if key.rdtype in expected.types:
                return expected.answer(key.rdtype)
        return self._unasked(key)

    def exists(self, owner: Name) -> bool:
        """Tell whether the name holds data or is an empty non-terminal; wildcards aside."""
        return folded_labels(owner) in self._names

    def every_type(self) -> tuple[RdataType, ...]:
        """Return the types that are asked at a name that exists."""
        return self._types

    def existing(self) -> Iterator[Name]:
        """Yield every name that exists and is compared, from the apex down."""
        for labels in sorted(self._names, key=lambda labels: labels[::-1]):
            if not self._is_hidden(labels):
                yield Name(labels)

    def is_cut(self, owner: Name) -> bool:
        """Tell whether the name, or one above it, is delegated to a child or renamed."""
        labels = folded_labels(owner)
        return labels in self._ends or self._is_hidden(labels)

    def _unasked(self, key: RRsetKey) -> Answer:
        found = self.at(key.owner)
        return found[0].answer(key.rdtype) if found else NODATA

    def _holding(self, owner: Name, held: dict[RdataType, RRset], types: tuple[RdataType, ...]) -> Expected:
        alias = held.get(RdataType.CNAME)
        if alias is not None:
            return Expected(owner, types, {}, data(alias))
        return Expected(owner, types, held, NODATA)

    def _at_cut(self, owner: Name, held: dict[RdataType, RRset]) -> tuple[Expected, ...]:
        signer: dict[RdataType, RRset] = {rdtype: held[rdtype] for rdtype in _SIGNER if rdtype in held}
        return (
            Expected(owner, _CUT, {}, referral(held[RdataType.NS])),
            Expected(owner, _SIGNER, signer, NODATA),
        )

    def _is_hidden(self, labels: Labels) -> bool:
        if not self._ends:
            return False
        return any(labels[depth:] in self._ends for depth in range(1, len(labels) - self._top + 1))

    def _wildcard_over(self, labels: Labels) -> dict[RdataType, RRset] | None:
        """Return what the wildcard below the closest encloser holds (RFC 4592 section 3.3.1)."""
        for depth in range(1, len(labels) - self._top + 1):
            if labels[depth:] in self._names:
                return self._held.get((b"*", *labels[depth:]))
        return None

    def _with_empty(self, apex: Labels) -> frozenset[Labels]:
        names = {apex}
        for labels in self._held:
            for depth in range(len(labels) - self._top + 1):
                if labels[depth:] in names:
                    break
                names.add(labels[depth:])
        return frozenset(names)


def owners_to_ask(served: Served, zone: ZoneSnapshot, more: Iterable[Name], volatile: frozenset[Name]) -> list[Name]:
    """Return the owner names that parity asks: what exists, what may be missed, and a made-up name below each level."""
    existing = list(served.existing())
    wanted = dict.fromkeys(existing)
    asked = (*more, *usual_names(served.apex), *_reached(zone))
    wanted.update(dict.fromkeys(name for name in asked if name.is_subdomain(served.apex)))
    levels = [name for name in existing if not name.is_wild() and not served.is_cut(name)]
    wanted.update((made, None) for level in levels if (made := made_up_below(level)) is not None)
    # A volatile name is read by others, never compared.
    return [name for name in wanted if name not in volatile]


def made_up_below(level: Name) -> Name | None:
    """Return a name that nobody has created: the same for the same level, so that a judge knows what was asked.

    None when the level leaves no room for it (RFC 1035 section 2.3.4).
    """
    label = _made_up_label(folded_labels(level))
    try:
        return Name((label, *level.labels))
    except dns.name.NameTooLong:
        return None


def is_made_up(name: Name) -> bool:
    """Tell whether a name comes from `made_up_below`."""
    labels = folded_labels(name)
    return len(labels) > 1 and labels[0] == _made_up_label(labels[1:])


def _made_up_label(level: Labels) -> bytes:
    return b"x" + hashlib.sha256(b"\0".join(level)).hexdigest()[:16].encode()


def _all_types(held: Iterable[RdataType]) -> tuple[RdataType, ...]:
    others = {rdtype for rdtype in held if is_content(rdtype)} - set(_TYPES)
    return (*_TYPES, *sorted(others))


def _reached(zone: ZoneSnapshot) -> Iterator[Name]:
    """Yield the names that records lead to: aliases, mail and other hosts, what SPF names."""
    for rrset in zone.rrsets.values():
        for rdata in rrset.rdatas:
            target = target_of(rdata)
            if target is not None:
                yield target
            elif isinstance(rdata, TXTBase):
                yield from _named_by_spf(rdata)


def _named_by_spf(rdata: Rdata) -> Iterator[Name]:
    text = b"".join(rdata.strings) if isinstance(rdata, TXTBase) else b""
    if not text.lower().startswith(b"v=spf1"):
        return
    for term in text.decode("ascii", "replace").lower().split()[1:]:
        word = term.lstrip("+-~?")
        for opening in _SPF_NAMES:
            # A name with a macro is made for each mail (RFC 7208 section 7).
            if word.startswith(opening) and "%" not in word:
                yield from _read_name(word.removeprefix(opening).partition("/")[0])


def _read_name(text: str) -> Iterator[Name]:
    try:
        yield dns.name.from_text(text)
    except DNSException:
        return
