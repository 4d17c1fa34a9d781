"""Read what PowerDNS says about a zone, and believe only a whole and sound listing (faults 30, 31; threat 22). Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType, UnknownRdatatype
from dns.rdtypes.ANY.CERT import CERT
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.errors import OutsideError
from dnsrun.model.rrset import TTL_MAX_S, RRset, RRsetKey, from_texts, rdata_text
from dnsrun.model.text import shorten
from dnsrun.model.zonetext import name_from_text

_MAX_RRSETS = 500_000
# PowerDNS has a name of its own for a type that others know by number only.
_BY_NUMBER = {"ADDR": "TYPE65400"}
_NEEDLESS_QUOTES = re.compile(r'(?<==)"([A-Za-z0-9.,:+/=_-]+)"')
_BASE64 = frozenset({RdataType.DHCID, RdataType.IPSECKEY, RdataType.OPENPGPKEY})  # in one piece

Extras = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A zone as PowerDNS lists it.

    `switched_off` holds the extras of RRsets all of whose records are disabled: they are not served, so they are
    no RRsets. `unreadable` are RRsets of known types with values that cannot be modelled. `soa_edit_api` is empty
    when the zone's serial does not move by itself.
    """

    kind: str
    soa_edit_api: str
    soa: RRset
    rrsets: Mapping[RRsetKey, RRset]
    switched_off: Mapping[RRsetKey, Extras]
    unmodelled: tuple[str, ...]
    unreadable: frozenset[RRsetKey]

    def extras(self, key: RRsetKey) -> Extras:
        """Return what only PowerDNS knows about an RRset."""
        found = self.rrsets.get(key)
        return found.extras if found else self.switched_off.get(key, ())


def read_listing(apex: Name, document: object) -> Listing:
    """Check and read the answer to a zone request.

    Raises `OutsideError` (retryable: it may be a proxy's half answer) when it is another zone's, has no SOA or
    no list of RRsets, or holds a name outside the zone.
    """
    try:
        return _read(apex, document)
    except (KeyError, TypeError, ValueError, DNSException) as err:
        what = f"no {err}" if isinstance(err, KeyError) else str(err)
        message = f"PowerDNS does not list {apex} as a zone: {shorten(what)}; nothing is concluded from it"
        raise OutsideError(message, retryable=True, certainty="not-applied") from err


def _read(apex: Name, document: Any) -> Listing:
    if not isinstance(document, dict) or not isinstance(document["rrsets"], list):
        raise TypeError("it is no zone")
    if dns.name.from_text(document["name"]) != apex:
        raise ValueError(f"it is {document['name']}")
    if len(document["rrsets"]) > _MAX_RRSETS:
        raise ValueError(f"it holds more than {_MAX_RRSETS} RRsets")
    rrsets: dict[RRsetKey, RRset] = {}
    switched_off: dict[RRsetKey, Extras] = {}
    unmodelled: list[str] = []
    unreadable: set[RRsetKey] = set()
    for listed in document["rrsets"]:
        key = _key(apex, listed)
        found = _rrset(key, listed) if key else None
        if key in rrsets or key in switched_off or key in unreadable:
            raise ValueError(f"{key} is listed twice")
        if key is None or found is None:
            unmodelled.append(_raw(listed))
            unreadable |= {key} if key else set()
        elif found.rdatas:
            rrsets[key] = found
        else:
            switched_off[key] = found.extras
    kind, soa_edit_api = str(document["kind"]), str(document.get("soa_edit_api") or "")
    soa = rrsets.get(RRsetKey(apex, RdataType.SOA))
    if soa is None or not all(isinstance(rdata, SOA) for rdata in soa.rdatas) or len(soa.rdatas) != 1:
        raise ValueError("it has no SOA")
    return Listing(kind, soa_edit_api, soa, rrsets, switched_off, tuple(unmodelled), frozenset(unreadable))


def _key(apex: Name, listed: Any) -> RRsetKey | None:
    """Return owner name and type, None for a type that only PowerDNS knows."""
    owner = name_from_text(listed["name"])
    if not owner.is_subdomain(apex):
        raise ValueError(f"{listed['name']} is outside the zone")
    try:
        return RRsetKey(owner, RdataType.from_text(_BY_NUMBER.get(listed["type"], listed["type"])))
    except (UnknownRdatatype, ValueError):
        return None


def _rrset(key: RRsetKey, listed: Any) -> RRset | None:
    """Return the RRset, None when one of its values cannot be modelled."""
    records: list[dict[str, Any]] = listed["records"]
    served = [str(record["content"]) for record in records if not record["disabled"]]
    ttl_s, extras = _ttl_s(listed["ttl"]), _extras(listed, records)
    try:
        return from_texts(key, ttl_s, served, extras)
    except (DNSException, ValueError):
        return None


def _ttl_s(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= TTL_MAX_S:
        raise TypeError("a TTL is no number of seconds")
    return value


def _extras(listed: Any, records: list[dict[str, Any]]) -> Extras:
    disabled = sorted(("disabled", str(record["content"])) for record in records if record["disabled"])
    comments = [("comment", json.dumps(comment, sort_keys=True)) for comment in listed.get("comments", ())]
    return (*disabled, *sorted(comments))


def content(rdata: Rdata) -> str:
    """Return the RDATA as PowerDNS spells it: it refuses what it would write otherwise itself (tried with 4.7)."""
    if isinstance(rdata, CERT):
        blob = base64.b64encode(rdata.certificate).decode()
        return f"{int(rdata.certificate_type)} {rdata.key_tag} {int(rdata.algorithm)} {blob}"
    text = rdata_text(rdata)
    if rdata.rdtype in _BASE64:
        return rdata.to_text(chunksize=0)
    if rdata.rdtype in (RdataType.SVCB, RdataType.HTTPS):
        return _NEEDLESS_QUOTES.sub(r"\1", text)
    if rdata.rdtype == RdataType.LOC and text.count("m") == 1:
        return f"{text} 1.00m 10000.00m 10.00m"  # the defaults of RFC 1876 section 3
    return text


def _raw(listed: Any) -> str:
    values = " | ".join(str(record["content"]) for record in listed["records"])
    return f"{listed['name']} {listed['ttl']} IN {listed['type']} {values}"
