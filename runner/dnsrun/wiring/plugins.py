"""Plugins by entry point, and all the words that playbooks may use. Nothing is loaded by path (threat 10)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from dnsrun.errors import UsageError
from dnsrun.gates.all import built_in
from dnsrun.model.playbook import Playbook
from dnsrun.plan.steps import STEP_KINDS
from dnsrun.ports.kinds import Kinds
from dnsrun.ports.provider import Context, Plugin, RegistrarPlugin, RegistrarProvider, ZoneProvider


@cache
def plugins() -> Mapping[str, Plugin]:
    """Return the installed plugins of DNS hosts by the word that playbooks use, sorted. Touches the disk.

    Raises `UsageError` when a plugin cannot be loaded.
    """
    return _loaded("dnsrun.providers")


@cache
def registrars() -> Mapping[str, RegistrarPlugin]:
    """Return the installed plugins of registrars, as `plugins` does."""
    return _loaded("dnsrun.registrars")


def _loaded(group: str) -> dict[str, Any]:
    found = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as err:
            raise UsageError(
                f"the provider plugin '{point.name}' ({point.value}) cannot be loaded: {err}; install it again"
            ) from err
    return found


def open_providers(playbook: Playbook, context: Context) -> Mapping[str, ZoneProvider]:
    """Return the playbook's DNS hosts by their names in it; no network."""
    known = plugins()
    return {name: known[spec.use].open(spec, context) for name, spec in playbook.providers.items() if spec.use in known}


def open_registrars(playbook: Playbook, context: Context) -> Mapping[str, RegistrarProvider]:
    """Return the playbook's registrars by their names in it; no network."""
    known = registrars()
    return {name: known[spec.use].open(spec, context) for name, spec in playbook.providers.items() if spec.use in known}


@cache
def kinds() -> Kinds:
    """Return all words: providers, steps, gates."""
    return Kinds(
        providers={name: plugin.fragment for name, plugin in plugins().items()}
        | {name: plugin.fragment for name, plugin in registrars().items()},
        steps={word: kind.fragment for word, kind in STEP_KINDS.items()},
        gates={word: gate.fragment for word, gate in built_in().items()},
        registrars=frozenset(registrars()),
    )


def verified_words(name: str) -> str:
    """Return how a plugin was verified, as far as its distribution says. Touches the disk."""
    from dnsrun_providers import verified

    known = plugins().get(name) or registrars().get(name)
    if known is None or not known.open.__module__.startswith("dnsrun_providers."):
        return "not said by its distribution"
    found = verified(name)
    on = f" on {found.on.isoformat()}" if found.on else ""
    return f"{found.word}{on}" + (f" ({', '.join(found.what)})" if found.what else "")
