"""What plans promise about time, against every kind of cache: never earlier than the truth, at most a margin later.

The caches ask in the worst moment: in the last second in which the old may still be given. Kinds that keep data or
name servers for longer than they were told to are no measure of a promise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dns.message
import dns.name
from dns.message import Message
from dns.rdatatype import RdataType
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dnsrun.clock import VirtualClock
from dnsrun.model.entry import TtlSample
from dnsrun.model.rrset import Change
from dnsrun.model.zone import Delegation
from dnsrun.plan.moving import clean_at, kept_s
from dnsrun.plan.planner import plan_phase
from dnsrun.plan.ttl import margin_s, value_digest
from dnsrun.rehearse.cache import POPULATION, CachingResolver
from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.responses import render
from dnsrun.rehearse.zonestore import ZoneContent
from movecases import NEW, NEW_NS, OLD, OLD_NS, PARENT, ROOT, root_zone
from planworld import NOON, playbook, rrset, situation, zone

APEX = dns.name.from_text("client.example")
EXAMPLE = dns.name.from_text("example.")
BEFORE, AFTER, LOW_S = "192.0.2.10", "203.0.113.20", 600
HONEST = tuple(kind for kind in POPULATION.values() if kind.positive_s(1) == 1 and kind.child_ns_life != "renewed")
DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
SECOND = timedelta(seconds=1)
TEXT = f"""dnsrun: 1
domain: client.example
goal: A test.
providers: {{panel: {{use: manual, panel: other}}}}
zone: {{from: panel}}
ttl: {LOW_S}
records: [{{names: [www], type: A, was: {BEFORE}, RECORD}}]
phases:
  - {{name: lower, steps: [{{kind: lower-ttl, wait_at_least: 1m}}]}}
  - {{name: switch, steps: [{{kind: switch-records}}]}}
  - {{name: finish, steps: [{{kind: finish}}]}}
