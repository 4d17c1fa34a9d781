"""Queries as octets, and answers from octets: quick for the ordinary ones, dnspython for the rest.

An answer is taken only for what was asked: every record of the answer section belongs to the owner
name of the question or to a chain of aliases that starts there (threat 18).
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import TypeVar

import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.SOA import SOA
from dns.wire import Parser

from dnsrun.model.observation import Answer
from dnsrun.model.rrset import IN, RRset, RRsetKey

FORMERR, NXDOMAIN, NOTIMP = 1, 3, 4
_COUNTS = Struct("!HHHHH")
_QUESTION_END = Struct("!HH")
_RECORD = Struct("!HHIH")
_U32 = Struct("!I")
_OPT, _SOA, _NS = int(RdataType.OPT), int(RdataType.SOA), int(RdataType.NS)
_RESPONSE, _OPCODE, _AA, _TC = 0x80, 0x78, 0x0400, 0x02
# 1232 octets fit any path (DNS flag day 2020).
_EDNS = b"\0" + _RECORD.pack(_OPT, 1232, 0, 0)
_EDNS_HEAD, _PLAIN_HEAD = _COUNTS.pack(0, 1, 0, 0, 1), _COUNTS.pack(0, 1, 0, 0, 0)
# RDATA without names, hence without compression: equal octets are equal RDATA.
_NAMELESS = frozenset(
    int(t)
    for t in (RdataType.A, RdataType.AAAA, RdataType.TXT, RdataType.CAA, RdataType.TLSA, RdataType.SSHFP, RdataType.DS)
)
_ALONGSIDE = frozenset({RdataType.CNAME, RdataType.DNAME, RdataType.RRSIG})
_REMEMBERED = 16_384

# What types' own readers raise for octets that make no sense.
NONSENSE = (DNSException, ArithmeticError, AssertionError, LookupError, TypeError, ValueError, struct.error)

K = TypeVar("K")
V = TypeVar("V")

_Part = tuple[int, int, int, int, int, int]  # start, type, class, TTL, start of RDATA, length of RDATA


class MalformedError(ValueError):
    """The octets are not an answer to what was asked."""


def question_bytes(key: RRsetKey) -> bytes:
    """Return the question section for `key` in class IN."""
    name = b"".join(bytes((len(label),)) + label for label in key.owner.labels)
    return name + _QUESTION_END.pack(key.rdtype, 1)


def query_opening(*, edns: bool) -> bytes:
    """Return what a query without recursion has between its ID and the question."""
    return _PLAIN_HEAD if not edns else _EDNS_HEAD


def query_ending(*, edns: bool) -> bytes:
    """Return what a query has after the question; with EDNS it offers 1232 octets (RFC 6891)."""
    return _EDNS if edns else b""


def belongs(wire: bytes, question: bytes) -> bool:
    """Tell whether `wire` is a response that repeats `question`; its ID is the caller's to check.

    FORMERR and NOTIMP may come without a question: a server that cannot read a query repeats nothing.
    """
    if len(wire) < 12 or not wire[2] & _RESPONSE or wire[2] & _OPCODE:
        return False
    if wire[4:6] == b"\0\1":
        end = 12 + len(question)
        # Lengths of labels are below 64, so that lowering octets changes letters only.
        return wire[12:end] == question or wire[12:end].lower() == question.lower()
    return wire[4:6] == b"\0\0" and wire[3] & 15 in (FORMERR, NOTIMP)


def is_truncated(wire: bytes) -> bool:
    """Tell whether the TC bit is set."""
    return bool(wire[2] & _TC)


def is_empty(wire: bytes) -> bool:
    """Tell whether the answer section is empty."""
    return wire[6:8] == b"\0\0"


def dislikes_edns(wire: bytes) -> bool:
    """Tell whether the server says that it could not read the query, or part of it (RFC 6891 section 7)."""
    return wire[3] & 15 in (FORMERR, NOTIMP)


class AnswerReader:
    """Reads responses; equal octets give the same `Answer` object, equal addresses the same RDATA."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Answer] = {}
        self._rdatas: dict[tuple[int, tuple[bytes, ...]], frozenset[Rdata]] = {}
        self._kinds: dict[int, tuple[RdataType, type[Rdata]]] = {}

    def read(self, wire: bytes, key: RRsetKey, question: bytes) -> Answer:
        """Return what a response that `belongs` to `question` says about `key`.

        Raises `MalformedError` when it cannot be read or speaks of something else.
        """
        without_id = wire[2:]
        known = self._answers.get(without_id)
        if known is None:
            try:
                known = self._quick(wire, key, question) or _slow(wire, key)
            except NONSENSE as err:
                raise MalformedError(str(err)) from err
            remember(self._answers, without_id, known)
        return known

    def _quick(self, wire: bytes, key: RRsetKey, question: bytes) -> Answer | None:
        flags, questions, answers, authorities, additionals = _COUNTS.unpack_from(wire, 2)
        if not questions or flags & 15 not in (0, NXDOMAIN):
            return None
        start = 12 + len(question)
        if answers:
            return self._quick_data(wire, key, question, _parts(wire, start, answers))
        parts = _parts(wire, start, authorities + additionals)
        if any(part[1] == _OPT and part[3] >> 24 for part in parts[authorities:]):
            return None  # an extended RCODE
        return _quick_negative(wire, parts[:authorities], flags)

    def _quick_data(self, wire: bytes, key: RRsetKey, question: bytes, parts: list[_Part]) -> Answer | None:
        rdtype, owner = int(key.rdtype), question[:-4].lower()
        for start, found, rdclass, *_ in parts:
            own = wire[start : start + 2] == b"\xc0\x0c" or wire[start : start + len(owner)].lower() == owner
            if not own or found != rdtype or rdclass != 1:
                return None
        flags = _COUNTS.unpack_from(wire, 2)[0]
        ttl_s = min(_ttl_s(part[3]) for part in parts)
        return Answer(flags & 15, bool(flags & _AA), RRset(key, ttl_s, self._rdata_set(wire, rdtype, parts)), "data")

    def _rdata_set(self, wire: bytes, rdtype: int, parts: list[_Part]) -> frozenset[Rdata]:
        if rdtype not in _NAMELESS:
            return frozenset(self._rdata(wire, part) for part in parts)
        octets = (rdtype, tuple(wire[start : start + length] for *_, start, length in parts))
        known = self._rdatas.get(octets)
        if known is None:
            known = frozenset(self._rdata(wire, part) for part in parts)
            remember(self._rdatas, octets, known)
        return known

    def _rdata(self, wire: bytes, part: _Part) -> Rdata:
        rdtype, kind = self._kinds.get(part[1]) or self._kind(part[1])
        parser = Parser(wire, part[4])
        parser.end = part[4] + part[5]
        rdata = kind.from_wire_parser(IN, rdtype, parser)
        if parser.current != parser.end:
            raise MalformedError("RDATA with octets left over")
        return rdata

    def _kind(self, number: int) -> tuple[RdataType, type[Rdata]]:
        rdtype = RdataType.make(number)
        kind: type[Rdata] = dns.rdata.get_rdata_class(IN, rdtype)  # type: ignore[no-untyped-call] # dnspython's
        self._kinds[number] = (rdtype, kind)
        return rdtype, kind


