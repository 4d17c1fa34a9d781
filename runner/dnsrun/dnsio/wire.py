"""Speak DNS to a primary: take its zone (AXFR), update it (RFC 2136), tell a secondary of news (NOTIFY)."""

from __future__ import annotations

from collections.abc import Iterable

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.tsig import Key
from dns.update import UpdateMessage

from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import IN, Change, RRset
from dnsrun.ports.net import Net

from .transferring import Caps, ZoneAssembler
from .updating import compose
from .wireformat import MalformedError

_TRANSFER_TIMEOUT_S = 30.0
_UPDATE_TIMEOUT_S = 15.0
_NOTIFY_TIMEOUT_S = 6.0  # within which `Net` sends again (RFC 1996 section 3.6)
_DEFAULT_CAPS = Caps()
_CONFLICT = frozenset({Rcode.YXDOMAIN, Rcode.YXRRSET, Rcode.NXDOMAIN, Rcode.NXRRSET})


def transfer(
    net: Net, server: Endpoint, apex: Name, *, key: Key | None = None, caps: Caps = _DEFAULT_CAPS
) -> tuple[RRset, ...]:
    """Transfer the zone `apex` from `server` over TCP and return its RRsets, the SOA among them (RFC 5936).

    With `key` the request is signed, and so must be the first and the last message (RFC 8945 section 5.3.1; `net`
    verifies each signature). Touches the network; safe to repeat. Raises `OutsideError` when the transfer is
    refused, ends early, changes meanwhile, holds a name outside the zone or is larger than `caps`.
    """
    request = dns.message.make_query(apex, RdataType.AXFR, flags=0)
    if key is not None:
        request.use_tsig(key)
    zone = ZoneAssembler(apex, caps)
    signed = False
    try:
        for message in net.exchange(server, request, timeout_s=_TRANSFER_TIMEOUT_S, transport="tcp"):
            signed = _check_transfer_message(server, apex, message, must_be_signed=key is not None and not signed)
            zone.feed(message.wire or b"")
            if zone.complete:
                break
        rrsets = tuple(zone.rrsets())
    except (DNSException, MalformedError) as err:
        raise _no_transfer(server, apex, str(err)) from err
    if not zone.complete:
        raise _no_transfer(server, apex, "it ended early")
    if key is not None and not message.had_tsig:
        raise _no_transfer(server, apex, "the last message is not signed")
    return rrsets


def _check_transfer_message(server: Endpoint, apex: Name, message: Message, *, must_be_signed: bool) -> bool:
    rcode = message.rcode()
    if rcode != Rcode.NOERROR:
        raise _no_transfer(server, apex, f"it answers {dns.rcode.to_text(rcode)}", retryable=rcode == Rcode.SERVFAIL)
    if must_be_signed and not message.had_tsig:
        raise _no_transfer(server, apex, "the first message is not signed")
    return True


def _no_transfer(server: Endpoint, apex: Name, why: str, *, retryable: bool = True) -> OutsideError:
    return OutsideError(f"no transfer of {apex} from {server}: {why}", retryable=retryable, certainty="not-applied")


def update(net: Net, server: Endpoint, apex: Name, changes: Iterable[Change], *, key: Key | None = None) -> None:
    """Write `changes` to the primary `server`, each only if its RRset is as in `before` (RFC 2136).

    One message takes effect whole or not at all; more than about 60 kB of changes need several. Touches the
    network over TCP. Raises `WriteConflict` when nothing was written because an RRset is not as in `before`,
    else `OutsideError`: `in-doubt` when only a read can tell what was written (time-out, SERVFAIL, failure of a
    later message), `not-applied` for a change that no update can make.
    """
    messages = compose(apex, changes, key)
    for number, message in enumerate(messages):
        try:
            _send_update(net, server, apex, message)
        except OutsideError as err:
            if number == 0:
                raise
            text = f"{err}; {number} of {len(messages)} messages with changes were taken before"
            raise OutsideError(text, retryable=err.retryable, certainty="in-doubt") from err


def _send_update(net: Net, server: Endpoint, apex: Name, message: UpdateMessage) -> None:
    answer = next(iter(net.exchange(server, message, timeout_s=_UPDATE_TIMEOUT_S, transport="tcp")), None)
    if answer is None:
        raise _not_updated(server, apex, "no answer", retryable=True, in_doubt=True)
    rcode = answer.rcode()
    if rcode == Rcode.NOERROR:
        return
    word = dns.rcode.to_text(rcode)
    if rcode in _CONFLICT:
        raise WriteConflict(f"{server} did not change {apex}: a record is not what it was before ({word})")
    if rcode == Rcode.SERVFAIL:
        raise _not_updated(server, apex, "it answers SERVFAIL", retryable=True, in_doubt=True)
    raise _not_updated(server, apex, f"it answers {word}", retryable=False, in_doubt=False)


def _not_updated(server: Endpoint, apex: Name, why: str, *, retryable: bool, in_doubt: bool) -> OutsideError:
    return OutsideError(
        f"update of {apex} at {server}: {why}",
        retryable=retryable,
        certainty="in-doubt" if in_doubt else "not-applied",
    )


def notify(net: Net, server: Endpoint, apex: Name, *, serial: int | None = None) -> bool:
    """Tell the secondary `server` that the zone has changed; return whether it took the message (RFC 1996).

    `serial` (0 to 2**32 - 1) is sent as a hint when given. Over UDP. That the message was
    taken does not say that the zone was fetched. Touches the network; safe to repeat. Raises `OutsideError`
    when no answer comes.
    """
    request = dns.message.make_query(apex, RdataType.SOA, flags=dns.flags.AA)
    request.set_opcode(dns.opcode.NOTIFY)
    if serial is not None:
        hint = SOA(IN, RdataType.SOA, apex, apex, serial, 0, 0, 0, 0)  # type: ignore[no-untyped-call] # dnspython's
        request.answer.append(dns.rrset.from_rdata(apex, 0, hint))
    answer = next(iter(net.exchange(server, request, timeout_s=_NOTIFY_TIMEOUT_S, transport="udp")), None)
    return answer is not None and answer.rcode() == Rcode.NOERROR
