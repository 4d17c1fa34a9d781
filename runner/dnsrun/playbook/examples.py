"""The ready-made playbooks that are shipped with dnsrun."""

from __future__ import annotations

from importlib.resources import files

from dnsrun.errors import UsageError

from .wording import meant, quoted

_PACKAGE = "dnsrun_playbooks"


def examples() -> tuple[str, ...]:
    """Return the names of the ready-made playbooks, such as `web-move`. Touches the disk."""
    found = (entry.name for entry in files(_PACKAGE).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def about(name: str) -> str:
    """Return in one sentence what a ready-made playbook is for: the first line of prose in it. Touches the disk."""
    lines = (line.removeprefix("#").strip() for line in example(name).splitlines()[1:])
    return next(line for line in lines if line)


def example(name: str) -> str:
    """Return the text of a ready-made playbook; raises `UsageError` when there is none of that name."""
    if name not in examples():
        raise UsageError(f"there is no ready-made playbook {quoted(name)}{meant(name, examples())}")
    return files(_PACKAGE).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
