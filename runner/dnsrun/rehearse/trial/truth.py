"""What the right answers are: those of the zone as captured, and those of the zone once everything is done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME

from dnsrun.model.rrset import rdata_text
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import to_text
from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.zonestore import Draft, Stored, ZoneContent

from .keys import Signer
from .setting import ADDRESS_TYPES, Outside, Setting

Data = frozenset[str]
"""RDATA in master-file form; empty: there is no such data."""


class Pair(NamedTuple):
    """The data at the end of a name's aliases, before and after."""

    old: Data
    new: Data


class Truth:
    """Answers from the captured zone and from the target, aliases followed to the outside."""

    def __init__(self, setting: Setting) -> None:
        self._outside = setting.outside
        self._old, self._new = (content_of(zone) for zone in (setting.zone, setting.target))
        self._known: dict[tuple[Name, RdataType], Pair] = {}

    def of(self, name: Name, rdtype: RdataType) -> Pair:
        """Return what is right for a name inside or outside the zone."""
        asked = (name, rdtype)
        if asked not in self._known:
            both = (final_data(content, self._outside, name, rdtype) for content in (self._old, self._new))
            self._known[asked] = Pair(*both)
        return self._known[asked]


class Version(NamedTuple):
    """A zone as a server holds it: as data, and ready to answer, maybe signed; several servers may hold the same."""

    snapshot: ZoneSnapshot
    content: ZoneContent


def version_of(zone: ZoneSnapshot, signer: Signer | None) -> Version:
    """Return a zone ready to be held."""
    return Version(zone, content_of(zone, signer))


def content_of(zone: ZoneSnapshot, signer: Signer | None = None) -> ZoneContent:
    """Return a zone ready to answer."""
    if signer:
        return signer.signed(to_text(zone))
    draft = Draft(ZoneContent(zone.apex, {}, {}))
    for key, held in zone.rrsets.items():
        draft.put(key.owner, (key.rdtype, RdataType.NONE), Stored(held.ttl_s, tuple(sorted(held.rdatas))))
    return draft.finish()


def final_data(content: ZoneContent, outside: Mapping[Name, Outside], name: Name, rdtype: RdataType) -> Data:
    """Return the data that a resolver ends with when a server holds this content."""
    if name.is_subdomain(content.apex):
        answer = look_up(content, name, rdtype).answer
        last = answer[-1] if answer else None
        target = last[0] if last is not None and last.rdtype == RdataType.CNAME != rdtype else None
        if not isinstance(target, CNAME):
            return frozenset(rdata_text(rdata) for rdata in last or ())
        name = target.target
    known = outside.get(name, Outside())
    if rdtype in ADDRESS_TYPES:
        return frozenset(text for text in known.addresses if (":" in text) == (rdtype == RdataType.AAAA))
    return frozenset(known.texts if rdtype == RdataType.TXT and name != dns.name.root else ())
