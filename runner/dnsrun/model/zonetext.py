r"""A captured zone as sorted master-file text and back, losing nothing.

The text loads in named-checkzone when the zone has an SOA and NS; what a master file cannot hold
stands in comment lines, in JSON::

    ; dnsrun capture 1
    ; apex client.example.
    ; grade complete
    ; source "transfer from ns1.client.example (192.0.2.1)"
    ; taken 2026-11-20T03:12:00.000Z
    ; blind LOC TYPE65400              types that the source never lists
    ; unmodelled "raw text"            one line each
    client.example. 300 IN SOA ns1.client.example. ...
    ; extras www.client.example. A [["proxied", "true"]]
    ; from www.client.example. A "probing"
    www.client.example. 300 IN A 192.0.2.10

One record per line, absolute names, single spaces, RRsets in canonical name order (RFC 4034 section 6.1)
and by type number, the SOA first. Types from 261 on, which servers may not know by name, are in
the form of RFC 3597.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any, get_args

import dns.name
import dns.rdata
import dns.rdatatype
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import GenericRdata, Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from .rrset import IN, TTL_MAX_S, RRset, RRsetKey, rdata_from_text, rdata_text
from .zone import Completeness, ZoneSnapshot

_VERSION = "; dnsrun capture 1"
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_*.-]*")
_PLAIN_NAME_TEXT = re.compile(r"(?:[A-Za-z0-9_*-]{1,63}\.)+")
_PLAIN_STRINGS = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_PLAIN_TXT = re.compile(r'"[\x20\x21\x23-\x5b\x5d-\x7e]*"(?: "[\x20\x21\x23-\x5b\x5d-\x7e]*")*')
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_LAST_NAMED_TYPE = 260
_Order = tuple[bytes, ...]


class ZoneTextError(ValueError):
    """Text that `to_text` has not written: the message names the line."""


def to_text(snapshot: ZoneSnapshot) -> str:
    """Return the snapshot as text; equal snapshots whose names have equal letter case give equal text. Pure.

    Raises `ValueError` when an owner name is not within the zone or a TTL is out of range.
    """
    return "\n".join((*_header(snapshot), *_body(snapshot), ""))


def from_text(text: str) -> ZoneSnapshot:
    """Return the snapshot that `to_text` wrote; the order of lines after the first does not matter. Pure.

    Raises `ZoneTextError` for anything else: an unknown or missing line, two TTLs in one RRset, a record
    that stands there twice or lies outside the zone.
    """
    lines = text.split("\n")
    if lines[0] != _VERSION or lines[-1] != "":
        raise ZoneTextError(f"line 1: expected {_VERSION!r}, and a line end after the last line")
    reader = _Reader()
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            reader.read(line)
        except (ValueError, TypeError, DNSException) as err:
            raise ZoneTextError(f"line {number}: {err}") from err
    return reader.snapshot()


def _header(snapshot: ZoneSnapshot) -> Iterator[str]:
    yield _VERSION
    yield f"; apex {name_text(snapshot.apex)}"
    yield f"; grade {snapshot.completeness}"
    yield f"; source {_json(snapshot.source)}"
    yield f"; taken {snapshot.taken_at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"
    if snapshot.blind:
        yield f"; blind {' '.join(_type_text(rdtype) for rdtype in sorted(snapshot.blind))}"
    for raw in snapshot.unmodelled:
        yield f"; unmodelled {_json(raw)}"


def _body(snapshot: ZoneSnapshot) -> Iterator[str]:
    apex = _order(snapshot.apex)
    for owner, _, _, key, rrset in sorted(_sortable(snapshot), key=itemgetter(0, 1, 2)):
        if owner[: len(apex)] != apex:
            raise ValueError(f"{key} is not within {snapshot.apex}")
        name, kind = name_text(key.owner), _type_text(key.rdtype)
        if snapshot.sources and key in snapshot.sources:
            yield f"; from {name} {kind} {_json(snapshot.sources[key])}"
        if rrset is not None:
            yield from _rrset_lines(rrset, name, kind)


def _sortable(snapshot: ZoneSnapshot) -> Iterator[tuple[_Order, bool, int, RRsetKey, RRset | None]]:
    for key, rrset in snapshot.rrsets.items():
        yield _order(key.owner), key.rdtype != RdataType.SOA, key.rdtype, key, rrset
    for key in snapshot.sources.keys() - snapshot.rrsets.keys() if snapshot.sources else ():
        yield _order(key.owner), key.rdtype != RdataType.SOA, key.rdtype, key, None


def _rrset_lines(rrset: RRset, name: str, kind: str) -> Iterator[str]:
    if not 0 <= rrset.ttl_s <= TTL_MAX_S:
        raise ValueError(f"{rrset.key} has the TTL {rrset.ttl_s}")
    if rrset.extras:
        yield f"; extras {name} {kind} {_json(rrset.extras)}"
    if not rrset.rdatas:
        yield f"; empty {name} {kind} {rrset.ttl_s}"
    start = f"{name} {rrset.ttl_s} IN {kind} "
    if len(rrset.rdatas) == 1:
        yield start + _rdata_text(next(iter(rrset.rdatas)))
        return
    for text in sorted(map(_rdata_text, rrset.rdatas)):
        yield start + text


def _order(name: Name) -> _Order:
    """Return a sort key for canonical name order (RFC 4034 section 6.1)."""
    return tuple(map(bytes.lower, name.labels[::-1]))


def name_text(name: Name) -> str:
    """Return `name.to_text()`, quicker for ordinary names."""
    octets = b".".join(name.labels)
    if _PLAIN_NAME.fullmatch(octets) and octets.count(b".") == len(name.labels) - 1 > 0:
        return octets.decode("ascii")
    return name.to_text()


@cache
def _type_text(rdtype: RdataType) -> str:
    return dns.rdatatype.to_text(rdtype) if rdtype <= _LAST_NAMED_TYPE else f"TYPE{int(rdtype)}"


def _rdata_text(rdata: Rdata) -> str:
    """Return `rdata_text(rdata)`, quicker for ordinary types; types without a name in generic form."""
    match rdata:
        case A() | AAAA():
            return str(rdata.address)
        case CNAME() | NS() | PTR():
            return name_text(rdata.target)
        case MX():
            return f"{rdata.preference} {name_text(rdata.exchange)}"
        case TXT() if all(map(_PLAIN_STRINGS.fullmatch, rdata.strings)):
            return " ".join(f'"{chunk.decode("ascii")}"' for chunk in rdata.strings)
    if rdata.rdtype > _LAST_NAMED_TYPE:
        return GenericRdata(rdata.rdclass, rdata.rdtype, rdata.to_wire() or b"").to_text()
    return rdata_text(rdata)


def _json(value: object) -> str:
    """Return JSON on one line in which every character can be shown (threat 16)."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


