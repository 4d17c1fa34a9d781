"""Answers that gates of mail policy judge by: of each server as it is now, as it was before, and of other zones.

A judgement is a pure function of answers that asks for one after the other. While a gate observes it runs on `Asking`,
which puts each question when it comes; while it judges it runs once more on `Told`, which only knows what was noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Literal

import dns.name
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME

from dnsrun.errors import OutsideError
from dnsrun.gates.outside import Outside
from dnsrun.gates.silence import ask_controls, not_asked
from dnsrun.model.content import Content
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Transport
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import Net, View

from .spfcheck import Lookup

Source = Literal["now", "before", "elsewhere"]
_MOST_ALIASES = 10
_TRIES = 9


class Told:
    """The answers of one round."""

    def __init__(self, spec: GateSpec, case: GateCase, seen: Iterable[Observation] = ()) -> None:
        self.case = case
        self._first = RRsetKey(case.apex, RdataType.TXT)
        self._moves = spec.side == "new" and case.move is not None
        self._checkpoint = Content(case.checkpoint)
        self._touched = frozenset(change.key.owner for change in case.changes if not change.ttl_only)
        self._said: dict[tuple[RRsetKey | str, Endpoint | None], Observation] = {}
        self._note(one for one in seen if not one.control)

    @cached_property
    def content(self) -> ZoneSnapshot:
        """What the zone holds when everything is as planned."""
        move = self.case.move if self._moves else None
        return move.content if move else self.case.checkpoint.apply(self.case.changes)

    @cached_property
    def _planned(self) -> Content:
        return Content(self.content)

    def planned(self, owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        """Look something up as it is planned; a `Lookup`."""
        return _following(self._as_planned)(owner, rdtype)

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The servers that are judged."""
        self._told("now", self._first, None)
        found = (end for of, end in self._said if of == self._first and end is not None)
        return tuple(end for end in found if end.name not in self.case.waits_for)

    def writes(self, owner: Name) -> bool:
        """Tell whether the phase puts something else at a name than what was there."""
        return any(change.key.owner == owner and change.after and not change.ttl_only for change in self.case.changes)

    def is_silent(self, server: Endpoint) -> bool:
        """Tell whether a server says nothing at all."""
        return isinstance(self._told("now", self._first, server), NoReply)

    def now(self, server: Endpoint) -> Lookup:
        """Return how to look things up through one server of the zone."""
        return _following(lambda key: self._inside("now", key, server))

    def before(self, server: Endpoint) -> Lookup | None:
        """Return how to look things up as they were before; None when nobody can tell any more.

        Where the zone moves the old servers tell; else what the phase does not touch is as the server says now.
        """
        if not self._moves:
            return _following(lambda key: self._as_captured(key, server))
        self._told("before", self._first, None)
        old = (end for of, end in self._said if of == _of("before", self._first))
        one = next((end for end in old if end and _serves(self._told("before", self._first, end))), None)
        return _following(lambda key: self._inside("before", key, one)) if one else None

    def _as_captured(self, key: RRsetKey, server: Endpoint) -> frozenset[Rdata]:
        if not self._is_touched(key.owner) or self._checkpoint.is_hidden(key):
            return self._inside("now", key, server)
        served = self._checkpoint.served(key)
        return served.rdatas if served else frozenset()

    def _as_planned(self, key: RRsetKey) -> frozenset[Rdata]:
        if not key.owner.is_subdomain(self.case.apex):
            return self._known(self._told("elsewhere", key, None), f"nobody tells {key}")
        served = self._planned.served(key)
        return served.rdatas if served else frozenset()

    def _is_touched(self, owner: Name) -> bool:
        """Tell whether the phase changes what is at a name, itself or by a wildcard."""
        if not owner.is_subdomain(self.case.apex):
            return False
        above = (owner.split(depth)[1] for depth in range(len(self.case.apex), len(owner)))
        return owner in self._touched or any(dns.name.Name((b"*", *name.labels)) in self._touched for name in above)

    def _inside(self, source: Source, key: RRsetKey, server: Endpoint) -> frozenset[Rdata]:
        """Return what a server says, other zones where it cannot know; raises `OutsideError`."""
        if key.owner.is_subdomain(self.case.apex):
            got = self._told(source, key, server)
            if not (isinstance(got, Answer) and got.kind == "referral"):
                return self._known(got, f"{server} does not tell {key}")
        return self._known(self._told("elsewhere", key, None), f"nobody tells {key}")

    def _known(self, got: Answer | NoReply, otherwise: str) -> frozenset[Rdata]:
        if isinstance(got, Answer) and _serves(got):
            return got.rrset.rdatas if got.rrset else frozenset()
        raise _unknown(otherwise)

    def _told(self, source: Source, key: RRsetKey, server: Endpoint | None) -> Answer | NoReply:
        found = self._said.get((_of(source, key), None if source == "elsewhere" else server))
        return found.got if found and isinstance(found.got, Answer | NoReply) else NoReply("timeout")

    def _note(self, seen: Iterable[Observation]) -> None:
        for one in seen:
            elsewhere = isinstance(one.of, str) and one.of.startswith("elsewhere")
            self._said[one.of, None if elsewhere else one.server] = one


