"""A net to the stage's servers that remembers: while the world stands still, the same question has the same answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.clock import Clock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint, Observation, Question, Transport
from dnsrun.ports.net import Rate

_TRANSFERS = (RdataType.AXFR, RdataType.IXFR)
Beyond = Callable[[str, int], tuple[str, int] | None]
"""Where a place is played that is none of the name servers'; raises `OSError` as connecting there would."""
_Asked = tuple[Endpoint, Transport, Name, RdataType, int, int, int]


class StillNet(MappedNet):
    """Asks over real sockets once for each version of the world. Answers come in the order of the questions."""

    def __init__(
        self,
        places: Mapping[tuple[str, int], tuple[str, int]],
        clock: Clock,
        version: Callable[[], int],
        beyond: Beyond = lambda _address, _port: None,
    ) -> None:
        super().__init__(places, clock)
        self._beyond = beyond
        self._version = version
        self._of = -1
        self._answers: dict[_Asked, Message | OutsideError] = {}
        self._observed: dict[Question, Observation] = {}

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        """Ask as `SocketNet` does what is not known yet; yields one observation for each question, in order."""
        self._forget_old()
        asked = list(questions)
        for transport in ("udp", "tcp"):
            new = {one: None for one in asked if one.transport == transport and one not in self._observed}
            by_place = {(one.key, one.server): one for one in new}
            for seen in super().ask(new, limit=limit):
                self._observed[by_place[seen.of, seen.server]] = seen  # type: ignore[index] # keys were asked for
        now = self._clock.now()
        for each in [self._observed[one] for one in asked]:
            yield each if each.at == now else replace(each, at=now)

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        """Exchange as `SocketNet` does; plain questions are asked once."""
        if (
            len(message.question) != 1
            or message.question[0].rdtype in _TRANSFERS
            or message.opcode()
            or message.keyring
        ):
            yield from super().exchange(server, message, timeout_s=timeout_s, transport=transport)
            return
        self._forget_old()
        question = message.question[0]
        flags = (int(message.flags), message.edns, int(message.ednsflags))
        asked = (server, transport, question.name, question.rdtype, *flags)
        known = self._answers.get(asked)
        if known is None:
            try:
                known = next(super().exchange(server, message, timeout_s=timeout_s, transport=transport))
            except OutsideError as err:
                known = err
            self._answers[asked] = known
        if isinstance(known, OutsideError):
            raise known
        answer = copy.copy(known)
        answer.id = message.id
        yield answer

    def _place(self, address: str, port: int) -> tuple[str, int] | None:
        return super()._place(address, port) or self._beyond(address, port)

    def _forget_old(self) -> None:
        if self._of != self._version():
            self._of = self._version()
            self._answers.clear()
            self._observed.clear()