def remember(known: dict[K, V], key: K, value: V) -> None:
    """Keep a value, forgetting all of them when there are too many."""
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value


def _parts(wire: bytes, position: int, count: int) -> list[_Part]:
    parts = []
    for _ in range(count):
        start = position
        while (length := wire[position]) and length < 64:
            position += 1 + length
        position += 2 if length else 1
        rdtype, rdclass, ttl, size = _RECORD.unpack_from(wire, position)
        position += 10
        parts.append((start, rdtype, rdclass, ttl, position, size))
        position += size
    if position > len(wire):
        raise MalformedError("the message ends within a record")
    return parts


def _ttl_s(octets: int) -> int:
    """Read a TTL; one with the top bit set counts as zero (RFC 2181 section 8)."""
    return 0 if octets >> 31 else octets


def _quick_negative(wire: bytes, parts: list[_Part], flags: int) -> Answer | None:
    soa = next((part for part in parts if part[1] == _SOA), None)
    if soa is None and any(part[1] == _NS for part in parts):
        return None  # a referral
    negative_ttl_s = None
    if soa is not None:
        minimum = _U32.unpack_from(wire, soa[4] + soa[5] - 4)[0]
        negative_ttl_s = min(_ttl_s(soa[3]), _ttl_s(minimum))  # RFC 2308 section 5
    nxdomain = flags & 15 == NXDOMAIN
    return Answer(flags & 15, bool(flags & _AA), None, "nxdomain" if nxdomain else "nodata", negative_ttl_s)


