"""The options of a gate as values of the type that its schema promises."""

from __future__ import annotations

import dns.name
from dns.name import Name

from dnsrun.model.playbook import GateSpec


def text(spec: GateSpec, key: str, default: str = "") -> str:
    """Return a text option."""
    return str(spec.options.get(key, default))


def number(spec: GateSpec, key: str, default: int) -> int:
    """Return a whole number; durations are seconds."""
    value = spec.options.get(key, default)
    return value if isinstance(value, int) else default


def flag(spec: GateSpec, key: str) -> bool:
    """Return a boolean option; false when it is not said."""
    return spec.options.get(key) is True


def texts(spec: GateSpec, key: str) -> tuple[str, ...]:
    """Return a list of texts; a single text is a list of one."""
    value = spec.options.get(key)
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (tuple, list)) else ()


def names(spec: GateSpec, key: str) -> frozenset[Name]:
    """Return a list of host names as absolute names."""
    return frozenset(map(dns.name.from_text, texts(spec, key)))
