"""A registrar for tests of what registrars do to people: slow, refusing, lying, parking, losing its answer.

It writes to a real parent zone through another registrar (`parent-rfc2136`), when its time has come: on the virtual
clock, since what a registrar has accepted takes effect whether or not anybody asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import dns.name
from dns.name import Name

from dnsrun.clock import VirtualClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import Capabilities, Context, Pending, Receipt, RegistrarProvider, Rejected, Settled
from dnsrun_providers.parent_rfc2136 import CAPABILITIES, ParentRfc2136
from dnsrun_providers.primary import Primary

PLACEHOLDERS = (dns.name.from_text("park1.registrar.example."), dns.name.from_text("park2.registrar.example."))


class TellingClock(VirtualClock):
    """A virtual clock that stops at each moment at which something is to happen, and lets it happen."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._due: list[tuple[datetime, Callable[[], None]]] = []

    def at(self, when: datetime, do: Callable[[], None]) -> None:
        """Have `do` called at `when`, at once when that has passed."""
        self._due.append((when, do))
        self.wait_until(self.now())

    def wait_until(self, when: datetime) -> None:
        """Jump to `when`, by way of everything that happens until then."""
        while due := sorted((one for one in self._due if one[0] <= when), key=lambda one: one[0])[:1]:
            self._due.remove(due[0])
            super().wait_until(due[0][0])
            due[0][1]()
        super().wait_until(when)

    def advance(self, seconds: float) -> None:
        """Move the time on by `seconds`."""
        self.wait_until(self.now() + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class Manners:
    """How the registrar treats the next request.

    `delay_s`: until the parent zone has it; the operation is pending until then (fault 51). `rejects`: it is refused
    after the delay, for this reason (fault 52). `lies`: it says that it is done, and nothing happens. `placeholder_s`:
    for so long the parent zone has the registrar's own name servers first (fault 54). `loses_answer`: it takes effect,
    and the answer is lost. `fails`: the call ends with an error and without an effect, so many times (fault 50).
    `locked`: the domain cannot be changed, for this reason (fault 53).
    """

    delay_s: float = 0
    rejects: str = ""
    lies: bool = False
    placeholder_s: float = 0
    loses_answer: bool = False
    fails: int = 0
    locked: str = ""


class TryingRegistrar:
    """A registrar with bad manners before a real parent zone; `manners` may be set anew at any time.

    `requests` are the delegations that were asked for, in order; each is an operation, named by its number. A newer
    request takes the place of one that is pending.
    """

    def __init__(self, behind: RegistrarProvider, clock: TellingClock, manners: Manners | None = None) -> None:
        self._behind = behind
        self._clock = clock
        self.manners = manners or Manners()
        self.requests: list[Delegation] = []
        self._outcomes: dict[str, Pending | Settled | Rejected] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Those of a registrar that does not compare, within a day."""
        return replace(CAPABILITIES, compare_and_set=False, atomic_batch=False, declared_delay_s=86_400)

    def read_delegation(self, domain: Name) -> Delegation | None:
        """Return what the parent zone has; raises `OutsideError` while the domain is locked."""
        self._refuse_when_locked(domain)
        return self._behind.read_delegation(domain)

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        """Accept the request, and treat it as the manners say."""
        self._refuse_when_locked(domain)
        manners = self.manners
        if manners.fails:
            self.manners = replace(manners, fails=manners.fails - 1)
            raise OutsideError("the registrar answers 500", retryable=True, certainty="not-applied")
        self.requests.append(after)
        operation = str(len(self.requests))
        self._outcomes[operation] = Pending("the registry has it")
        self._schedule(manners, operation, domain, after)
        if manners.loses_answer:
            raise OutsideError("no answer from the registrar", retryable=True, certainty="in-doubt")
        return Receipt(operation=operation)

    def poll(self, operation: str) -> Pending | Settled | Rejected:
        """Say what became of a request."""
        return self._outcomes[operation]

    def _refuse_when_locked(self, domain: Name) -> None:
        if self.manners.locked:
            raise OutsideError(f"{domain}: {self.manners.locked}", retryable=False, certainty="not-applied")

    def _schedule(self, manners: Manners, operation: str, domain: Name, after: Delegation) -> None:
        accepted = self._clock.now()
        if manners.placeholder_s:
            parked = Delegation(frozenset(PLACEHOLDERS), {}, frozenset(), after.ttl_s)
            self._clock.at(accepted + timedelta(seconds=manners.delay_s), lambda: self._set(operation, domain, parked))
        last = accepted + timedelta(seconds=manners.delay_s + manners.placeholder_s)
        self._clock.at(last, lambda: self._end(manners, operation, domain, after))

    def _end(self, manners: Manners, operation: str, domain: Name, after: Delegation) -> None:
        if manners.rejects:
            self._outcomes[operation] = Rejected(manners.rejects)
            return
        self._outcomes[operation] = Settled()
        if not manners.lies:
            self._set(operation, domain, after)

    def _set(self, operation: str, domain: Name, wanted: Delegation) -> None:
        if operation != str(len(self.requests)):
            self._outcomes[operation] = Rejected("a newer request has taken its place")
            return
        there = self._behind.read_delegation(domain)
        assert there is not None
        self._behind.replace_delegation(domain, before=there, after=wanted)


class _NoSecrets:
    def reveal(self, reference: object) -> str:
        raise AssertionError(f"nobody asked for {reference}")


def trying_registrar(
    zone: str | Name, parent: Endpoint, clock: TellingClock, manners: Manners | None = None
) -> TryingRegistrar:
    """Return a registrar before the primary of the parent zone, which takes updates without a key."""
    apex = dns.name.from_text(zone) if isinstance(zone, str) else zone
    # Behind the registrar time is real: a server that does not answer is a fault of the test.
    place = Primary(parent, None, Context(SocketNet(clock), clock, _NoSecrets()))
    return TryingRegistrar(ParentRfc2136(apex, place), clock, manners)