"""
ttls = st.integers(LOW_S + 1, 604_800)
lives = st.integers(1, 86_400)


@dataclass
class Place:
    """Root, parent and two hosts as pure functions, and one cache of every honest kind."""

    parent_s: int = 3_600
    soa: str = "300 SOA ns nobody 7 3600 600 86400 300"
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))

    def __post_init__(self) -> None:
        self.zones = {ROOT: ZoneContent.from_text(dns.name.root, root_zone())}
        self.delegate(OLD_NS)
        self.caches = [CachingResolver([ROOT], self._send, self.clock.now, kind) for kind in HONEST]

    def delegate(self, server: str) -> None:
        self.zones[PARENT] = ZoneContent.from_text(
            EXAMPLE,
            f"@ 86400 SOA ns nobody 1 1 1 1 1\n@ 86400 NS ns\nns 86400 A {PARENT}\n{OLD_NS} 86400 A {OLD}\n"
            f"{NEW_NS} 86400 A {NEW}\nclient {self.parent_s} NS {server}\n",
        )

    def hold(self, host: str, *lines: str, ns_ttl_s: int = 3_600) -> None:
        head = f"@ {self.soa}\n@ {ns_ttl_s} NS {OLD_NS if host == OLD else NEW_NS}\n"
        self.zones[host] = ZoneContent.from_text(APEX, head + "\n".join(lines) + "\n")

    def _send(self, address: str, query: Message) -> Message | None:
        question = query.question[0]
        found = look_up(self.zones[address], question.name, question.rdtype, ns_beside=True)
        return dns.message.from_wire(render(query, found, "tcp"))

    def ask(self, *labels: str, at: datetime) -> set[tuple[str, int]]:
        """Have every cache ask; returns the data, and the TTL with which it was given. Nothing: an absence."""
        self.clock.wait_until(at)
        names = [dns.name.from_text(label, APEX) for label in labels]
        answers = [cache.resolve(name, RdataType.A) for cache in self.caches for name in names]
        return {(one.rrset[0].to_text(), one.rrset.ttl) if one.rrset else ("", 0) for one in answers}


def text_with(record: str) -> str:
    return TEXT.replace("RECORD", record)


def series(changes: Iterable[tuple[datetime, int]]) -> dict[tuple[object, str], tuple[TtlSample, ...]]:
    key, digest = rrset("www", 1, "A", BEFORE).key, value_digest(rrset("www", 1, "A", BEFORE))
    return {(key, OLD_NS): tuple(TtlSample(key, OLD_NS, ttl_s, digest, at) for at, ttl_s in changes)}


@settings(max_examples=25, deadline=None, phases=DRAWN)
@given(ttls)
def test_records_are_switched_when_the_last_long_lived_copy_is_gone_and_not_a_margin_later(old_ttl_s: int) -> None:
    """T1."""
    place, lowered = Place(), NOON + timedelta(days=8)
    place.hold(OLD, f"www {old_ttl_s} A {BEFORE}")
    place.ask("www", at=lowered - SECOND)
    place.hold(OLD, f"www {LOW_S} A {BEFORE}")
    plan = plan_phase(
        2,
        situation(
            playbook(text_with(f"value: {AFTER}")),
            zone(f"www {LOW_S} A {BEFORE}"),
            now=lowered,
            samples=series([(NOON, old_ttl_s), (lowered, LOW_S)]),
            done=frozenset({1}),
        ),
    )
    assert plan.earliest
    early = plan.earliest - timedelta(seconds=margin_s(old_ttl_s)) - 2 * SECOND
    assert (BEFORE, old_ttl_s) in place.ask("www", at=early)
    assert place.ask("www", at=plan.earliest) == {(BEFORE, LOW_S)}


@settings(max_examples=25, deadline=None, phases=DRAWN)
@given(ttls)
def test_the_run_closes_when_nobody_has_the_old_record_and_not_a_margin_later(ttl_s: int) -> None:
    """T5."""
    place, settled = Place(), NOON + timedelta(days=1)
    place.hold(OLD, f"www {ttl_s} A {BEFORE}")
    place.ask("www", at=settled - SECOND)
    place.hold(OLD, f"www {ttl_s} A {AFTER}")
    standing = Change(rrset("www", 1, "A").key, rrset("www", ttl_s, "A", BEFORE), rrset("www", ttl_s, "A", AFTER))
    plan = plan_phase(
        3,
        situation(
            playbook(text_with(f"value: {AFTER}")),
            zone(f"www {ttl_s} A {AFTER}"),
            now=settled,
            settled_at=settled,
            standing=(standing,),
            done=frozenset({1, 2}),
        ),
    )
    assert plan.earliest
    early = plan.earliest - timedelta(seconds=margin_s(ttl_s)) - 2 * SECOND
    assert (BEFORE, ttl_s) in place.ask("www", at=early)
    assert place.ask("www", at=plan.earliest) == {(AFTER, ttl_s)}


@settings(max_examples=25, deadline=None, phases=DRAWN)
@given(lives, st.integers(2, 10_800), st.booleans())
def test_users_recover_when_the_plan_says_and_not_before(ttl_s: int, negative_s: int, removes: bool) -> None:
    """D4, worst-case recovery: what was wrong is held for a TTL, or for the life of an absence."""
    place, back = Place(soa=f"{negative_s} SOA ns nobody 7 3600 600 86400 {negative_s}"), NOON + timedelta(days=1)
    held = zone(f"www {ttl_s} A {BEFORE}", soa=f"@ {negative_s} SOA ns1 h 7 3600 600 86400 {negative_s}")
    book = playbook(text_with("absent: true" if removes else f"value: {AFTER}, ttl: 3600"))
    plan = plan_phase(2, situation(book, held, done=frozenset({1})))
    change = next(one for one in plan.changes() if not one.ttl_only)
    place.hold(OLD, *((f"www {change.after.ttl_s} A {AFTER}",) if change.after else ()))
    wrong = place.ask("www", at=back - SECOND)
    place.hold(OLD, f"www {ttl_s} A {BEFORE}")
    recovered = back + timedelta(seconds=plan.worst_recovery_s)
    assert wrong & place.ask("www", at=recovered - 2 * SECOND)
    assert place.ask("www", at=recovered) == {(BEFORE, ttl_s)}


def delegated(server: str, parent_s: int) -> Delegation:
    return Delegation(frozenset({dns.name.from_text(server)}), {}, frozenset(), parent_s)


@settings(max_examples=40, deadline=None, phases=DRAWN)
@given(st.integers(3, 86_400), st.tuples(lives, lives), st.tuples(lives, lives), st.booleans())
def test_nobody_asks_the_name_servers_left_when_the_plan_says_and_somebody_a_margin_before(
    parent_s: int, left_s: tuple[int, int], other_s: tuple[int, int], is_back: bool
) -> None:
    """D1, and D10 on the way back. The TTLs of either host are its own: those of the other lengthen nothing.

    Somebody asks for NS in the last second of the parent's word, for a name in the last of the child's.
    """
    hosts = [(OLD, OLD_NS, BEFORE, *left_s), (NEW, NEW_NS, AFTER, *other_s)]
    if is_back:
        hosts = [(NEW, NEW_NS, AFTER, *left_s), (OLD, OLD_NS, BEFORE, *other_s)]
    (_, left_ns, said, child_s, ttl_s), (_, other_ns, says, _, other_ttl_s) = hosts
    place, shown = Place(parent_s), NOON + timedelta(days=1)
    for host, _, address, ns_ttl_s, data_ttl_s in hosts:
        place.hold(host, f"*.of {data_ttl_s} A {address}", ns_ttl_s=ns_ttl_s)
    place.delegate(left_ns)
    place.ask("first.of", at=shown - SECOND)
    place.delegate(other_ns)
    place.clock.wait_until(shown + timedelta(seconds=parent_s - 2))
    for cache in place.caches:
        cache.resolve(APEX, RdataType.NS)
    place.ask("last.of", at=shown + timedelta(seconds=parent_s + child_s - 3))
    served = [zone(f"@ {ns_s} NS {ns}", f"*.of {data_s} A {address}") for _, ns, address, ns_s, data_s in hosts]
    longest_s = kept_s(delegated(left_ns, parent_s), served)
    clean = clean_at(shown, longest_s)
    early = clean - timedelta(seconds=margin_s(longest_s)) - 4 * SECOND
    assert (said, ttl_s) in place.ask("last.of", at=early)
    assert place.ask("last.of", at=clean) == {(says, other_ttl_s)}


@settings(max_examples=40, deadline=None, phases=DRAWN)
@given(st.integers(3, 86_400), st.tuples(lives, lives), st.integers(1, 600))
def test_who_asked_before_ttls_were_lowered_holds_it_no_longer_than_said(
    parent_s: int, captured_s: tuple[int, int], lowered_s: int
) -> None:
    """D1, C and T served since: the zone's own TTLs count as they are now, and once as they were before."""
    (child_s, data_s), place, shown = captured_s, Place(parent_s), NOON + timedelta(days=1)
    place.hold(OLD, f"*.of {data_s} A {BEFORE}", ns_ttl_s=child_s)
    place.hold(NEW, f"*.of 1 A {AFTER}")
    place.ask("first.of", at=shown - 2 * SECOND)
    for cache in place.caches:
        cache.resolve(APEX, RdataType.NS)
    place.hold(OLD, f"*.of 1 A {BEFORE}", ns_ttl_s=lowered_s)
    place.delegate(NEW_NS)
    first = zone(f"@ {child_s} NS {OLD_NS}", f"*.of {data_s} A {BEFORE}")
    since = zone(f"@ {lowered_s} NS {OLD_NS}", f"*.of 1 A {BEFORE}")
    clean = clean_at(shown, kept_s(delegated(OLD_NS, parent_s), [since], first))
    for second in sorted({parent_s - 2, child_s - 2, parent_s + lowered_s - 3}):
        at = shown + timedelta(seconds=second)
        if place.clock.now() < at < clean:
            place.clock.wait_until(at)
            for cache in place.caches:
                cache.resolve(APEX, RdataType.NS)
            place.ask("last.of", at=at)
    assert {address for address, _ in place.ask("first.of", "last.of", at=clean)} == {AFTER}
    longest_s = max(max(parent_s + lowered_s, child_s) + 1, data_s)
    assert clean <= shown + timedelta(seconds=longest_s + margin_s(longest_s)), "nor later than that"
