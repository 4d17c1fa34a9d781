"""URLs of web gates: http and https only, no credentials, host names in ASCII."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

import dns.name
from dns.exception import DNSException

_PORTS = {"http": 80, "https": 443}
_KEPT = "%/:=&?~#+!$,;'@()*[]"


class BadUrlError(ValueError):
    """A URL that is not followed, and why."""


@dataclass(frozen=True, slots=True)
class Url:
    """Where to connect and what to ask for; `host` is an A-label name without final dot, or an address."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host field (RFC 9110 section 7.2)."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == _PORTS[self.scheme] else f"{shown}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def join(self, location: str) -> Url:
        """Return where a Location field leads (RFC 9110 section 10.2.2); raises `BadUrlError`."""
        try:
            # The field's octets come as Latin-1; what is not ASCII is meant as it stands.
            return parse(urljoin(str(self), quote(location.encode("latin-1"), safe=_KEPT)))
        except ValueError as err:
            raise BadUrlError(str(err)) from err


def parse(text: str) -> Url:
    """Read an absolute URL; raises `BadUrlError` for other schemes, credentials and what cannot be read."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as err:
        raise BadUrlError(f"{text} is not a URL: {err}") from err
    if parts.scheme not in _PORTS:
        raise BadUrlError(f"{text} is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise BadUrlError("the URL holds a user name or a password")
    if not parts.hostname:
        raise BadUrlError(f"{text} has no host")
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return Url(parts.scheme, _host(parts.hostname), port or _PORTS[parts.scheme], target)


def is_address(host: str) -> bool:
    """Tell whether a host is written as an address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _host(text: str) -> str:
    if is_address(text):
        return text
    try:
        return dns.name.from_text(text).to_text(omit_final_dot=True).lower()
    except (DNSException, UnicodeError) as err:
        raise BadUrlError(f"{text} is not a host name") from err
