"""Every owner name that a domain's mail rides on, each with its way: receiving, reading and sending. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.SRV import SRV

from dnsrun.model.content import Content
from dnsrun.model.playbook import MailSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey, target_of
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.records import ADDRESSES

from .senders import policies, spf_hosts

Role = Literal["receiving", "reading", "sending"]

CARRYING = frozenset({*ADDRESSES, RdataType.CNAME, RdataType.MX})
MAIL_SERVICES = frozenset({b"_imap", b"_imaps", b"_pop3", b"_pop3s", b"_submission", b"_submissions", b"_autodiscover"})
_MAIL_PORTS = frozenset({b"_25", b"_465", b"_587", b"_110", b"_143", b"_993", b"_995"})
_RECEIVING_LABELS = {b"_mta-sts": "MTA-STS", b"mta-sts": "MTA-STS", b"_tls": "TLS reports"}
_READING_LABELS = dict.fromkeys((b"autodiscover", b"autoconfig"), "mail programs look for their settings")
_SENDING_LABELS = {b"_domainkey": "DKIM", b"_dmarc": "DMARC"}
_POLICIES = {**_RECEIVING_LABELS, **_SENDING_LABELS}
_LABELS = frozenset({*_POLICIES, *_READING_LABELS})
_LABELLED = frozenset({*ADDRESSES, RdataType.CNAME, RdataType.TXT})
_ABOUT_MAIL = frozenset({RdataType.MX, RdataType.SRV, RdataType.TLSA, RdataType.TXT})
_LONGEST_CHAIN = 16  # links that are followed; a longer chain of aliases no resolver follows either


@dataclass(frozen=True, slots=True)
class Ride:
    """An RRset that mail rides on, a host outside the zone (`key` None), or the address of a `sender`.

    `path` leads there in words, from what senders or mail programs know to the data: ("MX of client.example",
    "mail.client.example", "A 192.0.2.25").
    """

    role: Role
    path: tuple[str, ...]
    key: RRsetKey | None = None
    host: Name | None = None
    sender: str = ""

    def __str__(self) -> str:
        return " → ".join(self.path)


@dataclass(frozen=True, slots=True)
class MailGraph:
    """All rides, in the order receiving, reading, sending. `hosts` are the names whose addresses mail uses."""

    rides: tuple[Ride, ...]
    hosts: Mapping[Name, Ride]
    keys: Mapping[RRsetKey, Ride]

    @property
    def servers(self) -> tuple[Name, ...]:
        """The hosts that mail is brought to, read at or sent through, in or outside the zone, sorted."""
        return tuple(sorted(name for name, ride in self.hosts.items() if ride.role != "sending"))

    def touched(self, change: Change) -> Ride | None:
        """Return what mail rides on and a change would alter; None where mail goes on as before."""
        key = change.key
        if change.ttl_only:
            return None
        if policies(change.before) != policies(change.after):
            return self.keys.get(key) or Ride("sending", (f"SPF of {_shown(key.owner)}",), key)
        if key.rdtype == RdataType.TXT and _LABELS.isdisjoint(key.labels):
            return None  # what a TXT RRset says beside SPF
        if found := self.keys.get(key) or _by_type(key):
            return found
        return self.hosts.get(key.owner) if key.rdtype in CARRYING else None


def mail_graph(mail: MailSpec | None, zone: ZoneSnapshot) -> MailGraph:
    """Return everything in a zone that mail rides on, as far as the zone and the playbook's `mail` show it."""
    places = _Places(zone)
    rides = tuple(dict.fromkeys((*_receiving(places, mail), *_reading(places, mail), *_sending(places, mail))))
    hosts = {ride.host: ride for ride in reversed(rides) if ride.host is not None}
    keys = {ride.key: ride for ride in reversed(rides) if ride.key is not None}
    return MailGraph(rides, hosts, keys)


class _Places:
    """A zone: what is about mail by its type or label, and what is served at a name."""

    def __init__(self, zone: ZoneSnapshot) -> None:
        self.apex = zone.apex
        self._content = Content(zone)
        self._rrsets = zone.rrsets
        found = (rrset for rrset in zone.rrsets.values() if rrset.rdatas and _is_about_mail(rrset.key))
        self._about = sorted(found, key=lambda rrset: rrset.key.order())

    def of_type(self, rdtype: RdataType) -> Iterator[RRset]:
        """Yield the RRsets of a type that are about mail, in canonical order: the apex first."""
        return (rrset for rrset in self._about if rrset.key.rdtype == rdtype)

    def labelled(self, labels: Mapping[bytes, str]) -> Iterator[tuple[str, RRset]]:
        """Yield what is known by a label of its owner name, with what that label says."""
        for rrset in self._about:
            label = next((one for one in rrset.key.labels if one in labels), None)
            if label is not None and rrset.key.rdtype in _LABELLED:
                yield labels[label], rrset

    def held(self, name: Name) -> Mapping[RdataType, RRset]:
        """Return the alias and the addresses that are served at a name, a wildcard's too."""
        source = self._content.wildcard_over(name) or name
        keys = (RRsetKey(source, rdtype) for rdtype in (RdataType.CNAME, *ADDRESSES))
        return {key.rdtype: rrset for key in keys if (rrset := self._rrsets.get(key)) and rrset.rdatas}


def _is_about_mail(key: RRsetKey) -> bool:
    if key.rdtype in _ABOUT_MAIL:
        return True
    return key.rdtype in _LABELLED and not _LABELS.isdisjoint(key.labels)


