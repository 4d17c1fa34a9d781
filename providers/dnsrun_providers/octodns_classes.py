"""Which class of octoDNS a playbook means, with which options, and what that class says of itself.

Only `octodns` and `octodns_*` of installed distributions are imported, never from the working directory (threat 10).
Touches the disk; loads octoDNS where a class is wanted.
"""

from __future__ import annotations

import importlib
import inspect
import site
import sysconfig
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dns.rdatatype
from dns.rdatatype import RdataType

from dnsrun.errors import UsageError
from dnsrun.model.text import shorten

# Set here for every class: a refusal must not turn into a warning, and a write must not be left out.
_OURS = frozenset({"id", "strict_supports", "apply_disabled"})


def load_class(path: str, said_at: str) -> type[Any]:
    """Import a provider class by its dotted path; `said_at` begins the messages.

    Raises `UsageError` when it is not octoDNS's, not installed, or no provider.
    """
    module, _, name = path.rpartition(".")
    top = module.partition(".")[0]
    if not is_octodns(path):
        raise UsageError(f"{said_at}: {shorten(path)} is not of octoDNS: a class of octodns or octodns_... is wanted")
    for package in ("octodns", top):
        _check_installed(package, said_at)
    try:
        found = getattr(importlib.import_module(module), name, None)
        base = importlib.import_module("octodns.provider.base").BaseProvider
    except ImportError as err:
        raise UsageError(f"{said_at}: {shorten(path)} cannot be loaded: {shorten(str(err))}; install it again") from err
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UsageError(f"{said_at}: {shorten(path)} is no provider of octoDNS (a class derived from BaseProvider)")
    return found


def is_octodns(path: str) -> bool:
    """Tell whether a dotted path names something within `octodns` or `octodns_*`."""
    parts = path.split(".")
    own = parts[0] == "octodns" or parts[0].startswith("octodns_")
    return own and len(parts) > 1 and all(part.isidentifier() for part in parts)


def _check_installed(top: str, said_at: str) -> None:
    spec = find_spec(top)
    install = f"pip install {top.replace('_', '-')}"
    if spec is None or spec.origin is None:
        raise UsageError(f"{said_at}: {top} is not installed; run: {install}")
    origin = Path(spec.origin).resolve()
    if not any(origin == place for place in _installed(top)):
        raise UsageError(f"{said_at}: {top} in {origin.parent} belongs to no installed package; run: {install}")


def _installed(top: str) -> Iterator[Path]:
    """Yield where installed distributions keep the package. Directories of Python count, nothing else on its path."""
    places = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if site.ENABLE_USER_SITE:
        places.add(site.getusersitepackages())
    wanted = f"{top}/__init__.py"
    for distribution in metadata.distributions(path=sorted(places)):
        if (distribution.name or "").lower().replace("_", "-").startswith("octodns"):
            yield from (Path(str(file.locate())).resolve() for file in distribution.files or () if str(file) == wanted)


def arguments(made_by: type[Any], options: Mapping[str, object], said_at: str) -> dict[str, object]:
    """Return the options as the class's constructor takes them: numbers and booleans where its defaults are such.

    Raises `UsageError` for an option that no constructor of the class has, or that is missing.
    """
    known = _parameters(made_by)
    for name in options:
        if name not in known or name in _OURS:
            may = ", ".join(sorted(known.keys() - _OURS))
            raise UsageError(f"{said_at}: {made_by.__name__} has no option '{shorten(name)}'; it has: {may}")
    own = inspect.signature(made_by).parameters.values()
    missing = [one.name for one in own if _is_needed(one) and one.name not in {*options, *_OURS}]
    if missing:
        raise UsageError(f"{said_at}: {made_by.__name__} needs the options: {', '.join(missing)}")
    return {name: _as(known[name].default, value, f"{said_at}: {name}") for name, value in options.items()}


def _parameters(made_by: type[Any]) -> dict[str, inspect.Parameter]:
    known: dict[str, inspect.Parameter] = {}
    for kind in reversed(made_by.__mro__[:-1]):
        if "__init__" in kind.__dict__:
            known |= inspect.signature(kind.__dict__["__init__"]).parameters
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: one for name, one in known.items() if one.kind in named and name != "self"}


def _is_needed(one: inspect.Parameter) -> bool:
    return one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)


def _as(default: object, value: object, what: str) -> object:
    """Return a text as what the default shows to be wanted; a text `true` is no text unless texts are wanted."""
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if isinstance(default, bool):
        raise UsageError(f"{what} must be true or false")
    if isinstance(default, int | float):
        try:
            return int(value) if isinstance(default, int) else float(value)
        except ValueError:
            raise UsageError(f"{what} must be a number") from None
    return value


def types_of(made_by: type[Any]) -> frozenset[RdataType]:
    """Return the types of DNS that the class lists and writes; types of its own or of octoDNS are left out."""
    declared = made_by.SUPPORTS
    if isinstance(declared, property):
        # Whatever octoDNS has a class for.
        declared = importlib.import_module("octodns.record").Record.registered_types()
    from .octodns_records import rdtype

    return frozenset(filter(None, map(rdtype, declared)))


def blind_of(made_by: type[Any]) -> frozenset[RdataType]:
    """Return the types of data that the class never lists: octoDNS leaves them out without a word."""
    data = {kind for kind in RdataType if kind and not dns.rdatatype.is_metatype(kind)}
    return frozenset(data - types_of(made_by))


def lowest_ttl_s(made_by: type[Any], options: Mapping[str, object]) -> int:
    """Return the TTL, in seconds, that lower ones are raised to; 0 when the class says nothing of it."""
    default = _parameters(made_by).get("min_ttl")
    for said in (options.get("min_ttl"), default and default.default, getattr(made_by, "MIN_TTL", None)):
        if isinstance(said, int) and not isinstance(said, bool):
            return said
    return 0