class Asking(Told):
    """Asks what has not been told yet; made for one round. Touches the network."""

    def __init__(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> None:
        super().__init__(spec, case)
        self._view = view
        self._net = net
        self._outside = Outside(view, net)
        self._asked: set[RRsetKey | str] = set()

    def seen(self) -> tuple[Observation, ...]:
        """Return everything that came, with controls."""
        seen = tuple(self._said.values())
        direct = tuple(one for one in seen if isinstance(one.of, RRsetKey))
        controls = ask_controls(self._view, self._net, self.case.apex, direct)
        return (*seen, *controls, *not_asked(self._view, direct))

    def _told(self, source: Source, key: RRsetKey, server: Endpoint | None) -> Answer | NoReply:
        of = _of(source, key)
        if of not in self._asked:
            self._asked.add(of)
            self._note(self._ask(source, key, server))
        return super()._told(source, key, server)

    def _ask(self, source: Source, key: RRsetKey, server: Endpoint | None) -> Iterator[Observation]:
        """Ask one question: every server now, of those before the one that is known to answer."""
        if source == "now":
            yield from _patiently(lambda transport: self._view.ask([key], transport=transport))
        elif source == "before":
            old = self.case.move.old_servers if self.case.move else ()
            ends = [server] if server else old
            told = _patiently(lambda transport: self._net.ask([Question(key, end, transport) for end in ends]))
            yield from (replace(one, of=_of(source, key)) for one in told)
        elif first := next(iter(self._said.values()), None):
            yield Observation(_of(source, key), first.server, first.at, self._outside.answer(key))


def _patiently(ask: Callable[[Transport], Iterable[Observation]]) -> Iterable[Observation]:
    """Ask a few times more while a server answers with an error; its first answer that is none counts (fault 46)."""
    seen = {one.server: one for one in ask("udp")}
    for _ in range(_TRIES):
        failed = {end for end, one in seen.items() if isinstance(one.got, Answer) and one.got.kind == "error"}
        if not failed:
            break
        seen.update({one.server: one for one in ask("tcp") if one.server in failed})
    return seen.values()


def _serves(got: Answer | NoReply) -> bool:
    return isinstance(got, Answer) and got.aa and got.kind != "error"


def _of(source: Source, key: RRsetKey) -> RRsetKey | str:
    return key if source == "now" else f"{source}: {key}"


def _following(step: Callable[[RRsetKey], frozenset[Rdata]]) -> Lookup:
    """Return a look-up that follows aliases."""

    def look_up(owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        for _ in range(_MOST_ALIASES):
            rdatas = step(RRsetKey(owner, rdtype))
            alias = next((rdata.target for rdata in rdatas if isinstance(rdata, CNAME)), None)
            if alias is None:
                return rdatas
            owner = alias
        raise _unknown(f"{owner.to_text(omit_final_dot=True)} is an alias that leads nowhere")

    return look_up


def _unknown(why: str) -> OutsideError:
    return OutsideError(why, retryable=True, certainty="not-applied")
