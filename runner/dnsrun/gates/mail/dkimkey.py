"""Public keys of DKIM as records hold them (RFC 6376 section 3.6.1, RFC 8463). Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from dnsrun.model.text import shorten

from .tags import TagError, read_tags

LEAST_BITS, WEAK_BITS = 1024, 2048  # RFC 8301 section 3.2
_ED25519_OCTETS = 32


class DkimKeyError(ValueError):
    """The text is no key that verifiers take; the message says why."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key that can be read. `bits` is 0 when it is revoked (an empty `p=`)."""

    kind: str
    bits: int
    is_testing: bool = False

    def __str__(self) -> str:
        if not self.bits:
            return "revoked"
        return f"RSA {self.bits}" if self.kind == "rsa" else self.kind


def read_key(text: str) -> DkimKey:
    """Return the key; raises `DkimKeyError`."""
    try:
        tags = read_tags(text)
    except TagError as err:
        raise DkimKeyError(str(err)) from err
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise DkimKeyError("v= is DKIM1 and stands in front, or is left out")
    if "p" not in tags:
        raise DkimKeyError("there is no key in it (p=)")
    kind = tags.get("k", "rsa")
    if kind not in {"rsa", "ed25519"}:
        raise DkimKeyError(f"k={shorten(kind, 40)} is no kind of key that verifiers know")
    if "sha256" not in _listed(tags.get("h", "sha256")):
        raise DkimKeyError("h= does not allow sha256, the only hash that is left")
    if not {"*", "email"} & set(_listed(tags.get("s", "*"))):
        raise DkimKeyError("s= does not allow mail")
    octets = _octets(tags["p"])
    return DkimKey(kind, _bits(kind, octets) if octets else 0, "y" in _listed(tags.get("t", "")))


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(":")]


def _octets(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as err:
        raise DkimKeyError("p= is not whole: it cannot be read as base64") from err


def _bits(kind: str, octets: bytes) -> int:
    if kind == "ed25519":
        if len(octets) != _ED25519_OCTETS:
            raise DkimKeyError(f"p= has {len(octets)} octets, a key of ed25519 has {_ED25519_OCTETS}")
        return 256
    # Takes its time to load: only where there is a key to read.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise DkimKeyError("p= is no RSA key, or not a whole one") from err
    if not isinstance(key, RSAPublicKey):
        raise DkimKeyError("p= is no RSA key")
    if key.key_size < LEAST_BITS:
        raise DkimKeyError(f"the RSA key has {key.key_size} bits, verifiers want {LEAST_BITS} at least")
    return key.key_size
