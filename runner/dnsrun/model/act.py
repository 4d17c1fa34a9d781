"""What the engine can do to the outside world. The set is closed; step kinds, which compile to acts, are open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dns.name import Name

from .playbook import GateSpec
from .rrset import Change
from .zone import Delegation


@dataclass(frozen=True, slots=True)
class WriteZone:
    """Write RRsets at one provider: one call, one intent. `before` of each change is the compare-and-set."""

    provider: str
    apex: Name
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class SetDelegation:
    """Have the parent zone delegate the domain as in `after`: NS, glue and DS. `before` is the compare-and-set.

    The TTLs in `after` are what the parent is expected to give; nobody sets them.
    """

    provider: str
    domain: Name
    before: Delegation
    after: Delegation

    @property
    def moves_servers(self) -> bool:
        """Tell whether other name servers answer afterwards, so that the content they serve decides."""
        return self.before.ns != self.after.ns


@dataclass(frozen=True, slots=True)
class Refresh:
    """Have a secondary fetch the zone. Its own undo: after a rollback the zone is fetched again."""

    provider: str
    apex: Name


@dataclass(frozen=True, slots=True)
class SetService:
    """Switch a service of a host (`mail`) on or off for the domain.

    `proof` is the gate that shows it from outside, `undo_proof` the one that shows the state before; None: nothing
    can, and who does it says so.
    """

    provider: str
    domain: Name
    service: str
    before: bool
    after: bool
    proof: GateSpec | None
    undo_proof: GateSpec | None

    def reverse(self) -> SetService:
        """Return the act that takes this one back."""
        return replace(self, before=self.after, after=self.before, proof=self.undo_proof, undo_proof=self.proof)


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a program without a shell.

    `undo_argv` None says that it cannot be undone, an empty one that there is nothing to undo.
    """

    argv: tuple[str, ...]
    undo_argv: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Instruct:
    """Ask a person to do something; `proof` is the gate that shows it is done, else the person says so.

    `undo_text` None says that it cannot be taken back, an empty one that there is nothing to take back.
    """

    operator: str
    text: str
    proof: GateSpec | None
    undo_text: str | None


Act = WriteZone | SetDelegation | Refresh | SetService | RunCommand | Instruct
