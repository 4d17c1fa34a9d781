"""What the engine can do to the outside world. The set is closed; step kinds, which compile to acts, are open."""

from __future__ import annotations

from dataclasses import dataclass

from dns.name import Name

from .playbook import GateSpec
from .rrset import Change


@dataclass(frozen=True, slots=True)
class WriteZone:
    """Write RRsets at one provider: one call, one intent. `before` of each change is the compare-and-set."""

    provider: str
    apex: Name
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """Have a secondary fetch the zone. Its own undo: after a rollback the zone is fetched again."""

    provider: str
    apex: Name


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a program without a shell; `undo_argv` None says that it cannot be undone."""

    argv: tuple[str, ...]
    undo_argv: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Instruct:
    """Ask a person to do something; `proof` is the gate that shows it is done, else the person says so."""

    operator: str
    text: str
    proof: GateSpec | None
    undo_text: str | None


Act = WriteZone | Refresh | RunCommand | Instruct
