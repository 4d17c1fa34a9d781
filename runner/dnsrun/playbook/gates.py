"""Gates and steps as they are written, to `GateSpec` and `Step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType, to_text

from dnsrun.model.codec import encode
from dnsrun.model.playbook import GateSpec, Json, SecretRef, Step
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment, Kinds

from .problems import Problems
from .walk import Value
from .wording import quoted

_COMMON = frozenset({"kind", "name", "at", "every", "within", "successes", "failures", "on_fail", "advisory", "off"})


@dataclass(frozen=True, slots=True)
class Written:
    """A gate with its place; `named` when the playbook gives its name."""

    spec: GateSpec
    value: Value
    named: bool


def gates(value: Value | None, kinds: Kinds) -> tuple[Written, ...]:
    """Return the gates of a list that was read; what is not whole is left out."""
    return tuple(_gate(item, kinds) for item in value.data if item.whole) if value else ()


def step(value: Value, kinds: Kinds) -> Step:
    """Return a step without its gates."""
    kind = value.leaf("kind")
    return Step(kind, options(value, kinds.steps[kind], frozenset({"kind", "gates"}), kinds), (), value.mark)


def options(value: Value, fragment: Fragment, common: frozenset[str], kinds: Kinds) -> Mapping[str, Json]:
    """Return the keys that belong to a kind as plain data: seconds, absolute names, tuples."""
    return {
        name: _frozen(encode(_gate(child, kinds).spec)) if _is_gate(fragment, name) else plain(child)
        for name, child in value.data.items()
        if name not in common
    }


def plain(value: Value) -> Any:
    """Return what was read as plain data; secrets stay references."""
    if isinstance(value.data, dict):
        return {name: plain(child) for name, child in value.data.items()}
    if isinstance(value.data, tuple):
        return tuple(plain(item) for item in value.data)
    return _plain_leaf(value.data)


def name_all(groups: tuple[tuple[Written, ...], ...], problems: Problems) -> tuple[tuple[GateSpec, ...], ...]:
    """Return the gates of one phase with names that are unique in it, the same in every run."""
    taken: set[str] = set()
    for gate in (gate for group in groups for gate in group if gate.named):
        if gate.spec.name in taken:
            text = f"a gate named {quoted(gate.spec.name)} is in this phase already; give each its own name"
            problems.add(gate.value.data["name"].mark, text)
        taken.add(gate.spec.name)
    return tuple(tuple(_named(gate, taken) for gate in group) for group in groups)


def _named(gate: Written, taken: set[str]) -> GateSpec:
    if gate.named:
        return gate.spec
    name, number = gate.spec.kind, 1
    while name in taken:
        number += 1
        name = f"{gate.spec.kind} {number}"
    taken.add(name)
    return replace(gate.spec, name=name)


def _gate(value: Value, kinds: Kinds) -> Written:
    kind = value.leaf("kind")
    fragment = kinds.gates[kind]
    timing = {**SERVICE_TIMING, **fragment.defaults}
    spec = GateSpec(
        kind=kind,
        name=value.leaf("name", kind),
        options=options(value, fragment, _COMMON, kinds),
        at=value.leaf("at"),
        every_s=value.leaf("every", timing["every_s"]),
        within_s=value.leaf("within", timing["within_s"]),
        successes=value.leaf("successes", timing["successes"]),
        failures=value.leaf("failures", timing["failures"]),
        on_fail=value.leaf("on_fail", "rollback"),
        advisory=value.leaf("advisory", False),  # noqa: FBT003 - the default of a key
        off=value.leaf("off"),
    )
    return Written(spec, value, named=value.get("name") is not None)


def _is_gate(fragment: Fragment, name: str) -> bool:
    return fragment.properties[name].get("format") == "gate"


def _plain_leaf(leaf: object) -> Any:
    if isinstance(leaf, SecretRef | str | bool | int):
        return to_text(leaf) if isinstance(leaf, RdataType) else leaf
    return leaf.to_text() if isinstance(leaf, Name) else encode(leaf)


def _frozen(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _frozen(item) for name, item in data.items()}
    return tuple(map(_frozen, data)) if isinstance(data, list) else data
