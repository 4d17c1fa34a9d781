"""Strategies for the project's values, built from the annotations of their classes."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin, get_type_hints

from dns.name import Name
from dns.rdatatype import RdataType
from hypothesis import strategies as st

from dnsrun.model.rrset import RRset, RRsetKey, from_texts

DATA = {
    RdataType.A: ("192.0.2.1", "192.0.2.2", "203.0.113.20"),
    RdataType.AAAA: ("2001:db8::1", "2001:db8::2"),
    RdataType.MX: ("10 mx.example.", "20 MX.example."),
    RdataType.TXT: ('"v=spf1 -all"', '"one" "two"', '"onetwo"', r'"quote \" and \195\169"'),
    RdataType.CNAME: ("target.example.", r"with\.dot.example."),
    RdataType.from_text("TYPE65280"): (r"\# 3 010203", r"\# 0"),
}


def labels() -> st.SearchStrategy[bytes]:
    """Return labels, odd octets included."""
    return st.one_of(
        st.sampled_from((b"www", b"*", b"_dmarc", b"xn--eckwd4c7c", b"a b", b"a.b", b"\xff")),
        st.binary(min_size=1, max_size=8),
    )


def names() -> st.SearchStrategy[Name]:
    """Return absolute names."""
    return st.lists(labels(), max_size=4).map(lambda found: Name((*found, b"")))


def times() -> st.SearchStrategy[datetime]:
    """Return aware UTC times."""
    return st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda when: when.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis adds the zone itself only from naive bounds


@st.composite
def rrsets(draw: st.DrawFn) -> RRset:
    """Return RRsets, provider extras included."""
    rdtype = draw(st.sampled_from(tuple(DATA)))
    texts = draw(st.lists(st.sampled_from(DATA[rdtype]), min_size=1, unique=True))
    extras = draw(st.sampled_from(((), (("disabled", "true"), ("comment", "日本語 “x”")))))
    return from_texts(RRsetKey(draw(names()), rdtype), draw(st.integers(0, 2**31 - 1)), texts, extras)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(tuple), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
_LEAVES: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(),
    bool: st.booleans(),
    datetime: times(),
    date: st.dates(),
    Name: names(),
    RdataType: st.sampled_from(tuple(DATA)),
    RRset: rrsets(),
    RRsetKey: st.builds(RRsetKey, names(), st.sampled_from(tuple(DATA))),
    types.NoneType: st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for an annotation: a class of the model, a union, a container or a leaf."""
    if isinstance(kind, ForwardRef):  # `Json` is the one alias that speaks of itself
        return _JSON
    if kind in _LEAVES:
        return _LEAVES[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(arg) for arg in args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple and args[-1] is not Ellipsis:
        return st.tuples(*(values(arg) for arg in args))
    if origin is tuple:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if origin is frozenset:
        return st.frozensets(values(args[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=2)
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})
