"""The options of a gate as values of the type that its schema promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import dns.name
from dns.name import Name

from dnsrun.model.playbook import GateSpec

from .weburl import BadUrlError, is_address, parse


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


def hosts(spec: GateSpec) -> Iterator[Name]:
    """Yield the host names that the options mention: `host`, `names`, and the host of `url`."""
    mentioned = [*texts(spec, "host"), *texts(spec, "names")]
    with suppress(BadUrlError):
        mentioned += [parse(url).host for url in texts(spec, "url")]
    yield from (dns.name.from_text(one) for one in mentioned if one and not is_address(one))
