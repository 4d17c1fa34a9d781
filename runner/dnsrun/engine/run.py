"""A run in hand: its playbook, its journal and what that folds into; and the ports it works through."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from dns.name import Name

from dnsrun.clock import Clock
from dnsrun.dnsio.views import ServerView
from dnsrun.dnsio.walk import Roots
from dnsrun.journal.fold import MoveState, RunState, fold
from dnsrun.model.act import WriteZone
from dnsrun.model.codec import decode, encode
from dnsrun.model.entry import Entry, Record, Resumed
from dnsrun.model.observation import Endpoint
from dnsrun.model.plan import Do, Plan
from dnsrun.model.playbook import Playbook, Side
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.model.zonetext import from_text, to_text
from dnsrun.ports.gate import Gate
from dnsrun.ports.journal import Holds, Journal
from dnsrun.ports.net import Net
from dnsrun.ports.provider import Capabilities, RegistrarProvider, Secrets, ZoneProvider

from .progress import Event, Listener
from .shown import Showing


@dataclass(frozen=True, slots=True)
class Ports:
    """The engine's whole view of the world.

    `providers`, `registrars` and `capabilities` go by the playbook's names. `files` holds what the playbook's
    `capture: {file}` says, read beforehand. `commands_allowed`: the person allowed programs for this very playbook.
    `secrets` None: nothing here needs one.
    """

    net: Net
    clock: Clock
    holds: Holds
    providers: Mapping[str, ZoneProvider]
    gates: Mapping[str, Gate]
    roots: Roots
    tell: Listener
    commands_allowed: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    registrars: Mapping[str, RegistrarProvider] = field(default_factory=dict)
    secrets: Secrets | None = None

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each provider and registrar can do."""
        hosts = {name: host.capabilities for name, host in self.providers.items()}
        return hosts | {name: registrar.capabilities for name, registrar in self.registrars.items()}


@dataclass(frozen=True, slots=True)
class Fresh:
    """A gate passed in this process: good until `until` (UTC), while the servers asked give these SOA serials."""

    until: datetime
    serials: Mapping[Endpoint, int | None]


