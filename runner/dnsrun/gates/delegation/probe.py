"""What the gate `delegation` asks: the parent's servers what they delegate, the new ones how they answer (D2, D7, D8).

Nothing is judged here. Probes that are no plain questions come as `Words`: the RCODE and what stood in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.dnsio.walk import glue_in
from dnsrun.errors import OutsideError
from dnsrun.gates.outside import Outside
from dnsrun.gates.silence import no_reply
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Words
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import ZoneMove
from dnsrun.ports.net import Net

PARENT_NS, PARENT_DS, PARENT_GLUE = "delegation at the parent", "DS at the parent", "glue at the parent"
OVER_UDP, OVER_TCP, NS_SET, FOR_AAAA = "zone over UDP", "zone over TCP", "name servers in the zone", "an AAAA question"
PLAIN, VERSION, OPTION, FLAGS = "no EDNS", "an EDNS version unknown", "an EDNS option unknown", "EDNS flags unknown"
TRUNCATED, SPELLING, OUTSIDE = "a small EDNS size", "the spelling of names", "a question about the root"
RESOLVES = "addresses of "

_TIMEOUT_S = 3.0
_TRIES = 9
_ADDRESSES = (RdataType.A, RdataType.AAAA)
_UNKNOWN_OPTION = 65001  # RFC 6891 section 9: 65001 to 65534 are for local and experimental use
_UNKNOWN_FLAG = 0x0040


def ask_parent(net: Net, apex: Name, servers: Sequence[Endpoint]) -> Iterator[Observation]:
    """Yield NS and DS of the domain at every parent server, and the glue of name servers inside it."""
    for words, rdtype in ((PARENT_NS, RdataType.NS), (PARENT_DS, RdataType.DS)):
        for seen in patiently(net, RRsetKey(apex, rdtype), servers):
            yield _named(seen, words)
            if rdtype == RdataType.NS and isinstance(seen.got, Answer) and seen.got.kind == "referral":
                yield from _glue(net, apex, seen)


def _glue(net: Net, apex: Name, seen: Observation) -> Iterator[Observation]:
    rrset = seen.got.rrset if isinstance(seen.got, Answer) else None
    inside = [rdata.target for rdata in rrset.rdatas if rdata.target.is_subdomain(apex)] if rrset else []  # type: ignore[attr-defined] # NS
    if not inside:
        return
    message = dns.message.make_query(apex, RdataType.NS, flags=0, use_edns=0, payload=1232)
    got = _exchange(net, seen.server, message, "udp")
    if isinstance(got, Message) and got.flags & dns.flags.TC:
        got = _exchange(net, seen.server, message, "tcp")
    if isinstance(got, Message):
        glue = glue_in(got, inside, within=dns.name.root)
        text = "; ".join(f"{name} {' '.join(addresses)}" for name, addresses in sorted(glue.items()))
        yield Observation(PARENT_GLUE, seen.server, seen.at, Words(text))
    else:
        yield Observation(PARENT_GLUE, seen.server, seen.at, got)


def ask_zone(net: Net, apex: Name, servers: Sequence[Endpoint], move: ZoneMove) -> Iterator[Observation]:
    """Yield how every new server answers for the zone; the rarer questions only before the switch."""
    soa = RRsetKey(apex, RdataType.SOA)
    over_udp = list(patiently(net, soa, servers))
    yield from (_named(one, OVER_UDP) for one in over_udp)
    alive = [one.server for one in over_udp if not isinstance(one.got, NoReply)]
    yield from (_named(one, OVER_TCP) for one in net.ask([Question(soa, end, "tcp") for end in servers]))
    yield from (_named(one, NS_SET) for one in patiently(net, RRsetKey(apex, RdataType.NS), alive))
    inside = sorted(name for name in move.target.ns if name.is_subdomain(apex))
    for key in (RRsetKey(name, rdtype) for name in inside for rdtype in _ADDRESSES):
        yield from patiently(net, key, alive)
    if not move.switched and over_udp:
        yield from (_named(one, FOR_AAAA) for one in patiently(net, RRsetKey(apex, RdataType.AAAA), alive))
        for one in over_udp:
            yield from _probes(net, apex, one)


def ask_names(
    outside: Outside, names: Iterable[Name], apex: Name, at: datetime, asked: Endpoint
) -> Iterator[Observation]:
    """Yield the addresses of each name server outside the zone, as the servers from the roots down tell them."""
    for name in sorted(names):
        if name.is_subdomain(apex):
            continue
        yield Observation(f"{RESOLVES}{name}", asked, at, outside.host(name))


def patiently(net: Net, key: RRsetKey, servers: Sequence[Endpoint]) -> list[Observation]:
    """Ask servers one thing, those that answer with an error a few times more (fault 46)."""
    seen = {one.server: one for one in net.ask([Question(key, end) for end in servers])}
    for _ in range(_TRIES):
        again = [end for end, one in seen.items() if isinstance(one.got, Answer) and one.got.kind == "error"]
        if not again:
            break
        seen.update({one.server: one for one in net.ask([Question(key, end, "tcp") for end in again])})
    return [seen[end] for end in servers]


def _named(seen: Observation, words: str) -> Observation:
    return Observation(words, seen.server, seen.at, seen.got, seen.transport)


def _probes(net: Net, apex: Name, seen: Observation) -> Iterator[Observation]:
    """Yield what a server makes of questions that resolvers ask too, as far as it has UDP and EDNS."""
    soa, server = RdataType.SOA, seen.server
    messages = {PLAIN: dns.message.make_query(apex, soa, flags=0)}
    if seen.transport == "udp" and isinstance(seen.got, Answer):
        option = dns.edns.GenericOption(dns.edns.OptionType.make(_UNKNOWN_OPTION), b"")
        messages |= {
            VERSION: dns.message.make_query(apex, soa, flags=0, use_edns=1, payload=1232),
            OPTION: dns.message.make_query(apex, soa, flags=0, use_edns=0, payload=1232, options=[option]),
            FLAGS: dns.message.make_query(apex, soa, flags=0, use_edns=0, payload=1232, ednsflags=_UNKNOWN_FLAG),
            TRUNCATED: dns.message.make_query(apex, "DNSKEY", flags=0, use_edns=0, payload=512, want_dnssec=True),
        }
    if seen.transport != "tcp" and isinstance(seen.got, Answer):
        messages |= {
            SPELLING: dns.message.make_query(_oddly_spelt(apex), soa, flags=0),
            OUTSIDE: dns.message.make_query(dns.name.root, "NS"),
        }
    for words, message in messages.items():
        got = _exchange(net, server, message, "udp")
        for _ in range(_TRIES):
            if not isinstance(got, Message) or got.rcode() != dns.rcode.SERVFAIL:
                break
            got = _exchange(net, server, message, "udp")
        said = Words(_described(got, message)) if isinstance(got, Message) else got
        yield Observation(words, server, seen.at, said)


def _exchange(net: Net, server: Endpoint, message: Message, transport: Literal["udp", "tcp"]) -> Message | NoReply:
    try:
        return next(net.exchange(server, message, timeout_s=_TIMEOUT_S, transport=transport))
    except OutsideError as err:
        return no_reply(err.__cause__) if isinstance(err.__cause__, OSError) else NoReply("timeout")


def _described(got: Message, asked: Message) -> str:
    """Return the RCODE and what an answer has: `aa`, `ra`, `tc`, `edns`, `answer`, `referral`, `spelling`."""
    words = [dns.rcode.to_text(got.rcode())]
    flags = (("aa", dns.flags.AA), ("ra", dns.flags.RA), ("tc", dns.flags.TC))
    words += [word for word, flag in flags if got.flags & flag]
    facts = {
        "edns": got.edns >= 0,
        "answer": bool(got.answer),
        "referral": any(one.rdtype == RdataType.NS for one in got.authority) and not got.answer,
        "spelling": bool(got.question) and got.question[0].name.labels == asked.question[0].name.labels,
    }
    return " ".join((*words, *(word for word, is_so in facts.items() if is_so)))


def _oddly_spelt(name: Name) -> Name:
    """Return the same name with every other letter in upper case."""
    return Name(bytes(o - 32 if n % 2 and 97 <= o <= 122 else o for n, o in enumerate(one)) for one in name.labels)
