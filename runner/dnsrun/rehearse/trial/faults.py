"""Faults of the matrix that can be played: what goes wrong, what may come of it, and what did.

The numbers are those of the fault matrix. `allowed` are the endings that the promises allow: the target, the
checkpoint, or a stop for a person (HOLD) in which nothing that users get is broken. Where the fault itself breaks
something, at a place that the run does not rule, only that is excused, and what users met is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from . import mishaps
from .drive import Play, Script
from .mishaps import Gates, Mishap
from .stage import PLACEHOLDER
from .summary import Span, Summary

HELD = frozenset({"refused", "paused", "waiting"})


@dataclass(frozen=True, slots=True)
class Harm:
    """What a fault breaks by itself: a sentence for people, and whether a broken time is nothing but that.

    `told`: words that the run must have said of it.
    """

    words: str
    is_all: Callable[[Span], bool]
    told: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its name, what it is in a sentence, its number in the matrix, how it is arranged.

    `needs` tells whether it can happen to a playbook at all. `may_hold`: a stop for a person is allowed, too;
    `may_go_back`: a rollback is; `may_arrive`: the target is. `gates` wraps the gates, where one of them is to fail.
    `harm`: what it breaks that no run can help.
    """

    name: str
    words: str
    number: int
    arrange: Mishap
    needs: Callable[[Play], bool]
    may_hold: bool = True
    may_go_back: bool = True
    may_arrive: bool = True
    gates: Gates | None = None
    harm: Harm | None = None


@dataclass(frozen=True, slots=True)
class Faulted:
    """What came of a fault; `found` None: it cannot happen to this playbook."""

    fault: Fault
    found: Summary | None

    @property
    def is_allowed(self) -> bool:
        """Tell whether the ending is one of those promised, and no user behind an honest cache was failed by it."""
        if self.found is None:
            return True
        played = self.found.played
        held = played.outcome in HELD and self.fault.may_hold
        ended = played.outcome in {"done", "nothing"} and played.ending == "target" and self.fault.may_arrive
        back = played.outcome == "rolled-back" and played.ending != "between" and self.fault.may_go_back
        return (ended or back or held) and self._is_told and self.harm_s == self.found.honest_user_seconds

    @property
    def harm_s(self) -> int:
        """Seconds in which users behind honest caches were failed by nothing but the fault itself, all added up."""
        if self.found is None or self.fault.harm is None:
            return 0
        return sum(span.user_seconds for span in self.found.spans if span.honest and self.fault.harm.is_all(span))

    @property
    def _is_told(self) -> bool:
        if self.found is None or self.fault.harm is None or not self.harm_s:
            return True
        played = self.found.played
        return any(self.fault.harm.told in text for text in (*played.incidents, played.phases[-1].because))

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


_PLACEHOLDER = Harm(
    "whoever learned the placeholder is failed until its TTL runs out: the registry's doing, told as an incident",
    lambda span: all(by == (PLACEHOLDER,) for _, by in span.causes),
    told="neither the old nor the new name servers",
)
_PURGED = Harm(
    "whoever still asks the old name servers is failed until the delegation's TTL runs out: the old host's doing",
    lambda span: all(cause == "no server answers" for cause, _ in span.causes),
    told="does not serve the zone",
)

_WRITTEN = Harm(
    "users get what the host wrote until a person decides: nothing that may be somebody else's edit is overwritten",
    lambda span: all(cause == "other data" for cause, _ in span.causes),
    told="set by somebody else",
)


def faults() -> Mapping[str, Fault]:
    """Return the faults by name, in the order of the matrix."""
    return {
        fault.name: fault
        for each in (_kills, _of_calls, _of_hosts, _of_servers, _of_services, _of_the_way_back, _of_others, _by_hand)
        for fault in each()
    }


def _kills() -> tuple[Fault, ...]:
    """Return the deaths of the process, each straight after another call."""
    return tuple(
        Fault(
            f"kill-{number}",
            f"the process is killed straight after call {number}",
            3,
            mishaps.killed(number),
            mishaps.always,
            may_hold=False,
        )
        for number in range(1, 7)
    )


def _of_calls() -> tuple[Fault, ...]:
    """Return what goes wrong between the run and a host."""
    always, writes = mishaps.always, mishaps.writes
    return (
        Fault(
            "busy", "the host answers three calls with 429 Too Many Requests", 21, mishaps.busy, always, may_hold=False
        ),
        Fault("busy-for-long", "the host answers 429 for half an hour", 22, mishaps.busy_for_long, always),
        Fault("error-once", "the host answers one call with 500", 23, mishaps.broken_once, always, may_hold=False),
        Fault(
            "lost-answer",
            "the host writes new data and gives no answer",
            25,
            mishaps.doubtful("at once"),
            writes,
            may_hold=False,
        ),
        Fault(
            "late-effect",
            "the host gives no answer and writes 90 s later",
            26,
            mishaps.doubtful("later"),
            writes,
            may_hold=False,
        ),
        Fault(
            "half-batch",
            "the host breaks off in the middle of its first batch",
            27,
            mishaps.half,
            writes,
            may_hold=False,
        ),
        Fault(
            "replayed",
            "new data reaches the host once more 90 s later",
            28,
            mishaps.replayed,
            writes,
            may_hold=False,
        ),
    )


