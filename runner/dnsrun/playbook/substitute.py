"""Variables: `${name}` in a text becomes the text under `vars`.

Flat and after parsing: one pass, into scalars, so that a value can never add structure (threat 8) and never be read
again (threat 7). A name is letters, digits, `_` and `-`. `$${name}` writes `${name}` itself. Everything else that
looks like a template (`${env.TOKEN}`, `{{7*7}}`) is ordinary text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .problems import Wrong
from .wording import meant, quoted

_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_LOOKS_LIKE_ONE = re.compile(r"\$\{[^{}]*\}")


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` with its variables filled in; raises `Wrong` for an unknown one."""
    return _VARIABLE.sub(lambda found: _value(found, variables), text) if "${" in text else text


def has_variable(text: str) -> bool:
    """Tell whether the text refers to a variable."""
    return any(True for _ in variables_in(text))


def variables_in(text: str) -> Iterator[str]:
    """Yield the names of the variables that the text refers to."""
    return (found.group(1) for found in _VARIABLE.finditer(text) if not found.group().startswith("$$"))


def stays_literal(text: str) -> str | None:
    """Return the first part that looks like a variable but is none, for a warning."""
    rest = _VARIABLE.sub("", text) if "${" in text else ""
    found = _LOOKS_LIKE_ONE.search(rest)
    return found.group() if found else None


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found.group(1)
    if found.group().startswith("$$"):
        return found.group()[1:]
    if name not in variables:
        where = meant(name, variables) if variables else "; add it to vars"
        raise Wrong(f"there is no variable {quoted(name)} under vars{where}")
    return variables[name]
