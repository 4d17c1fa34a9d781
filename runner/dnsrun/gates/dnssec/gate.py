"""Gate `dnssec`: where the parent has a DS, every new server is signed with a key that it points to (S0).

Signatures are validated, and must hold for twice the longest TTL. Of Zonemaster's table this is DNSSEC01, 02, 04, 07,
08, 09 and 11, and 12 and 13 as far as one valid chain goes; DNSSEC15 to 18 (CDS, CDNSKEY) warn. NSEC and NSEC3
(DNSSEC03, 10) and the choice of algorithms (DNSSEC05, 14) are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS

from dnsrun.errors import OutsideError
from dnsrun.gates.findings import Found, conclude, failing, unsure, warning
from dnsrun.gates.silence import Path, answered, ask_controls, is_silence, no_reply, not_asked, path, unchecked
from dnsrun.model.observation import Endpoint, NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase, ZoneMove
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

_ASKED = (RdataType.DNSKEY, RdataType.SOA, RdataType.CDS, RdataType.CDNSKEY)
_DIGESTS = frozenset({2, 4})  # SHA-256 and SHA-384; RFC 8624 section 3.3
_TIMEOUT_S = 3.0
_TRIES = 9  # an error now and then is none (fault 46)
_WAY_ON = "add a step remove-ds before switch-ns, or have the new host sign with a key that the DS points to"


class Dnssec:
    """The chain from the parent's DS to the new servers' signatures holds, or there is no DS."""

    kind = "dnssec"
    fragment = Fragment("the new name servers are signed as the parent says (DNSSEC)", defaults=DNS_TIMING)

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - the gate has no options
        """Ask every new server for its keys, its SOA and what it tells the parent's robots, with signatures."""
        if case.move is None:
            return ()
        seen: list[Observation] = []
        for one in view.ask([RRsetKey(case.apex, RdataType.SOA)]):
            seen.append(one)
            if not isinstance(one.got, NoReply):
                seen += [_with_signatures(net, case.apex, rdtype, one) for rdtype in _ASKED]
        seen += ask_controls(view, net, case.apex, seen)
        return (*seen, *not_asked(view, seen))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the same
        """Judge one round; pure."""
        if case.move is None:
            return Verdict("unknown", "the zone does not move, so that there is no chain to test")
        good = (
            "every new server is signed as the DS says" if case.move.target.ds else "not signed at the parent (no DS)"
        )
        return conclude(_judged(case.apex, case.move, seen), seen, good, not_checked=unchecked(seen))


def _with_signatures(net: Net, apex: Name, rdtype: RdataType, soa: Observation) -> Observation:
    """Ask one server over TCP, where nothing is cut or forged; over UDP when it does not take TCP."""
    message = dns.message.make_query(apex, rdtype, flags=0, use_edns=0, payload=1232, want_dnssec=True)
    transport: Literal["udp", "tcp"] = "tcp"
    got = _exchange(net, soa.server, message, transport)
    if isinstance(got, NoReply):
        transport = "udp"
        got = _exchange(net, soa.server, message, transport)
    for _ in range(_TRIES):
        if not isinstance(got, Message) or got.rcode() != dns.rcode.SERVFAIL:
            break
        got = _exchange(net, soa.server, message, transport)
    said = Words(_text(got)) if isinstance(got, Message) else got
    return Observation(_of(rdtype), soa.server, soa.at, said, transport)


def _exchange(net: Net, server: Endpoint, message: Message, transport: Literal["udp", "tcp"]) -> Message | NoReply:
    try:
        return next(net.exchange(server, message, timeout_s=_TIMEOUT_S, transport=transport))
    except OutsideError as err:
        return no_reply(err.__cause__) if isinstance(err.__cause__, OSError) else NoReply("timeout")


def _text(message: Message) -> str:
    """Return the answer as master-file lines; what is no answer as a comment."""
    if message.rcode() != dns.rcode.NOERROR or not message.flags & dns.flags.AA:
        return f"; answers {dns.rcode.to_text(message.rcode())}"
    return "\n".join(line for rrset in message.answer for line in rrset.to_text().splitlines())