class Run:
    """A cursor over one journal: folds what is new, appends at the head.

    Keeps nothing that the journal does not say, but for which calls this process made (`called`), when it last asked
    whether they show (`looked`) and how writes among them did then (`showing`), which gates passed in it (`fresh`, by
    move and gate), and for a minute whom it asks: `seen` is the view of the delegation and when (monotonic seconds) it
    was taken, `sides` are those of the two hosts that go with it, by side, whether it is switched to the new one and
    whether that is settled. `matters` is what must stay at the new servers, by the digest of the zone that it follows
    from.
    """

    def __init__(self, playbook: Playbook, journal: Journal, ports: Ports) -> None:
        self.playbook = playbook
        self.journal = journal
        self.ports = ports
        self.state = RunState()
        self.called: set[int] = set()
        self.looked: dict[int, datetime] = {}
        self.showing: dict[int, Showing] = {}
        self.seen: tuple[float, ServerView] | None = None
        self.sides: dict[tuple[Side, bool, bool], ServerView] = {}
        self.fresh: dict[tuple[int, str], Fresh] = {}
        self.matters: dict[str, tuple[Change, ...]] = {}
        self._plans: dict[str, Plan] = {}
        self._zones: dict[str, ZoneSnapshot] = {}

    @property
    def apex(self) -> Name:
        """The domain's name."""
        return self.playbook.domain

    def catch_up(self) -> RunState:
        """Fold what has been appended since, by whomever. Touches the disk; raises `JournalError`."""
        for record in self.journal.read(self.state.head[0]):
            self._take(record)
        return self.state

    def append(self, entry: Entry) -> RunState:
        """Append durably and fold. Raises `Lost` or `JournalError`."""
        self._take(self.journal.append(entry, head=self.state.head))
        return self.state

    def _take(self, record: Record) -> None:
        before = self.state.active.planned if self.state.active else None
        self.state = fold(self.state, record)
        after = self.state.active.planned if self.state.active else None
        if after != before or isinstance(record.entry, Resumed):
            self.called.clear()
            self.looked.clear()
            self.showing.clear()
            self.fresh.clear()

    def tell(self, event: Event) -> None:
        """Let the listener know."""
        self.ports.tell(self.ports.clock.now(), event)

    def store_plan(self, plan: Plan) -> str:
        """Store a plan and return its digest. Touches the disk."""
        # A value a line, for diff; an indent would take json's slow way.
        text = json.dumps(encode(plan), separators=(",\n", ": "), ensure_ascii=False) + "\n"
        digest = self.journal.put(text, suffix="plan.json")
        self._plans[digest] = plan
        return digest

    def plan(self, digest: str) -> Plan:
        """Return a stored plan. Touches the disk; raises `JournalError`."""
        if digest not in self._plans:
            self._plans[digest] = decode(Plan, json.loads(self.journal.get(digest)))
        return self._plans[digest]

    def store_zone(self, zone: ZoneSnapshot) -> str:
        """Store a captured zone as master-file text and return its digest. Touches the disk."""
        digest = self.journal.put(to_text(zone), suffix="zone")
        self._zones[digest] = zone
        return digest

    def zone(self, digest: str) -> ZoneSnapshot:
        """Return a stored zone. Touches the disk; raises `JournalError`."""
        if digest not in self._zones:
            self._zones[digest] = from_text(self.journal.get(digest))
        return self._zones[digest]

    def active_plan(self) -> Plan | None:
        """Return the plan that is being carried out."""
        return self.plan(self.state.active.planned.plan) if self.state.active else None

    def settled_at(self) -> datetime | None:
        """Return when the newest phase that wrote was over: every server had shown it by then."""
        phases = [self.state.phase(number) for number in self.state.wrote()]
        return max((phase.ended_at for phase in phases if phase.ended_at), default=None)

    def raised_ttls(self, provider: str) -> Mapping[RRsetKey, int]:
        """Return TTLs, in seconds, that a host serves though a lower one was asked for (fault 32)."""
        found: dict[RRsetKey, int] = {}
        for number in sorted(self.state.wrote()):
            plan, moves = self.plan(self.state.phase(number).plan), self.state.phase(number).moves
            for index, move in enumerate(plan.moves):
                act = plan.acts[move.act] if isinstance(move, Do) else None
                done = moves[index].done if index in moves else None
                if isinstance(act, WriteZone) and act.provider == provider and done:
                    found |= {rrset.key: rrset.ttl_s for rrset in done.served}
        return found

    def written(self) -> tuple[Change, ...]:
        """Return everything that this run ever set out to write going forward, oldest first, taken back or not.

        Where the zone moves only what the host that it leaves was to hold.
        """
        left = self.playbook.zone.provider
        return tuple(change for digest in self.state.written for change in self.plan(digest).changes(provider=left))

    def standing(self, below: int | None = None, *, provider: str | None = None) -> tuple[Change, ...]:
        """Return what earlier phases changed and what stands, oldest first.

        Only phases below a number if given, and only what a provider wrote: without one, the host that is delegated to.
        """
        changes: list[Change] = []
        for number in sorted(self.state.wrote()):
            if below is None or number < below:
                phase = self.state.phase(number)
                changes += settled(self.plan(phase.plan), phase.moves, provider=provider or self.live)
        return tuple(changes)

    @property
    def live(self) -> str:
        """The provider whose servers the parent delegates to, by what this run had it serve."""
        zone = self.playbook.zone
        return zone.to if self.switched and zone.to else zone.provider

    @property
    def switched(self) -> bool:
        """Tell whether this run had the parent delegate to the new host, and has not taken it back."""
        delegated, zone = self.state.delegated, self.playbook.zone
        if not delegated or zone.to is None:
            return False
        return delegated[-1][1].ns == frozenset(server.name for server in self.playbook.providers[zone.to].name_servers)

    @property
    def left_delegation(self) -> Delegation | None:
        """The delegation that the parent served when this run first looked; None before."""
        return next((entry.delegation for entry in self.state.captures if entry.delegation), None)


def settled(
    plan: Plan, moves: Mapping[int, MoveState], acts: Iterable[int] | None = None, *, provider: str | None = None
) -> tuple[Change, ...]:
    """Return the changes of the acts (all when None) that were at least intended, with the TTLs served (T7).

    Only those at one provider if given.
    """
    chosen = None if acts is None else set(acts)
    changes: list[Change] = []
    for index, move in enumerate(plan.moves):
        known = moves.get(index)
        if not isinstance(move, Do) or known is None or not (known.attempts or known.done):
            continue
        if chosen is None or move.act in chosen:
            served = {rrset.key: rrset.ttl_s for rrset in known.done.served} if known.done else {}
            changes += (_as_served(change, served) for change in plan.changes((move.act,), provider=provider))
    return tuple(changes)


def _as_served(change: Change, served: Mapping[RRsetKey, int]) -> Change:
    if change.after is None or change.key not in served:
        return change
    return replace(change, after=change.after.with_ttl(served[change.key]))


def merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return one change for each RRset: the newest."""
    return tuple({change.key: change for change in changes}.values())
