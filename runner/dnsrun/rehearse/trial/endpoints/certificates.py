"""Certificates of a trial's own authority, which nobody else trusts: the same octets for the same name, every time.

Ed25519 signs without dice, the key follows from a fixed text, and the dates fit every clock: what is made here keeps
nothing secret and is believed by the trial's own gates only.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FROM, _UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 4.1.2.5
_AUTHORITY = "the rehearsal's authority"
_NOBODY = "a server without a certificate"
_LONGEST_COMMON_NAME = 64  # RFC 5280 appendix A


class Certificates:
    """Files in a folder: the authority's certificate, and one with the key for each name and address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: dict[str, ssl.SSLContext] = {}

    @cached_property
    def trusted(self) -> str:
        """The file with the certificate that gates are to trust. Touches the disk."""
        path = self._folder / "authority.pem"
        path.write_bytes(_pem(self._sign(_AUTHORITY, None)))
        return str(path)

    def at(self, address: str, serves: Callable[[str], bool]) -> ssl.SSLContext:
        """Return a server's context: it shows each name its certificate that it serves, else one of its address."""
        context = self._made(address, _NOBODY)

        def choose(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name and serves(name):
                sock.context = self._of(name)

        context.sni_callback = choose
        return context

    def _of(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            self._contexts[name] = self._made(name, name)
        return self._contexts[name]

    def _made(self, name: str, subject: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.pem"
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.touch(mode=0o600)
        path.write_bytes(key + _pem(self._sign(subject, name)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(_AUTHORITY.encode()).digest())

    def _sign(self, subject: str, name: str | None) -> x509.Certificate:
        """Return a certificate for a name or an address; None: of the authority itself."""
        from cryptography import x509

        public, is_authority = self._key.public_key(), name is None
        builder = (
            x509.CertificateBuilder(_named(_AUTHORITY), _named(subject), public, _serial(name or ""))
            .not_valid_before(_FROM)
            .not_valid_after(_UNTIL)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(_usage(is_authority=is_authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        )
        if name is not None:
            # A subject that says nothing leaves it all to this one (RFC 5280 section 4.2.1.6).
            says_all = len(subject) > _LONGEST_COMMON_NAME
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=says_all)
        return builder.sign(self._key, None)


def _named(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    fits = len(text) <= _LONGEST_COMMON_NAME
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if fits else [])


def _alternative(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _serial(name: str) -> int:
    """Return a number that goes with a name, of 120 bits (RFC 5280 section 4.1.2.2 allows 160)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:15]) | 1


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
