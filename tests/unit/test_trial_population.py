"""Users of a trial: leaving out what cannot change anything must not change what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dns.name
import pytest
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse import scenery
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun.rehearse.cache import ORDINARY, POPULATION, CacheKind, CachingResolver
from dnsrun.rehearse.trial.agenda import Agenda
from dnsrun.rehearse.trial.keys import MadeUpKey, Signer
from dnsrun.rehearse.trial.population import USERS_SIT_BEHIND, Asker, Cache, Met, is_honest
from dnsrun.rehearse.trial.stillnet import StillNet
from dnsrun.rehearse.trial.wants import Want
from dnsrun.rehearse.users import through

START = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
WANT = Want("mail", scenery.IMAP, RdataType.A)
DS_TTL_S = 70
SIGNERS = {zone: Signer(MadeUpKey(zone, "a test's"), START) for zone in (dns.name.root, scenery.PARENT, scenery.APEX)}
LOST = scenery.FIRST_ZONE.replace("imap-k7            A     192.0.2.25\n", "").replace(
    "smtp-k7            CNAME imap-k7\n", ""
)


@dataclass
class Servers:
    """The old host's server, the new host's, which lacks the mail host, and the parent that says who is asked."""

    root: Authority
    parent: Authority
    old: Authority
    places: Mapping[tuple[str, int], tuple[str, int]]
    net: MappedNet
    asked: int = 0
    anchor: RRset | None = None
    changed: int = 0

    def send(self, address: str, query: Message) -> Message | None:
        self.asked += 1
        return through(self.net)(address, query)


@contextmanager
def servers() -> Iterator[Servers]:
    root, parent = Authority(scenery.ROOT_ZONES), Authority({scenery.PARENT: scenery.FIRST_PARENT_ZONE})
    old, new = Authority({scenery.APEX: scenery.FIRST_ZONE}), Authority({scenery.APEX: LOST})
    played = {
        scenery.ROOT_SERVER: root,
        scenery.PARENT_SERVER: parent,
        scenery.PRIMARY: old,
        scenery.SECONDARY: old,
        scenery.NEW_PRIMARY: new,
        scenery.NEW_SECONDARY: new,
    }
    with root, parent, old, new:
        places = {(address, 53): (one.address, one.port) for address, one in played.items()}
        yield Servers(root, parent, old, places, MappedNet(places, SystemClock()))


def _judged(cache: Cache, asker: Asker) -> Met:
    good = asker.answer is not None and asker.answer.rrset is not None
    return Met(cache.now, "well" if good else "broken")


def _broken_s(asker: Asker, until: datetime) -> int:
    ends = [met.since for met in asker.met[1:]] + [until]
    return sum(
        round((end - met.since).total_seconds())
        for met, end in zip(asker.met, ends, strict=True)
        if met.state == "broken"
    )


@contextmanager
def signed_servers() -> Iterator[Servers]:
    """Start the same servers with a DS at the parent and everything signed, the new host aside."""
    with servers() as world:
        world.root.put_zone(SIGNERS[dns.name.root].signed(_SIGNED_ROOT))
        world.old.put_zone(SIGNERS[scenery.APEX].signed(scenery.FIRST_ZONE.replace("$TTL 900", "$TTL 90")))
        world.anchor = SIGNERS[dns.name.root].key.anchor
        world.net = StillNet(world.places, SystemClock(), lambda: world.changed)
        _with_ds(world)
        yield world


class EverySecond:
    """Users who ask in every second in which what they were told has run out; every second is counted."""

    def __init__(self, kind: CacheKind, world: Servers, want: Want) -> None:
        self._want = want
        self.now = self._ask_again_at = START
        self.broken = 0
        self._good = True
        self._resolver = CachingResolver(
            (scenery.ROOT_SERVER,), world.send, lambda: self.now, kind, anchor=world.anchor, seed=0
        )

    def live_until(self, when: datetime) -> None:
        while self.now < when:
            if self.now >= self._ask_again_at:
                answer = self._resolver.resolve(self._want.name, self._want.rdtype)
                self._good = answer.rrset is not None
                self._ask_again_at = self.now + timedelta(seconds=max(1, answer.remaining_ttl_s))
            self.broken += not self._good
            self.now += timedelta(seconds=1)


def _both_count(
    kind: CacheKind,
    changes: Sequence[tuple[int, Callable[[Servers], None]]],
    want: Want = WANT,
    *,
    signed: bool = False,
) -> tuple[int, int]:
    """Return the broken seconds that a cache of a trial counts, and those of users who ask in every second."""
    with signed_servers() if signed else servers() as world:
        cache = Cache(kind, 0, START, (scenery.ROOT_SERVER,))
        cache.askers.append(Asker(want, START))
        cache.open(world.send, world.anchor)
        users, now = EverySecond(kind, world, want), START
        for seconds, change in changes:
            now += timedelta(seconds=seconds)
            cache.live_until(now, _judged)
            users.live_until(now)
            change(world)
            world.changed += 1
            cache.unsettle()
        return _broken_s(cache.askers[0], now), users.broken


_SIGNED_ROOT = scenery.ROOT_ZONES[dns.name.root] + f"example. 3600 DS {SIGNERS[scenery.PARENT].key.ds}\n"
_PARENT = scenery.FIRST_PARENT_ZONE.replace(f"{scenery.DOMAIN}.         600", f"{scenery.DOMAIN}. 120")


def _with_ds(world: Servers) -> None:
    """Have the parent delegate to the old host, with a DS; signed."""
    ds = f"{scenery.DOMAIN}. {DS_TTL_S} DS {SIGNERS[scenery.APEX].key.ds}\n"
    world.parent.put_zone(SIGNERS[scenery.PARENT].signed(_PARENT + ds))


def _without_ds(world: Servers) -> None:
    """Have the parent delegate to the old host, without a DS; signed."""
    world.parent.put_zone(SIGNERS[scenery.PARENT].signed(_PARENT))


def _to_new_with_ds(world: Servers) -> None:
    """Leave the DS where it is and have the parent delegate to the new host, which does not sign."""
    ds = f"{scenery.DOMAIN}. {DS_TTL_S} DS {SIGNERS[scenery.APEX].key.ds}\n"
    text = (_PARENT + ds).replace("NS  ns1.old", "NS  ns1.new").replace("NS  ns2.old", "NS  ns2.new")
    world.parent.put_zone(SIGNERS[scenery.PARENT].signed(text))


def _stop_signing(world: Servers) -> None:
    """Have the old host serve its zone without signatures."""
    world.old.set_zone(scenery.APEX, scenery.FIRST_ZONE.replace("$TTL 900", "$TTL 90"))


def _to_new(world: Servers) -> None:
    world.parent.set_zone(scenery.PARENT, scenery.delegated_to_new(world.parent.zone_text(scenery.PARENT)))
    assert scenery.is_delegated_to_new(world.parent.zone_text(scenery.PARENT))


def _to_old(world: Servers) -> None:
    world.parent.set_zone(scenery.PARENT, scenery.FIRST_PARENT_ZONE)


def _refuse(world: Servers) -> None:
    world.old.faults = Faults(rcode=Rcode.REFUSED)


def _answer(world: Servers) -> None:
    world.old.faults = Faults()


def _nothing(_: Servers) -> None:
    """Change nothing: only live on."""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(USERS_SIT_BEHIND),
    lengths=st.tuples(*[st.integers(min_value=30, max_value=3_000)] * 3),
    refusing=st.booleans(),
)
def test_counts_as_users_do_who_ask_in_every_single_second(
    kind: CacheKind, lengths: tuple[int, int, int], refusing: bool
) -> None:
    first, then = (_refuse, _answer) if refusing else (_to_new, _to_old)
    ours, every_second = _both_count(kind, [*zip(lengths, (first, then, _nothing), strict=True), (2_000, _nothing)])
    assert ours == every_second


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.tuples(*[st.integers(min_value=10, max_value=400)] * 3),
    changes=st.sampled_from(
        [
            (_without_ds, _to_new_with_ds),
            (_to_new_with_ds, _with_ds),
            (_stop_signing, _without_ds),
            (_to_new_with_ds, _without_ds),
        ]
    ),
)
def test_who_refuses_what_is_not_signed_counts_as_who_asks_in_every_second(
    lengths: tuple[int, int, int], changes: tuple[Callable[[Servers], None], Callable[[Servers], None]]
) -> None:
    steps = [*zip(lengths, (*changes, _nothing), strict=True), (300, _nothing)]
    want = Want("web", scenery.WWW, RdataType.A)  # both hosts have it: only signatures make a difference
    ours, every_second = _both_count(POPULATION["validating"], steps, want, signed=True)
    assert ours == every_second


def test_a_day_of_quiet_costs_a_few_questions() -> None:
    with servers() as world:
        cache = Cache(ORDINARY, 0, START, (scenery.ROOT_SERVER,))
        cache.askers.append(Asker(WANT, START))
        cache.open(world.send)
        cache.live_until(START + timedelta(hours=2), _judged)
        first = world.asked
        cache.live_until(START + timedelta(hours=4), _judged)
        assert [met.state for met in cache.askers[0].met] == ["well"]
        assert (
            world.asked - first < 60
        )  # the delegation runs out every ten minutes; the data alone would be asked 8 times


def test_caches_that_keep_more_than_they_were_told_are_not_called_honest() -> None:
    dishonest = {kind.name for kind in USERS_SIT_BEHIND if not is_honest(kind)}
    assert dishonest == {"sticky", "ttl-stretching", "serve-stale"}


def test_what_is_due_happens_in_the_order_of_its_time_and_before_whoever_waits_goes_on() -> None:
    agenda, told = Agenda(START), list[tuple[str, datetime]]()
    agenda.witness(lambda when: told.append(("users lived", when)), lambda: told.append(("looked", agenda.now())))
    agenda.later(60, lambda: agenda.change(lambda: told.append(("second", agenda.now()))))
    agenda.later(30, lambda: agenda.later(20, lambda: told.append(("first", agenda.now()))))
    agenda.wait_until(START + timedelta(minutes=5))
    at = {what: round((when - START).total_seconds()) for what, when in told}
    assert [what for what, _ in told] == ["first", "users lived", "second", "looked"]
    assert at == {"first": 50, "users lived": 60, "second": 60, "looked": 60}
    assert (agenda.now() - START, agenda.version) == (timedelta(minutes=5), 1)


@pytest.mark.parametrize("name", [dns.name.from_text("nobody.client.example")])
def test_a_name_that_nobody_serves_is_asked_again_after_its_negative_ttl(name: dns.name.Name) -> None:
    with servers() as world:
        cache = Cache(ORDINARY, 0, START, (scenery.ROOT_SERVER,))
        cache.askers.append(Asker(Want("web", name, RdataType.A), START))
        cache.open(world.send)
        cache.live_until(START + timedelta(seconds=10), _judged)
        assert cache.askers[0].period == timedelta(seconds=300)
