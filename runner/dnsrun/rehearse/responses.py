"""Word the answers of the embedded server, and spoil them as its faults demand."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rrset
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rrset import RRset

from dnsrun.rehearse.lookup import Lookup
from dnsrun.rehearse.serverloop import Transport
from dnsrun.rehearse.signing import MAX_SIZE, PAYLOAD


@dataclass(frozen=True, slots=True)
class Faults:
    """The ways in which the server misbehaves now; without arguments it does not."""

    drop_udp: bool = False
    """Take datagrams and stay silent."""
    drop_tcp: bool = False
    """Take connections and stay silent on them."""
    reset_tcp: bool = False
    """Break every connection as soon as something is asked on it."""
    udp_size: int = 0
    """Send no datagram above this, in octets, whatever is offered; 0: as usual."""
    no_edns: bool = False
    """Answer FORMERR to whatever speaks EDNS, as servers do that do not know it (RFC 6891 section 7)."""
    rcode: Rcode | None = None
    """Answer queries and transfers with this and nothing else."""
    rcode_share: float = 1.0
    """The part of the queries and transfers that `rcode` meets, 0 to 1; which ones follows from `seed`."""
    seed: int = 0
    update_rcode: Rcode | None = None
    """Refuse updates with this; nothing is written."""
    lose_update_answers: bool = False
    """Carry updates out and stay silent, so that the other side is in doubt."""
    min_ttl_s: int = 0
    """Serve no TTL below this, in seconds."""
    wrong_owner: Name | None = None
    """Answer with this owner name in the answer section."""
    delay_s: float = 0.0
    """Hold back every answer, in seconds."""
    stale: bool = False
    """Go on serving the versions of the moment this was set, while updates are accepted."""
    refuse_notify: bool = False
    """Answer NOTIFY with REFUSED and do not transfer."""

    def drops(self, transport: Transport) -> bool:
        """Say whether what arrives over `transport` is met with silence."""
        return self.drop_udp if transport == "udp" else self.drop_tcp


def bare(request: Message, rcode: Rcode, *, authoritative: bool = False) -> bytes:
    """Render an answer that holds nothing but a result, signed when the request was."""
    response = dns.message.make_response(request, our_payload=PAYLOAD)
    response.set_rcode(rcode)
    if authoritative:
        response.flags |= dns.flags.AA
    return response.to_wire(max_size=MAX_SIZE)


def unread(request: Message) -> bytes:
    """Render the FORMERR of a server that does not know EDNS."""
    response = dns.message.make_response(request)
    response.use_edns(-1)
    response.set_rcode(Rcode.FORMERR)
    return response.to_wire()


def render(request: Message, found: Lookup, transport: Transport, *, udp_size: int = 0) -> bytes:
    """Render an answer; over UDP one that does not fit is emptied and has TC set (RFC 2181 section 9)."""
    response = dns.message.make_response(request, our_payload=PAYLOAD)
    response.set_rcode(found.rcode)
    if found.authoritative:
        response.flags |= dns.flags.AA
    response.answer, response.authority, response.additional = found.answer, found.authority, found.additional
    if transport == "tcp":
        return response.to_wire(max_size=MAX_SIZE)
    payload = request.payload if request.edns >= 0 else 512
    max_size = udp_size or max(512, min(payload, PAYLOAD))
    try:
        return response.to_wire(max_size=max_size)
    except dns.exception.TooBig:
        response.answer, response.authority, response.additional = [], [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=max_size)


def spoil(found: Lookup, faults: Faults) -> None:
    """Change an answer as `faults` demand: TTLs raised to a floor, owner names replaced."""
    for section in (found.answer, found.authority, found.additional):
        for rrset in section:
            rrset.ttl = max(rrset.ttl, faults.min_ttl_s)
    if faults.wrong_owner is not None:
        found.answer = [_renamed(rrset, faults.wrong_owner) for rrset in found.answer]


def _renamed(rrset: RRset, owner: Name) -> RRset:
    return dns.rrset.from_rdata_list(owner, rrset.ttl, list(rrset))
