"""Rollback drills: every gate in turn fails; how long each kind of cache takes to recover, beside a rollback by hand.

A gate on a service fails since the service does: the new address breaks down, for a gate `tls` its certificate is
missing, or the new host loses the name. A gate on the DNS is made to say no. By hand means: the registrar gets the old
name servers again, and nothing else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.engine.progress import Event, Judging
from dnsrun.gates import options
from dnsrun.gates.weburl import BadUrlError, is_address, parse
from dnsrun.model.act import SetDelegation
from dnsrun.model.observation import Observation, Verdict
from dnsrun.model.plan import Hold
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change
from dnsrun.plan.gating import NOT_SERVICES
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.ports.net import Net, View

from .byhand import put_back
from .drive import Play, Script
from .mishaps import Mishap
from .summary import Summary
from .wrapped import Wrapped

When = Literal["before", "after", "half-way"]
WAYS = ("dnsrun", "by hand", "old zone deleted", "new zone deleted")
ALLOWED = frozenset({"rolled-back", "refused", "paused"})


@dataclass(frozen=True, slots=True)
class Drill:
    """A gate that is to fail: of a phase, before its first write, after it, or half-way through the watch over it."""

    phase: int
    gate: str
    kind: str
    when: When

    def __str__(self) -> str:
        return f"phase {self.phase}, {self.gate}, {self.when}"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What came of a drill, and of the same failure with a rollback by hand (None: no user had been failed).

    Where the name servers had been switched also with an old zone that is deleted when the gate fails (`purged`), and
    with a new zone that somebody deletes once all is rolled back (`deleted`).
    """

    drill: Drill
    found: Summary
    by_hand: Summary | None = None
    purged: Summary | None = None
    deleted: Summary | None = None

    @property
    def is_allowed(self) -> bool:
        """Tell whether the run ended as promised: nothing done, rolled back, or stopped for a person.

        Nothing goes back to servers whose zone is gone.
        """
        before = self.drill.when == "before" and self.found.honest_user_seconds
        played = [one for one in (self.found, self.purged, self.deleted) if one is not None]
        return all(map(self.is_as_promised, played)) and not before

    @staticmethod
    def is_as_promised(found: Summary) -> bool:
        """Tell whether one of the plays ended as it may."""
        return found.played.outcome in ALLOWED and found.played.ending != "between"

    @property
    def ways(self) -> tuple[tuple[str, Summary], ...]:
        """The drill and its variants that were played, each with a word for people."""
        every = zip(WAYS, (self.found, self.by_hand, self.purged, self.deleted), strict=True)
        return tuple((way, found) for way, found in every if found is not None)


class Rounds:
    """Listens to a trial that goes well, and remembers which gates were asked when."""

    def __init__(self) -> None:
        self._seen: dict[Drill, None] = {}

    def arrange(self, play: Play) -> None:
        """Begin to listen."""

        def hear(_: datetime, event: Event) -> None:
            if not isinstance(event, Judging) or play.phase is None or event.gate.kind == "confirm":
                return
            when = _when(event)
            if when and (when != "half-way" or _switches(play)):
                self._seen.setdefault(Drill(play.phase.number, event.gate.name, event.gate.kind, when))

        play.listeners.append(hear)

    def drills(self) -> tuple[Drill, ...]:
        """Return one drill for each gate, in the order in which they were asked."""
        return tuple(self._seen)


def _switches(play: Play) -> bool:
    """Tell whether the phase moves the name servers: then it matters how many caches have followed."""
    plan = play.run.active_plan()
    return plan is not None and any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts)


def _when(event: Judging) -> When | None:
    if isinstance(event.move, Hold):
        return "half-way"
    return {"before": "before", "after": "after"}.get(event.move.when)  # type: ignore[return-value] # those two


def script_of(drill: Drill, plain: Script, *, by_hand: bool = False, also: Mishap | None = None) -> Script:
    """Return the script that has this gate fail; `by_hand`: then a person goes back, not the engine.

    `also` happens at the moment at which the gate begins to fail.
    """
    return replace(
        plain,
        gates=lambda play, gates: {kind: Failing(gate, drill, play, also) for kind, gate in gates.items()},
        back_by_hand=put_back if by_hand else None,
    )


def purge_old(play: Play) -> None:
    """Have the old host delete the zone."""
    for name, host in play.stage.hosts.items():
        if name != play.setting.playbook.zone.to:
            host.purge()


def _delete_new(play: Play) -> None:
    play.stage.hosts[play.setting.playbook.zone.to or ""].purge()


