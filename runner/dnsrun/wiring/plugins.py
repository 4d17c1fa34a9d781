"""Plugins by entry point, and all the words that playbooks may use. Nothing is loaded by path (threat 10)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from dnsrun.errors import UsageError
from dnsrun.gates.all import built_in
from dnsrun.plan.steps import STEP_KINDS
from dnsrun.ports.kinds import Kinds
from dnsrun.ports.provider import Plugin

GROUP = "dnsrun.providers"


@cache
def plugins() -> Mapping[str, Plugin]:
    """Return the installed provider plugins by the word that playbooks use, sorted. Touches the disk.

    Raises `UsageError` when a plugin cannot be loaded.
    """
    found: dict[str, Plugin] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as err:
            raise UsageError(
                f"the provider plugin '{point.name}' ({point.value}) cannot be loaded: {err}; install it again"
            ) from err
    return found


@cache
def kinds() -> Kinds:
    """Return all words: providers, steps, gates."""
    return Kinds(
        providers={name: plugin.fragment for name, plugin in plugins().items()},
        steps={word: kind.fragment for word, kind in STEP_KINDS.items()},
        gates={word: gate.fragment for word, gate in built_in().items()},
    )


def verified_words(name: str) -> str:
    """Return how a plugin was verified, as far as its distribution says. Touches the disk."""
    from dnsrun_providers import verified

    if name not in plugins() or not plugins()[name].open.__module__.startswith("dnsrun_providers."):
        return "not said by its distribution"
    found = verified(name)
    on = f" on {found.on.isoformat()}" if found.on else ""
    return f"{found.word}{on}" + (f" ({', '.join(found.what)})" if found.what else "")
