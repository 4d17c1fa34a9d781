"""The TTL ledger against caches that ask any server at any time and keep the answer for its TTL (H, T1, T4, T5, P5)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.model.entry import TtlSample
from dnsrun.plan.ttl import (
    UNKNOWN_PAST_S,
    caches_clean_at,
    earliest_change,
    held_until,
    margin_s,
    unknown_past,
    value_digest,
)
from planworld import NOON, rrset

LOW_S = 600
OLD, NEW = "old", "new"
WWW = rrset("www", LOW_S, "A", "192.0.2.10").key


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def sample(server: str, second: int, ttl_s: int, value: str = OLD) -> TtlSample:
    return TtlSample(WWW, server, ttl_s, value, at(second))


@dataclass(frozen=True)
class Server:
    """A server that gives (TTL, value) from a second on; it was looked at in `looked`, once for each thing it gave."""

    name: str
    begins: tuple[int, ...]
    gives: tuple[tuple[int, str], ...]
    looked: tuple[int, ...]

    def answer(self, second: int) -> tuple[int, str]:
        return self.gives[bisect_right(self.begins, second) - 1]

    def samples(self) -> list[TtlSample]:
        return [sample(self.name, second, *self.answer(second)) for second in self.looked]


@st.composite
def servers(draw: st.DrawFn, *, ends_low: bool = False) -> tuple[Server, ...]:
    """Draw servers that somebody looked at now and then, so often that nothing they gave was missed."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        looked = sorted(draw(st.sets(st.integers(0, 200_000), min_size=1, max_size=6)))
        gives = [(draw(st.integers(0, 172_800)), draw(st.sampled_from((OLD, NEW)))) for _ in looked]
        if ends_low:
            gives[-1] = (draw(st.integers(0, LOW_S)), gives[-1][1])
        changes = [draw(st.integers(one + 1, other)) for one, other in pairwise(looked)]
        found.append(Server(f"ns{number}", (-1_000_000, *changes), tuple(gives), tuple(looked)))
    return tuple(found)


def all_samples(world: tuple[Server, ...]) -> list[TtlSample]:
    return [one for server in world for one in server.samples()]


# H


@settings(max_examples=500)
@given(
    data=st.data(), world=servers(), ttl_above_s=st.sampled_from((-1, 0, 600, 3600)), value=st.sampled_from((None, OLD))
)
def test_no_cache_holds_an_answer_longer_than_the_ledger_says(
    data: st.DataObject, world: tuple[Server, ...], ttl_above_s: int, value: str | None
) -> None:
    """H, P5: whoever asked while somebody was looking."""
    until = held_until(all_samples(world), ttl_above_s=ttl_above_s, value=value)
    server = data.draw(st.sampled_from(world))
    asked = data.draw(st.integers(server.looked[0], server.looked[-1]))
    ttl_s, got = server.answer(asked)

    if ttl_s > ttl_above_s and value in (None, got):
        assert until is not None
        assert at(asked + ttl_s) <= until


def test_an_answer_that_nobody_gave_is_held_by_nobody() -> None:
    assert held_until([sample("ns1", 0, 600, NEW)], value=OLD) is None
    assert held_until([]) is None


def test_an_old_value_was_given_until_the_next_look_at_most() -> None:
    seen = [sample("ns1", 0, 3600, OLD), sample("ns1", 500, 60, NEW), sample("ns2", 0, 60, OLD)]

    assert held_until(seen, value=OLD) == at(500 + 3600)


# T1


@given(data=st.data(), world=servers(ends_low=True), past_ttl_s=st.integers(0, UNKNOWN_PAST_S))
def test_when_a_change_is_allowed_no_cache_lags_behind_it_by_more_than_the_low_ttl(
    data: st.DataObject, world: tuple[Server, ...], past_ttl_s: int
) -> None:
    """T1, P5: caches that asked long before anybody looked included."""
    held = earliest_change(all_samples(world), low_ttl_s=LOW_S, low_since=None, wait_at_least_s=0)
    assert held is not None
    server = data.draw(st.sampled_from(world))
    asked = data.draw(st.integers(-300_000, int((held.until - NOON).total_seconds())))
    ttl_s = past_ttl_s if asked < server.looked[0] else server.answer(asked)[0]

    assert at(asked + ttl_s) <= held.until + timedelta(seconds=LOW_S)


@given(world=servers(ends_low=True), later=st.integers(1, 100_000))
def test_looking_again_at_low_ttls_does_not_put_the_change_off(world: tuple[Server, ...], later: int) -> None:
    seen = all_samples(world)
    again = [sample(one.name, 200_000 + later, one.gives[-1][0], one.gives[-1][1]) for one in world]

    before = earliest_change(seen, low_ttl_s=LOW_S, low_since=None, wait_at_least_s=86_400)
    after = earliest_change([*seen, *again], low_ttl_s=LOW_S, low_since=None, wait_at_least_s=86_400)

    assert before == after


