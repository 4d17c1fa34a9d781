"""A net that notices, while it asks, that the journal has moved on: a rollback need not wait for a long round."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping

from dns.message import Message

from dnsrun.errors import Lost
from dnsrun.model.expected import Expected, Matched
from dnsrun.model.observation import Endpoint, Observation, Question, Transport
from dnsrun.ports.net import Rate

from .progress import Compared
from .run import Run

HEAD_LOOK_S = 1.0


class WatchfulNet:
    """The run's net; looks at the journal's head at most once a second and raises `Lost` when it has moved."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._net = run.ports.net
        self._looked_s = run.ports.clock.monotonic_s()

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        """Ask as the net does."""
        for each in self._net.ask(questions, limit=limit):
            self._look()
            yield each

    def compare(
        self, expected: Mapping[Endpoint, Iterable[Expected]], *, limit: Rate | None = None
    ) -> Iterator[Observation | Matched]:
        """Compare as the net does, and tell how far it is."""
        for each in self._net.compare(expected, limit=limit):
            self._look()
            if isinstance(each, Matched):
                self._run.tell(Compared(each.count))
            yield each

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        """Exchange as the net does."""
        return self._net.exchange(server, message, timeout_s=timeout_s, transport=transport)

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Connect as the net does."""
        self._look()
        return self._net.connect(address, port, timeout_s=timeout_s)

    def _look(self) -> None:
        now_s = self._run.ports.clock.monotonic_s()
        if now_s - self._looked_s >= HEAD_LOOK_S:
            self._looked_s = now_s
            if self._run.journal.head() != self._run.state.head:
                raise Lost("the journal has moved on; this round is abandoned")
