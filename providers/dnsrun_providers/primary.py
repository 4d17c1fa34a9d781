"""A primary that gives its zone by transfer and takes dynamic updates: where it is, and the key it knows us by.

The playbook keys, the key and the reading that `rfc2136` and `parent-rfc2136` have in common.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.name
from dns.name import Name
from dns.tsig import Key

from dnsrun import retry
from dnsrun.dnsio import wire
from dnsrun.errors import UsageError
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.ports.provider import Context

_ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
_READ_ATTEMPTS = 3

PROPERTIES: Mapping[str, Mapping[str, Any]] = {
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
}


@dataclass(frozen=True, slots=True)
class Primary:
    """The server, the key that signs what is sent to it, and the way there."""

    server: Endpoint
    key: Key | None
    context: Context

    def transfer(self, apex: Name) -> dict[RRsetKey, RRset]:
        """Transfer the zone; raises `OutsideError`. Touches the network; repeats what may help."""
        rrsets = retry.read(
            lambda: wire.transfer(self.context.net, self.server, apex, key=self.key),
            clock=self.context.clock,
            attempts=_READ_ATTEMPTS,
        )
        return {rrset.key: rrset for rrset in rrsets}

    def update(self, apex: Name, changes: Iterable[Change]) -> None:
        """Write the changes, each only if its RRset is as in `before`. As `wire.update`."""
        wire.update(self.context.net, self.server, apex, changes, key=self.key)


def of_playbook(spec: ProviderSpec, context: Context) -> Primary:
    """Return the primary that a provider's keys speak of. Raises `UsageError` for a key that cannot be one."""
    address, port = str(spec.options["server"]), spec.options.get("port", 53)
    server = Endpoint(dns.name.root, address, port if isinstance(port, int) else 53)
    return Primary(server, _key(spec, context), context)


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
