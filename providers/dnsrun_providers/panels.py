"""Control panels as data: `panels/*.yaml`, one file a panel. What is not known of a panel is said to be so.

Reads files of the package; each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

Role = Literal["write", "refresh", "mail", "delegate"]

_PACKAGE = resources.files(__package__)
_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Panel:
    """A control panel: what it is for, what is known of it, and its words by role and language (`en`, `ja`).

    `lowest_ttl_s` and the declared delays are seconds. `serves_before_delegation` None: not known, ask the servers.
    `seen` says where it was seen, `reviewed` when somebody last looked through it (ISO 8601).
    """

    name: str
    title: Mapping[str, str]
    roles: frozenset[Role]
    saving_may_delegate: bool
    serves_before_delegation: bool | None
    lowest_ttl_s: int
    one_ttl_for_the_zone: bool
    declared_delay_s: Mapping[str, int]
    seen: tuple[str, ...]
    reviewed: str
    words: Mapping[str, Mapping[str, Any]]


def names(*roles: Role) -> tuple[str, ...]:
    """Return the names of the panels that have one of the roles, sorted."""
    return tuple(name for name in _all_names() if panel(name).roles.intersection(roles))


@cache
def panel(name: str) -> Panel:
    """Return a panel that ships. Raises `KeyError` when there is none of that name."""
    if name not in _all_names():
        raise KeyError(name)
    data = _read(f"panels/{name}{_SUFFIX}")
    return Panel(
        name=name,
        title=data["title"],
        roles=frozenset(data["roles"]),
        saving_may_delegate=data["saving_may_delegate"],
        serves_before_delegation=data["serves_before_delegation"],
        lowest_ttl_s=data["lowest_ttl_s"],
        one_ttl_for_the_zone=data["one_ttl_for_the_zone"],
        declared_delay_s=data["declared_delay_s"],
        seen=tuple(data["seen"]),
        reviewed=data["reviewed"].isoformat(),
        words={role: data[role] for role in ("write", "refresh", "mail", "delegate") if role in data},
    )


@cache
def shared_words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return the sentences that all panels share, by role and language."""
    words: Mapping[str, Mapping[str, Mapping[str, str]]] = _read("words.yaml")
    return words


@cache
def _all_names() -> tuple[str, ...]:
    files = _PACKAGE.joinpath("panels").iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def _read(path: str) -> Any:
    import yaml

    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = _PACKAGE.joinpath(path).read_text(encoding="utf-8")
    return yaml.load(text, Loader=loader)  # noqa: S506 - one of the two safe loaders
