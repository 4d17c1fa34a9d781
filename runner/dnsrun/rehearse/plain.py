"""Ordinary questions and their answers straight from octets: no message is parsed and none is built. Pure.

Only what needs no judgement: data of one type at a name, or its absence (RFC 1034 section 4.3.2, RFC 2308), also
through aliases inside the zone. Delegations, name servers, DNSSEC and whatever else is unusual are left to `lookup`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from dns.name import Name
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Labels, folded_labels
from dnsrun.rehearse.serverloop import Transport
from dnsrun.rehearse.signing import MAX_SIZE, PAYLOAD
from dnsrun.rehearse.zonestore import CNAME_KEY, DNAME_KEY, NS_KEY, SOA_KEY, Node, Stored, ZoneContent

_HEADER, _QUESTION_END, _RECORD = Struct("!HHHHHH"), Struct("!HH"), Struct("!HHIH")
_ID_SIZE = 2
_QR_AA, _RD = 0x8400, 0x0100
_SMALLEST_PAYLOAD = 512  # RFC 1035 section 4.2.1
_OPT_SIZE = 1 + _RECORD.size
_OPT = b"\0" + _RECORD.pack(RdataType.OPT, PAYLOAD, 0, 0)
_LONGEST_LABEL = 63
_MOST_LINKS = 8
# Types with a meaning of their own for whoever answers.
_UNUSUAL = frozenset({RdataType.NONE, RdataType.OPT, RdataType.RRSIG, RdataType.NSEC, RdataType.NSEC3})
_type_of = lru_cache(maxsize=256)(RdataType.make)
_META = range(128, 256)  # RFC 6895 section 3.1: no data


class Plain(NamedTuple):
    """A question for `owner`. `octets`: its section of the message; `payload`: the largest datagram, None without EDNS.

    `names`: the labels of the owner name and of those above it, the root last, in lower case.
    """

    owner: Name
    names: tuple[Labels, ...]
    rdtype: RdataType
    octets: bytes
    flags: int
    payload: int | None


def read_plain(wire: bytes) -> Plain | None:
    """Return the question of a request; None for whatever is not a plain one."""
    if len(wire) < _HEADER.size:
        return None
    _, flags, *counts, additional = _HEADER.unpack_from(wire)
    if flags & ~_RD or counts != [1, 0, 0] or additional > 1:
        return None
    end = _name_end(wire)
    if end is None or len(wire) != end + _QUESTION_END.size + additional * _OPT_SIZE:
        return None
    number, rdclass = _QUESTION_END.unpack_from(wire, end)
    if rdclass != RdataClass.IN or number in _META or number in _UNUSUAL:
        return None
    after = end + _QUESTION_END.size
    payload = _payload(wire, after) if additional else None
    if additional and payload is None:
        return None
    owner, names = _read_name(wire[_HEADER.size : end])
    return Plain(owner, names, _type_of(number), wire[_HEADER.size : after], flags, payload)


def _name_end(wire: bytes) -> int | None:
    """Return where the name ends that begins after the header; None where it is compressed or no name."""
    at = _HEADER.size
    while at < len(wire) and (size := wire[at]):
        if size > _LONGEST_LABEL:
            return None
        at += size + 1
    return at + 1 if at < min(len(wire), _HEADER.size + 255) else None


def _payload(wire: bytes, at: int) -> int | None:
    """Return what EDNS version 0 offers, None where it wants more than that (RFC 6891 section 6.1)."""
    rdtype, payload, wishes, size = _RECORD.unpack_from(wire, at + 1)
    return payload if not wire[at] and rdtype == RdataType.OPT and not wishes and not size else None


@lru_cache(maxsize=65_536)
def _read_name(octets: bytes) -> tuple[Name, tuple[Labels, ...]]:
    """Return a name, and the labels in lower case of it and of those above it."""
    labels, at = [], 0
    while size := octets[at]:
        labels.append(octets[at + 1 : at + 1 + size])
        at += size + 1
    owner = Name([*labels, b""])
    folded = folded_labels(owner)
    return owner, tuple(folded[cut:] for cut in range(len(folded)))


def answer_plain(zone: ZoneContent, asked: Plain, transport: Transport) -> tuple[Rcode, bytes] | None:
    """Return the result and what answers a question in `zone` after the ID; None where it takes more than that."""
    apex = folded_labels(zone.apex)
    if asked.rdtype == RdataType.DS and asked.names[0] == apex:
        return None
    names, owner, links = asked.names, _pointer(_HEADER.size), list[bytes]()
    while True:
        found = _find(zone.by_labels, apex, names)
        if found is None:
            return None
        rcode, node = found
        if CNAME_KEY not in node or asked.rdtype == RdataType.CNAME:
            break
        links.append(_records(owner, node[CNAME_KEY]))
        names, owner = _names_of_target(node[CNAME_KEY])
        if len(links) > _MOST_LINKS or apex not in names:
            return None
    stored = node.get((asked.rdtype, RdataType.NONE))
    if stored and asked.rdtype == RdataType.NS:
        return None  # addresses of the servers come with it
    body = _records(owner, stored) if stored else _apex(zone, asked) + _absence(zone)
    counts = (len(links) + (len(stored.rdatas) if stored else 0), 0 if stored else 1)
    opt = b"" if asked.payload is None else _OPT
    header = _HEADER.pack(0, _QR_AA | asked.flags | rcode, 1, *counts, bool(opt))[_ID_SIZE:]
    answer = b"".join((header, asked.octets, *links, body, opt))
    return (rcode, answer) if _ID_SIZE + len(answer) <= _room(asked, transport) else None


def _find(held: Mapping[Labels, Node], apex: Labels, names: tuple[Labels, ...]) -> tuple[Rcode, Node] | None:
    """Return what is at a name or at the wildcard that stands for it; None where a zone cut or a DNAME is above."""
    encloser = None
    for depth, name in enumerate(names):
        node = held.get(name)
        if node is not None and encloser is None:
            encloser = depth
        if name == apex:
            break
        if node and (NS_KEY in node or DNAME_KEY in node):
            return None
    if encloser is None:
        return None
    if not encloser:
        return Rcode.NOERROR, held[names[0]]
    wild = held.get((b"*", *names[encloser]))
    return (Rcode.NXDOMAIN, {}) if wild is None else (Rcode.NOERROR, wild)


@lru_cache(maxsize=64)
def _absence(zone: ZoneContent) -> bytes:
    """Return the SOA as it comes with an absence (RFC 2308 section 3), without its owner name."""
    soa = zone.nodes[zone.apex][SOA_KEY]
    return _records(b"", Stored(min(soa.ttl_s, zone.soa.minimum), soa.rdatas))


def _apex(zone: ZoneContent, asked: Plain) -> bytes:
    """Return the apex as the end of the name asked for."""
    labels = asked.owner.labels
    return _pointer(_HEADER.size + sum(len(label) + 1 for label in labels[: len(labels) - len(zone.apex.labels)]))


def _names_of_target(alias: Stored) -> tuple[tuple[Labels, ...], bytes]:
    """Return the labels of the name that an alias leads to and of those above it, and its octets."""
    octets = alias.rdatas[0].to_wire() or b""
    return _read_name(octets)[1], octets


def _pointer(at: int) -> bytes:
    """Return a pointer to the name that stands `at` octets into the message (RFC 1035 section 4.1.4)."""
    return (0xC000 + at).to_bytes(2)


def _records(owner: bytes, stored: Stored) -> bytes:
    parts = []
    for rdata in stored.rdatas:
        octets = rdata.to_wire()
        assert octets is not None  # noqa: S101 - without a file it is returned; this tells mypy
        parts += [owner, _RECORD.pack(rdata.rdtype, rdata.rdclass, stored.ttl_s, len(octets)), octets]
    return b"".join(parts)


def _room(asked: Plain, transport: Transport) -> int:
    if transport == "tcp":
        return MAX_SIZE
    return max(_SMALLEST_PAYLOAD, min(asked.payload or _SMALLEST_PAYLOAD, PAYLOAD))
