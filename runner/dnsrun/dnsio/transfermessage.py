"""Read one message of a zone transfer quickly: header, question and signature; its records stay octets."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.rrset
import dns.tsig
from dns.message import Message
from dns.name import Name

from dnsrun.clock import now_utc

from .wireformat import MalformedError, signature_of


def read_transfer_message(wire: bytes, request: Message, *, after: Message | None = None) -> Message:
    """Return a message with header, question, `wire` and, when signed, a verified TSIG; no records.

    `request` is the question as it was sent, `after` the message before this one. The signature covers the
    unsigned messages before it (RFC 8945 section 5.3.1); whether the last one is signed is for the caller to
    check. Raises `dns.exception.DNSException` when it cannot be read or the signature does not hold.
    """
    answer = dns.message.from_wire(wire, question_only=True)
    answer.tsig_ctx = after.tsig_ctx if after else None
    if request.keyring:
        _verify(answer, wire, request)
    return answer


def _verify(answer: Message, wire: bytes, request: Message) -> None:
    try:
        signature = signature_of(wire)
    except MalformedError as err:
        raise dns.exception.FormError(str(err)) from err  # type: ignore[no-untyped-call] # dnspython's
    if signature is None:
        if answer.tsig_ctx:
            answer.tsig_ctx.update(wire)
        return
    owner, now_s = Name(signature.labels), int(now_utc().timestamp())
    answer.tsig_ctx = dns.tsig.validate(  # type: ignore[no-untyped-call] # dnspython's
        wire, request.keyring, owner, signature.rdata, now_s, request.mac, signature.at, answer.tsig_ctx, multi=True
    )
    answer.tsig = dns.rrset.from_rdata(owner, 0, signature.rdata)
