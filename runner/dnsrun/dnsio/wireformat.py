"""Read the records of a DNS message straight from its octets (RFC 1035 section 4).

A zone of ten thousand records comes in messages that dnspython reads three times slower than this:
a transfer needs no message sections, no RRset matching and each owner name only once.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.exception
import dns.rdata
import dns.wire
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from dnsrun.model.rrset import IN, TTL_MAX_S

_HEADER_OCTETS = 12
_COUNTS = struct.Struct("!HHHH")
_RECORD = struct.Struct("!HHIH")
_POINTER = 0xC0  # RFC 1035 section 4.1.4

Labels = tuple[bytes, ...]


class MalformedError(ValueError):
    """The octets are not a DNS message."""


class WireRecord(NamedTuple):
    """One record of class IN. `labels` are the owner name's, with the root's empty one, case as sent."""

    labels: Labels
    rdtype: RdataType
    ttl_s: int
    rdata: Rdata


class RecordReader:
    """Read the answer sections of one message after the other."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[RdataType, type[Rdata]]] = {}

    def read(self, wire: bytes) -> list[WireRecord]:
        """Return the records of the answer section.

        Raises `dns.exception.DNSException` for octets that are no message, and for classes but IN.
        """
        # What types' own readers raise for nonsense is anything from ValueError to struct.error.
        with dns.exception.ExceptionWrapper(dns.exception.FormError):  # type: ignore[no-untyped-call] # dnspython's
            return self._read(wire)

    def _read(self, wire: bytes) -> list[WireRecord]:
        names = Names(wire)
        parser = dns.wire.Parser(wire)
        questions, answers, _, _ = _counts(wire)
        at = _HEADER_OCTETS
        for _ in range(questions):
            at = names.skip(at) + 4
        records = []
        for _ in range(answers):
            labels, at = names.read(at)
            number, rdclass, ttl_s, size = _header(wire, at)
            if rdclass != IN:
                raise MalformedError(f"a record of class {rdclass}")
            start = at + _RECORD.size
            at = start + size
            rdtype, kind = self._kinds.get(number) or self._kind(number)
            rdata = _read_rdata(parser, start, size, rdtype, kind)
            # RFC 2181 section 8: a TTL with the top bit set is taken as zero.
            records.append(WireRecord(labels, rdtype, ttl_s if ttl_s <= TTL_MAX_S else 0, rdata))
        return records

    def _kind(self, number: int) -> tuple[RdataType, type[Rdata]]:
        rdtype = RdataType.make(number)
        kind: type[Rdata] = dns.rdata.get_rdata_class(IN, rdtype)  # type: ignore[no-untyped-call] # dnspython's
        self._kinds[number] = (rdtype, kind)
        return rdtype, kind


class Signature(NamedTuple):
    """A TSIG record: where it begins in the message, the key's name and what it says (RFC 8945 section 4.2)."""

    at: int
    labels: Labels
    rdata: Rdata


def signature_of(wire: bytes) -> Signature | None:
    """Return the TSIG that a message ends with, None when it is not signed.

    Raises `dns.exception.DNSException` or `MalformedError` for octets that are no message.
    """
    names = Names(wire)
    questions, *records = _counts(wire)
    at, last = _HEADER_OCTETS, None
    for _ in range(questions):
        at = names.skip(at) + 4
    for _ in range(sum(records)):
        last = at
        at = names.skip(at)
        at += _RECORD.size + _header(wire, at)[3]
    if last is None or not records[-1]:
        return None
    labels, at = names.read(last)
    number, rdclass, _, size = _header(wire, at)
    if number != RdataType.TSIG:
        return None
    return Signature(
        last, labels, dns.rdata.from_wire(RdataClass(rdclass), RdataType.TSIG, wire, at + _RECORD.size, size)
    )


def _counts(wire: bytes) -> tuple[int, int, int, int]:
    if len(wire) < _HEADER_OCTETS:
        raise MalformedError("a message shorter than its header")
    questions, answers, authority, additional = _COUNTS.unpack_from(wire, 4)
    return questions, answers, authority, additional


def _header(wire: bytes, at: int) -> tuple[int, int, int, int]:
    if at + _RECORD.size > len(wire):
        raise MalformedError("a record is cut off")
    rdtype, rdclass, ttl_s, size = _RECORD.unpack_from(wire, at)
    return rdtype, rdclass, ttl_s, size


def _read_rdata(parser: dns.wire.Parser, start: int, size: int, rdtype: RdataType, kind: type[Rdata]) -> Rdata:
    # As Parser.restrict_to does, without a generator for every record.
    whole = len(parser.wire)
    if start + size > whole:
        raise MalformedError("a record is cut off")
    parser.end = start + size
    parser.current = start
    rdata = kind.from_wire_parser(IN, rdtype, parser)
    if parser.current != parser.end:
        raise MalformedError("RDATA with octets left over")
    return rdata


class Names:
    """The names of one message, each suffix read once."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._known: dict[int, Labels] = {}

    def read(self, at: int) -> tuple[Labels, int]:
        """Return the labels of the name at `at`, and where what follows it begins."""
        known = self._known
        fresh: list[tuple[int, bytes]] = []
        here, after, limit = at, None, at + 1
        while here not in known:
            size = self._octet(here)
            if size >= _POINTER:
                target = (size & ~_POINTER) << 8 | self._octet(here + 1)
                after = after if after is not None else here + 2
                # Only backwards: a loop of pointers ends here.
                if target >= limit:
                    raise MalformedError("a compression pointer that does not point back")
                here = limit = target
            elif size == 0:
                known[here] = (b"",)
            else:
                fresh.append((here, self._label(here, size)))
                here += size + 1
        if after is None:
            after = self.skip(here)
        labels = known[here]
        for place, label in reversed(fresh):
            labels = (label, *labels)
            known[place] = labels
        return labels, after

    def skip(self, at: int) -> int:
        """Return where what follows the name at `at` begins."""
        while (size := self._octet(at)) and size < _POINTER:
            at += size + 1
        return at + (2 if size else 1)

    def _octet(self, at: int) -> int:
        if at >= len(self._wire):
            raise MalformedError("a name is cut off")
        return self._wire[at]

    def _label(self, at: int, size: int) -> bytes:
        label = self._wire[at + 1 : at + 1 + size]
        if size >= 64 or len(label) < size:
            raise MalformedError("a label that is too long")
        return label
