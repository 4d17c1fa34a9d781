"""The words that plugins bring to playbooks, with the schema of their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fragment:
    """The keys of one kind: JSON Schema 2020-12 `properties` (each with a `description`) and the required ones.

    `format` of a text property says how the playbook reader turns it into a value: `duration` (`15m` to whole
    seconds), `owner-name` (relative or `@`, to absolute text with final dot), `host-name` (to absolute text),
    `address` (IPv4 or IPv6), `url`, `mail-address`, `secret` (to a `SecretRef`), `provider` (a name below
    `providers:`), `account` (a name below `mail: accounts:`), `gate` (a gate; at the top of `properties` only).
    Of JSON Schema the reader understands `type` (string, integer, boolean, array, object), `format`, `enum`, `const`,
    `pattern`, `minLength`, `minimum`, `maximum`, `items`, `minItems`, `properties`, `required`,
    `additionalProperties`, `propertyNames` and `anyOf`; a `default` is only shown.
    `defaults` overrides the timing of a gate: `every_s`, `within_s`, `successes`, `failures`.
    """

    summary: str
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    defaults: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kinds:
    """All known words: `use` of providers, `kind` of steps and gates; `registrars` are those `use` that delegate."""

    providers: Mapping[str, Fragment]
    steps: Mapping[str, Fragment]
    gates: Mapping[str, Fragment]
    registrars: frozenset[str] = frozenset()


DNS_TIMING: Mapping[str, int] = {"every_s": 5, "within_s": 300, "successes": 1, "failures": 3}
SERVICE_TIMING: Mapping[str, int] = {"every_s": 10, "within_s": 300, "successes": 3, "failures": 3}