@dataclass(slots=True)
class _Held:
    key: RRsetKey
    ttl_s: int
    rdatas: list[Rdata] = field(default_factory=list)


class _Reader:
    """Takes lines in any order."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}
        self._unmodelled: list[str] = []
        # By the text of owner and type: hashing a name costs more than reading an address.
        self._held: dict[tuple[str, str], _Held] = {}
        self._extras: dict[RRsetKey, tuple[tuple[str, str], ...]] = {}
        self._sources: dict[RRsetKey, str] = {}
        self._names: dict[str, Name] = {}
        self._types: dict[str, RdataType] = {}

    def read(self, line: str) -> None:
        """Take one line; raises `ValueError`, `TypeError` or `DNSException`."""
        if line.startswith("; "):
            self._comment(*line[2:].split(" ", 1))
            return
        name, ttl, in_class, kind, rdata = line.split(" ", 4)
        if in_class != "IN":
            raise ValueError(f"expected class IN, got {in_class!r}")
        held = self._hold(name, kind, _ttl_s(ttl))
        held.rdatas.append(self._rdata(held.key.rdtype, rdata))

    def snapshot(self) -> ZoneSnapshot:
        """Return what was read; raises `ZoneTextError` when something is missing or contradicts itself."""
        if missing := {"apex", "grade", "source", "taken"} - self._facts.keys():
            raise ZoneTextError(f"line 1: no {', '.join(sorted(missing))} in the header")
        rrsets = self._rrsets()
        if orphans := self._extras.keys() - rrsets.keys():
            raise ZoneTextError(f"{min(map(str, orphans))} has extras but does not exist")
        apex: Name = self._facts["apex"]
        end = _order(apex)
        for key in (*rrsets, *self._sources):
            if _order(key.owner)[: len(end)] != end:
                raise ZoneTextError(f"{key} is not within {apex}")
        facts = self._facts
        return ZoneSnapshot(
            apex,
            rrsets,
            facts["source"],
            facts["taken"],
            facts["grade"],
            tuple(self._unmodelled),
            facts.get("blind", frozenset()),
            self._sources,
        )

    def _rrsets(self) -> dict[RRsetKey, RRset]:
        rrsets = {}
        for held in self._held.values():
            extras = self._extras.get(held.key, ()) if self._extras else ()
            rrset = RRset(held.key, held.ttl_s, frozenset(held.rdatas), extras)
            if len(rrset.rdatas) != len(held.rdatas):
                raise ZoneTextError(f"{held.key} holds a record twice")
            rrsets[held.key] = rrset
        if len(rrsets) != len(self._held):
            raise ZoneTextError("an owner name is spelled in two ways")
        return rrsets

    def _hold(self, name: str, kind: str, ttl_s: int) -> _Held:
        held = self._held.get((name, kind))
        if held is None:
            held = self._held[name, kind] = _Held(self._key(name, kind), ttl_s)
        elif held.ttl_s != ttl_s:
            raise ValueError(f"{held.key} has the TTLs {held.ttl_s} and {ttl_s}")
        return held

    def _key(self, name: str, kind: str) -> RRsetKey:
        rdtype = self._types.get(kind)
        if rdtype is None:
            rdtype = self._types[kind] = dns.rdatatype.from_text(kind)
        return RRsetKey(self._name(name), rdtype)

    def _name(self, text: str) -> Name:
        name = self._names.get(text)
        if name is None:
            name = self._names[text] = _name(text)
        return name

    def _rdata(self, rdtype: RdataType, text: str) -> Rdata:
        match rdtype:
            case RdataType.A:
                return _made(A, rdtype, text)
            case RdataType.AAAA:
                return _made(AAAA, rdtype, text)
            case RdataType.TXT if _PLAIN_TXT.fullmatch(text):
                return _made(TXT, rdtype, [chunk.encode() for chunk in text[1:-1].split('" "')])
            case RdataType.CNAME if _PLAIN_NAME_TEXT.fullmatch(text):
                return _made(CNAME, rdtype, self._name(text))
            case RdataType.NS if _PLAIN_NAME_TEXT.fullmatch(text):
                return _made(NS, rdtype, self._name(text))
            case RdataType.MX:
                preference, _, exchange = text.partition(" ")
                if _NUMBER.fullmatch(preference) and _PLAIN_NAME_TEXT.fullmatch(exchange):
                    return _made(MX, rdtype, int(preference), self._name(exchange))
        return rdata_from_text(rdtype, text)

    def _comment(self, word: str, rest: str) -> None:
        match word:
            case "extras" | "from" | "empty":
                self._about(word, *rest.split(" ", 2))
            case "unmodelled":
                self._unmodelled.append(_text_from(rest))
            case _ if word in self._facts:
                raise ValueError(f"{word} stands there twice")
            case _:
                self._facts[word] = _fact(word, rest)

    def _about(self, word: str, name: str, kind: str, data: str) -> None:
        if word == "empty":
            self._hold(name, kind, _ttl_s(data))
            return
        key = self._key(name, kind)
        if key in (self._extras if word == "extras" else self._sources):
            raise ValueError(f"{word} of {key} stands there twice")
        if word == "extras":
            self._extras[key] = _pairs_from(data)
        else:
            self._sources[key] = _text_from(data)


def _fact(word: str, text: str) -> object:
    """Read one line of the header."""
    match word:
        case "apex":
            return _name(text)
        case "grade" if text in get_args(Completeness):
            return text
        case "source":
            return _text_from(text)
        case "taken" if text.endswith("Z"):
            return datetime.fromisoformat(text)
        case "blind":
            return frozenset(map(dns.rdatatype.from_text, text.split(" ")))
    raise ValueError(f"unknown line: {word} {text}")


def _made(kind: Any, rdtype: RdataType, *fields: object) -> Rdata:
    rdata: Rdata = kind(IN, rdtype, *fields)
    return rdata


def _name(text: str) -> Name:
    if not text.endswith("."):
        raise ValueError(f"the name {text!r} is not absolute")
    name = name_from_text(text)
    if name_text(name) != text:
        raise ValueError(f"the name {text!r} is not in its plain form")
    return name


def name_from_text(text: str) -> Name:
    """Return `dns.name.from_text(text)`, quicker for ordinary absolute names."""
    if _PLAIN_NAME_TEXT.fullmatch(text):
        return Name([*(label.encode() for label in text[:-1].split(".")), b""])
    return dns.name.from_text(text)


def _ttl_s(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > TTL_MAX_S:
        raise ValueError(f"{text!r} is not a TTL")
    return int(text)


def _text_from(data: str) -> str:
    value = json.loads(data)
    if not isinstance(value, str):
        raise TypeError(f"{data} is not text")
    return value


def _pairs_from(data: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple((fact, value) for fact, value in json.loads(data))
    if not pairs or not all(isinstance(text, str) for pair in pairs for text in pair):
        raise TypeError(f"{data} is not a list of pairs of texts")
    return pairs
