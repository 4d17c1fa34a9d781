"""What wraps a DNS host. A plugin is any object with these methods, named by the entry point `dnsrun.providers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.clock import Clock
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec, SecretRef
from dnsrun.model.rrset import Change
from dnsrun.model.zone import Completeness, ZoneSnapshot

from .kinds import Fragment
from .net import Net


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came back from a write. Never proof: the servers are asked.

    `ask_person`: the write is to be done by hand; this is the text to show.
    """

    operation: str | None = None
    ask_person: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a host can do, as data: a missing capability is found while planning.

    `types` None: every type. `min_ttl_s`: lower TTLs are raised to it by the host. `ttl_scope`: one TTL for each
    RRset or one for the zone. `atomic_batch`: all changes of a call or none. `compare_and_set`: a write is refused
    when the RRset is not what the change's `before` says. `apex_ns`: can write the NS RRset at the apex.
    `declared_delay_s`: until a write shows at the host's own servers. `reads` is the grade of `read_zone`
    (None: cannot read). `writes` False: nobody of us can write there. `needs_person`: writes are done by hand.
    """

    types: frozenset[RdataType] | None = None
    min_ttl_s: int = 0
    ttl_scope: Literal["rrset", "zone"] = "rrset"
    atomic_batch: bool = False
    compare_and_set: bool = False
    apex_ns: bool = False
    declared_delay_s: int = 60
    reads: Completeness | None = None
    writes: bool = True
    needs_person: bool = False


class ZoneProvider(Protocol):
    """A host whose zone can be read or written. Both methods touch the network."""

    @property
    def capabilities(self) -> Capabilities:
        """What this host can do."""
        ...

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """Authoritative servers that a write moves by itself; empty when only the playbook knows them."""
        ...

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Read the zone afresh; raises `OutsideError`, also when a listing is not complete (fault 30)."""
        ...

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write the changes; idempotent: what is already there is left.

        Raises `WriteConflict` when an RRset is neither `before` nor `after` of its change and the host can tell,
        `OutsideError` otherwise.
        """
        ...


class SecondaryHost(Protocol):
    """A host that copies the zone from a primary."""

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        """Have it fetch the zone (NOTIFY, or an instruction for a person); raises `OutsideError`.

        `servers` are its name servers at all addresses that the live zone shows.
        """
        ...


class Secrets(Protocol):
    """Reveals secrets where they are used; registers each value with every redactor."""

    def reveal(self, reference: SecretRef) -> str:
        """Return the secret; raises `UsageError` naming the reference when it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a plugin gets to work with. `language` is `en` or `ja`, for instructions."""

    net: Net
    clock: Clock
    secrets: Secrets
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider plugin: `fragment` holds a summary and the schema of its playbook keys.

    `roles` are among `zone` (ZoneProvider) and `secondary` (SecondaryHost). `open` makes the provider and
    must not touch the network.
    """

    name: str
    roles: frozenset[Literal["zone", "secondary"]]
    fragment: Fragment
    capabilities: Capabilities
    open: Callable[[ProviderSpec, Context], ZoneProvider]
