"""What gates on services (web, TLS) share: every address of a host is asked, silence is told by a control."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import dns.name
from dns.rdatatype import RdataType

from dnsrun.clock import now_utc
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint, NoReply, Observation, Verdict, Words
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import Net, View

from .reach import why_not
from .silence import BROKEN, NOT_ASKED, answered, is_silence, no_reply, path
from .weburl import is_address

_CONTROLS = 4
CONTROL_TIMEOUT_S = 5.0
_FACT_CHARACTERS = 300
_NOWHERE = "0.0.0.0"  # noqa: S104 - names no address; nothing is bound


def not_asked(why: str) -> Words:
    """Return what stands for a question that we could not or would not ask: no evidence, the verdict is unknown."""
    return Words(why, ((NOT_ASKED, why),))


def broken(what: str) -> Words:
    """Return what stands for a service that answers, but not as its protocol demands: a failure."""
    return Words(what, ((BROKEN, what),))


def with_facts(text: str, facts: dict[str, str]) -> Words:
    """Return what a service said; facts without a value are left out, long ones cut."""
    return Words(text, tuple((name, value[:_FACT_CHARACTERS]) for name, value in sorted(facts.items()) if value))


@dataclass(frozen=True, slots=True)
class Service:
    """A service at a host. `of` names it for people, `host` is a name without final dot, or an address."""

    of: str
    host: str
    port: int
    allow_private: bool

    def at(self, address: str, got: Words | NoReply, *, control: bool = False) -> Observation:
        """Return an observation of this service at one address."""
        name = dns.name.root if is_address(self.host) else dns.name.from_text(self.host)
        return Observation(self.of, Endpoint(name, address, self.port), now_utc(), got, "tcp", control)

    def not_asked(self, why: str) -> tuple[Observation, ...]:
        """Return a round in which nobody was asked, and why."""
        return self.nowhere(not_asked(why))

    def nowhere(self, got: Words) -> tuple[Observation, ...]:
        """Return a round that came to its end before any address was asked."""
        return (self.at(_NOWHERE, got),)


@dataclass(frozen=True, slots=True)
class Controls:
    """How a gate tells silence from a dead network: what else may answer there, and how an address is tried.

    `others`: addresses of comparable hosts, asked for where there is silence. `ask` None: connecting is enough.
    """

    others: Callable[[], Iterable[str]] = tuple
    ask: Callable[[str], Words | NoReply] | None = None


def observe(
    service: Service,
    case: GateCase,
    view: View,
    net: Net,
    ask: Callable[[str], Words | NoReply],
    controls: Controls = Controls(),
) -> tuple[Observation, ...]:
    """Ask every address that the view gives for the host, and controls where there is silence. Touches the network."""
    try:
        addresses = (service.host,) if is_address(service.host) else view.addresses(service.host)
    except OutsideError as err:
        return service.not_asked(f"cannot be asked, the addresses of {service.host} are not known: {err}")
    if not addresses:
        return (service.at(_NOWHERE, broken(f"{service.host} has no address")),)
    seen = [service.at(address, _guarded(service, address, ask)) for address in addresses]
    return (*seen, *_controls(service, case, net, seen, controls))


def judge(
    of: str, seen: Sequence[Observation], problem: Callable[[Words], str | None], good: Callable[[Words], str]
) -> Verdict:
    """Judge one round: `problem` says what is wrong with what a service said, `good` what is right with it. Pure."""
    subjects = [one for one in seen if not one.control]
    alive = answered(seen)
    unreached = [one for one in subjects if _has_no_route(one, seen)]
    asked = [one for one in subjects if one not in unreached] or subjects
    not_checked = tuple(f"{of} at {one.server.address}" for one in subjects if one not in asked)
    failures = [(one, words) for one in asked if (words := _failure(one, problem, alive=path(one) in alive))]
    if failures:
        return Verdict("fail", _line(of, failures), _all(one for one, _ in failures), not_checked=not_checked)
    unknown = [(one, words) for one in asked if (words := _unknown(one))]
    if unknown or not asked:
        because = _line(of, unknown) or f"{of} was not asked"
        return Verdict("unknown", because, _all(one for one, _ in unknown), not_checked=not_checked)
    passed = [(one, good(one.got)) for one in asked if isinstance(one.got, Words)]
    return Verdict("pass", _line(of, passed), _all(asked), not_checked=not_checked)


def _guarded(service: Service, address: str, ask: Callable[[str], Words | NoReply]) -> Words | NoReply:
    if not service.allow_private and (why := why_not(address)):
        return not_asked(f"is not asked: {why}; say `allow_private: true` if that is meant")
    return ask(address)


def _controls(
    service: Service, case: GateCase, net: Net, seen: Sequence[Observation], how: Controls
) -> list[Observation]:
    """Connect to addresses that the host had, and to the others, for each family with nothing but silence."""
    found: list[Observation] = []
    ask = how.ask or (lambda address: _connect(net, address, service.port))
    for dead in {path(one) for one in seen if is_silence(one)} - answered(seen):
        for address in _comparable(service, case, how, is_v6=dead.is_v6, without={one.server.address for one in seen}):
            control = service.at(address, ask(address), control=True)
            found.append(control)
            if answered([control]):
                break
    return found


def _comparable(service: Service, case: GateCase, how: Controls, *, is_v6: bool, without: set[str]) -> list[str]:
    """Return addresses that changes replace, those of the host first, then those of comparable hosts."""
    rdtype = RdataType.AAAA if is_v6 else RdataType.A
    old = [change.before for change in case.changes if change.before and change.key.rdtype == rdtype]
    host = None if is_address(service.host) else dns.name.from_text(service.host)
    ordered = sorted(old, key=lambda rrset: rrset.key.owner != host)
    replaced = [text for rrset in ordered for text in rrset.texts()]
    others = [one for one in how.others() if (ip_address(one).version == 6) == is_v6]
    texts = dict.fromkeys(str(ip_address(text)) for text in (*replaced, *others))
    allowed = [text for text in texts if text not in without and (service.allow_private or not why_not(text))]
    return allowed[:_CONTROLS]


def _connect(net: Net, address: str, port: int) -> Words | NoReply:
    try:
        net.connect(address, port, timeout_s=CONTROL_TIMEOUT_S).close()
    except OSError as err:
        return no_reply(err)
    return Words("takes the connection")


def _has_no_route(one: Observation, seen: Iterable[Observation]) -> bool:
    """Tell whether an IPv6 address could not be reached because this machine has no IPv6."""
    nothing = isinstance(one.got, NoReply) and one.got.why == "unreachable"
    return nothing and one.server.is_v6 and path(one) not in answered(seen)


def _failure(one: Observation, problem: Callable[[Words], str | None], *, alive: bool) -> str | None:
    got = one.got
    if isinstance(got, NoReply):
        if got.why == "refused":
            return "refuses the connection"
        return "does not answer" if alive else None
    if not isinstance(got, Words) or got.fact(NOT_ASKED):
        return None
    return got.fact(BROKEN) or problem(got)


def _unknown(one: Observation) -> str | None:
    if isinstance(one.got, Words):
        return one.got.fact(NOT_ASKED)
    return "does not answer, and nothing comparable does"


def _line(of: str, said: Iterable[tuple[Observation, str]]) -> str:
    """Return one line: the service, what it says, and where."""
    places: dict[str, list[str]] = {}
    for one, words in said:
        places.setdefault(words, []).append(one.server.address)
    parts = [f"{words}{_at(addresses)}" for words, addresses in places.items()]
    return f"{shorten(of)} {shorten('; '.join(parts), 400)}" if parts else ""


def _at(addresses: list[str]) -> str:
    known = [address for address in addresses if address != _NOWHERE]
    return f" at {', '.join(known)}" if known else ""


def _all(seen: Iterable[Observation]) -> tuple[Observation, ...]:
    return tuple(seen)