class Failing(Wrapped):
    """A gate kind, one gate of which fails from a moment on."""

    def __init__(self, real: Gate, drill: Drill, play: Play, also: Mishap | None = None) -> None:
        super().__init__(real)
        self._drill = drill
        self._play = play
        self._also = also
        self._harm = False
        self._looks = 0
        self._half_at: datetime | None = None

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Do the harm when its time has come, then ask as ever."""
        self._looks += spec.name == self._drill.gate and case.phase == self._drill.phase
        if self._is_meant(spec, case) and self._drill.when != "before" and not self._harm:
            self._harm = True
            _do_harm(self._play, spec)
            if self._also:
                self._also(self._play)
        return self.real.observe(spec, case, view, net)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Say no where it is this gate's turn and the harm does not show by itself; pure otherwise."""
        verdict = self.real.judge(spec, case, seen)
        forced = spec.kind in NOT_SERVICES or self._drill.when == "before"
        if verdict.outcome == "pass" and forced and self._is_meant(spec, case):
            return Verdict("fail", f"{spec.name} fails, as the drill wants", seen)
        return verdict

    def _is_meant(self, spec: GateSpec, case: GateCase) -> bool:
        drill, play = self._drill, self._play
        if (spec.name, spec.kind, case.phase) != (drill.gate, drill.kind, drill.phase) or not play.goes_forward:
            return False
        if drill.when == "half-way":
            return self._is_half_over()
        if drill.when == "before" and spec.kind not in NOT_SERVICES and self._looks == 1:
            return False  # the service as it was straight before the phase
        return play.has_written == (drill.when == "after")

    def _is_half_over(self) -> bool:
        """Tell whether half of the watch has passed, counted from the first round in it."""
        ends, now = self._play.watch_ends, self._play.agenda.now()
        if ends is None:
            return self._harm
        if self._half_at is None:
            self._half_at = now + (ends - now) / 2
            self._play.agenda.at(self._half_at, lambda: None)  # nobody rests beyond it
        return now >= self._half_at


def _do_harm(play: Play, spec: GateSpec) -> None:
    """Break what the gate looks at: at the new host where the name servers move, else at the new address."""
    plan, setting = play.run.active_plan(), play.setting
    subject = _subject(spec) or next((want.name for want in play.population.wants), setting.apex)
    if setting.playbook.zone.to and _switches(play):
        host = play.stage.hosts[setting.playbook.zone.to]
        lost = [key for key in host.content.rrsets if key.owner == subject and key.rdtype in _LOST]
        host.write([Change(key, host.content.rrsets[key], None) for key in lost])
        return
    changes = plan.changes() if plan else ()
    switched = [change for change in changes if change.before and change.after and not change.ttl_only]
    addresses = {
        text for change in switched if change.key.rdtype in _ADDRESSES and change.after for text in change.after.texts()
    }
    before = {text for change in switched if change.before for text in change.before.texts()}
    if addresses - before:
        broken = play.services.bare if spec.kind == "tls" else play.services.down
        play.agenda.change(lambda: broken.update(addresses - before))


_ADDRESSES = frozenset({RdataType.A, RdataType.AAAA})
_LOST = frozenset({*_ADDRESSES, RdataType.CNAME})


def _subject(spec: GateSpec) -> Name | None:
    """Return the host that a gate is about, if it names one."""
    host = options.text(spec, "host")
    if not host and options.text(spec, "url"):
        try:
            host = parse(options.text(spec, "url")).host
        except BadUrlError:
            return None
    return dns.name.from_text(host) if host and not is_address(host) else None


def drilled(
    drills: Iterable[Drill], play: Callable[[Callable[[Script], Script]], Summary], tell: Callable[[str], None]
) -> tuple[Drilled, ...]:
    """Play every drill, and those that had written also with a rollback by hand and with a zone that is deleted."""
    return tuple(_drilled(drill, play, tell) for drill in drills)


def _drilled(
    drill: Drill, play: Callable[[Callable[[Script], Script]], Summary], tell: Callable[[str], None]
) -> Drilled:
    tell(f"drill: {drill}")
    ours = play(lambda plain: script_of(drill, plain))
    back = [phase for phase in ours.played.phases if phase.went_back_at]
    if not back or not (ours.broken_user_seconds or drill.when == "half-way"):
        return Drilled(drill, ours)
    hand = play(lambda plain: script_of(drill, plain, by_hand=True))
    if not back[-1].moved_servers:
        return Drilled(drill, ours, hand)
    tell(f"drill: {drill}, with one of the zones deleted")
    purged = play(lambda plain: script_of(drill, plain, also=purge_old))
    deleted = play(lambda plain: replace(script_of(drill, plain), afterwards=_delete_new))
    return Drilled(drill, ours, hand, purged, deleted)
