"""Playing a whole migration: every phase as `apply` runs it, waits jumped over, people acted by the stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from dns.rdatatype import RdataType

from dnsrun.engine.advance import Ended, NeedsPerson, advance
from dnsrun.engine.progress import AtParent, Event, GoingBack, Judging
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.start import Prepared, begin, prepare, remember, resume
from dnsrun.errors import DnsrunError, UsageError
from dnsrun.journal.lock import FileHolds
from dnsrun.journal.store import FileJournal
from dnsrun.model.act import SetDelegation
from dnsrun.model.content import is_content
from dnsrun.model.entry import PersonAnswered
from dnsrun.model.plan import Hold
from dnsrun.model.playbook import GateSpec, Phase, Playbook, Step
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import Gate
from dnsrun.rehearse.cache import POPULATION, CacheKind
from dnsrun.rehearse.users import through

from .agenda import Agenda
from .endpoints.street import Street
from .gates import left_out, made_up, rehearsed
from .hands import Cast, Registry, Writer
from .played import Ending, PhasePlayed, Played, Story
from .population import Population, is_honest
from .services import Services, services_of
from .setting import Setting
from .stage import Stage
from .stillgate import StillGate
from .troubles import KilledError, Troubles
from .wants import wants_of

PATIENCE = timedelta(days=1)
"""How long a person is waited for who never acts, before the trial ends there."""
_AFTERWARDS = timedelta(hours=1)
_LONGEST_RECOVERY = timedelta(days=4)
_MOST_ADVANCES = 200_000
_USUAL_EVERY = timedelta(minutes=1)
_PATIENCE_WITH_HOSTS = timedelta(minutes=20)  # longer than the engine has beyond the delay that a host declares
_VISITED_EVERY = timedelta(hours=1)
_MOST_VISITS = 48
_LONGEST_REST = timedelta(days=1)
_MOST_PLANS = 20
_HARMLESS = ("true",)


@dataclass(frozen=True, slots=True)
class Script:
    """How a trial is played.

    `arrange` is called before the first phase, with the play; it sets troubles in it. `gates` wraps the gates: drills
    have one fail. `instead` plays something in place of the phases. `back_by_hand` does what a person does in place of
    a rollback, which is then not begun. `afterwards` is called when the run is over, and users live on.
    """

    seed: int = 1
    kinds: tuple[CacheKind, ...] = tuple(POPULATION.values())
    arrange: Callable[[Play], None] | None = None
    gates: Callable[[Play, Mapping[str, Gate]], Mapping[str, Gate]] | None = None
    instead: Callable[[Play], tuple[PhasePlayed, ...]] | None = None
    back_by_hand: Callable[[Play], None] | None = None
    afterwards: Callable[[Play], None] | None = None


class StoppedError(Exception):
    """The engine is not asked any further: somebody goes on by hand."""


class Play:
    """One trial in hand: the stage, the services, the users, and the run on them."""

    def __init__(self, setting: Setting, cast: Cast, gates: Mapping[str, Gate], folder: Path, script: Script) -> None:
        self.setting = setting
        self.agenda = Agenda(setting.start)
        self.troubles = Troubles()
        self.stage = Stage(setting, self.agenda, self.troubles)
        self.services: Services = services_of(setting)
        self.street = Street(setting, self.services, cast.secrets, lambda: self.phase)
        wants = wants_of(setting)
        if not wants:
            apex = setting.apex.to_text(omit_final_dot=True)
            raise UsageError(
                f"the zone holds none of the names of the playbook for {apex} that users ask for: there is nothing to "
                "rehearse. Is it the right zone file?"
            )
        self.population = Population(setting, wants, self.services, script.kinds, seed=script.seed)
        self.listeners: list[Callable[[datetime, Event], None]] = []
        self.phase: Phase | None = None
        self.seed = script.seed
        self._script = script
        self._cast = cast
        self._folder = folder
        self._playbook = without_programs(setting.playbook)
        played = {
            kind: StillGate(gate, self._version)
            for kind, gate in rehearsed(gates, self.street.trusted, self.agenda).items()
        }
        self._gates = script.gates(self, played) if script.gates else played
        self._went_back: tuple[datetime, str] | None = None
        self.foreign: list[Change] = []
        self._asked: list[str] = []
        self._incidents: dict[str, None] = {}
        self._doubted_at = setting.start
        self._looks: dict[str, tuple[datetime, datetime]] = {}  # the newest two of each gate
        self.run: Run

    def act(self) -> Played:
        """Play every phase until one does not end well. Touches the network (loopback) and the folder."""
        with self.stage, self.street:
            self.stage.beyond = self.street.place
            names, anchor = self.stage.server_names(), self.stage.anchor
            self.population.open(through(self.stage.net()), names, self.agenda, anchor)
            self.agenda.witness(lambda _: None, self._look_at_servers)
            self._look_at_servers()
            self.run = self._opened()
            if self._script.arrange:
                self._script.arrange(self)
            phases = self._script.instead(self) if self._script.instead else self._phases()
            if self._script.afterwards:
                self._script.afterwards(self)
            self._live_on(recovering=not phases or phases[-1].outcome != "done")
            return self._result(phases)

    def _opened(self) -> Run:
        journal = FileJournal(self._folder, self.agenda, seen_from=self._folder)  # wherever that is (P10)
        hosts = self.stage.hosts
        providers = {
            name: Writer(real, hosts.get(name), self.stage, self.services)
            for name, real in self._cast.providers.items()
        }
        for name, writer in providers.items():
            if name in hosts:
                self.stage.also_at(hosts[name].primary, writer.own_servers)
        ports = Ports(
            net=self.stage.net(),
            clock=self.agenda,
            holds=FileHolds(self._folder, journal, self.agenda),
            providers=providers,
            registrars={name: Registry(real, self.stage) for name, real in self._cast.registrars.items()},
            gates=self._gates,
            roots=self.stage.roots,
            tell=self._listen,
            commands_allowed=True,
            secrets=self._cast.secrets,
            files=self.setting.files,
        )
        run = Run(self._playbook, journal, ports)
        run.catch_up()
        return run

    def _version(self) -> int:
        return self.stage.version()

    def _listen(self, at: datetime, event: Event) -> None:
        for listener in self.listeners:
            listener(at, event)
        if isinstance(event, Judging):
            _, before = self._looks.get(event.gate.name, (at, self.setting.start))
            self._looks[event.gate.name] = (before, at)
            if event.verdict.outcome != "pass":
                self._doubted_at = at
        for incident in _incidents(event):
            self._incidents.setdefault(incident)
        if isinstance(event, GoingBack) and self._went_back is None:
            self._went_back = (at, event.because)
            if self._script.back_by_hand:
                raise StoppedError

    def _look_at_servers(self) -> None:
        held = self.stage.asked_contents()
        self.population.look_at_servers([version.content for version in held], self.agenda.now())

    def _phases(self) -> tuple[PhasePlayed, ...]:
        played = []
        for phase in self._playbook.phases:
            if phase.steps:
                played.append(self._play_phase(phase))
                if played[-1].outcome not in {"done", "nothing"}:
                    break
        return tuple(played)

    def _play_phase(self, phase: Phase) -> PhasePlayed:
        self.phase, self._went_back = phase, None
        began, earliest = self.agenda.now(), None
        try:
            prepared, earliest = self._prepared(phase)
            began = self.agenda.now()
            if prepared.nothing_to_do:
                notes = "; ".join(prepared.plan.notes) or "it has no work for this domain"
                return PhasePlayed(phase.number, phase.name, earliest, began, began, "nothing", notes)
            hazards = {hazard.name: "rehearsed" for hazard in prepared.plan.hazards}
            plan = begin(self.run, _with_run(prepared, self._script.seed), hazards)
            outcome, because = self._drive()
        except DnsrunError as err:
            outcome, because = "refused", str(err)
            return PhasePlayed(phase.number, phase.name, earliest, began, self.agenda.now(), outcome, because)
        return PhasePlayed(
            number=phase.number,
            name=phase.name,
            earliest=earliest,
            began=began,
            ended=self.agenda.now(),
            outcome=outcome,
            because=because,
            worst_recovery_s=plan.worst_recovery_s,
            went_back_at=self._rollback()[0],
            failed=self._rollback()[1],
            hazards=tuple(hazards),
            moved_servers=any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts),
        )

    def _rollback(self) -> tuple[datetime | None, str]:
        """Return when the newest rollback of this phase began, and why."""
        return self._went_back or (None, "")

    def _prepared(self, phase: Phase) -> tuple[Prepared, datetime | None]:
        """Return the phase planned at the first time at which it may start, and that time."""
        first = None
        for _ in range(_MOST_PLANS):
            prepared = self._planned(phase)
            earliest = prepared.plan.earliest
            if prepared.nothing_to_do or earliest is None or earliest <= self.agenda.now():
                return prepared, first or earliest
            first = earliest
            remember(self.run, prepared)  # as `apply` does
            self.agenda.wait_until(earliest)
        return prepared, first

    def _planned(self, phase: Phase) -> Prepared:
        self.stage.is_planning = True
        try:
            return prepare(self.run, phase.number)
        finally:
            self.stage.is_planning = False

    def _drive(self) -> tuple[str, str]:
        """Advance until the phase is over; returns its outcome and the sentence.

        A rollback that is not complete is taken up again every hour, as `dnsrun resume` does it.
        """
        asked_since: datetime | None = None
        visits = 0
        for _ in range(_MOST_ADVANCES):
            try:
                step = advance(self.run)
            except KilledError:
                self.run = self._opened()
                continue
            except StoppedError:
                assert self._script.back_by_hand is not None  # noqa: S101 - it is what stopped the engine
                self._script.back_by_hand(self)
                return "by hand", "put back by hand"
            if isinstance(step, Ended):
                if step.outcome == "rollback-incomplete" and visits < _MOST_VISITS:
                    visits += 1
                    self.agenda.wait_until(self.agenda.now() + _VISITED_EVERY)
                    resume(self.run)
                    continue
                return step.outcome or "nothing", step.because
            if not isinstance(step, NeedsPerson):
                asked_since = None
                self._wait(step.when)
                continue
            if asked_since is not None and self.agenda.now() - asked_since > PATIENCE:
                return "waiting", " ".join((f"nobody did this within a day: {step.text.splitlines()[0]}", step.unshown))
            asked_since = self._asked_a_person(step, asked_since)
        return "waiting", "it does not come to an end"

    def _asked_a_person(self, step: NeedsPerson, since: datetime | None) -> datetime:
        now = self.agenda.now()
        told = (step.text, step.unshown if step.question else "")
        self._asked += [text for text in told if text and text not in self._asked]
        person = timedelta(seconds=self.setting.delays.person_s + self.troubles.late_s)
        if step.question and not self.troubles.forgets:
            self.agenda.wait_until(now + person)
            self._answer(step.move)
        else:
            self._wait(max(step.when, now + timedelta(seconds=15)))
        return since or now

    def _wait(self, when: datetime) -> None:
        """Wait until `when` (UTC), longer where nothing can have changed by then.

        In a world that stands still every look says the same. Once every gate of a watch has looked twice and said
        yes, looks are left out up to the next change, as by somebody who goes on by cron; those that are made keep to
        their times, so that what changes is seen as late as it would be.
        """
        now = self.agenda.now()
        if when > now and (rest := self._nothing_new_before(when) - when) > timedelta(0):
            when += rest // (when - now) * (when - now)
        self.agenda.wait_until(when)

    def _nothing_new_before(self, when: datetime) -> datetime:
        """Return up to when looks would only say again what the newest ones said; `when` where they would not."""
        stirred, watching = self._stirred_at(), self._watching()
        if not watching and self.agenda.now() - stirred <= _PATIENCE_WITH_HOSTS + self._declared_delay():
            return when
        needed = [self._second_look(gate, stirred) for gate in watching]
        deadlines = (self.agenda.next_due, self._hold_ends(), when + _LONGEST_REST, *needed)
        return min(each for each in deadlines if each is not None)

    def _declared_delay(self) -> timedelta:
        """Return how long the slowest host or registrar says that it takes."""
        able = self.run.ports.capabilities.values()
        return timedelta(seconds=max((one.declared_delay_s for one in able), default=0))

    def _stirred_at(self) -> datetime:
        """Return when the world last changed, or a gate said anything but yes."""
        changed = self.population.changes[-1] if self.population.changes else self.setting.start
        return max(changed, self._doubted_at)

    def _watching(self) -> tuple[GateSpec, ...]:
        """Return the gates of the waits and watches that are under way."""
        plan, active = self.run.active_plan(), self.run.state.active
        if plan is None or active is None:
            return ()
        under_way = [index for index, move in active.moves.items() if move.due and move.due.until > self.agenda.now()]
        holds = [move for index in under_way if isinstance(move := plan.moves[index], Hold)]
        return tuple(gate for hold in holds for gate in hold.gates)

    def _second_look(self, gate: GateSpec, stirred: datetime) -> datetime | None:
        """Return when a gate looks again that has not looked twice since the world was stirred; else None.

        What has not looked twice in time for two looks is asked no more.
        """
        every, now = timedelta(seconds=gate.every_s), self.agenda.now()
        first, last = self._looks.get(gate.name, (stirred, stirred))
        if first > stirred or now - stirred > 2 * max(every, _USUAL_EVERY):
            return None
        return last + every if last > stirred else now

    def _hold_ends(self) -> datetime | None:
        """Return when the wait or watch that is under way ends; what comes before it may rest no longer."""
        active = self.run.state.active
        moves = active.moves.values() if active else ()
        ends = [move.due.until for move in moves if move.due and move.due.until > self.agenda.now()]
        return min(ends, default=None)

    def _answer(self, move: int) -> None:
        self.run.catch_up()
        self.run.append(PersonAnswered(move, "done", "rehearsal"))

    def _live_on(self, *, recovering: bool) -> None:
        """Live on for an hour; after a rollback until an hour has passed in which nothing failed."""
        until = self.agenda.now() + _LONGEST_RECOVERY
        while True:
            self.agenda.wait_until(self.agenda.now() + _AFTERWARDS)
            self.population.live_until(self.agenda.now())
            if not recovering or self.agenda.now() >= until or not self.is_anybody_broken():
                return

    @property
    def has_written(self) -> bool:
        """Tell whether the phase that is under way has begun to write."""
        active = self.run.state.active
        return active is not None and any(move.attempts for move in active.moves.values())

    @property
    def watch_ends(self) -> datetime | None:
        """When (UTC) the wait or watch ends that is under way."""
        return self._hold_ends()

    @property
    def goes_forward(self) -> bool:
        """Tell whether no rollback has begun."""
        return self.run.state.going_back is None and self._went_back is None

    def is_anybody_broken(self, within: timedelta = _AFTERWARDS) -> bool:
        """Tell whether somebody was failed in the time before now."""
        since = self.agenda.now() - within
        for cache in self.population.caches:
            for asker in cache.askers:
                now = [met for met in asker.met if met.since >= since] + asker.met[-1:]
                if any(met.state == "broken" for met in now):
                    return True
        return False

    def _result(self, phases: tuple[PhasePlayed, ...]) -> Played:
        ending, left_over = self._ending()
        stories = tuple(
            Story(
                kind=cache.kind.name,
                number=cache.number,
                honest=is_honest(cache.kind),
                keeps_servers_s=cache.kind.positive_s(self.setting.delegation.ttl_s),
                want=asker.want,
                met=tuple(asker.met),
                until=self.agenda.now(),
            )
            for cache in self.population.caches
            for asker in cache.askers
        )
        return Played(
            domain=self.setting.apex.to_text(omit_final_dot=True),
            began=self.setting.start,
            ended=self.agenda.now(),
            phases=phases,
            stories=stories,
            ending=ending,
            left_over=left_over,
            assumed=(*self.setting.assumed, *made_up(self.setting.playbook)),
            not_rehearsed=left_out(self.setting.playbook),
            served_new_at=tuple(self.population.served_new_at.items()),
            asked=tuple(self._asked),
            incidents=tuple(self._incidents),
            delegated=tuple(sorted(name.to_text(omit_final_dot=True) for name in self.stage.delegation.ns)),
            lowered=self._lowered(),
            not_reached=self._not_reached(phases),
        )

    def _not_reached(self, phases: tuple[PhasePlayed, ...]) -> tuple[str, ...]:
        if self._script.instead or not phases or phases[-1].outcome in {"done", "nothing"}:
            return ()
        last = phases[-1].number
        return tuple(phase.name for phase in self.setting.playbook.phases if phase.number > last)

    def _lowered(self) -> int:
        """Return how many RRsets the delegated servers give with a lower TTL than was captured."""
        before = self.setting.zone.rrsets
        held = (rrset for version in self.stage.asked_contents() for rrset in version.snapshot.rrsets.values())
        return len({rrset.key for rrset in held if rrset.key in before and rrset.ttl_s < before[rrset.key].ttl_s})

    def _ending(self) -> tuple[Ending, tuple[str, ...]]:
        """Compare what the delegated servers hold with the target and with what was captured."""
        contents = [version.snapshot for version in self.stage.asked_contents()]
        standing = self.setting.zone.apply(self.run.standing())
        goals: tuple[tuple[Ending, ZoneSnapshot], ...] = (
            ("target", self.setting.target), ("checkpoint", self.setting.zone), ("checkpoint", standing),
        )  # fmt: skip
        nearest: tuple[str, ...] | None = None
        for name, goal in goals:
            kept = goal.apply(self.foreign)
            left = tuple(sorted({str(key) for content in contents for key in _differing(content, kept)}))
            if not left:
                return name, ()
            nearest = left if nearest is None or len(left) < len(nearest) else nearest
        return "between", nearest or ()


def _incidents(event: Event) -> list[str]:
    """Return what a person must hear of though the run goes on: a strange delegation, an old side that is gone."""
    if isinstance(event, AtParent) and event.handover.state == "wrong":
        return [str(event.handover)]
    if not (isinstance(event, Judging) and event.gate.kind == "parity" and isinstance(event.move, Hold)):
        return []
    return [warning for warning in event.verdict.warnings if warning.startswith("old side: ")]


def _differing(content: ZoneSnapshot, goal: ZoneSnapshot) -> list[RRsetKey]:
    """Return the RRsets whose data differ; each host's own name servers at the apex aside."""
    keys = {key for key in (*content.rrsets, *goal.rrsets) if is_content(key.rdtype)}
    keys -= {key for key in keys if key.owner == goal.apex and key.rdtype == RdataType.NS}
    own = {key for key in keys if key in content.rrsets and key not in goal.rrsets and _is_server(key, content)}
    return [key for key in keys - own if not _same(content, goal, key)]


