"""Any primary that gives its zone by transfer and takes dynamic updates (RFC 5936, RFC 2136): BIND, Knot and others.

An update is a compare-and-set for the data of each RRset, not for its TTL. One message, about 60 kB of changes,
takes effect whole or not at all; a larger call needs several, so `atomic_batch` is not declared.
"""

from __future__ import annotations

import binascii
from dataclasses import replace

import dns.exception
import dns.name
from dns.name import Name
from dns.tsig import Key

from dnsrun import retry
from dnsrun.dnsio import wire
from dnsrun.errors import OutsideError, UsageError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec, SecretRef
from dnsrun.model.rrset import Change
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from .live import foreign, impossible, not_there

_ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
_READ_ATTEMPTS = 3

FRAGMENT = Fragment(
    summary="A primary that gives its zone by transfer and takes dynamic updates (BIND, Knot, ...).",
    properties={
        "server": {"type": "string", "format": "address", "description": "Address of the primary."},
        "port": {
            "type": "integer",
            "minimum": 1,
            "maximum": 65535,
            "default": 53,
            "description": "Port of the primary (53).",
        },
        "key_name": {"type": "string", "description": "Name of the TSIG key; needs key_secret."},
        "key_secret": {"type": "string", "format": "secret", "description": "Secret of the TSIG key, in base64."},
        "key_algorithm": {
            "type": "string",
            "enum": list(_ALGORITHMS),
            "default": "hmac-sha256",
            "description": "Algorithm of the TSIG key (hmac-sha256).",
        },
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

    def __init__(self, server: Endpoint, key: Key | None, capabilities: Capabilities, context: Context) -> None:
        self._server = server
        self._key = key
        self._capabilities = capabilities
        self._context = context

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do; without writes when the playbook says `transfer_only`."""
        return self._capabilities

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """The server that is written to answers for the zone itself."""
        return (self._server,)

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Transfer the zone; raises `OutsideError`. Touches the network; repeats what may help."""
        rrsets = retry.read(
            lambda: wire.transfer(self._context.net, self._server, apex, key=self._key),
            clock=self._context.clock,
            attempts=_READ_ATTEMPTS,
        )
        return ZoneSnapshot(
            apex=apex,
            rrsets={rrset.key: rrset for rrset in rrsets},
            source=f"transfer from {self._server}, {'signed' if self._key else 'not authenticated'}",
            taken_at=self._context.clock.now(),
            completeness="complete",
        )

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write the changes whose `after` is not there yet.

        Touches the network. Raises `WriteConflict` when a record is neither as before nor as wanted,
        `OutsideError` otherwise.
        """
        if not self._capabilities.writes:
            raise impossible(f"{self._server} is only read (transfer_only)")
        try:
            wire.update(self._context.net, self._server, apex, changes, key=self._key)
        except WriteConflict as conflict:
            if left := self._left(apex, changes, conflict):
                wire.update(self._context.net, self._server, apex, left, key=self._key)
        return Receipt()

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:  # noqa: ARG002 - it knows its own
        """Send NOTIFY, for a server that copies the zone; raises `OutsideError` when it does not take it."""
        if not wire.notify(self._context.net, self._server, apex):
            message = f"{self._server} refuses the NOTIFY for {apex}: it takes it from its own primaries only"
            raise OutsideError(message, retryable=False, certainty="not-applied")
        return Receipt()

    def _left(self, apex: Name, changes: tuple[Change, ...], conflict: WriteConflict) -> tuple[Change, ...]:
        """Return the changes that are not there yet; raise `WriteConflict` when they can still not be made."""
        live = self.read_zone(apex).rrsets
        left = not_there(changes, live)
        if found := foreign(left, live):
            raise WriteConflict(f"{conflict}: {found}") from conflict
        if len(left) == len(changes):
            # Every record is as before, so something else is in the way: an alias beside other data.
            raise conflict
        return left


def _open(spec: ProviderSpec, context: Context) -> Rfc2136:
    options = spec.options
    address, port = str(options["server"]), options.get("port", 53)
    server = Endpoint(dns.name.root, address, port if isinstance(port, int) else 53)
    writes = options.get("transfer_only") is not True
    return Rfc2136(server, _key(spec, context), replace(CAPABILITIES, writes=writes), context)


def _key(spec: ProviderSpec, context: Context) -> Key | None:
    name, secret = spec.options.get("key_name"), spec.options.get("key_secret")
    if name is None and secret is None:
        return None
    if not isinstance(name, str) or not isinstance(secret, SecretRef):
        raise UsageError(f"{spec.mark}: {spec.name}: key_name and key_secret belong together; give both")
    algorithm = str(spec.options.get("key_algorithm", _ALGORITHMS[0]))
    try:
        octets = binascii.a2b_base64(context.secrets.reveal(secret), strict_mode=True)
        return Key(dns.name.from_text(name), octets, algorithm)
    except (binascii.Error, dns.exception.DNSException) as err:
        raise UsageError(_unfit_key(spec, secret, name, err)) from None  # its text may show the secret


def _unfit_key(spec: ProviderSpec, secret: SecretRef, name: str, err: Exception) -> str:
    if isinstance(err, binascii.Error):
        return f"{spec.mark}: {spec.name}: what {secret} gives is not base64, as the secret of a TSIG key is"
    return f"{spec.mark}: {spec.name}: {shorten(name)} is not a name; key_name is the name of the TSIG key"


PLUGIN = Plugin("rfc2136", frozenset({"zone", "secondary"}), FRAGMENT, CAPABILITIES, _open)
