"""Put the messages of a zone transfer together into RRsets (RFC 5936). No network here: it is fed with octets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from dnsrun.model.rrset import RRset, RRsetKey

from .wireformat import Labels, MalformedError, RecordReader, WireRecord


@dataclass(frozen=True, slots=True)
class Caps:
    """How large a zone may be before it is taken for an attack: records, and octets of all messages."""

    records: int = 500_000
    octets: int = 256 * 1024 * 1024


class ZoneAssembler:
    """Collects records until the SOA comes a second time.

    `feed` raises `dns.exception.DNSException` or `MalformedError` for anything that is not a whole, sound zone.
    """

    def __init__(self, apex: Name, caps: Caps) -> None:
        self.complete = False
        self._apex = apex
        self._caps = caps
        self._reader = RecordReader()
        self._apex_labels = _lowered(apex.labels)
        self._soa: Rdata | None = None
        self._records = 0
        self._octets = 0
        self._found: dict[tuple[Labels, RdataType], list[WireRecord]] = {}

    def feed(self, wire: bytes) -> None:
        """Take one message in the order in which it came."""
        self._octets += len(wire)
        records = self._reader.read(wire)
        self._records += len(records)
        if self._octets > self._caps.octets or self._records > self._caps.records:
            raise MalformedError(f"the zone is larger than {self._caps.records} records or {self._caps.octets} octets")
        for record in records:
            self._take(record)

    def rrsets(self) -> Iterator[RRset]:
        """Yield the zone's RRsets, the SOA among them, in the order in which they came."""
        for (_, rdtype), records in self._found.items():
            # RFC 2181 section 5.2: one RRset has one TTL; where a server sends several, the lowest is the safe one.
            ttl_s = records[0].ttl_s if len(records) == 1 else min(record.ttl_s for record in records)
            rdatas = frozenset(record.rdata for record in records)
            yield RRset(RRsetKey(Name(records[0].labels), rdtype), ttl_s, rdatas)

    def _take(self, record: WireRecord) -> None:
        if self.complete:
            raise MalformedError("records after the closing SOA")
        owner = _lowered(record.labels)
        if record.rdtype == RdataType.SOA:
            self._take_soa(owner, record)
            return
        if self._soa is None:
            raise MalformedError("the transfer does not begin with the SOA")
        if owner[-len(self._apex_labels) :] != self._apex_labels:
            raise MalformedError(f"{Name(record.labels)} is outside the zone")
        self._found.setdefault((owner, record.rdtype), []).append(record)

    def _take_soa(self, owner: Labels, record: WireRecord) -> None:
        if owner != self._apex_labels:
            raise MalformedError(f"an SOA at {Name(record.labels)}")
        if self._soa is None:
            self._soa = record.rdata
            self._found[owner, record.rdtype] = [record]
        elif self._soa == record.rdata:
            self.complete = True
        else:
            raise MalformedError("the closing SOA differs from the first: the zone changed meanwhile")


def _lowered(labels: Labels) -> Labels:
    return tuple(label.lower() for label in labels)
