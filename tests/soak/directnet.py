"""A net to servers in this process without sockets: the messages are the same, and no thread waits for another.

Half of the time of a migration over loopback is spent on system calls and on changing threads. Only servers of the
stage are asked so; connections, transfers and updates go their usual way.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

import dns.message
from dns.message import Message
from dns.rdatatype import RdataType

from dnsrun.dnsio.answers import is_truncated, query_ending, query_opening, question_bytes
from dnsrun.dnsio.compare import Wanted, key_of, questions_of
from dnsrun.dnsio.net import MappedNet
from dnsrun.model.expected import Expected, Matched, is_as_expected
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Transport
from dnsrun.ports.net import Rate
from dnsrun.rehearse.authority import Authority
from dnsrun.rehearse.trial.stage import Stage
from dnsrun.rehearse.trial.stillnet import StillNet

_TRANSFERS = (RdataType.AXFR, RdataType.IXFR)
_ID = b"\0\1"
_OPENING, _ENDING = query_opening(edns=True), query_ending(edns=True)
_UNREACHABLE = NoReply("unreachable")


@dataclass(frozen=True, slots=True)
class Held:
    """A server with what it holds now. Equal questions to equal zones have equal answers, whoever is asked."""

    authority: Authority
    given: dict[tuple[bytes, Transport], bytes | None]

    def hand(self, wire: bytes, transport: Transport) -> bytes | None:
        """Return the server's answer, None where it is silent."""
        asked = (wire, transport)
        if asked not in self.given:
            self.given[asked] = next(iter(self.authority.answer(wire, transport)), None)
        return self.given[asked]

    def answer(self, octets: bytes, transport: Transport) -> bytes | None:
        """Return the answer to the question in these octets; what is cut over UDP is asked again as over TCP."""
        wire = _ID + _OPENING + octets + _ENDING
        answer = self.hand(wire, transport)
        return self.hand(wire, "tcp") if transport == "udp" and answer and is_truncated(answer) else answer


class Handing(MappedNet):
    """Hands each message to the server."""

    authorities: Mapping[int, Authority]
    given: dict[object, dict[tuple[bytes, Transport], bytes | None]]
    read: dict[bytes, Answer]
    messages: dict[bytes, Message]

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        held: dict[Endpoint, Held | None] = {}
        for one in questions:
            if one.server not in held:
                held[one.server] = self._held_at(one.server)
            there, octets = held[one.server], question_bytes(one.key)
            wire = there.answer(octets, one.transport) if there else None
            got = _UNREACHABLE if wire is None else self._reader.read(wire, one.key, octets)
            yield Observation(one.key, one.server, self._clock.now(), got, one.transport)

    def compare(
        self,
        expected: Mapping[Endpoint, Iterable[Expected]],
        *,
        limit: Rate | None = None,
    ) -> Iterator[Observation | Matched]:
        as_wanted: dict[tuple[int, int], int] = {}
        for server, names in expected.items():
            held = self._held_at(server)
            holds = (id(held.given if held else server), id(names))
            matched = as_wanted.get(holds, 0)  # whoever holds the same gives the same
            if not matched:
                matched, is_all = yield from self._compare(server, held, names)
                as_wanted |= {holds: matched} if is_all else {}
            if matched:
                yield Matched(server, matched, "udp")

    def _compare(
        self, server: Endpoint, held: Held | None, names: Iterable[Expected]
    ) -> Generator[Observation | Matched, None, tuple[int, bool]]:
        """Yield what differs at a server; returns how many answers do not, and whether these are all."""
        matched, asked = 0, 0
        for octets, wanted in questions_of(names):
            asked += 1
            got = self._differing(held.answer(octets, "udp") if held else None, octets, wanted)
            if got is None:
                matched += 1
            else:
                yield Observation(key_of(octets, wanted), server, self._clock.now(), got)
        return matched, matched == asked

    def _differing(self, wire: bytes | None, octets: bytes, wanted: Wanted) -> Answer | NoReply | None:
        """Return what came instead of what was wanted; None when that came."""
        if wire is None:
            return _UNREACHABLE
        if self._matcher.matches(wire, octets, wanted):
            return None
        answer = self.read.get(wire)
        if answer is None:
            answer = self.read[wire] = self._matcher.read(wire, octets, wanted)
        return None if is_as_expected(answer, wanted.name.answer(key_of(octets, wanted).rdtype)) else answer

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        plain = len(message.question) == 1 and message.question[0].rdtype not in _TRANSFERS
        held = self._held_at(server) if plain and not message.opcode() and not message.keyring else None
        wire = held.hand(_ID + message.to_wire()[2:], transport) if held else None
        if wire is None:
            yield from super().exchange(server, message, timeout_s=timeout_s, transport=transport)
            return
        if wire not in self.messages:
            self.messages[wire] = dns.message.from_wire(wire)
        answer = copy.copy(self.messages[wire])
        answer.id = message.id
        yield answer

    def _held_at(self, server: Endpoint) -> Held | None:
        place = self._place(server.address, server.port)
        authority = self.authorities.get(place[1]) if place else None
        return Held(authority, self.given.setdefault(authority.zones, {})) if authority else None


class DirectNet(StillNet, Handing):
    """Remembers as `StillNet` does, and hands over what it does not know."""


class InProcess(Stage):
    """A stage whose servers are asked without sockets."""

    def net(self) -> StillNet:
        made = DirectNet(self.places, self.agenda, lambda: self.agenda.version, self.beyond)
        hosts = [one for host in self.hosts.values() for one in host.authorities.values()]
        made.authorities = {one.port: one for one in (self.root, self.parent, *hosts)}
        made.given, made.read, made.messages = {}, {}, {}
        return made
