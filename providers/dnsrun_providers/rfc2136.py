"""Any primary that gives its zone by transfer and takes dynamic updates (RFC 5936, RFC 2136): BIND, Knot and others.

An update is a compare-and-set for the data of each RRset, not for its TTL. One message, about 60 kB of changes,
takes effect whole or not at all; a larger call needs several, so `atomic_batch` is not declared.
"""

from __future__ import annotations

from dataclasses import replace

from dns.name import Name

from dnsrun.dnsio import wire
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from . import primary
from .live import foreign, impossible, not_there
from .primary import Primary

FRAGMENT = Fragment(
    summary="A primary that gives its zone by transfer and takes dynamic updates (BIND, Knot, ...).",
    properties={
        **primary.PROPERTIES,
        "transfer_only": {
            "type": "boolean",
            "default": False,
            "description": "true: the zone is read here and never written.",
        },
    },
    required=("server",),
)

CAPABILITIES = Capabilities(compare_and_set=True, apex_ns=True, declared_delay_s=30, reads="complete")


class Rfc2136:
    """The primary of a zone, or a secondary of it that is told of news."""

    def __init__(self, at: Primary, capabilities: Capabilities) -> None:
        self._at = at
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do; without writes when the playbook says `transfer_only`."""
        return self._capabilities

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """The server that is written to answers for the zone itself."""
        return (self._at.server,)

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Transfer the zone; raises `OutsideError`. Touches the network; repeats what may help."""
        return ZoneSnapshot(
            apex=apex,
            rrsets=self._at.transfer(apex),
            source=f"transfer from {self._at.server}, {'signed' if self._at.key else 'not authenticated'}",
            taken_at=self._at.context.clock.now(),
            completeness="complete",
        )

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write the changes whose `after` is not there yet.

        Touches the network. Raises `WriteConflict` when a record is neither as before nor as wanted,
        `OutsideError` otherwise.
        """
        if not self._capabilities.writes:
            raise impossible(f"{self._at.server} is only read (transfer_only)")
        try:
            self._at.update(apex, changes)
        except WriteConflict as conflict:
            if left := self._left(apex, changes, conflict):
                self._at.update(apex, left)
        return Receipt()

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:  # noqa: ARG002 - it knows its own
        """Send NOTIFY, for a server that copies the zone; raises `OutsideError` when it does not take it."""
        if not wire.notify(self._at.context.net, self._at.server, apex):
            message = f"{self._at.server} refuses the NOTIFY for {apex}: it takes it from its own primaries only"
            raise OutsideError(message, retryable=False, certainty="not-applied")
        return Receipt()

    def _left(self, apex: Name, changes: tuple[Change, ...], conflict: WriteConflict) -> tuple[Change, ...]:
        """Return the changes that are not there yet; raise `WriteConflict` when they can still not be made."""
        live = self._at.transfer(apex)
        left = not_there(changes, live)
        if found := foreign(left, live):
            raise WriteConflict(f"{conflict}: {found}") from conflict
        if len(left) == len(changes):
            # Every record is as before, so something else is in the way: an alias beside other data.
            raise conflict
        return left


def _open(spec: ProviderSpec, context: Context) -> Rfc2136:
    writes = spec.options.get("transfer_only") is not True
    return Rfc2136(primary.of_playbook(spec, context), replace(CAPABILITIES, writes=writes))


PLUGIN = Plugin("rfc2136", frozenset({"zone", "secondary"}), FRAGMENT, CAPABILITIES, _open)
