"""A net to servers in this process without sockets: the messages are the same, and no thread waits for another.

Half of the time of a migration over loopback is spent on system calls and on changing threads. Only servers of the
stage are asked so; connections, transfers and updates go their usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import dns.message
from dns.message import Message
from dns.rdatatype import RdataType

from dnsrun.clock import Clock
from dnsrun.dnsio.answers import AnswerReader, is_truncated, query_ending, query_opening, question_bytes
from dnsrun.dnsio.compare import Matcher, Wanted, key_of, questions_of
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


class InProcess(Stage):
    """A stage whose servers are asked without sockets."""

    def net(self) -> StillNet:
        return DirectNet(self.places, self.agenda, lambda: self.agenda.version, self._authorities())

    def _authorities(self) -> Mapping[int, Authority]:
        hosts = [one for host in self.hosts.values() for one in host.authorities.values()]
        return {one.port: one for one in (self.root, self.parent, *hosts)}


class DirectNet(StillNet):
    """Hands each message to the server; `authorities` by their port on loopback."""

    def __init__(
        self,
        places: Mapping[tuple[str, int], tuple[str, int]],
        clock: Clock,
        version: Callable[[], int],
        authorities: Mapping[int, Authority],
    ) -> None:
        super().__init__(places, clock, version)
        self._authorities = authorities
        self._direct_reader = AnswerReader()
        self._direct_matcher = Matcher()
        self._seen: dict[Question, Answer | NoReply] = {}
        self._seen_in = -1

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        if self._seen_in != self._version():
            self._seen_in = self._version()
            self._seen.clear()
        for one in questions:
            if one not in self._seen:
                self._seen[one] = self._ask(one)
            yield Observation(one.key, one.server, self._clock.now(), self._seen[one], one.transport)

    def _ask(self, one: Question) -> Answer | NoReply:
        octets = question_bytes(one.key)
        wire = self._hand(one.server, _ID + _OPENING + octets + _ENDING, one.transport)
        return _UNREACHABLE if wire is None else self._direct_reader.read(wire, one.key, octets)

    def compare(
        self,
        expected: Mapping[Endpoint, Iterable[Expected]],
        *,
        limit: Rate | None = None,
    ) -> Iterator[Observation | Matched]:
        for server, names in expected.items():
            matched = 0
            for octets, wanted in questions_of(names):
                got = self._compare(server, octets, wanted)
                if got is None:
                    matched += 1
                else:
                    yield Observation(key_of(octets, wanted), server, self._clock.now(), got)
            if matched:
                yield Matched(server, matched, "udp")

    def _compare(self, server: Endpoint, octets: bytes, wanted: Wanted) -> Answer | NoReply | None:
        """Return what came instead of what was wanted; None when that came."""
        wire = self._hand(server, _ID + _OPENING + octets + _ENDING, "udp")
        if wire is None:
            return _UNREACHABLE
        if self._direct_matcher.matches(wire, octets, wanted):
            return None
        answer = self._direct_matcher.read(wire, octets, wanted)
        return None if is_as_expected(answer, wanted.name.answer(key_of(octets, wanted).rdtype)) else answer

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        plain = len(message.question) == 1 and message.question[0].rdtype not in _TRANSFERS
        if plain and not message.opcode() and not message.keyring:
            wire = self._hand(server, message.to_wire(), transport, retry=False)
            if wire is not None:
                yield dns.message.from_wire(wire)
                return
        yield from super().exchange(server, message, timeout_s=timeout_s, transport=transport)

    def _hand(self, server: Endpoint, wire: bytes, transport: Transport, *, retry: bool = True) -> bytes | None:
        """Return the server's answer; None where it is none of the stage's. What is cut is asked again as over TCP."""
        place = self._place(server.address, server.port)
        authority = self._authorities.get(place[1]) if place else None
        if authority is None:
            return None
        answer = next(iter(authority.answer(wire, transport)), None)
        if answer is not None and retry and transport == "udp" and is_truncated(answer):
            answer = next(iter(authority.answer(wire, "tcp")), None)
        return answer
