"""Zone transfer, both ways: give a zone in messages (RFC 5936), take one from a primary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.xfr
import dns.zone
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.rehearse.signing import MAX_SIZE, PAYLOAD
from dnsrun.rehearse.zonestore import SOA_KEY, Stored, ZoneContent

_MESSAGE_OCTETS = 16_000  # keeps the offsets of names within reach of compression pointers
_FIXED_OCTETS = 10  # type, class, TTL, RDLENGTH


@dataclass(frozen=True, slots=True)
class TransferSource:
    """Where a secondary takes its zone from; `key` signs both the question and the answer."""

    primary: Endpoint
    key: dns.tsig.Key | None = field(default=None, repr=False)  # its repr shows the secret


def outgoing(zone: ZoneContent, request: Message, *, min_ttl_s: int = 0) -> Iterator[bytes]:
    """Yield the messages of a transfer, signed as one sequence when `request` was signed."""
    context = None
    for answer in _batches(zone, min_ttl_s):
        response = dns.message.make_response(request, our_payload=PAYLOAD)
        response.flags |= dns.flags.AA
        response.answer = answer
        yield response.to_wire(max_size=MAX_SIZE, multi=True, tsig_ctx=context)
        context = response.tsig_ctx


def _batches(zone: ZoneContent, min_ttl_s: int) -> Iterator[list[RRset]]:
    batch: list[RRset] = []
    octets = 0
    for owner, stored in _stream(zone):
        ttl_s = max(stored.ttl_s, min_ttl_s)
        started = False
        for rdata in stored.rdatas:
            octets += len(owner.to_wire() or b"") + _FIXED_OCTETS + len(rdata.to_wire() or b"")
            if octets > _MESSAGE_OCTETS and batch:
                yield batch
                batch, octets, started = [], 0, False
            if started:
                batch[-1].add(rdata)
            else:
                batch.append(dns.rrset.from_rdata(owner, ttl_s, rdata))
                started = True
    yield batch


def _stream(zone: ZoneContent) -> Iterator[tuple[Name, Stored]]:
    yield from ((owner, stored) for owner, _, stored in zone.records())
    yield zone.apex, zone.nodes[zone.apex][SOA_KEY]


def incoming(apex: Name, source: TransferSource, *, timeout_s: float = 5.0) -> ZoneContent:
    """Transfer `apex` from the primary, over TCP. Touches the network.

    Raises:
        OutsideError: The primary did not give the whole zone within `timeout_s` seconds.
    """
    zone = dns.zone.Zone(apex, relativize=False)
    query, _ = dns.xfr.make_query(zone, serial=None, keyring=source.key)
    try:
        dns.query.inbound_xfr(source.primary.address, zone, query, port=source.primary.port, lifetime=timeout_s)
    except (dns.exception.DNSException, OSError, EOFError) as err:
        raise _failed(apex, source, err) from err
    return ZoneContent.from_zone(zone)


def serial_at(apex: Name, source: TransferSource, *, timeout_s: float = 5.0) -> int:
    """Ask the primary for the SOA serial of `apex`, over TCP. Touches the network.

    Raises:
        OutsideError: There is no authoritative SOA to be had within `timeout_s` seconds.
    """
    query = dns.message.make_query(apex, RdataType.SOA)
    if source.key:
        query.use_tsig(source.key)
    try:
        response = dns.query.tcp(query, source.primary.address, timeout_s, port=source.primary.port)
    except (dns.exception.DNSException, OSError, EOFError) as err:
        raise _failed(apex, source, err) from err
    rrset = response.get_rrset(response.answer, apex, query.question[0].rdclass, RdataType.SOA)
    if rrset is None or not isinstance(rrset[0], SOA):
        raise _failed(apex, source, ValueError("no SOA in the answer"))
    return rrset[0].serial


def _failed(apex: Name, source: TransferSource, why: Exception) -> OutsideError:
    return OutsideError(
        f"no transfer of {apex} from {source.primary}: {str(why) or type(why).__name__}",
        retryable=True,
        certainty="not-applied",
    )
