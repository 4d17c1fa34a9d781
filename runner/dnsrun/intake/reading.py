"""What a found zone says about web, name servers and mail. Pure; nothing here knows more than the records do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.txtbase import TXTBase

from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.mail.graph import MAIL_SERVICES

from .operators import Operator, operator_of

_SOUND_LIKE_MAIL = re.compile(r"(imap|pop|smtp|mail|webmail|submission|mx)[0-9s-]*", re.IGNORECASE)
_ADDRESSES = (RdataType.A, RdataType.AAAA)
_SET_UP = frozenset({b"autodiscover", b"autoconfig"})
_SPF_DOMAIN = re.compile(r"[?~+-]?(include:|exists:|redirect=)(\S+)", re.IGNORECASE)
_MOST_ALIASES = 8


@dataclass(frozen=True, slots=True)
class Exchange:
    """One value of the domain's MX, and who takes the mail there.

    `kind`: `known` (by its family), `inside` (a name of the domain), `unknown`, `null` (RFC 7505: no mail).
    """

    host: Name
    preference: int
    kind: Literal["known", "inside", "unknown", "null"]
    operator: Operator | None
    addresses: tuple[str, ...]

    @property
    def is_front(self) -> bool:
        """Tell whether the family surely has no mailboxes there."""
        return self.operator is not None and self.operator.role in ("receive-front", "both")


@dataclass(frozen=True, slots=True)
class SpfTerm:
    """A term of an SPF record that names another domain. `readable` False: its content is made for each question."""

    text: str
    domain: Name | None
    operator: Operator | None
    readable: bool


def rrset_at(zone: ZoneSnapshot, owner: Name, rdtype: RdataType) -> RRset | None:
    """Return one RRset of a zone."""
    return zone.rrsets.get(RRsetKey(owner, rdtype))


def web_names(zone: ZoneSnapshot, rdtype: RdataType) -> tuple[RRset, ...]:
    """Return the address RRsets of the web site: that of the apex, and of www if it is the same; else that of www."""
    www = dns.name.from_text("www", origin=zone.apex)
    at_apex, at_www = (rrset_at(zone, owner, rdtype) for owner in (zone.apex, www))
    if at_apex is None or at_www is None:
        return tuple(one for one in (at_apex, at_www) if one)
    return (at_apex, at_www) if at_apex.rdatas == at_www.rdatas else (at_apex,)


def same_address(zone: ZoneSnapshot, moved: tuple[RRset, ...]) -> tuple[Name, ...]:
    """Return the other names that have an address of the web site, sorted."""
    rdatas = {rdata for one in moved for rdata in one.rdatas}
    keys = {one.key for one in moved}
    same = {key.owner for key, one in zone.rrsets.items() if key not in keys and one.rdatas & rdatas}
    return tuple(sorted(same))


def exchanges(zone: ZoneSnapshot) -> tuple[Exchange, ...]:
    """Return the domain's MX by preference."""
    rrset = rrset_at(zone, zone.apex, RdataType.MX)
    found = [rdata for rdata in rrset.rdatas if isinstance(rdata, MX)] if rrset else []
    return tuple(_exchange(zone, one) for one in sorted(found, key=lambda one: (one.preference, one.exchange)))


def _exchange(zone: ZoneSnapshot, rdata: MX) -> Exchange:
    host = rdata.exchange
    if host == dns.name.root:
        return Exchange(host, rdata.preference, "null", None, ())
    if host.is_subdomain(zone.apex):
        return Exchange(host, rdata.preference, "inside", None, addresses_in(zone, host))
    operator = operator_of(host, "mx")
    return Exchange(host, rdata.preference, "known" if operator else "unknown", operator, ())


def addresses_in(zone: ZoneSnapshot, host: Name) -> tuple[str, ...]:
    """Return a host's addresses as the zone tells them; aliases are followed within the zone."""
    for _ in range(_MOST_ALIASES):
        alias = rrset_at(zone, host, RdataType.CNAME)
        target = next((one.target for one in alias.rdatas if isinstance(one, CNAME)), None) if alias else None
        if target is None:
            break
        host = target
    return tuple(text for rdtype in _ADDRESSES if (one := rrset_at(zone, host, rdtype)) for text in one.texts())


def mail_hosts(zone: ZoneSnapshot) -> tuple[Name, ...]:
    """Return the names that sound like hosts of mail and have an address or an alias, sorted."""
    owners = {
        key.owner for key in zone.rrsets if key.rdtype in (*_ADDRESSES, RdataType.CNAME) and not key.owner.is_wild()
    }
    return tuple(sorted(owner for owner in owners if _SOUND_LIKE_MAIL.fullmatch(_first(owner))))


def mail_services(zone: ZoneSnapshot) -> tuple[RRset, ...]:
    """Return the records by which mail programs find their hosts (RFC 6186, autodiscover, autoconfig), sorted."""
    found = (one for one in zone.rrsets.values() if _leads_mail_programs(one.key))
    return tuple(sorted(found, key=lambda one: one.key.order()))


def _leads_mail_programs(key: RRsetKey) -> bool:
    if key.rdtype == RdataType.SRV:
        return key.labels[0] in MAIL_SERVICES
    return key.rdtype in (*_ADDRESSES, RdataType.CNAME) and key.labels[0] in _SET_UP


def other_exchanges(zone: ZoneSnapshot) -> tuple[RRset, ...]:
    """Return the MX of other names than the domain itself, sorted."""
    found = (one for one in zone.rrsets.values() if one.key.rdtype == RdataType.MX and one.key.owner != zone.apex)
    return tuple(sorted(found, key=lambda one: one.key.order()))


def _first(owner: Name) -> str:
    return owner.labels[0].decode("ascii", "replace")


def spf_text(zone: ZoneSnapshot) -> str | None:
    """Return the domain's SPF record as text, None without one."""
    rrset = rrset_at(zone, zone.apex, RdataType.TXT)
    return spf_among(rrset.rdatas) if rrset else None


def spf_among(rdatas: Iterable[Rdata]) -> str | None:
    """Return the SPF record among the TXT of one name."""
    return next((text for text in sorted(map(_joined, rdatas)) if text.lower().startswith("v=spf1")), None)


def _joined(rdata: Rdata) -> str:
    return b"".join(rdata.strings).decode("ascii", "backslashreplace") if isinstance(rdata, TXTBase) else ""


def spf_terms(text: str) -> Iterator[SpfTerm]:
    """Yield the terms of an SPF record that lead to other domains, and whose those are."""
    for word in text.split()[1:]:
        found = _SPF_DOMAIN.fullmatch(word)
        if found is None:
            continue
        domain = _domain(found.group(2))
        if domain is None or "%" in word:
            yield SpfTerm(word, None, None, readable=False)
        else:
            flattened = operator_of(domain, "flattened")
            yield SpfTerm(word, domain, flattened or operator_of(domain, "spf"), readable=flattened is None)


def _domain(text: str) -> Name | None:
    try:
        return dns.name.from_text(text)
    except (DNSException, UnicodeError):
        return None
