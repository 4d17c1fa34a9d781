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
from dnsrun.model.zone import Completeness, Delegation, ZoneSnapshot

from .kinds import Fragment
from .net import Net


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came back from a write. Never proof: the servers are asked.

    `ask_person`: the write is to be done by hand; this is the text to show. `files` are sheets that the text speaks
    of, each a file name and its content: tables too long for a screen.
    """

    operation: str | None = None
    ask_person: str | None = None
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """A registrar has not finished; `says` in its words."""

    says: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A registrar says that it is done. Never proof: the parent's servers are asked."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A registrar, or the registry behind it, refused the change; the delegation stays as it was."""

    because: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a host can do, as data: a missing capability is found while planning.

    `types` None: every type. `min_ttl_s`: lower TTLs are raised to it by the host. `ttl_scope`: one TTL for each
    RRset or one for the zone. `atomic_batch`: all changes of a call or none. `compare_and_set`: a write is refused
    when the RRset is not what the change's `before` says. `apex_ns`: can write the NS RRset at the apex.
    `declared_delay_s`: until a write shows at the host's own servers. `reads` is the grade of `read_zone`
    (None: cannot read). `writes` False: nobody of us can write there. `needs_person`: writes are done by hand.
    `serves_before_delegation`: its servers answer for a zone that is not delegated to them (None: not known, ask them).
    `saving_may_delegate`: saving records at its panel can also switch the name servers. Of a registrar: `glue` and
    `ds`: it can set addresses of name servers inside the domain, and DS; `declared_delay_s` is then until the parent
    shows it. `services`: what it can switch on and off for a domain (`mail`).
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
    serves_before_delegation: bool | None = True
    saving_may_delegate: bool = False
    glue: bool = False
    ds: bool = False
    services: frozenset[str] = frozenset()


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


class ServiceProvider(Protocol):
    """A host that can switch a service (`mail`) on and off for a domain."""

    def service_state(self, domain: Name, service: str) -> bool | None:
        """Return whether the service is on, None when the host cannot tell. Touches the network."""
        ...

    def set_service(self, domain: Name, service: str, *, on: bool) -> Receipt:
        """Switch the service on or off (or return an instruction for a person); idempotent. Raises `OutsideError`."""
        ...


class RegistrarProvider(Protocol):
    """Whoever sets a domain's delegation in the parent zone: a registrar, a registry, or a person at their panel."""

    @property
    def capabilities(self) -> Capabilities:
        """What this registrar can do."""
        ...

    def read_delegation(self, domain: Name) -> Delegation | None:
        """Return what the registrar itself shows, None when it cannot tell. Touches the network.

        Raises `OutsideError`, not retryable, when it shows that the domain cannot be changed (locked, on hold).
        """
        ...

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        """Ask for NS, glue and DS as in `after`; idempotent. Touches the network.

        Raises `WriteConflict` when the delegation is neither `before` nor `after` and the registrar can tell,
        `OutsideError` otherwise.
        """
        ...

    def poll(self, operation: str) -> Pending | Settled | Rejected:
        """Say what became of an operation that a receipt named. Touches the network; raises `OutsideError`."""
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


@dataclass(frozen=True, slots=True)
class RegistrarPlugin:
    """A plugin for whoever sets delegations, named by the entry point `dnsrun.registrars`; as `Plugin` otherwise."""

    name: str
    fragment: Fragment
    capabilities: Capabilities
    open: Callable[[ProviderSpec, Context], RegistrarProvider]