def _receiving(places: _Places, mail: MailSpec | None) -> Iterator[Ride]:
    """Yield where other servers bring mail: MX, or the address of the domain itself (RFC 5321 section 5.1)."""
    at_apex = False
    for rrset in places.of_type(RdataType.MX):
        at_apex = at_apex or rrset.key.owner == places.apex
        for rdata in sorted((one for one in rrset.rdatas if isinstance(one, MX)), key=lambda one: one.preference):
            if rdata.exchange != dns.name.root:
                start = f"MX of {_shown(rrset.key.owner)}"
                yield from _to_host("receiving", rdata.exchange, (start,), rrset.key, places)
    if mail is not None and not at_apex:
        yield from _to_host("receiving", places.apex, (f"{_shown(places.apex)} has no MX",), None, places)
    yield from _labelled("receiving", _RECEIVING_LABELS, places)
    for rrset in places.of_type(RdataType.TLSA):
        if rrset.key.labels[0] in _MAIL_PORTS:
            yield Ride("receiving", (f"TLSA of {_shown(rrset.key.owner)}", _data(rrset)), rrset.key)


def _reading(places: _Places, mail: MailSpec | None) -> Iterator[Ride]:
    """Yield what mail programs open and send through: declared hosts, SRV (RFC 6186), autodiscover."""
    for name in mail.mailboxes if mail else ():
        words = f"mail programs open {_shown(name)} (`mail.mailboxes`)"
        yield from _to_host("reading", name, (words,), None, places)
    for name in mail.submission if mail else ():
        words = f"mail programs send through {_shown(name)} (`mail.submission`)"
        yield from _to_host("reading", name, (words,), None, places)
    for rrset in places.of_type(RdataType.SRV):
        for rdata in rrset.rdatas if rrset.key.labels[0] in MAIL_SERVICES else ():
            if isinstance(rdata, SRV) and rdata.target != dns.name.root:
                start = f"SRV of {_shown(rrset.key.owner)}"
                yield from _to_host("reading", rdata.target, (start,), rrset.key, places)
    yield from _labelled("reading", _READING_LABELS, places)


def _sending(places: _Places, mail: MailSpec | None) -> Iterator[Ride]:
    """Yield what receivers elsewhere judge the domain's mail by: SPF (RFC 7208), DKIM, DMARC."""
    for rrset in places.of_type(RdataType.TXT):
        for text in policies(rrset):
            start = f"SPF of {_shown(rrset.key.owner)}"
            yield Ride("sending", (f"{start}: {text}",), rrset.key)
            for term, host in spf_hosts(text, rrset.key.owner):
                yield from _to_host("sending", host, (start, f"`{term}`"), None, places)
    yield from _labelled("sending", _SENDING_LABELS, places)
    for sender in mail.senders if mail else ():
        words = f"{sender.address} sends (`mail.senders`, until {sender.until})"
        yield Ride("sending", (words,), sender=sender.address)


def _labelled(role: Role, labels: Mapping[bytes, str], places: _Places) -> Iterator[Ride]:
    for what, rrset in places.labelled(labels):
        start = f"{what}: {_shown(rrset.key.owner)}"
        if rrset.key.rdtype == RdataType.CNAME:
            yield from _to_host(role, rrset.key.owner, (start,), rrset.key, places)
        else:
            host = rrset.key.owner if rrset.key.rdtype in ADDRESSES else None
            yield Ride(role, (start, _data(rrset)), rrset.key, host)


def _to_host(role: Role, host: Name, path: tuple[str, ...], by: RRsetKey | None, places: _Places) -> Iterator[Ride]:
    """Yield what leads to a host: the RRset that points there, each alias, its addresses, or that it has none here."""
    name, walked = host, path if _shown(host) in path[-1] else (*path, _shown(host))
    held = places.held(name)
    if by is not None and held:
        yield Ride(role, walked, by)
    for _ in range(_LONGEST_CHAIN):
        alias = held.get(RdataType.CNAME)
        target = target_of(next(iter(alias.rdatas))) if alias else None
        if alias is None or target is None:
            break
        walked = (*walked, _shown(target))
        yield Ride(role, walked, alias.key, name)
        name = target
        held = places.held(name)
    addresses = [held[rdtype] for rdtype in ADDRESSES if rdtype in held]
    for rrset in addresses:
        yield Ride(role, (*walked, _data(rrset)), rrset.key, name)
    if not addresses:
        yield Ride(role, walked, by if name == host else None, name)


def _by_type(key: RRsetKey) -> Ride | None:
    """Return the ride of an RRset that is about mail whatever else is known: a new MX, DKIM key or SRV."""
    first = key.labels[0] if key.labels else b""
    if key.rdtype == RdataType.MX:
        return Ride("receiving", (f"MX of {_shown(key.owner)}",), key)
    if key.rdtype == RdataType.SRV and first in MAIL_SERVICES:
        return Ride("reading", (f"SRV of {_shown(key.owner)}",), key)
    label = next((one for one in key.labels if one in _POLICIES), None)
    if label is None or key.rdtype not in {RdataType.TXT, RdataType.CNAME}:
        return None
    role: Role = "receiving" if label in _RECEIVING_LABELS else "sending"
    return Ride(role, (f"{_POLICIES[label]}: {_shown(key.owner)}",), key)


def _data(rrset: RRset) -> str:
    return f"{dns.rdatatype.to_text(rrset.key.rdtype)} {', '.join(rrset.texts())}"


def _shown(name: Name) -> str:
    return name.to_text(omit_final_dot=True)
