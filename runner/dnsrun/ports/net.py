"""The only way to a socket, and views: servers with planned RRsets laid over them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Protocol

from dns.message import Message

from dnsrun.model.expected import Expected, Matched
from dnsrun.model.observation import Endpoint, Observation, Question, Transport
from dnsrun.model.rrset import RRsetKey


@dataclass(frozen=True, slots=True)
class Rate:
    """How hard one server may be asked: questions a second (None: as fast as it answers) and questions in flight."""

    per_second: int | None = 100
    in_flight: int = 4


POLITE = Rate()
UNLIMITED = Rate(per_second=None, in_flight=64)

_UNHURRIED_PER_SECOND = 10_000  # what a usual server and one core of ours do without a limit


def usual_limit(address: str, polite: Rate = POLITE) -> Rate:
    """Return how hard the server at `address` is asked when nothing else is said: `polite`, loopback `UNLIMITED`."""
    return UNLIMITED if ip_address(address).is_loopback else polite


def estimate(questions: Mapping[Endpoint, int], *, polite: Rate = POLITE, round_trip_s: float = 0.05) -> timedelta:
    """Return how long asking so many questions takes, every server at once and without loss.

    The slowest server decides: each is asked at its `usual_limit`, and no faster than the questions in flight come
    back (`round_trip_s`, seconds, to a server that is not on loopback). Pure.
    """
    return max(
        (_time_for(count, server, polite, round_trip_s) for server, count in questions.items()), default=timedelta()
    )


def _time_for(count: int, server: Endpoint, polite: Rate, round_trip_s: float) -> timedelta:
    limit = usual_limit(server.address, polite)
    if limit == UNLIMITED:
        return timedelta(seconds=count / _UNHURRIED_PER_SECOND)
    per_second = min(limit.per_second or _UNHURRIED_PER_SECOND, limit.in_flight / round_trip_s)
    return timedelta(seconds=count / per_second)


class Net(Protocol):
    """Sockets. Everything above knows real addresses; a map to loopback ports, if any, is below."""

    def ask(self, questions: Iterable[Question], *, limit: Rate | None = None) -> Iterator[Observation]:
        """Ask all questions and yield one observation for each, in any order.

        UDP, TCP on truncation, after a loss or when the question says so. An answer counts only when it comes from
        the address asked and matches id and question (threat 18). `limit` None: `POLITE`, for loopback `UNLIMITED`.
        """
        ...

    def compare(
        self, expected: Mapping[Endpoint, Iterable[Expected]], *, limit: Rate | None = None
    ) -> Iterator[Observation | Matched]:
        """Ask each server all that is expected of it, all servers at once, and yield what is not as expected.

        Asks as `ask` does. An answer that `is_as_expected` is only counted: counts come as they grow, to be added up.
        Every other answer, and each missing one, comes as the observation that `ask` yields. Counts and observations
        together are as many as the questions. Each iterable is read once, as its questions are sent.
        """
        ...

    def exchange(
        self, server: Endpoint, message: Message, *, timeout_s: float = 10.0, transport: Transport = "tcp"
    ) -> Iterator[Message]:
        """Send one message and yield what comes back (several messages for a transfer) until the caller stops.

        Signs and verifies with the message's TSIG key. Raises `OutsideError`.
        """
        ...

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connected TCP socket; raises `OSError`."""
        ...


class View(Protocol):
    """Servers, and what is laid over their answers.

    `servers`: every address of every server of the set. `controls`: the parent's servers, asked only to tell
    silence from a dead network. `not_checked`: addresses that cannot be asked from here (IPv6 without a route).
    """

    @property
    def name(self) -> str:
        """`current`, `future` or `previous`."""
        ...

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The endpoints whose answers decide."""
        ...

    @property
    def controls(self) -> tuple[Endpoint, ...]:
        """Endpoints of the parent zone."""
        ...

    @property
    def not_checked(self) -> tuple[Endpoint, ...]:
        """Endpoints of the set that cannot be reached from this machine by family."""
        ...

    def ask(self, keys: Iterable[RRsetKey], *, transport: Transport = "udp") -> Iterator[Observation]:
        """Ask every key at every server; planned RRsets answer in place of the server where they exist."""
        ...

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses as clients will see them: overlay, zone's servers, else from the roots.

        IPv4 first, sorted. Empty when the host has none. Follows CNAMEs. Raises `OutsideError` when unknown.
        """
        ...
