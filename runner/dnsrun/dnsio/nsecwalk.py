"""Read the names of a signed zone from its proofs of what does not exist (NSEC, RFC 4034 section 4).

Touches the network. Each NSEC names the next owner name and the types at its own. With NSEC3 names are hashed, and
servers that sign as they answer prove as little as they can: then nothing can be read, and the result says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dns.message
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import IN
from dnsrun.ports.net import Net

_MOST_NAMES = 5_000
_TIMEOUT_S = 3.0
_PAYLOAD = 1232
_MADE_BY_THE_SERVER = frozenset({RdataType.NSEC, RdataType.RRSIG})


@dataclass(frozen=True, slots=True)
class Chain:
    """Owner names with the types at each, as far as the chain could be followed.

    `stopped` says why it ends before it is back at the apex; empty when it is whole: then there are no other names.
    """

    types: Mapping[Name, tuple[RdataType, ...]]
    stopped: str = ""


def walk_chain(net: Net, server: Endpoint, apex: Name) -> Chain:
    """Follow the NSEC chain of a signed zone at one of its servers, one question after the other."""
    types: dict[Name, tuple[RdataType, ...]] = {}
    owner = apex
    while len(types) < _MOST_NAMES:
        try:
            proof = _proof_of(net, server, owner)
            if proof is None:
                return Chain(types, _why_not(net, server, apex, owner))
        except OutsideError as err:
            return Chain(types, str(err))
        types[owner] = _types_in(proof)
        if proof.next == apex:
            return Chain(types)
        if proof.next.labels[0].startswith(b"\x00"):
            return Chain({}, f"{server} proves as little as it can with each answer: its names cannot be read")
        if proof.next in types or not proof.next.is_subdomain(apex):
            return Chain(types, f"the chain of {server} leads from {owner} to {proof.next}, which is no way on")
        owner = proof.next
    return Chain(types, f"there are more than {_MOST_NAMES} names")


def _proof_of(net: Net, server: Endpoint, owner: Name) -> NSEC | None:
    """Return the NSEC of a name; at a zone cut, whose servers are others, that which denies the name behind it."""
    found = _nsec_in(_ask(net, server, owner, RdataType.NSEC), owner)
    if found is None and (behind := _just_behind(owner)):
        found = _nsec_in(_ask(net, server, behind, RdataType.A), owner)
    return found


def _just_behind(owner: Name) -> Name | None:
    """Return the next name of the same depth in canonical order (RFC 4034 section 6.1), None when there is no room."""
    try:
        return Name((owner.labels[0] + b"\x00", *owner.labels[1:]))
    except DNSException:
        return None


def _nsec_in(message: Message, owner: Name) -> NSEC | None:
    for section in (message.answer, message.authority):
        rrset = message.get_rrset(section, owner, IN, RdataType.NSEC)
        for rdata in rrset or ():
            if isinstance(rdata, NSEC):
                return rdata
    return None


def _types_in(proof: NSEC) -> tuple[RdataType, ...]:
    numbers = (
        window * 256 + octet * 8 + bit
        for window, bitmap in proof.windows
        for octet, bits in enumerate(bitmap)
        for bit in range(8)
        if bits & (0x80 >> bit)
    )
    return tuple(rdtype for rdtype in map(RdataType.make, numbers) if rdtype not in _MADE_BY_THE_SERVER)


def _why_not(net: Net, server: Endpoint, apex: Name, owner: Name) -> str:
    if owner == apex and _ask(net, server, apex, RdataType.NSEC3PARAM).answer:
        return "the zone is signed with NSEC3, which hashes its names: they cannot be read from it"
    return f"{server} gives no NSEC for {owner}"


def _ask(net: Net, server: Endpoint, owner: Name, rdtype: RdataType) -> Message:
    message = dns.message.make_query(owner, rdtype, flags=0, use_edns=0, want_dnssec=True, payload=_PAYLOAD)
    # Over TCP: proofs with their signatures are often too long for UDP.
    return next(net.exchange(server, message, timeout_s=_TIMEOUT_S, transport="tcp"))
