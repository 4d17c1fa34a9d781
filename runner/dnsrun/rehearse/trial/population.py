"""Users behind caching resolvers: they ask all the time, and every second in which an answer fails them is counted.

A cache is asked when what it holds runs out. While the world stands still it would learn the same again and again, so
only the last time before a change is played: a day of quiet costs a few questions. What is played is real: messages
to the stage's servers, entries that age in the resolver itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

import dns.rcode
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset

from dnsrun.model.rrset import rdata_text
from dnsrun.rehearse.cache import POPULATION, CacheAnswer, CacheKind, CachingResolver, Send
from dnsrun.rehearse.zonestore import ZoneContent

from .agenda import Agenda
from .services import Services
from .setting import Outside, Setting
from .truth import Truth, final_data
from .wants import Want

State = Literal["well", "old", "new", "broken"]
USERS_SIT_BEHIND: tuple[CacheKind, ...] = tuple(kind for kind in POPULATION.values() if not kind.validates)
"""The kinds behind which users sit where nothing is signed: one that validates would do as its twin does."""
CACHES_OF_A_KIND = 4
_LEAST_PAUSE = timedelta(seconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_ADDRESSED = frozenset({RdataType.A, RdataType.AAAA})
_PROVING = frozenset({RdataType.DS, RdataType.DNSKEY})  # asked on the way to judging what somebody else said


def is_honest(kind: CacheKind) -> bool:
    """Tell whether caches of a kind keep nothing for longer than its TTL, whatever happens."""
    return kind.positive_s(1) <= 1 and kind.child_ns_life != "renewed" and not kind.stale_s


@dataclass(frozen=True, slots=True)
class Met:
    """What users of one cache met from `since` (UTC) on: what they got, where it led, and why it failed them.

    `by` is the name server whose word failed them, where it was one's.
    """

    since: datetime
    state: State
    data: tuple[str, ...] = ()
    cause: str = ""
    by: str = ""


@dataclass(slots=True)
class Asker:
    """The users of one name behind one cache. `met` is their story; `steady`: the newest answer was as before."""

    want: Want
    due: datetime
    period: timedelta = timedelta(0)
    steady: bool = False
    answer: CacheAnswer | None = None
    said_by: str = ""
    met: list[Met] = field(default_factory=list)


class Cache:
    """One caching resolver and its users, living on their own time."""

    def __init__(self, kind: CacheKind, number: int, begins: datetime, roots: Sequence[str]) -> None:
        self.kind = kind
        self.number = number
        self.askers: list[Asker] = []
        self.now = begins
        self.last_server = ""
        self._roots = roots
        self._send: Send | None = None
        self._anchor: RRset | None = None
        self._resolver: CachingResolver | None = None
        self._wakes: list[datetime] = []
        self._way_ends: datetime | None = None
        # Where every answer counts for the way to servers, or for what they say being believed.
        self._is_renewed = kind.child_ns_life == "renewed" or kind.validates
        self._proofs_end: list[datetime] = []
        self._learns_at = _NEVER

    def open(self, send: Send, anchor: RRset | None = None) -> None:
        """Begin with an empty cache that asks through `send`; one that validates does so below `anchor`."""

        def listening(address: str, query: Message) -> Message | None:
            answer = send(address, query)
            if query.question[0].rdtype not in _PROVING:
                self.last_server = address
            if answer is None:
                self._note_failure()
            return answer

        self._send, self._anchor = listening, anchor
        self.start_anew()

    def start_anew(self) -> None:
        """Forget everything, as a resolver that was started again; its users ask at once."""
        assert self._send is not None  # noqa: S101 - opened before
        if self._resolver is not None:
            for asker in self.askers:
                asker.due, asker.steady = self.now, False
        self._way_ends, self._learns_at = None, _NEVER
        self._proofs_end.clear()
        self._resolver = CachingResolver(
            self._roots, self._send, lambda: self.now, self.kind, anchor=self._anchor, seed=self.number
        )

    def live_until(self, when: datetime, judge: Callable[[Cache, Asker], Met]) -> None:
        """Let the users ask everything that is due before `when` (UTC)."""
        while True:
            end = self._quiet_until(when)
            if self._finds_the_way(end, judge):
                continue
            asker = min(self.askers, key=lambda one: _effective(one, end, self._learns_at))
            at = _effective(asker, end, self._learns_at)
            if at < end:
                self._ask(asker, at, judge)
                continue
            self.now = max(self.now, end)
            if end >= when:
                return
            self._look_twice()

    def _quiet_until(self, when: datetime) -> datetime:
        """Return up to when nothing changes by itself in what this cache asks whom, `when` at the latest."""
        passed = _drop_passed(self._wakes, self.now)
        if self._is_renewed and self._way_ends is not None and self._way_ends <= self.now:
            self._way_ends, passed = self._known().way_ends(), True
        if passed:
            self._note_proofs()
        _drop_passed(self._proofs_end, self.now)
        way_ends = [self._way_ends] if self._is_renewed and self._way_ends else []
        return min([when, *self._wakes[:1], *self._proofs_end[:1], *way_ends])

    def _finds_the_way(self, end: datetime, judge: Callable[[Cache, Asker], Met]) -> bool:
        """Play the next question that finds the way to servers run out; False when there is none before `end`.

        Where it is found again as it was, nobody else need ask to know that nothing has changed for them, either.
        """
        ends = self._way_ends
        if ends is None or self._is_renewed:
            return False
        asker = min(self.askers, key=lambda one: _first(one, ends))
        at = _first(asker, ends)
        if at >= end:
            return False
        way = self._known().way()
        self._ask(asker, at, judge)
        if at >= ends and not (asker.steady and self._known().way() == way):
            self._look_twice()
        return True

    def unsettle(self) -> None:
        """Have everybody look twice before they take an answer for the usual one: the world has changed."""
        self._look_twice()
        self._note_proofs()

    def _look_twice(self) -> None:
        for asker in self.askers:
            asker.due = _first(asker, self.now)
            asker.steady = False

    def _note_proofs(self) -> None:
        """Remember when keys and DS RRsets run out that were learned on another way or from another world.

        What has been learned since is learned again as it is, by whoever asks next.
        """
        if self.kind.validates and self._resolver is not None:
            for until in {end for asker in self.askers for end in self._resolver.proofs_until(asker.want.name)}:
                heapq.heappush(self._proofs_end, until)

    def _ask(self, asker: Asker, at: datetime, judge: Callable[[Cache, Asker], Met]) -> None:
        """Have an asker ask at `at` (UTC); that may lie before what others have asked while nothing changed."""
        resolver, now = self._known(), max(self.now, at)
        self.now, self.last_server = at, ""
        answer = resolver.resolve(asker.want.name, asker.want.rdtype)
        # What came to nothing is not tried again before that is forgotten, however often users ask.
        pause_s = self.kind.failure_s if answer.rcode == dns.rcode.SERVFAIL else answer.remaining_ttl_s
        period = max(_LEAST_PAUSE, timedelta(seconds=pause_s))
        if answer.is_stale:
            self._wake_after(self.kind.stale_s)
        if self.kind.validates:
            self._learns_at = min((end for end in resolver.proofs_until(asker.want.name) if end > at), default=_NEVER)
        before = asker.answer
        asker.steady = before is not None and period == asker.period and before.rrset == answer.rrset
        asker.period, asker.answer, asker.due = period, answer, at + period
        asker.said_by = self.last_server or asker.said_by
        note(asker, judge(self, asker))
        self.now, self._way_ends = now, resolver.way_ends()

    def _known(self) -> CachingResolver:
        assert self._resolver is not None  # noqa: S101 - opened before anybody lives
        return self._resolver

    def _note_failure(self) -> None:
        """Remember when this kind tries again what came to nothing."""
        for pause_s in (self.kind.failure_s, self.kind.silent_s, self.kind.stale_answer_ttl_s):
            self._wake_after(pause_s)

    def _wake_after(self, seconds: int) -> None:
        wake = self.now + timedelta(seconds=seconds)
        if seconds and wake not in self._wakes:
            heapq.heappush(self._wakes, wake)


def _first(asker: Asker, since: datetime) -> datetime:
    """Return when an asker asks next, where it gets the usual answer the first time from `since` on."""
    if not asker.steady or asker.due >= since:
        return asker.due
    return asker.due - (asker.due - since) // asker.period * asker.period


def _drop_passed(times: list[datetime], now: datetime) -> bool:
    """Take what has passed off a heap of times; tell whether anything had."""
    before = len(times)
    while times and times[0] <= now:
        heapq.heappop(times)
    return len(times) < before


def _effective(asker: Asker, end: datetime, learns_at: datetime) -> datetime:
    """Return when an asker asks next: of many equal times before `end` only the last.

    From `learns_at` on the first, since whoever asks then has keys or a DS RRset learned anew.
    """
    if not asker.steady or asker.due >= end:
        return asker.due
    last = asker.due + (end - _LEAST_PAUSE / 1000 - asker.due) // asker.period * asker.period
    if last < learns_at:
        return last
    return asker.due + max(timedelta(0), -((asker.due - learns_at) // asker.period) * asker.period)


def note(asker: Asker, met: Met) -> None:
    """Add to a story where it is new."""
    newest = asker.met[-1] if asker.met else None
    if newest is None or replace(newest, since=met.since) != met:
        asker.met.append(met)


def settle_in(cache: Cache, wants: Iterable[Want], ns_ttl_s: int, dice: Random, of: int = CACHES_OF_A_KIND) -> None:
    """Spread caches over the life of a delegation: some have just learned it, some forget it soon; users begin to ask.

    `of` is how many there are of each kind.
    """
    age_s = int(cache.kind.positive_s(ns_ttl_s) * (cache.number + dice.random()) / of)
    cache.now -= timedelta(seconds=age_s)
    cache.askers += [Asker(want, cache.now + timedelta(seconds=dice.randrange(60))) for want in wants]


class Population:
    """All caches and their users; a witness of every change of the world."""

    def __init__(
        self, setting: Setting, wants: Sequence[Want], services: Services, kinds: Iterable[CacheKind], *, seed: int
    ) -> None:
        self.wants = tuple(wants)
        self.caches = tuple(
            Cache(kind, number, setting.start, setting.spare[:1])
            for kind in kinds
            if setting.signing or not kind.validates
            for number in range(CACHES_OF_A_KIND)
        )
        self._truth = Truth(setting)
        self._outside: Mapping[Name, Outside] = setting.outside
        self._services = services
        self._names: Mapping[str, str] = {}
        self.until = setting.start
        self.served_new_at: dict[Want, datetime] = {}
        self.changes: list[datetime] = []
        dice = Random(seed)  # noqa: S311 - no secret
        for cache in self.caches:
            settle_in(cache, self.wants, setting.delegation.ttl_s, dice)

    def open(self, send: Send, names: Mapping[str, str], agenda: Agenda, anchor: RRset | None = None) -> None:
        """Let everybody ask through `send`; `names` are those of servers by address, `anchor` is what is trusted in."""
        self._names = names
        for cache in self.caches:
            cache.open(send, anchor)
        agenda.witness(self.live_until, lambda: self.reconsider(agenda.now()))

    def live_until(self, when: datetime) -> None:
        """Let every user live on until `when` (UTC)."""
        for cache in self.caches:
            cache.live_until(when, self._judge)
        self.until = max(self.until, when)

    def reconsider(self, now: datetime) -> None:
        """Look again, after a change at `now` (UTC), at what the answers that users hold are worth."""
        self.changes.append(now)
        for cache in self.caches:
            cache.now = now
            cache.unsettle()
            for asker in cache.askers:
                if asker.answer is not None:
                    note(asker, self._judge(cache, asker))

    def look_at_servers(self, contents: Sequence[ZoneContent], now: datetime) -> None:
        """Remember since when every server of the delegation gives the new data."""
        for want in self.wants:
            pair = self._truth.of(want.name, want.rdtype)
            held = {id(content): content for content in contents}.values()
            given = {final_data(content, self._outside, want.name, want.rdtype) for content in held}
            if given == {pair.new}:
                self.served_new_at.setdefault(want, now)
            else:
                self.served_new_at.pop(want, None)

    def _judge(self, cache: Cache, asker: Asker) -> Met:
        want, answer = asker.want, asker.answer
        assert answer is not None  # noqa: S101 - asked before it is judged
        pair = self._truth.of(want.name, want.rdtype)
        given = frozenset(rdata_text(rdata) for rdata in answer.rrset or ())
        shown = tuple(sorted(given))
        by = self._names.get(asker.said_by, asker.said_by)
        if answer.rcode == dns.rcode.SERVFAIL:
            if answer.refused:
                return Met(cache.now, "broken", (), f"{answer.refused}: validating resolvers answer SERVFAIL", by)
            return Met(cache.now, "broken", (), "no server answers")
        if given not in pair:
            return Met(cache.now, "broken", shown, _wrong(answer), by)
        host = answer.rrset.name if answer.rrset is not None else want.name
        if want.rdtype in _ADDRESSED and (flaw := self._services.flaw(host, shown)):
            return Met(cache.now, "broken", shown, flaw)
        state: State = "well" if pair.old == pair.new else "old" if given == pair.old else "new"
        return Met(cache.now, state, shown)


def _wrong(answer: CacheAnswer) -> str:
    if answer.rrset is not None:
        return "other data"
    return "no such name" if answer.rcode == dns.rcode.NXDOMAIN else "no such record"
