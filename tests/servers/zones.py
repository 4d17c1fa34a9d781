"""What a test says about a zone: its text, its key, who may follow it. Values only."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import dns.name
import dns.tsig

from dnsrun.model.observation import Endpoint


@dataclass(frozen=True, slots=True)
class Key:
    """A TSIG key (hmac-sha256); the secret follows from the name, so two servers agree without being told."""

    name: str = "test-key."

    @property
    def secret(self) -> str:
        """The secret in base64."""
        return base64.b64encode(hashlib.sha256(self.name.encode()).digest()).decode()

    @property
    def algorithm(self) -> str:
        """The algorithm's name as servers' configurations spell it."""
        return "hmac-sha256"

    @property
    def label(self) -> str:
        """The name without the final dot, for configurations."""
        return self.name.rstrip(".")

    def tsig(self) -> dns.tsig.Key:
        """The key as dnspython takes it: `dns.update.UpdateMessage(origin, keyring=key.tsig())`."""
        return dns.tsig.Key(self.name, self.secret, "hmac-sha256")


@dataclass(frozen=True, slots=True)
class Primary:
    """A zone that the server holds itself.

    `text` is a master file without `$ORIGIN` (relative names belong to `origin`). With a `key`, transfer and
    dynamic update need it; without, 127.0.0.1 may do both. `notify` are the secondaries told of changes.
    """

    origin: str
    text: str
    key: Key | None = None
    notify: tuple[Endpoint, ...] = ()
    allow_update: bool = True
    allow_transfer: bool = True


@dataclass(frozen=True, slots=True)
class Secondary:
    """A zone that the server copies from `primary`.

    Without `accepts_notify` a NOTIFY is refused, and only `retransfer` brings news (Knot only: BIND takes a
    NOTIFY from its primary's address always). `key` signs the transfer.
    """

    origin: str
    primary: Endpoint
    key: Key | None = None
    accepts_notify: bool = True


Zone = Primary | Secondary


def absolute(origin: str) -> dns.name.Name:
    """The absolute name of an origin written with or without the final dot."""
    return dns.name.from_text(origin)


def plain(origin: str) -> str:
    """An origin as configurations spell it: lower case, no final dot, `.` for the root."""
    return absolute(origin).canonicalize().to_text(omit_final_dot=True)


def small_zone(*records: str, serial: int = 1, ttl_s: int = 3600, ns: str = "ns1") -> str:
    """The text of a zone with an SOA, one name server (192.0.2.53) and the given record lines."""
    lines = [
        f"$TTL {ttl_s}",
        f"@ IN SOA {ns} hostmaster {serial} 3600 600 86400 300",
        f"@ IN NS {ns}",
        *([] if ns.endswith(".") else [f"{ns} IN A 192.0.2.53"]),
        *records,
    ]
    return "\n".join(lines) + "\n"


def root_zone(*records: str) -> str:
    """The text of a root zone: an SOA, its own name server (192.0.2.1) and the given record lines."""
    return small_zone("a.root. IN A 192.0.2.1", *records, ns="a.root.")
