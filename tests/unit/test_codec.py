"""What is written to disk is what is read back: every kind of journal entry, and plans."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.model.act import Act
from dnsrun.model.codec import decode, encode
from dnsrun.model.entry import Done, Entry, Intended, Planned
from dnsrun.model.plan import Plan
from dnsrun.model.rrset import Change, RRset, key, rrset
from dnsrun.model.zone import Delegation
from valuemaking import values

WWW = rrset("www.client.example", 600, "A", "192.0.2.10")
CHANGE = Change(WWW.key, WWW, None)


def there_and_back(kind: Any, value: object) -> Any:
    return decode(kind, json.loads(json.dumps(encode(value), ensure_ascii=False)))


@pytest.mark.parametrize("kind", get_args(Entry), ids=lambda kind: str(kind.__name__))
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_entry_reads_back_as_it_was_written(kind: Any, data: st.DataObject) -> None:
    entry = data.draw(values(kind))

    assert there_and_back(Entry, entry) == entry


@given(plan=values(Plan))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_plan_reads_back_as_it_was_written(plan: Plan) -> None:
    assert there_and_back(Plan, plan) == plan


def test_the_rrsets_of_a_change_are_rrsets_again() -> None:
    read: Change = there_and_back(Change, CHANGE)

    assert read.before == WWW
    assert read.reverse().after == WWW


def test_chunks_of_txt_records_stay_apart() -> None:
    two = rrset("client.example", 60, "TXT", '"one" "two"')

    assert there_and_back(RRset, two).texts() == ('"one" "two"',)


def test_the_same_value_gives_the_same_text_whatever_its_order() -> None:
    one = Delegation(frozenset(key(name, "NS").owner for name in ("a.example", "b.example")), {}, frozenset("xyz"), 60)
    other = Delegation(
        frozenset(key(name, "NS").owner for name in ("b.example", "a.example")), {}, frozenset("zyx"), 60
    )

    assert json.dumps(encode(one)) == json.dumps(encode(other))


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Entry, Intended(0, 1)), (Entry, Done(0, "applied", served=(WWW,))), (Change, CHANGE), (RRset, WWW)],
    ids=["entry", "entry with an RRset", "change", "RRset"],
)
def test_an_unknown_field_is_refused_by_name(kind: Any, value: object) -> None:
    with pytest.raises(ValueError, match="surprise"):
        decode(kind, encode(value) | {"surprise": 1})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Entry, {"is": "Renamed", "move": 1}),
        (Entry, {"move": 1, "attempt": 1}),
        (Entry, None),
        (Act, {"is": "DeleteZone"}),
        (Change, {"is": "Intended", "key": "www. A", "before": None, "after": None}),
    ],
    ids=["entry of another release", "entry without a kind", "nothing", "act of another release", "another class"],
)
def test_a_kind_that_is_not_known_is_refused(kind: Any, data: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode(kind, data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Intended, {"move": "1", "attempt": 1}),
        (Intended, {"move": True, "attempt": 1}),
        (Intended, {"move": 1}),
        (Intended, [1, 1]),
        (Planned, encode(Planned(1, "forward", "p", "c")) | {"direction": "sideways"}),
        (Planned, encode(Planned(1, "forward", "p", "c")) | {"covers": "12"}),
        (RRset, {"of": "www.client.example. A", "ttl": 600, "values": ["not an address"]}),
        (RRset, {"of": "www.client.example. NOTYPE", "ttl": 600, "values": []}),
        (RRset, {"of": "www.client.example. A", "ttl": 600}),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused(kind: Any, data: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(kind, data)
