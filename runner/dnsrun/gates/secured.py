"""TLS for service gates: always verified against the name, and what the certificate says."""

from __future__ import annotations

import hashlib
import socket
import ssl
from datetime import UTC, datetime

from dnsrun.clock import SystemClock

_NAMES = 3


class Budget:
    """Seconds left for one try, whatever it does. Real time: servers do not follow a virtual clock."""

    def __init__(self, seconds: float) -> None:
        self._clock = SystemClock()
        self._ends_s = self._clock.monotonic_s() + seconds

    def left_s(self) -> float:
        """Return what is left, in seconds; raises `TimeoutError` when nothing is."""
        left = self._ends_s - self._clock.monotonic_s()
        if left <= 0:
            raise TimeoutError("the time for this try is used up")
        return left


def context(ca: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of file `ca`, or the system's; reads the disk, raises `OSError`."""
    return ssl.create_default_context(cafile=ca or None)


def secure(sock: socket.socket, host: str, trust: ssl.SSLContext, budget: Budget) -> ssl.SSLSocket:
    """Shake hands with `host` as SNI and as the name to verify; raises `OSError`. Owns `sock` when it succeeds."""
    sock.settimeout(budget.left_s())
    return trust.wrap_socket(sock, server_hostname=host)


def facts(sock: ssl.SSLSocket) -> dict[str, str]:
    """Return subject, issuer, names, end of validity (UTC) and SHA-256 fingerprint of the peer's certificate."""
    certificate = sock.getpeercert() or {}
    names = [str(value) for kind, value in _pairs(certificate.get("subjectAltName")) if kind in ("DNS", "IP Address")]
    return {
        "certificate_subject": _common_name(certificate.get("subject")) or ", ".join(names[:_NAMES]),
        "certificate_issuer": _common_name(certificate.get("issuer"), "organizationName"),
        "certificate_fingerprint": hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest(),
        "not_after": _time(str(certificate.get("notAfter", ""))),
    }


def in_words(error: ssl.SSLError) -> str:
    """Return why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    return f"the TLS handshake fails: {error.reason or 'the server closed it'}"


def _common_name(name: object, *fallbacks: str) -> str:
    held = dict(pair for part in name for pair in part) if isinstance(name, tuple) else {}
    return str(next((held[key] for key in ("commonName", *fallbacks) if key in held), ""))


def _pairs(value: object) -> tuple[tuple[object, object], ...]:
    return value if isinstance(value, tuple) else ()


def _time(text: str) -> str:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).isoformat() if text else ""