def test_one_of_four_servers_that_lags_moves_the_start() -> None:
    """T1's own test: lowered at 0, the fourth follows 300 s later and was looked at every 10 s."""
    days_ago = [sample(f"ns{number}", -200_000, 3600) for number in range(1, 5)]
    prompt = [sample(f"ns{number}", second, LOW_S) for number in range(1, 4) for second in range(0, 400, 10)]
    lagging = [sample("ns4", second, 3600 if second <= 300 else LOW_S) for second in range(0, 400, 10)]

    held = earliest_change([*days_ago, *prompt, *lagging], low_ttl_s=LOW_S, low_since=None, wait_at_least_s=0)

    assert held is not None
    assert held.until == at(310 + 3600 + 180)
    assert "3600 s" in held.because


def test_as_long_as_one_server_is_high_each_look_moves_the_start() -> None:
    """T1: the start is never earlier than the last high answer plus its TTL."""
    seen = [sample("ns1", 0, LOW_S), sample("ns2", 0, 3600)]
    for second in (1000, 2000):
        seen.append(sample("ns2", second, 3600))
        held = earliest_change(seen, low_ttl_s=LOW_S, low_since=at(-200_000), wait_at_least_s=0)
        assert held is not None
        assert held.until >= at(second + 3600)


def test_the_playbooks_wait_counts_from_the_last_server_that_was_lowered() -> None:
    seen = [
        sample("ns1", -500_000, 3600),
        sample("ns1", 0, LOW_S),
        sample("ns2", -500_000, 3600),
        sample("ns2", 300, LOW_S),
    ]

    held = earliest_change(seen, low_ttl_s=LOW_S, low_since=None, wait_at_least_s=86_400)

    assert held is not None
    assert held.until == at(300 + 86_400)


# The unknown past


def test_the_first_sight_of_a_low_ttl_proves_nothing_about_yesterday() -> None:
    held = earliest_change([sample("ns1", 0, 60)], low_ttl_s=LOW_S, low_since=None, wait_at_least_s=0)

    assert held is not None
    assert held.until == at(86_400)
    assert "not known" in held.because


def test_a_ttl_of_two_days_seen_first_reaches_back_two_days() -> None:
    assert unknown_past([sample("ns1", 0, 172_800)], low_ttl_s=LOW_S, low_since=None) == at(172_800)


def test_a_server_that_joins_late_has_an_unknown_past_of_its_own() -> None:
    seen = [sample("ns1", -200_000, 60), sample("ns1", 0, 60), sample("ns2", 0, 60)]

    assert unknown_past(seen, low_ttl_s=LOW_S, low_since=None) == at(86_400)


def test_an_attested_time_with_low_ttls_replaces_the_first_sight() -> None:
    seen = [sample("ns1", 0, 60), sample("ns2", 10, 60)]

    held = earliest_change(seen, low_ttl_s=LOW_S, low_since=at(-100_000), wait_at_least_s=86_400)

    assert held is not None
    assert held.until == at(-100_000 + 86_400)


def test_an_attestation_that_the_first_sight_contradicts_is_not_believed() -> None:
    assert unknown_past([sample("ns1", 0, 3600)], low_ttl_s=LOW_S, low_since=at(-100_000)) == at(86_400)


def test_an_attestation_of_the_future_is_not_believed() -> None:
    assert unknown_past([sample("ns1", 0, 60)], low_ttl_s=LOW_S, low_since=at(100)) == at(86_400)


def test_without_a_single_look_nothing_is_said() -> None:
    assert earliest_change([], low_ttl_s=LOW_S, low_since=None, wait_at_least_s=0) is None


# T4, T5


@given(
    ttls=st.lists(st.integers(0, 604_800), min_size=1, max_size=5),
    link=st.integers(0, 4),
    before=st.integers(0, 100_000),
)
def test_a_chain_is_clean_when_its_slowest_link_is(ttls: list[int], link: int, before: int) -> None:
    """T4, T5: MX, host and address are each cached alone, by caches that asked until t_all."""
    ttl_s = ttls[link % len(ttls)]

    assert at(-before + ttl_s) <= caches_clean_at(NOON, ttls) - timedelta(seconds=margin_s(ttl_s))


def test_the_margin_is_a_minute_or_five_percent() -> None:
    assert [margin_s(ttl_s) for ttl_s in (0, 600, 1200, 3600, 86_401)] == [60, 60, 60, 180, 4321]


def test_nothing_served_before_still_leaves_the_margin() -> None:
    assert caches_clean_at(NOON, []) == at(60)


def test_a_value_is_the_same_whatever_its_ttl_and_order() -> None:
    one = rrset("www", 60, "A", "192.0.2.1", "192.0.2.2")
    other = rrset("www", 600, "A", "192.0.2.2", "192.0.2.1")

    assert value_digest(one) == value_digest(other)
    assert len({value_digest(one), value_digest(rrset("www", 60, "A", "192.0.2.1")), value_digest(None)}) == 3
