"""Providers that ship with dnsrun: what wraps a DNS host, a registrar or a person at a panel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Literal

Word = Literal["real-server", "vendor-sandbox", "fixture", "never"]


@dataclass(frozen=True, slots=True)
class Verified:
    """How a provider has been verified: against what, when last (None: never)."""

    word: Word
    on: date | None = None
    what: tuple[str, ...] = ()


def verified(name: str) -> Verified:
    """Return how the provider `name` has been verified, from the result file of the contract tests.

    `never` for one that is not in it: tests that were not run prove nothing. Reads a file of the package.
    """
    entry = json.loads(resources.files(__name__).joinpath("verified.json").read_text()).get(name)
    if entry is None:
        return Verified("never")
    return Verified(entry["word"], date.fromisoformat(entry["on"]), tuple(entry["what"]))
