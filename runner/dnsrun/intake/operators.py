"""Whose a host is, by its name: a dictionary (`operators.yaml`), and never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import dns.name
from dns.name import Name

Where = Literal["mx", "spf", "flattened", "ns"]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs a host. `role` for hosts of mail, `panel` for name servers; see `operators.yaml`."""

    name: str
    role: str = ""
    panel: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    suffix: Name
    begins: bytes
    operator: Operator


def operator_of(host: Name, where: Where) -> Operator | None:
    """Return who runs a host that stands in an MX, an SPF record or an NS; None: unknown. Pure, but for a file."""
    labels = [label.lower() for label in host.labels]
    for entry in _entries(where):
        begins = not entry.begins or any(label.startswith(entry.begins) for label in labels)
        if begins and host.is_subdomain(entry.suffix):
            return entry.operator
    return None


@cache
def _entries(where: Where) -> tuple[_Entry, ...]:
    import yaml

    text = resources.files(__package__).joinpath("operators.yaml").read_text(encoding="utf-8")
    read = yaml.load(text, Loader=yaml.BaseLoader)[where]  # noqa: S506 - every scalar stays a text
    return tuple(
        _Entry(
            dns.name.from_text(one.get("suffix", ".")),
            one.get("begins", "").encode(),
            Operator(one["name"], one.get("role", ""), one.get("panel", "")),
        )
        for one in read
    )
