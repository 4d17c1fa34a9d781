"""Values to JSON and back, by their annotations: the form of plans and journal entries on disk.

Members of a union of dataclasses carry their class name under `is`. Names are absolute text, RRsets are
`{"of": "www.example. A", "ttl": 600, "values": [...]}`, times are ISO 8601 UTC with `Z`.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import dns.name
import dns.rdatatype
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from .rrset import RRset, RRsetKey, from_texts, rdata_text
from .zonetext import name_from_text, name_text

T = TypeVar("T")


def encode(value: object) -> Any:
    """Return `value` as JSON data (dict, list, str, int, bool, None). Pure."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if special := _ENCODERS.get(kind):
        return special(value)
    if isinstance(value, Mapping):
        return {_as_text(name): encode(item) for name, item in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted((encode(item) for item in value), key=str)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, Rdata):
        return f"{dns.rdatatype.to_text(value.rdtype)} {rdata_text(value)}"
    if dataclasses.is_dataclass(value):
        data: dict[str, Any] = {"is": kind.__name__}
        for name in _field_names(kind):
            data[name] = encode(getattr(value, name))
        return data
    if isinstance(value, (str, int, float)):  # an enum's
        return value
    raise TypeError(f"cannot encode {kind.__name__}")


_AS_THEY_ARE = frozenset({str, int, bool, float, types.NoneType})


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.init)


def decode(kind: type[T] | Any, data: Any) -> T:
    """Return the value of type `kind` (a class, union or container annotation) from JSON data.

    Raises `ValueError`, `KeyError` or `TypeError` when the data does not fit.
    """
    annotation: Any = kind
    try:
        result: T = _decoder(annotation)(data)
    except (DNSException, AttributeError) as err:
        raise ValueError(f"not a value of {getattr(kind, '__name__', kind)}: {err}") from err
    return result


def _as_text(name: object) -> str:
    return str(encode(name))


def _rrset_data(value: RRset) -> dict[str, object]:
    data: dict[str, object] = {"of": _key_text(value.key), "ttl": value.ttl_s, "values": list(value.texts())}
    return data | ({"extras": [list(pair) for pair in value.extras]} if value.extras else {})


def _rrset(data: Any) -> RRset:
    if unknown := data.keys() - {"of", "ttl", "values", "extras"}:
        raise ValueError(f"an RRset has no {', '.join(sorted(unknown))}")
    extras = tuple((str(name), str(fact)) for name, fact in data.get("extras", ()))
    return from_texts(_key(data["of"]), int(data["ttl"]), data["values"], extras)


def _key_text(value: RRsetKey) -> str:
    return f"{name_text(value.owner)} {_type_text(value.rdtype)}"


@cache
def _type_text(rdtype: RdataType) -> str:
    return dns.rdatatype.to_text(rdtype)


def _key(text: str) -> RRsetKey:
    owner, _, rdtype = text.rpartition(" ")
    return RRsetKey(name_from_text(owner), dns.rdatatype.from_text(rdtype))


def _time_text(value: datetime) -> str:
    timespec = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


_ENCODERS: dict[type, Callable[[Any], Any]] = {
    RRset: _rrset_data,
    RRsetKey: _key_text,
    Name: name_text,
    RdataType: dns.rdatatype.to_text,
    datetime: _time_text,
    date: date.isoformat,
}
_DECODERS: dict[Any, Callable[[Any], Any]] = {
    RRset: _rrset,
    RRsetKey: _key,
    Name: dns.name.from_text,
    RdataType: dns.rdatatype.from_text,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
}


def _same(kind: type) -> Callable[[Any], Any]:
    def check(data: Any) -> Any:
        if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
            raise TypeError(f"expected {kind.__name__}, got {type(data).__name__}")
        return data

    return check


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    if kind in _DECODERS:
        return _DECODERS[kind]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is Literal:
        return lambda data: _one_of(data, get_args(kind))
    if origin in (tuple, frozenset):
        return _container(origin, get_args(kind))
    if origin in (dict, Mapping) or kind is Mapping:
        return _mapping(*get_args(kind))
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if kind in (str, int, bool, float):
        return _same(kind)
    return _freeze


def _one_of(data: object, allowed: tuple[object, ...]) -> object:
    if data not in allowed:
        raise ValueError(f"{data!r} is not one of {allowed}")
    return data


def _union(members: tuple[Any, ...]) -> Callable[[Any], Any]:
    named = {member.__name__: member for member in members if _is_tagged(member)}
    plain = [member for member in members if member is not types.NoneType and member not in named.values()]

    def decode_member(data: Any) -> Any:
        if data is None and types.NoneType in members:
            return None
        if isinstance(data, dict) and data.get("is") in named:
            return _decoder(named[data["is"]])(data)
        if not plain:
            raise ValueError(f"expected one of {', '.join(named)}")
        return _decoder(plain[0])(data) if len(plain) == 1 else _freeze(data)

    return decode_member


def _is_tagged(member: Any) -> bool:
    """Tell whether values of this class carry their class name: those with a form of their own do not."""
    return isinstance(member, type) and dataclasses.is_dataclass(member) and member not in _DECODERS


def _container(origin: Any, args: tuple[Any, ...]) -> Callable[[Any], Any]:
    if origin is tuple and args[-1] is not Ellipsis:
        return lambda data: tuple(_decoder(arg)(item) for arg, item in zip(args, _listed(data), strict=True))
    return lambda data: origin(_decoder(args[0])(item) for item in _listed(data))


def _listed(data: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise TypeError(f"expected a list, got {type(data).__name__}")
    return data


def _mapping(key_kind: Any, value_kind: Any) -> Callable[[Any], Any]:
    return lambda data: {_decoder(key_kind)(k): _decoder(value_kind)(v) for k, v in data.items()}


def _dataclass(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)

    def build(data: Any) -> Any:
        if data.get("is", kind.__name__) != kind.__name__:
            raise ValueError(f"expected {kind.__name__}, got {data['is']}")
        values = {name: value for name, value in data.items() if name != "is"}
        if unknown := values.keys() - hints.keys():
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        return kind(**{name: _decoder(hints[name])(value) for name, value in values.items()})

    return build


def _freeze(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _freeze(item) for name, item in data.items()}
    return tuple(_freeze(item) for item in data) if isinstance(data, list) else data
