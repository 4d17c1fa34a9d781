"""What a gate is: one bounded round of questions, and a pure judgement of what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dns.name import Name

from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec, MailAccount
from dnsrun.model.rrset import Change
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .kinds import Fragment
from .net import Net, View
from .provider import Secrets


@dataclass(frozen=True, slots=True)
class ZoneMove:
    """A zone on its way from one host to another.

    `content` is what the new servers must serve (N0): every RRset with the TTL it may have at most, the apex NS among
    them. `old_servers` are the endpoints of the host it leaves. `delegation` is what the parent served at the
    checkpoint, `target` what it is to serve. `switched`: the parent is to serve `target` now; else `delegation`.
    `names`: owner names that the playbook mentions. `keep`: owner names that only the new host holds and that may stay.
    `copied`: what was copied there by an earlier phase, where a later one copies again before it switches.
    """

    content: ZoneSnapshot
    old_servers: tuple[Endpoint, ...]
    delegation: Delegation
    target: Delegation
    switched: bool
    names: frozenset[Name] = frozenset()
    keep: frozenset[Name] = frozenset()
    copied: ZoneSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A mail account, and the way to its password."""

    account: MailAccount
    secrets: Secrets

    def password(self) -> str:
        """Return the password, for use at once; raises `UsageError` when it is not there."""
        return self.secrets.reveal(self.account.password)


@dataclass(frozen=True, slots=True)
class GateCase:
    """What a gate may know besides its own words.

    `changes`: what was written, or will be. `checkpoint`: the zone straight before. `volatile`: owner names that
    change by themselves. `waits_for`: server names that a later step of the same phase refreshes; what they
    answer is shown but not judged. `first_round`: no earlier round of this gate has passed since the write.
    `commands_allowed`: the person allowed programs for this very playbook. `answer`: what a person answered.
    `phase`: the number of the running phase, 0 outside of one; told to programs. `move`: what a gate of a zone that
    moves knows, None where the zone stays. `accounts`: the playbook's mail accounts by name. `senders`: addresses that
    send the domain's mail and must be allowed to; `left`: addresses that send it no more.
    """

    apex: Name
    changes: tuple[Change, ...]
    checkpoint: ZoneSnapshot
    volatile: frozenset[Name] = frozenset()
    waits_for: frozenset[Name] = frozenset()
    first_round: bool = True
    commands_allowed: bool = False
    answer: str | None = None
    phase: int = 0
    move: ZoneMove | None = None
    accounts: Mapping[str, Login] = field(default_factory=dict)
    senders: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()


class Gate(Protocol):
    """A gate kind. `observe` touches the network and is bounded; `judge` is pure."""

    @property
    def kind(self) -> str:
        """The word used in playbooks."""
        ...

    @property
    def fragment(self) -> Fragment:
        """Summary, keys and default timing, for the playbook schema."""
        ...

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask one round; never raises for what the network does, it observes `NoReply`."""
        ...

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        ...