def _is_server(key: RRsetKey, content: ZoneSnapshot) -> bool:
    """Tell whether this is the address of one of the host's own name servers inside the zone."""
    ns = content.rrsets.get(RRsetKey(content.apex, RdataType.NS))
    return ns is not None and key.owner.to_text() in ns.texts()


def _same(content: ZoneSnapshot, goal: ZoneSnapshot, key: RRsetKey) -> bool:
    one, other = content.rrsets.get(key), goal.rrsets.get(key)
    return one.same_data(other) if one is not None else other is None


def _with_run(prepared: Prepared, seed: int) -> Prepared:
    """Give the run a name that follows from the seed: the same seed has the same journal, octet by octet (P10)."""
    return replace(prepared, plan=replace(prepared.plan, run=f"rehearsal-{seed}"))


def without_programs(playbook: Playbook) -> Playbook:
    """Return the playbook with a harmless program in place of each of its steps' programs."""
    return replace(
        playbook, phases=tuple(replace(phase, steps=tuple(map(_harmless, phase.steps))) for phase in playbook.phases)
    )


def _harmless(step: Step) -> Step:
    if step.kind != "command":
        return step
    undo = {"undo": _HARMLESS} if "undo" in step.options else {}
    return replace(step, options={**step.options, "run": _HARMLESS, **undo})