def _of(rdtype: RdataType) -> str:
    return f"{dns.rdatatype.to_text(rdtype)} with signatures"


def _judged(apex: Name, move: ZoneMove, seen: Sequence[Observation]) -> Iterator[Found]:
    alive = answered(seen)
    told: dict[Endpoint, dict[object, Observation]] = {}
    for one in seen:
        if not one.control:
            told.setdefault(one.server, {})[one.of] = one
    if not told:
        yield unsure("no new name server could be asked")
    signers = _read_signers(move.target.ds)
    if isinstance(signers, str):
        yield failing(f"the DS at the parent cannot be read: {signers}")
        return
    yield from _digests(signers, unchanged=move.target.ds == move.delegation.ds)
    for server, said in told.items():
        mute = next((one for one in said.values() if isinstance(one.got, NoReply)), None)
        if mute is not None:
            yield _mute(server, mute, alive)
        elif signers:
            yield from _signed(apex, server, said, signers, _longest_ttl_s(move))
        else:
            yield from _unsigned(server, said)


def _read_signers(texts: Iterable[str]) -> tuple[DS, ...] | str:
    # Validation needs cryptography, which takes its time to load: only where there is something to validate.
    if not texts:
        return ()
    from .chain import read_ds

    try:
        return read_ds(texts)
    except DNSException as err:
        return shorten(str(err))


def _digests(signers: Iterable[DS], *, unchanged: bool) -> Iterator[Found]:
    for one in signers:
        if one.digest_type not in _DIGESTS:
            text = f"the DS with key tag {one.key_tag} has digest type {int(one.digest_type)}, which resolvers give up"
            yield warning(text) if unchanged else failing(text)


def _mute(server: Endpoint, seen: Observation, alive: frozenset[Path]) -> Found:
    if not is_silence(seen) or path(seen) in alive:
        return failing(f"{server} does not answer for {seen.of}", server)
    return unsure(f"{server} does not answer for {seen.of}", server)


def _longest_ttl_s(move: ZoneMove) -> int:
    return max((rrset.ttl_s for rrset in move.content.rrsets.values()), default=0)


def _signed(
    apex: Name, server: Endpoint, said: Mapping[object, Observation], signers: tuple[DS, ...], ttl_s: int
) -> Iterator[Found]:
    from .chain import chain_problem

    keys, soa = said.get(_of(RdataType.DNSKEY)), said.get(_of(RdataType.SOA))
    if keys is None or soa is None or not isinstance(keys.got, Words) or not isinstance(soa.got, Words):
        yield unsure(f"{server} was not asked for its keys", server)
        return
    if not _has(said, RdataType.DNSKEY):
        how = keys.got.text.removeprefix("; ") or "has no DNSKEY"
        yield failing(f"{server} is not signed ({how}), and the parent has a DS (S0): {_WAY_ON}", server)
        return
    problem = chain_problem(apex, keys.got.text, soa.got.text, signers, now=keys.at, ttl_s=ttl_s)
    if problem:
        yield failing(f"{server}: {problem} (S0)", server)


def _unsigned(server: Endpoint, said: Mapping[object, Observation]) -> Iterator[Found]:
    """Warn of what a robot at the parent may make a DS of (fault 64), or what is signed for nobody."""
    robot = [dns.rdatatype.to_text(one) for one in (RdataType.CDS, RdataType.CDNSKEY) if _has(said, one)]
    if robot:
        yield warning(f"{server} serves {' and '.join(robot)}: a robot of the parent may set a DS by itself")
    elif _has(said, RdataType.DNSKEY):
        yield warning(f"{server} is signed, and the parent has no DS: nobody validates that")


def _has(said: Mapping[object, Observation], rdtype: RdataType) -> bool:
    one = said.get(_of(rdtype))
    text = one.got.text if one is not None and isinstance(one.got, Words) else ""
    return any(line.split()[3:4] == [dns.rdatatype.to_text(rdtype)] for line in text.splitlines())
