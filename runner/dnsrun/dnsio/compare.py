"""Hold answers against expectations octet by octet, and read only those that differ.

An answer that is as expected consists of octets known beforehand (the question as it was sent, the records expected)
and of a frame: header, authority and additional section. Frames repeat. One is taken as known after dnspython has read
a whole message with it, and found that the rest of that message can be anything of the same size and labels. So the
quick way says "equal" only where reading the message would say so.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

import dns.message
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, data, is_as_expected
from dnsrun.model.observation import Answer
from dnsrun.model.rrset import RRset, RRsetKey

from .answers import NONSENSE, query_ending, remember, whole_answer
from .wireformat import MalformedError, Names

_HEADER = 12
_TO_OWNER = b"\xc0\x0c"  # the usual owner of an answer: the name of the question, by pointer
_FIELDS = struct.Struct("!HHIH")
_FIXED = len(_TO_OWNER) + _FIELDS.size
_LENGTHS = tuple(bytes((size,)) for size in range(64))
_DATA, _OTHER = object(), object()
_NEGATIVE = {NODATA.kind: NODATA, NXDOMAIN.kind: NXDOMAIN}
_NONE: frozenset[bytes] = frozenset()
_ANYWHERE = -1
_ONLY_EDNS = query_ending(edns=True)
# Where in RDATA the name stands that it ends with.
_NAME_AT = {RdataType.CNAME: 0, RdataType.NS: 0, RdataType.PTR: 0, RdataType.MX: 2, RdataType.SRV: 6}
_UNKNOWN_TYPE = 65280  # private use (RFC 6895 section 3.1): RDATA that nobody looks into

_Frame = tuple[int, int, bytes, bytes, bytes]


class Wanted:
    """What one question is to bring. `shape` are the lengths of the owner's labels.

    `records` is the answer section as most servers write it, `record_set` its records when there are several.
    """

    __slots__ = ("count", "name", "record_set", "records", "shape", "token")

    def __init__(self, name: Expected, shape: bytes, token: object, records: tuple[bytes, ...] = ()) -> None:
        self.name = name
        self.shape = shape
        self.token = token
        self.count = len(records)
        if self.count > 1:
            self.records, self.record_set = b"".join(records), frozenset(records)
        else:
            self.records, self.record_set = records[0] if records else b"", _NONE


def questions_of(names: Iterable[Expected]) -> Iterator[tuple[bytes, Wanted]]:
    """Yield the question section and what it is to bring, for each type of each name."""
    endings: dict[RdataType, bytes] = {}
    for name in names:
        labels = name.owner.labels
        owner = b"".join([_LENGTHS[len(label)] + label for label in labels])
        shape = bytes(map(len, labels))
        otherwise = None
        present = name.present
        for rdtype in name.types:
            ending = endings.get(rdtype)
            if ending is None:
                ending = endings[rdtype] = struct.pack("!HH", rdtype, 1)
            found = present.get(rdtype)
            if found is not None:
                yield owner + ending, Wanted(name, shape, _DATA, _records(found))
                continue
            if otherwise is None:
                otherwise = _otherwise(name, shape)
            yield owner + ending, otherwise


def key_of(octets: bytes, wanted: Wanted) -> RRsetKey:
    """Return what a question of `questions_of` asks for."""
    return RRsetKey(wanted.name.owner, RdataType.make(_type_of(octets)))


def _type_of(octets: bytes) -> int:
    return int.from_bytes(octets[-4:-2], "big")


def _otherwise(name: Expected, shape: bytes) -> Wanted:
    expected = name.otherwise
    if expected is NODATA or expected is NXDOMAIN:
        return Wanted(name, shape, expected)
    if expected.kind == "data" and expected.rrset is not None and expected == data(expected.rrset):
        return Wanted(name, shape, _DATA, _records(expected.rrset))
    known = _NEGATIVE.get(expected.kind)
    is_usual = known is not None and is_as_expected(expected, known)
    return Wanted(name, shape, known if is_usual else _OTHER)


def _records(rrset: RRset) -> tuple[bytes, ...]:
    rdtype, ttl_s = rrset.key.rdtype, rrset.ttl_s
    if len(rrset.rdatas) == 1:
        (rdata,) = rrset.rdatas
        octets = _octets(rdata)
        return (_TO_OWNER + _FIELDS.pack(rdtype, 1, ttl_s, len(octets)) + octets,)
    each = [_octets(rdata) for rdata in rrset.rdatas]
    return tuple([_TO_OWNER + _FIELDS.pack(rdtype, 1, ttl_s, len(octets)) + octets for octets in each])


def _octets(rdata: Rdata) -> bytes:
    # Most records are addresses, and dnspython takes a stream for each.
    if type(rdata) is A:
        return socket.inet_aton(rdata.address)
    if type(rdata) is AAAA:
        return socket.inet_pton(socket.AF_INET6, rdata.address)
    return rdata.to_wire() or b""


class Matcher:
    """Tells whether answers are as expected; learns frames, and remembers answers that do not depend on the type."""

    def __init__(self) -> None:
        self._frames: dict[_Frame, object] = {}
        self._images: dict[bytes, Answer] = {}

    def matches(self, wire: bytes, octets: bytes, wanted: Wanted) -> bool:
        """Tell whether a message is an answer to the question `octets` that is surely as expected.

        False says nothing: then `read` it. ID and source are the caller's to check.
        """
        if not wire.startswith(octets, _HEADER):
            return False
        end = _HEADER + len(octets)
        if wanted.count:
            if wire.startswith(wanted.records, end):
                end += len(wanted.records)
            elif not (end := end_of_records(wire, end, wanted)):
                return False
        ending = wire[end:]
        if ending == _ONLY_EDNS:
            return self._frames.get((_ANYWHERE, wanted.count, b"", wire[2:12], ending)) is wanted.token
        return self._frames.get((end, wanted.count, wanted.shape, wire[2:12], ending)) is wanted.token

    def read(self, wire: bytes, octets: bytes, wanted: Wanted) -> Answer:
        """Read every octet of a message that `belongs` to the question, and learn from it.

        Raises `MalformedError` when it cannot be read or speaks of something else.
        """
        image = _image(wire, octets)
        known = self._images.get(image)
        if known is not None:
            return known
        answer = whole_answer(wire, key_of(octets, wanted))
        if wire.startswith(octets, _HEADER):
            if _is_for_all_types(wire, answer):
                remember(self._images, image, answer)
            self._learn(wire, octets, wanted, answer)
        return answer

    def _learn(self, wire: bytes, octets: bytes, wanted: Wanted, answer: Answer) -> None:
        start = end = _HEADER + len(octets)
        expected = wanted.name.answer(key_of(octets, wanted).rdtype)
        if wanted.token is _OTHER or not is_as_expected(answer, expected):
            return
        if int.from_bytes(wire[6:8], "big") != wanted.count:
            return
        if wanted.count and not (end := end_of_records(wire, start, wanted)):
            return
        ending = wire[end:]
        if ending == _ONLY_EDNS:
            remember(self._frames, (_ANYWHERE, wanted.count, b"", wire[2:12], ending), wanted.token)
        elif _stands_alone(wire, wanted.shape, start, end):
            remember(self._frames, (end, wanted.count, wanted.shape, wire[2:12], ending), wanted.token)


def end_of_records(wire: bytes, start: int, wanted: Wanted) -> int:
    """Return where the records expected end when exactly they stand at `start`, in any order; 0 when they do not.

    Names in RDATA may be compressed and in any letter case.
    """
    if wire.startswith(wanted.records, start):
        return start + len(wanted.records)
    found: list[bytes] = []
    end = _split(wire, start, wanted, found)
    if not end or any(not record.startswith(_TO_OWNER) for record in found):
        return 0
    if len(found) > 1 and frozenset(found) == wanted.record_set:
        return end
    return end if _same_with_names(wire, end, found, wanted) else 0


def _split(wire: bytes, start: int, wanted: Wanted, found: list[bytes]) -> int:
    for _ in range(wanted.count):
        if start + _FIXED > len(wire):
            return 0
        size = _FIXED + (wire[start + _FIXED - 2] << 8 | wire[start + _FIXED - 1])
        found.append(wire[start : start + size])
        start += size
    return start if start <= len(wire) else 0


def _same_with_names(wire: bytes, end: int, found: list[bytes], wanted: Wanted) -> bool:
    expected = wanted.name.answer(RdataType.make(int.from_bytes(found[0][2:4], "big"))).rrset
    if expected is None or (skip := _NAME_AT.get(expected.key.rdtype)) is None:
        return False
    fields = _FIELDS.pack(expected.key.rdtype, 1, expected.ttl_s, 0)[:-2]
    seen = set()
    at = end - sum(map(len, found))
    for record in found:
        if record[2 : _FIXED - 2] != fields:
            return False
        at += len(record)
        canonical = _canonical(wire, at - len(record) + _FIXED, at, skip)
        if canonical is None:
            return False
        seen.add(canonical)
    return len(seen) == len(found) and seen == {rdata.to_digestable() for rdata in expected.rdatas}


def _canonical(wire: bytes, start: int, end: int, skip: int) -> bytes | None:
    """Return RDATA that ends in a name after `skip` octets in canonical form (RFC 4034 section 6.2)."""
    if start + skip >= end:
        return None
    try:
        labels, after = Names(wire).read(start + skip)
    except MalformedError:
        return None
    if after != end:
        return None
    return wire[start : start + skip] + b"".join([_LENGTHS[len(label)] + label.lower() for label in labels])


def _image(wire: bytes, octets: bytes) -> bytes:
    """Return the message without its ID and the type asked for."""
    rdtype_at = _HEADER + len(octets) - 4
    return wire[2:rdtype_at] + wire[rdtype_at + 2 :]


def _is_for_all_types(wire: bytes, answer: Answer) -> bool:
    """Tell whether the message would say the same had another type been asked for: a referral, or one alias alone."""
    if answer.kind == "referral":
        return True
    return answer.rrset is not None and answer.rrset.key.rdtype == RdataType.CNAME and wire[6:8] == b"\0\1"


def _stands_alone(wire: bytes, shape: bytes, question_end: int, end: int) -> bool:
    """Tell whether a frame can be read around any labels of this shape and any answer section of this size.

    It cannot when a compression pointer leads into the answer section, or elsewhere than to the start of a label:
    octets of 255 instead of labels and answers make such a name unreadable.
    """
    labels = b"".join([_LENGTHS[size] + b"\xff" * size for size in shape])
    size = end - question_end
    answer = _TO_OWNER + _FIELDS.pack(_UNKNOWN_TYPE, 1, 0, size - _FIXED) + b"\xff" * (size - _FIXED) if size else b""
    header = wire[:6] + (b"\0\1" if size else b"\0\0") + wire[8:_HEADER]
    try:
        dns.message.from_wire(header + labels + wire[question_end - 4 : question_end] + answer + wire[end:])
    except NONSENSE:
        return False
    return True