def whole_answer(wire: bytes, key: RRsetKey) -> Answer:
    """Return what a response says about `key`, every octet of it read by dnspython.

    Raises `MalformedError` when it cannot be read or speaks of something else.
    """
    try:
        return _slow(wire, key)
    except NONSENSE as err:
        raise MalformedError(str(err)) from err


def _slow(wire: bytes, key: RRsetKey) -> Answer:
    message = dns.message.from_wire(wire, ignore_trailing=False)
    check_answer(message, key.owner, key.rdtype)
    rcode, aa = int(message.rcode()), bool(message.flags & _AA)
    if rcode not in (0, NXDOMAIN):
        return Answer(rcode, aa, None, "error")
    for rdtype in (key.rdtype, RdataType.CNAME):
        if own := _taken(message, key.owner, rdtype):
            return Answer(rcode, aa, own, "data")
    cut = referral_cut(message, key.owner)
    if cut is not None:
        return Answer(rcode, aa, _authority_ns(message, cut), "referral")
    return Answer(rcode, aa, None, "nxdomain" if rcode == NXDOMAIN else "nodata", negative_ttl_s(message))


def referral_cut(message: Message, owner: Name) -> Name | None:
    """Return the owner of the NS RRset when the message is a referral for `owner`, also an upward one.

    Raises `MalformedError` when it refers for a name that is not above or at `owner`.
    """
    authority = {(rrset.name, rrset.rdtype) for rrset in message.authority}
    if message.answer or message.rcode() or message.flags & _AA or any(kind == RdataType.SOA for _, kind in authority):
        return None
    cut = next((name for name, kind in authority if kind == RdataType.NS), None)
    if cut is not None and not owner.is_subdomain(cut):
        raise MalformedError(f"referral for {cut}, which is not above {owner}")
    return cut


def negative_ttl_s(message: Message) -> int | None:
    """Return for how long caches keep this negative answer, in seconds (RFC 2308 section 5)."""
    for rrset in message.authority:
        if rrset.rdtype == RdataType.SOA and isinstance(soa := next(iter(rrset)), SOA):
            return min(rrset.ttl, soa.minimum)
    return None


def _authority_ns(message: Message, cut: Name) -> RRset | None:
    found = message.get_rrset(message.authority, cut, IN, RdataType.NS)
    return RRset(RRsetKey(cut, RdataType.NS), found.ttl, frozenset(found)) if found else None


def _taken(message: Message, owner: Name, rdtype: RdataType) -> RRset | None:
    found = message.get_rrset(message.answer, owner, IN, rdtype)
    return RRset(RRsetKey(owner, rdtype), found.ttl, frozenset(found)) if found else None


def check_answer(message: Message, owner: Name, rdtype: RdataType) -> None:
    """Raise `MalformedError` unless every record of the answer section belongs to the question's chain of aliases."""
    chain = alias_chain(message, owner)
    for rrset in message.answer:
        is_dname = rrset.rdtype == RdataType.DNAME and any(name.is_subdomain(rrset.name) for name in chain)
        right_type = rrset.rdtype == rdtype or rrset.rdtype in _ALONGSIDE
        if rrset.rdclass != IN or not right_type or not (rrset.name in chain or is_dname):
            found = f"{rrset.name} {RdataClass.to_text(rrset.rdclass)} {RdataType.to_text(rrset.rdtype)}"
            raise MalformedError(f"answers {found} to a question for {owner} {RdataType.to_text(rdtype)}")


def alias_chain(message: Message, owner: Name) -> tuple[Name, ...]:
    """Return `owner` and the names that CNAMEs in the answer section lead to from it."""
    chain = [owner]
    while found := message.get_rrset(message.answer, chain[-1], IN, RdataType.CNAME):
        target = next(iter(found))
        if not isinstance(target, CNAME) or target.target in chain:
            break
        chain.append(target.target)
    return tuple(chain)
