"""TLS for service gates: always verified against the name, and what the certificate says."""

from __future__ import annotations

import hashlib
import socket
import ssl
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache

from dnsrun.model.observation import NoReply, Words
from dnsrun.ports.net import Net

from .budget import Budget
from .services import broken, with_facts
from .silence import no_reply

_NAMES = 3


def context(ca: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of file `ca`, or the system's; reads the disk, raises `OSError`."""
    return ssl.create_default_context(cafile=ca) if ca else _system(ssl.get_default_verify_paths())


@cache
def _system(_paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """Return what the system trusts; reading that takes longer than a handshake, so it is read once for its paths."""
    return ssl.create_default_context()


def secure(sock: socket.socket, host: str, trust: ssl.SSLContext, budget: Budget) -> ssl.SSLSocket:
    """Shake hands with `host` as SNI and as the name to verify; raises `OSError`. Owns `sock` when it succeeds."""
    sock.settimeout(budget.left_s())
    return trust.wrap_socket(sock, server_hostname=host)


def shake(net: Net, place: tuple[str, int], host: str, trust: ssl.SSLContext, timeout_s: float) -> Words | NoReply:
    """Connect to an address and port, shake hands and return what the certificate says. Touches the network."""
    budget = Budget(timeout_s)
    try:
        with ExitStack() as stack:
            sock = stack.enter_context(net.connect(*place, timeout_s=budget.left_s()))
            secured = stack.enter_context(secure(sock, host, trust, budget))
            return with_facts(secured.version() or "TLS", facts(secured))
    except ssl.SSLError as err:
        return broken(in_words(err))
    except OSError as err:
        return no_reply(err)


def facts(sock: ssl.SSLSocket) -> dict[str, str]:
    """Return subject, issuer, names, end of validity (UTC) and SHA-256 fingerprint of the peer's certificate."""
    certificate = sock.getpeercert() or {}
    names = [str(value) for kind, value in _pairs(certificate.get("subjectAltName")) if kind in ("DNS", "IP Address")]
    return {
        "certificate_subject": _part(certificate.get("subject"), "commonName") or ", ".join(names[:_NAMES]),
        "certificate_issuer": _part(certificate.get("issuer"), "commonName", "organizationName"),
        "certificate_authority": _part(certificate.get("issuer"), "organizationName"),
        "certificate_fingerprint": hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest(),
        "not_after": _time(str(certificate.get("notAfter", ""))),
    }


def in_words(error: ssl.SSLError) -> str:
    """Return why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    return f"the TLS handshake fails: {error.reason or 'the server closed it'}"


def _part(name: object, *keys: str) -> str:
    """Return the first of these parts that a distinguished name has; empty when it has none."""
    held = dict(pair for part in name for pair in part) if isinstance(name, tuple) else {}
    return str(next((held[key] for key in keys if key in held), ""))


def _pairs(value: object) -> tuple[tuple[object, object], ...]:
    return value if isinstance(value, tuple) else ()


def _time(text: str) -> str:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).isoformat() if text else ""
