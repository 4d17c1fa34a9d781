"""Read requests, checking their TSIG, and word the answers to those that cannot be trusted (RFC 8945)."""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import dns.tsig
from dns.message import Message
from dns.rcode import Rcode
from dns.rdtypes.ANY.TSIG import TSIG

from dnsrun.clock import now_utc

PAYLOAD = 1232
"""The UDP payload in octets that is offered and kept to (DNS flag day 2020)."""
MAX_SIZE = 65535
_HEADER = struct.Struct("!HHHHHH")
# What dnspython raises for octets that are no message; ValueError covers its enums and addresses.
_BROKEN = (dns.exception.DNSException, ValueError, struct.error, IndexError)


class UnreadableError(Exception):
    """The request cannot be served; `answer` is what to send back, None for silence."""

    def __init__(self, answer: bytes | None) -> None:
        super().__init__("unreadable request")
        self.answer = answer


def read_request(wire: bytes, key: dns.tsig.Key | None) -> Message:
    """Parse a request; a signature must be good for `key`, but need not be there (`had_tsig` says).

    Raises:
        UnreadableError: Garbage, an answer instead of a request, or a bad signature.
    """
    if len(wire) < _HEADER.size or _HEADER.unpack_from(wire)[1] & dns.flags.QR:
        raise UnreadableError(None)
    try:
        return dns.message.from_wire(wire, keyring={key.name: key} if key else None)
    except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm) as err:
        raise UnreadableError(_unsigned_refusal(wire, Rcode.BADKEY)) from err
    except dns.tsig.BadSignature as err:
        raise UnreadableError(_unsigned_refusal(wire, Rcode.BADSIG)) from err
    except dns.tsig.BadTime as err:
        raise UnreadableError(_bad_time(wire, key)) from err
    except _BROKEN as err:
        raise UnreadableError(_form_error(wire)) from err


def _form_error(wire: bytes) -> bytes:
    ident, flags, *_ = _HEADER.unpack_from(wire)
    kept = flags & (0x7800 | dns.flags.RD)  # opcode and RD
    return _HEADER.pack(ident, dns.flags.QR | kept | Rcode.FORMERR, 0, 0, 0, 0)


def _refused_request(wire: bytes) -> Message | None:
    try:
        return dns.message.from_wire(wire, keyring=False)
    except _BROKEN:
        return None


def _unsigned_refusal(wire: bytes, error: Rcode) -> bytes:
    """Answer NOTAUTH with a TSIG record that names the error and has no MAC (RFC 8945 section 5.2)."""
    request = _refused_request(wire)
    if request is None or request.tsig is None:
        return _form_error(wire)
    response = dns.message.make_response(request, our_payload=PAYLOAD)
    response.set_rcode(Rcode.NOTAUTH)
    asked = request.tsig[0]
    assert isinstance(asked, TSIG)  # noqa: S101 - the type says so; this tells mypy
    empty = asked.replace(mac=b"", original_id=request.id, error=error, other=b"")
    response.tsig = dns.rrset.from_rdata(request.tsig.name, 0, empty)
    return response.to_wire(max_size=MAX_SIZE)


def _bad_time(wire: bytes, key: dns.tsig.Key | None) -> bytes:
    """Answer NOTAUTH, signed, with the server's time in seconds (RFC 8945 section 5.2.3)."""
    request = _refused_request(wire)
    if request is None or key is None:
        return _form_error(wire)
    response = dns.message.make_response(request, our_payload=PAYLOAD)
    response.set_rcode(Rcode.NOTAUTH)
    here_s = int(now_utc().timestamp()).to_bytes(6, "big")
    response.use_tsig(key, tsig_error=Rcode.BADTIME, other_data=here_s)
    response.request_mac = request.mac or b""
    return response.to_wire(max_size=MAX_SIZE)
