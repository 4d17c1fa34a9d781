"""The way to whoever is told: found from the roots, within one time for everything."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import dns.name
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name

from dnsrun.dnsio.walk import Roots, Walk
from dnsrun.errors import OutsideError
from dnsrun.gates.budget import Budget
from dnsrun.gates.reach import why_not
from dnsrun.gates.weburl import is_address
from dnsrun.model.expected import Expected, Matched
from dnsrun.model.observation import Endpoint, Observation, Question, Transport
from dnsrun.ports.net import Net, Rate


class Hurried:
    """A `Net` that takes no longer than a budget, whatever it is asked."""

    def __init__(self, net: Net, budget: Budget) -> None:
        self._net = net
        self._budget = budget

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        """Ask as `Net` does; not bounded, and not needed to find a host."""
        return self._net.ask(questions, limit=limit)

    def compare(
        self, expected: Mapping[Endpoint, Iterable[Expected]], *, limit: Rate | None = None
    ) -> Iterator[Observation | Matched]:
        """Compare as `Net` does; not bounded, and not needed to find a host."""
        return self._net.compare(expected, limit=limit)

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        """Exchange within the budget; raises `OutsideError`, also when it is used up."""
        try:
            left_s = self._budget.left_s()
        except TimeoutError as err:
            raise OutsideError(str(err), retryable=True, certainty="not-applied") from err
        return self._net.exchange(server, message, timeout_s=min(timeout_s, left_s), transport=transport)

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Connect within the budget; raises `OSError`."""
        return self._net.connect(address, port, timeout_s=min(timeout_s, self._budget.left_s()))


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach hosts: through a net, from the roots, in the time that is left."""

    net: Net
    roots: Roots
    budget: Budget

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name or address; raises `OutsideError`, whose words hold neither.

        Touches the network.
        """
        if is_address(host):
            return (host,)
        try:
            name: Name = dns.name.from_text(host)
        except DNSException as err:
            raise _unknown("its host is not a name") from err
        try:
            found = Walk(Hurried(self.net, self.budget), self.roots).addresses(name)
        except OutsideError as err:
            raise _unknown("its host is not found") from err
        if not found:
            raise _unknown("its host has no address")
        return found

    def public(self, host: str, *, allow_private: bool) -> tuple[str, ...]:
        """Return the addresses of a host that may be told (threat 11); raises `OutsideError`. Touches the network."""
        found = self.addresses(host)
        if not allow_private and any(map(why_not, found)):
            raise _unknown("its address is not a public one; say `allow_private: true` if that is meant")
        return found


def _unknown(words: str) -> OutsideError:
    return OutsideError(words, retryable=False, certainty="not-applied")