def _of_hosts() -> tuple[Fault, ...]:
    """Return how a host does something else than it was asked for."""
    always, writes = mishaps.always, mishaps.writes
    return (
        Fault("ttl-floor", "the host serves no TTL below ten minutes", 32, mishaps.floor, always),
        Fault("lying", "the host says that it wrote new data, and did not", 36, mishaps.lying("nothing"), writes),
        Fault(
            "lying-data",
            "the host writes another address, and says done",
            36,
            mishaps.lying("something else"),
            writes,
            harm=_WRITTEN,
        ),
        Fault("expired-token", "the token expires after the first call", 37, mishaps.expired, writes),
    )


def _of_servers() -> tuple[Fault, ...]:
    """Return what goes wrong at servers that are asked."""
    moves, more = mishaps.moves, mishaps.has_secondary
    return (
        Fault(
            "stale-for-a-while",
            "a name server follows ten minutes late",
            39,
            mishaps.stale_for_a_while,
            mishaps.both(more, mishaps.waits_for_late),
            may_hold=False,
            may_go_back=False,
        ),
        Fault("stale-secondary", "a name server never follows", 40, mishaps.stale, more),
        Fault("empty-twin", "a new name server has an empty zone", 41, mishaps.empty, moves, may_arrive=False),
        Fault(
            "dead-v6",
            "nobody answers at the IPv6 addresses of the new name servers",
            42,
            mishaps.dead_v6,
            mishaps.both(moves, mishaps.has_v6),
            may_arrive=False,
        ),
        Fault(
            "no-v6",
            "there is no IPv6 where the run is",
            42,
            mishaps.no_v6,
            mishaps.both(moves, mishaps.has_v6),
        ),
        Fault(
            "no-tcp",
            "a new name server cuts large answers short, and TCP is blocked there",
            43,
            mishaps.without_tcp,
            moves,
            may_arrive=False,
        ),
        Fault("no-edns", "a new name server does not know EDNS", 44, mishaps.without_edns, moves),
        Fault("lame", "a new name server does not know the zone", 45, mishaps.lame, moves, may_arrive=False),
        Fault("servfail", "a name server fails every fifth question", 46, mishaps.flapping, more, may_hold=False),
    )


def _of_services() -> tuple[Fault, ...]:
    """Return what is wrong with the web site, or hidden in the zone that leads to it."""
    moves = mishaps.moves
    return (
        Fault(
            "web-blips",
            "every fifth look at the web site fails",
            47,
            mishaps.nothing,
            mishaps.fetches_pages,
            may_hold=False,
            gates=mishaps.blips,
        ),
        Fault(
            "no-certificate",
            "the new web server has no certificate, the old one has",
            49,
            mishaps.uncertified,
            mishaps.needs_a_certificate,
            may_arrive=False,
        ),
        Fault(
            "hidden-record",
            "the new host leaves out a name, and a wildcard answers for it",
            61,
            mishaps.hidden,
            mishaps.both(moves, mishaps.has_a_name_to_hide),
            may_arrive=False,
        ),
    )


def _of_the_way_back() -> tuple[Fault, ...]:
    """Return what goes wrong while a rollback is under way: a gate says no after the last write that users see."""
    return (
        Fault(
            "back-fails",
            "a gate fails, and the way back meets 500 three times",
            50,
            mishaps.nothing,
            mishaps.always,
            gates=mishaps.says_no(mishaps.broken),
        ),
        Fault(
            "back-pending",
            "a gate fails, and the registrar takes half a day longer",
            51,
            mishaps.nothing,
            mishaps.moves,
            gates=mishaps.says_no(mishaps.pending),
        ),
        Fault(
            "back-edited",
            "a gate fails, and a colleague has edited a record",
            56,
            mishaps.nothing,
            mishaps.always,
            gates=mishaps.says_no(mishaps.edit),
        ),
    )


def _of_others() -> tuple[Fault, ...]:
    """Return what registrars, registries, old hosts and colleagues do."""
    moves = mishaps.moves
    return (
        Fault("registrar-pending", "the registrar takes half a day longer", 51, mishaps.pending, moves),
        Fault(
            "registrar-rejects",
            "the registry turns the new name servers down",
            52,
            mishaps.rejected,
            mishaps.moves_by_itself,
        ),
        Fault("registrar-lock", "the domain is locked in the first night", 53, mishaps.locked, mishaps.moves_by_itself),
        Fault(
            "placeholder",
            "the registry shows a placeholder for five minutes",
            54,
            mishaps.placeholder,
            moves,
            harm=_PLACEHOLDER,
        ),
        Fault("colleague", "somebody edits another record in the first night", 55, mishaps.colleague, mishaps.always),
        Fault("purged", "the old host deletes the zone at the switch", 62, mishaps.purged, moves, harm=_PURGED),
    )


def _by_hand() -> tuple[Fault, ...]:
    """Return what people do."""
    hand = mishaps.by_hand
    return (
        Fault("forgotten-step", "nobody does what is to be done by hand", 0, mishaps.forgotten, hand),
        Fault("late-step", "whoever works by hand takes 18 hours longer", 0, mishaps.late, hand),
        Fault("wrong-step", "whoever types by hand leaves out a line", 0, mishaps.mistyped, hand),
    )


class ImpossibleError(Exception):
    """This fault cannot happen to this playbook."""


def faulted(fault: Fault, play: Callable[[Callable[[Script], Script]], Summary]) -> Faulted:
    """Play a fault; where it cannot happen nothing is played."""

    def arrange(one: Play) -> None:
        if not fault.needs(one):
            raise ImpossibleError
        fault.arrange(one)

    try:
        return Faulted(fault, play(lambda plain: replace(plain, arrange=arrange, gates=fault.gates)))
    except ImpossibleError:
        return Faulted(fault, None)
