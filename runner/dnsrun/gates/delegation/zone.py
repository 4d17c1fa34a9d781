"""How each new name server answers for the zone (D7, D8). Pure.

What blocks: CONNECTIVITY01/02, BASIC02, DELEGATION04/06/07, CONSISTENCY01/04/05, NAMESERVER05/13, ZONE10 of
Zonemaster's table. NAMESERVER04 (an answer from another address) is silence here: sockets take only what comes from
where they asked. NAMESERVER02 blocks only where the delegation has a DS: without EDNS no signature comes (fault 44).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.gates.findings import Found, failing, late, unsure, warning
from dnsrun.gates.parity.words import says, says_soa
from dnsrun.gates.silence import Path, is_silence, path
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Words
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import ZoneMove

from .probe import (
    FLAGS,
    FOR_AAAA,
    NS_SET,
    OPTION,
    OUTSIDE,
    OVER_TCP,
    OVER_UDP,
    PLAIN,
    SPELLING,
    TRUNCATED,
    VERSION,
)

_DE = dns.name.from_text("de")
# Zonemaster ZONE02 to ZONE06: seconds, lowest and highest.
_USUAL = {"refresh": (14400, 2**31), "retry": (3600, 2**31), "expire": (604800, 2**31), "minimum": (300, 86400)}
# DENIC-23 (docs.denic.de): "must" for .de.
_DENIC = {"refresh": (10000, 86400), "retry": (1800, 28800), "expire": (604800, 3600000), "minimum": (180, 345600)}

Heard = Mapping[object, Observation]


def judge_servers(apex: Name, move: ZoneMove, seen: Sequence[Observation], alive: frozenset[Path]) -> list[Found]:
    """Return what is wrong with the new servers, one by one and against each other."""
    heard = by_server(seen)
    if not heard:
        return [unsure("no new name server could be asked")]
    found: list[Found] = []
    for server, said in heard.items():
        found += _reachable(server, said, alive)
        if _serves(said.get(OVER_UDP)):
            found += [*_zone_of(server, said, apex, move), *_manners(server, said, signed=bool(move.target.ds))]
    return [*found, *_versions(heard, apex)]


def by_server(seen: Iterable[Observation]) -> dict[Endpoint, dict[object, Observation]]:
    """Return what each new server said, by what it was asked; parent servers are asked other things."""
    found: dict[Endpoint, dict[object, Observation]] = {}
    mine = [one for one in seen if not one.control]
    servers = {one.server for one in mine if one.of == OVER_UDP}
    for one in mine:
        if one.server in servers:
            found.setdefault(one.server, {})[one.of] = one
    return found


def _reachable(server: Endpoint, said: Heard, alive: frozenset[Path]) -> Iterator[Found]:
    over_udp, over_tcp, plain = said[OVER_UDP], said.get(OVER_TCP), said.get(PLAIN)
    if isinstance(over_udp.got, NoReply):
        yield _mute(server, over_udp, alive)
    elif not _serves(over_udp):
        yield failing(says_soa(over_udp, str(server)), server)
    elif over_udp.transport == "tcp" and plain is not None and isinstance(plain.got, NoReply):
        yield failing(f"{server} answers over TCP and not over UDP", server)
    if over_tcp is not None and isinstance(over_tcp.got, NoReply) and not isinstance(over_udp.got, NoReply):
        yield _mute(server, over_tcp, alive)


def _mute(server: Endpoint, seen: Observation, alive: frozenset[Path]) -> Found:
    found = failing if not is_silence(seen) or path(seen) in alive else unsure
    return found(says_soa(seen, str(server)), server)


def _serves(seen: Observation | None) -> bool:
    return seen is not None and isinstance(seen.got, Answer) and seen.got.aa and seen.got.kind == "data"


def _zone_of(server: Endpoint, said: Heard, apex: Name, move: ZoneMove) -> Iterator[Found]:
    """Check SOA, NS and the addresses of name servers inside the zone, as this server gives them."""
    soa = said[OVER_UDP].got
    if isinstance(soa, Answer) and soa.rrset is not None and len(soa.rrset.rdatas) != 1:
        yield failing(f"{server} has {len(soa.rrset.rdatas)} SOA records", server)
    ns = said.get(NS_SET)
    if ns is not None and (problem := _wrong_set(ns, move.target.ns)):
        yield failing(f"{server} {problem}", server)
    for name in sorted(one for one in move.target.ns if one.is_subdomain(apex)):
        glue, own = frozenset(move.target.glue.get(name, ())), _addresses(said, name)
        if own is not None and own != glue:
            shown = name.to_text(omit_final_dot=True)
            yield failing(f"{server} says that {shown} is {_list(own)}, the glue to be set is {_list(glue)}", server)
    strange = said.get(FOR_AAAA)
    if strange is not None and not _is_sane(strange.got):
        yield failing(f"{server} answers {says(strange)} to a question for AAAA", server)


def _wrong_set(seen: Observation, wanted: frozenset[Name]) -> str | None:
    got = seen.got
    if not isinstance(got, Answer) or got.rrset is None or not got.aa:
        return f"answers {says(seen)} for its name servers (NS)"
    served = frozenset(rdata.target for rdata in got.rrset.rdatas if isinstance(rdata, NS))
    return (
        None if served == wanted else f"has the name servers {_names(served)}, to be delegated to are {_names(wanted)}"
    )


def _addresses(said: Heard, name: Name) -> frozenset[str] | None:
    """Return the addresses that a server gives for a name, None when it was not heard."""
    seen = [said.get(RRsetKey(name, rdtype)) for rdtype in (RdataType.A, RdataType.AAAA)]
    answers = [one.got for one in seen if one is not None and isinstance(one.got, Answer)]
    if len(answers) < 2:
        return None
    rdatas = (rdata for got in answers if got.rrset for rdata in got.rrset.rdatas)
    return frozenset(rdata.address for rdata in rdatas if isinstance(rdata, A | AAAA))


def _is_sane(got: object) -> bool:
    return isinstance(got, Answer) and got.aa and got.kind in {"data", "nodata"}


def _manners(server: Endpoint, said: Heard, *, signed: bool) -> Iterator[Found]:
    """Check what resolvers do now and then: EDNS in all its forms, odd spelling, questions for others."""
    words = {of: _words(one) for of, one in said.items() if isinstance(of, str)}
    over_udp = said[OVER_UDP]
    fell_back = over_udp.transport == "tcp" and words.get(PLAIN, frozenset()) - {"silent"}
    if over_udp.transport.endswith("without EDNS") or fell_back:
        text = f"{server} answers only without EDNS"
        yield failing(f"{text}, and the delegation has a DS", server) if signed else warning(text)
    if PLAIN in words and not {"NOERROR", "aa", "answer"} <= words[PLAIN] and "silent" not in words[PLAIN]:
        yield failing(f"{server} answers {_shown(said[PLAIN])} without EDNS", server)
    if VERSION in words and not {"BADVERS", "NOERROR"} & words[VERSION]:
        yield warning(f"{server} answers {_shown(said[VERSION])} to {VERSION} to it")
    for of in (OPTION, FLAGS):
        if of in words and not {"NOERROR", "answer"} <= words[of]:
            yield warning(f"{server} answers {_shown(said[of])} to {of} to it")
    if {"tc"} <= words.get(TRUNCATED, frozenset()) and "edns" not in words[TRUNCATED]:
        yield failing(f"{server} leaves EDNS out of answers that it cuts (NAMESERVER13)", server)
    if SPELLING in words and not {"NOERROR", "answer", "spelling"} <= words[SPELLING]:
        yield warning(f"{server} does not keep {SPELLING}")
    outside = words.get(OUTSIDE, frozenset())
    if {"ra", "answer"} <= outside:
        yield warning(f"{server} answers for other zones, as a resolver does")
    elif {"NOERROR", "referral"} <= outside:
        yield warning(f"{server} refers upward when asked for other zones")


def _words(seen: Observation) -> frozenset[str]:
    return frozenset(seen.got.text.split()) if isinstance(seen.got, Words) else frozenset({"silent"})


def _shown(seen: Observation) -> str:
    return seen.got.text.split()[0] if isinstance(seen.got, Words) and seen.got.text else "nothing"


def _versions(heard: Mapping[Endpoint, Heard], apex: Name) -> Iterator[Found]:
    """Compare the SOA of all servers: one serial, one set of timers, names that can be names."""
    soas = {server: soa for server, said in heard.items() if (soa := _soa(said.get(OVER_UDP))) is not None}
    serials = {server: soa.serial for server, soa in soas.items()}
    if len(set(serials.values())) > 1:
        shown = ", ".join(f"{server} {serial}" for server, serial in serials.items())
        yield late(f"the serials differ: {shown}")
    if len({(one.refresh, one.retry, one.expire, one.minimum) for one in soas.values()}) > 1:
        yield warning("the SOA timers differ between the new name servers")
    for soa in list(soas.values())[:1]:
        yield from _timers(soa, apex)


def _soa(seen: Observation | None) -> SOA | None:
    got = seen.got if seen is not None else None
    rdatas = got.rrset.rdatas if isinstance(got, Answer) and got.rrset is not None else ()
    return next((rdata for rdata in rdatas if isinstance(rdata, SOA)), None)


def _timers(soa: SOA, apex: Name) -> Iterator[Found]:
    for word, (low, high) in _USUAL.items():
        value = int(getattr(soa, word))
        if not low <= value <= high:
            yield warning(
                f"SOA {word} is {value}, usual is {low} at least" + (f", {high} at most" if high < 2**31 else "")
            )
    if soa.retry >= soa.refresh:
        yield warning(f"SOA retry ({soa.retry}) is not below refresh ({soa.refresh})")
    if apex.is_subdomain(_DE):
        for word, (low, high) in _DENIC.items():
            value = int(getattr(soa, word))
            if not low <= value <= high:
                yield failing(f"SOA {word} is {value}: DENIC takes {low} to {high} only")


def _names(names: Iterable[Name]) -> str:
    return ", ".join(sorted(name.to_text(omit_final_dot=True) for name in names)) or "none"


def _list(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses)) or "no address"
