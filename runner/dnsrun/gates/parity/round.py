"""One round of parity: every name and type at every server of both sides. Touches the network.

Answers as expected are only counted. What differs is asked again over TCP, a server's error a few times more: one that
fails now and then has not failed the round (fault 46). A server that differs everywhere is not asked to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.expected import Matched
from dnsrun.model.observation import Answer, Endpoint, Observation, Question, Words
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.net import Net

from .sides import Side, Sides, Tally, as_facts, questions_of

OF_TALLY = "parity"
_OWNERS_AT_FIRST, _OWNERS_AT_ONCE = 100, 2000
_ENOUGH = 200  # differences of one server that are kept and shown
_EMPTY = 1000  # names of one server that hold nothing, of which every type is asked
_CONFIRMED_OVER_TCP = 200
# A server that fails one question in five fails ten in a row once in ten million times.
_TRIES_OVER_TCP = 9
_TRIES_OF_SILENCE = 2
_PASSING = frozenset({"broken", "silent"})  # what may be another answer the next time
_TRIES_FOR_SOA = 9

T = TypeVar("T")


@dataclass(slots=True)
class _Server:
    end: Endpoint
    side: Side
    tally: Tally = field(default_factory=Tally)
    wrong: list[Observation] = field(default_factory=list)
    empty: list[Observation] = field(default_factory=list)
    alive: bool = True

    def count(self, **more: int) -> None:
        self.tally = replace(self.tally, **{word: getattr(self.tally, word) + n for word, n in more.items()})

    @property
    def is_asked_on(self) -> bool:
        return self.alive and self.tally.differing < _ENOUGH


class ParityRound:
    """Asks one round; made for one use."""

    def __init__(self, sides: Sides, net: Net, new: Sequence[Endpoint], old: Sequence[Endpoint]) -> None:
        self._sides = sides
        self._net = net
        both = [*((one, "new") for one in new), *((one, "old") for one in old if one not in new)]
        self._servers = {end: _Server(end, "new" if side == "new" else "old") for end, side in both}

    def run(self) -> list[Observation]:
        """Ask and return what decides: an SOA answer and a tally for each server, and what differs."""
        if not self._servers:
            return []
        soas = self._ask_soa()
        for owners in _in_parts(self._sides.owners):
            self._compare(owners)
        self._confirm()
        self._look_behind_empty_names()
        at = soas[0].at
        tallies = [
            Observation(OF_TALLY, one.end, at, Words(one.side, as_facts(one.tally))) for one in self._servers.values()
        ]
        return [*soas, *tallies, *(each for one in self._servers.values() for each in (*one.wrong, *one.empty))]

    def _ask_soa(self) -> list[Observation]:
        """Ask each server for the zone; one that does not serve it is asked nothing more."""
        key = RRsetKey(self._sides.apex, RdataType.SOA)
        seen = {one.server: one for one in self._net.ask([Question(key, end) for end in self._servers])}
        for _ in range(_TRIES_FOR_SOA):
            again = [end for end, one in seen.items() if isinstance(one.got, Answer) and not serves_zone(one)]
            if not again:
                break
            seen.update({one.server: one for one in self._net.ask([Question(key, end, "tcp") for end in again])})
        for end, one in seen.items():
            self._servers[end].alive = serves_zone(one)
        return [seen[end] for end in self._servers]

    def _compare(self, owners: Sequence[Name]) -> None:
        asked = {end: one for end, one in self._servers.items() if one.is_asked_on}
        if not any(one.side == "new" for one in asked.values()):
            return  # every new server has failed already
        sides: set[Side] = {one.side for one in asked.values()}
        expected = {side: [each for name in owners for each in self._sides.served(side).at(name)] for side in sides}
        doubts: dict[Endpoint, list[Observation]] = {end: [] for end in asked}
        for one in asked.values():
            one.count(asked=questions_of(expected[one.side]))
        for got in self._net.compare({end: expected[one.side] for end, one in asked.items()}):
            server = self._servers[got.server]
            if got.transport.endswith("without EDNS"):
                server.tally = replace(server.tally, without_edns=True)
            if isinstance(got, Matched):
                server.count(matched=got.count)
            elif self._fits(got):
                server.count(matched=1)
            else:
                doubts[got.server].append(got)
        for end, each in doubts.items():
            self._settle(self._servers[end], each)

    def _settle(self, server: _Server, doubts: list[Observation]) -> None:
        """Ask again over TCP what differs, and count what still does."""
        empty = [one for one in doubts if self._state(one) == "empty"]
        server.count(empty=len(empty))
        server.empty += empty[: max(0, _EMPTY - len(server.empty))]
        doubts = [one for one in doubts if self._state(one) != "empty"]
        sample = _spread(doubts, _ENOUGH)
        wrong = self._again(sample)
        if len(wrong) < len(sample) or len(sample) == len(doubts):
            wrong = self._tried(wrong if len(sample) == len(doubts) else doubts)
            differing = len(wrong)
        else:
            differing = len(doubts)  # all of the sample differ for good: the others need no second look
        healed = len(doubts) - differing
        server.count(differing=differing, matched=healed, healed=healed)
        server.wrong += wrong[: max(0, _ENOUGH - len(server.wrong))]

    def _tried(self, wrong: list[Observation]) -> list[Observation]:
        """Return what differs, errors after many more tries, silence after a few."""
        settled: list[Observation] = []
        for attempt in range(_TRIES_OVER_TCP):
            settled += [one for one in wrong if self._state(one) not in _PASSING]
            passing = [one for one in wrong if self._state(one) in _PASSING]
            wrong = self._again(passing) if passing else []
            if not wrong or (attempt >= _TRIES_OF_SILENCE and all(self._state(one) == "silent" for one in wrong)):
                break
        return settled + wrong

    def _again(self, doubts: Iterable[Observation]) -> list[Observation]:
        questions = [Question(one.of, one.server, "tcp") for one in doubts if isinstance(one.of, RRsetKey)]
        return [one for one in self._net.ask(questions) if not self._fits(one)]

    def _confirm(self) -> None:
        """Ask a sample of what exists over TCP: an answer over UDP may be forged (threat 18)."""
        questions = []
        for one in self._servers.values():
            if one.is_asked_on:
                served = self._sides.served(one.side)
                keys = [
                    RRsetKey(each.owner, rdtype)
                    for owner in _spread(self._sides.owners, _CONFIRMED_OVER_TCP)
                    for each in served.at(owner)
                    for rdtype in [one for one in each.present if one in each.types][:1] or each.types[:1]
                ]
                questions += [Question(key, one.end, "tcp") for key in keys]
        for got in self._net.ask(questions):
            if self._state(got) not in {"ok", *_PASSING} and not self._is_known(got):
                server = self._servers[got.server]
                server.count(differing=1, matched=-1)
                server.wrong.append(got)

    def _is_known(self, one: Observation) -> bool:
        server = self._servers[one.server]
        return any(each.of == one.of for each in (*server.wrong, *server.empty))

    def _look_behind_empty_names(self) -> None:
        """Ask every type where a name exists that should not: one type does not say whether it holds something."""
        questions = [
            Question(RRsetKey(one.of.owner, rdtype), one.server)
            for server in self._servers.values()
            for one in server.empty
            if isinstance(one.of, RRsetKey)
            for rdtype in self._sides.served(server.side).every_type()
            if rdtype != one.of.rdtype
        ]
        for got in self._net.ask(questions):
            if self._state(got) == "extra":
                self._servers[got.server].wrong.append(got)

    def _state(self, one: Observation) -> str:
        return self._sides.state(self._servers[one.server].side, one)

    def _fits(self, one: Observation) -> bool:
        return self._state(one) == "ok"


def serves_zone(one: Observation) -> bool:
    """Tell whether an answer for the SOA comes from a server of the zone."""
    return isinstance(one.got, Answer) and one.got.kind == "data" and one.got.aa


def _in_parts(owners: Sequence[Name]) -> Iterator[Sequence[Name]]:
    """Yield a small part first, since a server that has nothing is known by it, then large ones."""
    yield owners[:_OWNERS_AT_FIRST]
    for start in range(_OWNERS_AT_FIRST, len(owners), _OWNERS_AT_ONCE):
        yield owners[start : start + _OWNERS_AT_ONCE]


def _spread(every: Sequence[T], most: int) -> Sequence[T]:
    """Return at most so many of these, spread evenly."""
    return every[:: max(1, -(-len(every) // most))]
