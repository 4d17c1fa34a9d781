"""What nobody planned at the parent is journaled when it begins, when it changes and when it is gone; not each look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dns.name
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.engine.astray import MOST_SERVERS, MOST_WORDS, astray
from dnsrun.journal.fold import RunState, fold
from dnsrun.model.entry import Astray, Record
from dnsrun.model.handover import Handover, handover
from dnsrun.model.observation import Endpoint
from dnsrun.model.zone import Delegation

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def servers(*names: str, ttl_s: int = 3600) -> Delegation:
    return Delegation(frozenset(map(dns.name.from_text, names)), {}, frozenset(), ttl_s)


OLD, NEW = servers("ns1.old.example"), servers("ns1.new.example")
PARKED, PARKED_LONGER, OTHER = servers("park.example"), servers("park.example", ttl_s=86_400), servers("x.example")
PARENTS = tuple(
    Endpoint(dns.name.from_text(f"{name}.nic.example"), f"198.51.100.{at}") for at, name in enumerate("abc")
)
A, B, C = map(str, PARENTS)


def look(*served: Delegation | None) -> Handover:
    """Return what each server of the parent serves; None: it is silent."""
    found = {server: one for server, one in zip(PARENTS, served, strict=False) if one}
    silent = [server for server, one in zip(PARENTS, served, strict=False) if one is None]
    return handover(found, silent, OLD, NEW)


def after(looks: Iterable[Handover]) -> tuple[RunState, list[Astray]]:
    state, entries = RunState(), []
    for second, found in enumerate(looks):
        if entry := astray(3, found, state.incident):
            entries.append(entry)
            state = fold(state, Record(second + 1, NOON + timedelta(seconds=second), "", entry, f"{second}"))
    return state, entries


def test_a_placeholder_that_stays_is_journaled_once_and_once_when_it_is_gone() -> None:
    state, entries = after((look(OLD, OLD), look(PARKED, OLD), look(PARKED, OLD), look(NEW, OLD), look(NEW, NEW)))
    assert entries == [Astray(3, ((A, "park.example"),), 1, 3600), Astray(3)]
    assert [each.until for each in state.incidents] == [NOON + timedelta(seconds=3)]


def test_another_server_other_names_or_a_longer_ttl_are_news() -> None:
    _, entries = after((look(PARKED, OLD), look(PARKED, PARKED), look(OTHER, PARKED), look(OTHER, PARKED_LONGER)))
    assert [(entry.served, entry.ttl_s) for entry in entries] == [
        (((A, "park.example"),), 3600),
        (((A, "park.example"), (B, "park.example")), 3600),
        (((A, "x.example"), (B, "park.example")), 3600),
        (((A, "x.example"), (B, "park.example")), 86_400),
    ]


def test_a_ttl_that_runs_down_is_no_news() -> None:
    _, entries = after(look(servers("park.example", ttl_s=ttl_s), OLD) for ttl_s in (900, 880, 860))
    assert len(entries) == 1


def test_a_server_that_falls_silent_is_not_known_to_have_stopped() -> None:
    state, entries = after((look(PARKED, OLD), look(None, NEW)))
    assert len(entries) == 1
    assert state.incident is not None
    state, entries = after((look(PARKED, OLD), look(None, NEW), look(NEW, NEW)))
    assert [entry.servers for entry in entries] == [1, 0]
    assert state.incident is None


def test_a_ds_that_stays_with_a_placeholder_is_told() -> None:
    signed = Delegation(PARKED.ns, {}, frozenset({"1 13 2 ABCD"}), 60)
    (entry,) = after([look(signed, OLD)])[1]
    assert entry.served == ((A, "park.example (DS 1 13 2 ABCD)"),)


def test_what_a_parent_says_does_not_blow_up_the_journal() -> None:
    many = servers(*(f"{'x' * 60}{number}.example" for number in range(50)))
    crowd = {Endpoint(dns.name.from_text(f"s{at}.nic.example"), f"198.51.100.{at}"): many for at in range(200)}
    entry = astray(3, handover(crowd, (), OLD, NEW), None)
    assert entry is not None
    assert (len(entry.served), entry.servers) == (MOST_SERVERS, 200)
    assert {len(what) for _, what in entry.served} == {MOST_WORDS}


SERVED = st.sampled_from((OLD, NEW, PARKED, PARKED_LONGER, OTHER, None))


@given(looks=st.lists(st.tuples(SERVED, SERVED, SERVED).filter(any), max_size=12))
def test_what_is_journaled_follows_from_the_looks_and_the_incident_from_the_journal(
    looks: list[tuple[Delegation | None, ...]],
) -> None:
    """P10; and nothing is called gone before every server that served it was seen otherwise."""
    state, entries = after(look(*each) for each in looks)
    assert after(look(*each) for each in looks)[1] == entries
    assert all(one != other for one, other in pairwise(entries))
    last_words = [next((each[at] for each in reversed(looks) if each[at]), None) for at in range(3)]
    strange = {str(PARENTS[at]) for at, one in enumerate(last_words) if one in (PARKED, PARKED_LONGER, OTHER)}
    assert {server for server, _ in state.incident.last.served} == strange if state.incident else not strange


@given(looks=st.lists(st.permutations([(PARENTS[0], PARKED), (PARENTS[1], OTHER), (PARENTS[2], OLD)]), max_size=4))
def test_the_order_in_which_servers_answer_is_no_news(looks: list[list[tuple[Endpoint, Delegation]]]) -> None:
    """P10."""
    _, entries = after(handover(dict(each), (), OLD, NEW) for each in looks)
    assert entries == ([Astray(3, ((A, "park.example"), (B, "x.example")), 2, 3600)] if looks else [])
