"""Faults of the matrix that can be played: what goes wrong, what may come of it, and what did.

The numbers are those of the fault matrix. `allowed` are the endings that the promises allow: the target, the
checkpoint, or a stop for a person (HOLD) in which nothing that users get is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, from_texts

from .drive import Play, Script
from .summary import Summary

HELD = frozenset({"refused", "paused", "waiting"})
_TEN_MINUTES_S = 600
_DAY_S = 86_400
_HALF_AN_HOUR = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its name, what it is in a sentence, its number in the matrix, how it is arranged.

    `needs` tells whether it can happen to a playbook at all. `may_hold`: a stop for a person is allowed, too.
    """

    name: str
    words: str
    number: int
    arrange: Callable[[Play], None]
    needs: Callable[[Play], bool]
    may_hold: bool = True


@dataclass(frozen=True, slots=True)
class Faulted:
    """What came of a fault; `found` None: it cannot happen to this playbook."""

    fault: Fault
    found: Summary | None

    @property
    def is_allowed(self) -> bool:
        """Tell whether the ending is one of those promised, and no user behind an honest cache was failed."""
        if self.found is None:
            return True
        played = self.found.played
        held = played.outcome in HELD and self.fault.may_hold
        ended = played.outcome in {"done", "nothing"} and played.ending == "target"
        back = played.outcome == "rolled-back" and played.ending != "between"
        return (ended or back or held) and not self.found.honest_user_seconds

    @property
    def outcome(self) -> str:
        """`TGT`, `CAP` or `HOLD`, as in the matrix; `-` when it cannot happen, `?` for anything else."""
        if self.found is None:
            return "-"
        played = self.found.played
        if played.outcome in HELD:
            return "HOLD"
        if played.ending == "between" or played.outcome not in {"done", "nothing", "rolled-back"}:
            return "?"
        return "CAP" if played.outcome == "rolled-back" else "TGT" if played.ending == "target" else "?"


def _moves(play: Play) -> bool:
    return play.setting.playbook.zone.to is not None


def _by_hand(play: Play) -> bool:
    return any(one.capabilities.needs_person for one in play.run.ports.providers.values())


def _writes(play: Play) -> bool:
    hosts = (play.run.ports.providers[name].capabilities for name in play.stage.hosts)
    return any(one.writes and not one.needs_person for one in hosts)


def _has_secondary(play: Play) -> bool:
    return any(len(host.servers) > 1 for host in play.stage.hosts.values())


def _always(play: Play) -> bool:  # noqa: ARG001 - every playbook
    return True


def _stale(play: Play) -> None:
    hosts = [host for host in play.stage.hosts.values() if len(host.servers) > 1]
    play.troubles.stale.add(hosts[0].servers[-1])


def _stale_for_a_while(play: Play) -> None:
    _stale(play)
    host = next(host for host in play.stage.hosts.values() if host.servers[-1] in play.troubles.stale)

    def recover() -> None:
        play.troubles.stale.clear()
        host.catch_up()

    play.agenda.later(_TEN_MINUTES_S, recover)


def _empty(play: Play) -> None:
    host = play.stage.hosts[play.setting.playbook.zone.to or ""]
    play.troubles.empty.add(host.servers[-1])


def _floor(play: Play) -> None:
    play.troubles.floor_s = _TEN_MINUTES_S


def _pending(play: Play) -> None:
    play.troubles.pending_s = _DAY_S // 2


def _forgotten(play: Play) -> None:
    play.troubles.forgets = True


def _mistyped(play: Play) -> None:
    play.troubles.mistypes = True


def _late(play: Play) -> None:
    play.troubles.late_s = _DAY_S * 3 // 4


def _half(play: Play) -> None:
    play.troubles.halves = 1


def _busy(play: Play) -> None:
    play.troubles.refusals = 3


def _busy_for_long(play: Play) -> None:
    play.troubles.refusals = _HALF_AN_HOUR


def _colleague(play: Play) -> None:
    """Have somebody change a record that the playbook does not speak of, at the old host, in the first night."""
    host = play.stage.hosts[play.setting.playbook.zone.provider]
    spoken = {key for spec in play.setting.playbook.records for key in spec.rrset_keys()}
    asked = {(want.name, want.rdtype) for want in play.population.wants}

    def edit() -> None:
        for key, held in sorted(host.content.rrsets.items(), key=lambda pair: pair[0].order()):
            if key.rdtype == RdataType.A and key not in spoken and (key.owner, key.rdtype) not in asked:
                change = Change(key, held, from_texts(key, held.ttl_s, [play.setting.spare[0]]))
                play.foreign.append(change)
                host.write([change])
                return

    play.agenda.later(timedelta(hours=12).total_seconds(), edit)


def _killed(number: int) -> Callable[[Play], None]:
    def arrange(play: Play) -> None:
        play.troubles.kill_at = number

    return arrange


def faults() -> Mapping[str, Fault]:
    """Return the faults by name, in the order of the matrix."""
    known = (
        *(
            Fault(
                f"kill-{number}",
                f"the process is killed straight after call {number}",
                3,
                _killed(number),
                _always,
                may_hold=False,
            )
            for number in range(1, 7)
        ),
        Fault("busy", "the host answers three calls with 429 Too Many Requests", 21, _busy, _always, may_hold=False),
        Fault("busy-for-long", "the host answers 429 for half an hour", 22, _busy_for_long, _always),
        Fault("half-batch", "the host breaks off in the middle of its first batch", 27, _half, _writes, may_hold=False),
        Fault("ttl-floor", "the host serves no TTL below ten minutes", 32, _floor, _always),
        Fault("stale-for-a-while", "a name server follows ten minutes late", 39, _stale_for_a_while, _has_secondary),
        Fault("stale-secondary", "a name server never follows", 40, _stale, _has_secondary),
        Fault("empty-twin", "a new name server has an empty zone", 41, _empty, _moves),
        Fault("registrar-pending", "the registrar takes half a day longer", 51, _pending, _moves),
        Fault("colleague", "somebody edits another record in the first night", 55, _colleague, _always),
        Fault("forgotten-step", "nobody does what is to be done by hand", 0, _forgotten, _by_hand),
        Fault("late-step", "whoever works by hand takes 18 hours longer", 0, _late, _by_hand),
        Fault("wrong-step", "whoever types by hand leaves out a line", 0, _mistyped, _by_hand),
    )
    return {fault.name: fault for fault in known}


class ImpossibleError(Exception):
    """This fault cannot happen to this playbook."""


def faulted(fault: Fault, play: Callable[[Callable[[Script], Script]], Summary]) -> Faulted:
    """Play a fault; where it cannot happen nothing is played."""

    def arrange(one: Play) -> None:
        if not fault.needs(one):
            raise ImpossibleError
        fault.arrange(one)

    try:
        return Faulted(fault, play(lambda plain: replace(plain, arrange=arrange)))
    except ImpossibleError:
        return Faulted(fault, None)
