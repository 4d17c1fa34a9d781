"""Whatever happens to zones, delegation and servers, no kind of cache invents data or keeps it longer than it may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dns.message
import dns.name
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.clock import VirtualClock
from dnsrun.rehearse.cache import POPULATION, CacheAnswer, CacheKind, CachingResolver
from dnsrun.rehearse.lookup import look_up
from dnsrun.rehearse.responses import bare, render
from dnsrun.rehearse.zonestore import ZoneContent
from movecases import NEW, NEW_NS, OLD, OLD_NS, PARENT, ROOT, Case, parent_zone, root_zone

CASE = Case(600, 900)
APEX = dns.name.from_text(CASE.domain)
EXAMPLE = dns.name.from_text("example.")
SOA_TTL_S, MINIMUM_S = 400, 250
LABELS = ("www", "mail", "imap")
ALIAS = "shop"  # of www
Served = dict[str, tuple[int, str]]
"""TTL and address by label, as a host has them."""


@dataclass(frozen=True)
class Ask:
    label: str


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Edit:
    """What a name has at a host from now on; None: it is removed."""

    host: str
    label: str
    record: tuple[int, str] | None


@dataclass(frozen=True)
class Fail:
    """What a host answers from now on: None as it should, else silence or an rcode."""

    host: str
    how: str | None


@dataclass(frozen=True)
class Delegate:
    name_server: str


Act = Ask | Wait | Edit | Fail | Delegate
HOSTS = {OLD: OLD_NS, NEW: NEW_NS}
hosts = st.sampled_from(tuple(HOSTS))
ttls = st.sampled_from((0, 1, 5, 300, 3_600, 100_000, 1_000_000))
labels = st.sampled_from(LABELS)
records = st.tuples(ttls, st.integers(1, 6).map(lambda number: f"192.0.2.{number}"))
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(Ask, st.sampled_from((*LABELS, ALIAS, "never"))),
    st.builds(Wait, st.sampled_from((1, 4, 30, 299, 300, 601, 4_000, 90_000))),
    st.builds(Edit, hosts, labels, st.none() | records),
    st.builds(Fail, hosts, st.sampled_from((None, None, "silence", "REFUSED", "SERVFAIL"))),
    st.builds(Delegate, st.sampled_from((OLD_NS, NEW_NS))),
)
stories = st.lists(acts, max_size=40)
seconds = st.sampled_from((0, 1, 30, 300, 86_400))
kinds = st.sampled_from(tuple(POPULATION.values())) | st.builds(
    CacheKind,
    st.just("any"),
    min_ttl_s=st.sampled_from((0, 60, 3_600)),
    max_ttl_s=st.sampled_from((30, 86_400, 604_800)),
    max_negative_ttl_s=st.sampled_from((0, 30, 3_600)),
    child_ns=st.sampled_from(("ignored", "asked", "beside")),
    child_ns_life=st.sampled_from(("own", "capped", "renewed")),
    asks_parent_again=st.booleans(),
    failure_s=seconds,
    silent_after=st.integers(0, 3),
    silent_s=seconds,
    stale_s=seconds,
)


@dataclass
class Place:
    """The servers as pure functions, everything that they ever had, and a client of one cache."""

    kind: CacheKind
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(datetime(2026, 3, 2, 9, tzinfo=UTC)))
    failing: dict[str, str | None] = field(default_factory=dict)
    had: list[tuple[datetime, dict[str, Served]]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    met: list[tuple[datetime, str, CacheAnswer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        served: Served = {"www": (300, "192.0.2.1"), "mail": (3_600, "192.0.2.2")}
        self.zones = {
            ROOT: ZoneContent.from_text(dns.name.root, root_zone()),
            PARENT: ZoneContent.from_text(EXAMPLE, parent_zone([CASE])),
        }
        self.had.append((self.clock.now(), {host: dict(served) for host in HOSTS}))
        self.publish()
        self.resolver = CachingResolver([ROOT], self.send, self.clock.now, self.kind)

    def publish(self) -> None:
        for host, name_server in HOSTS.items():
            lines = [f"{label} {ttl_s} A {value}" for label, (ttl_s, value) in self.had[-1][1][host].items()]
            soa = f"@ {SOA_TTL_S} SOA {name_server} h 1 1 1 1 {MINIMUM_S}\n@ {CASE.child_s} NS {name_server}\n"
            self.zones[host] = ZoneContent.from_text(APEX, f"{soa}{ALIAS} 300 CNAME www\n" + "\n".join(lines) + "\n")

    def send(self, address: str, query: Message) -> Message | None:
        self.sent.append(address)
        failing = self.failing.get(address)
        if failing == "silence":
            return None
        question, zone = query.question[0], self.zones[address]
        if failing or not question.name.is_subdomain(zone.apex):
            return dns.message.from_wire(bare(query, Rcode[failing or "REFUSED"]))
        found = look_up(zone, question.name, question.rdtype, ns_beside=True)
        for soa in found.authority:
            if soa.rdtype == RdataType.SOA:
                soa.ttl = SOA_TTL_S  # RFC 2308 section 3 would have the server lower it; not all do
        return dns.message.from_wire(render(query, found, "tcp"))

    def live(self, act: Act) -> None:
        if isinstance(act, Ask):
            name = dns.name.from_text(act.label, APEX)
            self.met.append((self.clock.now(), act.label, self.resolver.resolve(name, RdataType.A)))
        elif isinstance(act, Wait):
            self.clock.advance(act.seconds)
        elif isinstance(act, Fail):
            self.failing[act.host] = act.how
        elif isinstance(act, Delegate):
            self.zones[PARENT] = ZoneContent.from_text(EXAMPLE, parent_zone([CASE], act.name_server))
        else:
            self.edit(act)

    def edit(self, act: Edit) -> None:
        now = {host: dict(served) for host, served in self.had[-1][1].items()}
        now[act.host].pop(act.label, None)
        if act.record is not None:
            now[act.host][act.label] = act.record
        self.had.append((self.clock.now(), now))
        self.publish()

    def held(self, label: str, since: datetime, until: datetime) -> list[tuple[int, str] | None]:
        """Return what any host had for a name at some time from `since` to `until`, both included."""
        ends = [began for began, _ in self.had[1:]] + [until]
        spans = zip(self.had, ends, strict=True)
        now = [served for (began, served), end in spans if end >= since and began <= until]
        return [served.get("www" if label == ALIAS else label) for hosts in now for served in hosts.values()]


def lived(kind: CacheKind, story: Sequence[Act]) -> Place:
    place = Place(kind)
    for act in story:
        place.live(act)
    return place


@settings(max_examples=200, deadline=None)
@given(kinds, stories)
def test_no_answer_is_invented_or_older_than_its_ttl_allows(kind: CacheKind, story: list[Act]) -> None:
    place = lived(kind, story)
    for at, label, answer in place.met:
        if answer.rrset is None:
            continue
        assert answer.rrset.ttl in {
            ttl_s for ttl_s, _ in filter(None, place.held(label, datetime.min.replace(tzinfo=UTC), at))
        }
        kept_s = kind.positive_s(answer.rrset.ttl) + (kind.stale_s if answer.is_stale else 0)
        once = place.held(label, at - timedelta(seconds=kept_s), at)
        assert (answer.rrset.ttl, answer.rrset[0].to_text()) in once


@settings(max_examples=200, deadline=None)
@given(kinds, stories)
def test_no_answer_says_that_it_is_good_for_longer_than_the_caps(kind: CacheKind, story: list[Act]) -> None:
    for _, _, answer in lived(kind, story).met:
        if answer.is_stale:
            assert answer.remaining_ttl_s <= kind.stale_answer_ttl_s
        elif answer.rrset is not None:
            assert answer.remaining_ttl_s <= kind.positive_s(answer.rrset.ttl) <= kind.max_ttl_s
        else:
            assert answer.remaining_ttl_s <= min(SOA_TTL_S, MINIMUM_S, kind.max_negative_ttl_s)


@settings(max_examples=200, deadline=None)
@given(kinds, stories)
def test_an_absence_was_true_no_longer_ago_than_the_negative_ttl(kind: CacheKind, story: list[Act]) -> None:
    """RFC 2308 section 5: the lower of the SOA's TTL and MINIMUM, and the cap."""
    place = lived(kind, story)
    kept_s = kind.negative_s(SOA_TTL_S, MINIMUM_S)
    for at, label, answer in place.met:
        if answer.rcode == Rcode.NXDOMAIN:
            allowed_s = kept_s + (kind.stale_s if answer.is_stale else 0)
            assert None in place.held(label, at - timedelta(seconds=allowed_s), at)


@settings(max_examples=100, deadline=None)
@given(kinds, stories)
def test_stale_answers_and_failures_need_a_server_that_fails(kind: CacheKind, story: list[Act]) -> None:
    sound = [act for act in story if not isinstance(act, Fail)]
    for _, _, answer in lived(kind, sound).met:
        assert not answer.is_stale
        assert answer.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN)


@settings(max_examples=50, deadline=None)
@given(kinds, stories)
def test_the_same_story_is_lived_the_same_way_again(kind: CacheKind, story: list[Act]) -> None:
    one, other = lived(kind, story), lived(kind, story)
    assert (one.met, one.sent) == (other.met, other.sent)
