"""A vendor's HTTP API with JSON: one host, one key, errors told apart by what is known of the write.

- Redirects are not followed, so the key never leaves for another host (threat 21).
- TLS is verified, and nothing can switch that off (threat 20); `ca_file` names another authority.
- A message holds at most a line of what the server said, escaped, and never the key (threats 2, 16).
- What is asked is asked once here: reads are repeated with `dnsrun.retry.read`, writes by the engine after a look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from dnsrun.clock import Clock
from dnsrun.errors import OutsideError
from dnsrun.model.text import shorten
from dnsrun.ports.net import Net

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
    from urllib3.connectionpool import HTTPConnectionPool

_CONNECT_S = 10.0
_READ_S = 30.0
_BODY_OCTETS = 64 * 1024 * 1024  # threat 22: a zone of 100,000 records takes about 15 MB

Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API is and the header that opens it; `ca_file` is a PEM file with the authority to trust, if another."""

    url: str
    header: str
    key: str = field(repr=False)
    ca_file: str | None = None


class WebApi:
    """One vendor's API. The first request imports urllib3 and opens the connection, through `net`."""

    def __init__(self, access: Access, *, net: Net, clock: Clock) -> None:
        self._access = access
        self._net = net
        self._clock = clock
        self._pool: HTTPConnectionPool | None = None
        self._path = ""

    def read(self, path: str) -> Any:
        """GET `path` (quoted, below the API's URL) and return the JSON document. Touches the network.

        Raises `OutsideError` `not-applied`: not retryable for 4xx but 408 and 429.
        """
        return self._ask("GET", path, None)

    def write(self, method: Method, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send `body` as JSON and return the answer's document, None when it is empty. Touches the network.

        Raises `OutsideError`: `not-applied` when the request did not get through or was refused (4xx), `in-doubt`
        for 5xx, silence and broken answers.
        """
        return self._ask(method, path, body)

    def _ask(self, method: Method, path: str, body: Mapping[str, Any] | None) -> Any:
        what = f"{method} {path}"
        wrote: Certainty = "not-applied" if method == "GET" else "in-doubt"
        status, headers, octets = self._send(method, path, body, wrote)
        if status >= 300:
            raise self._refused(what, status, headers, octets, wrote)
        try:
            return json.loads(octets) if octets or method == "GET" else None
        except ValueError as err:
            raise self._error(f"{what}: the answer is not JSON: {err}", retryable=True, certainty=wrote) from err

    def _send(
        self, method: Method, path: str, body: Mapping[str, Any] | None, wrote: Certainty
    ) -> tuple[int, Mapping[str, str], bytes]:
        from urllib3 import exceptions

        headers = {self._access.header: self._access.key, "Accept": "application/json", "Accept-Encoding": "identity"}
        pool = self._connected()
        try:
            answer = pool.request(
                method,
                self._path + path,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers | ({} if body is None else {"Content-Type": "application/json"}),
                retries=False,
                redirect=False,
                timeout=_READ_S,
                preload_content=False,
                decode_content=False,
            )
            return answer.status, answer.headers, self._body(answer)
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as err:
            raise self._error(f"cannot be reached: {err}", retryable=True, certainty="not-applied") from err
        except exceptions.SSLError as err:
            raise self._error(f"TLS fails: {err}", retryable=False, certainty="not-applied") from err
        except exceptions.HTTPError as err:
            raise self._error(f"{method} {path}: {err}", retryable=True, certainty=wrote) from err

    def _connected(self) -> HTTPConnectionPool:
        if self._pool is None:
            from urllib3.util import parse_url

            from .pinned import pool

            url = parse_url(self._access.url)
            self._path = (url.path or "").rstrip("/")
            self._pool = pool(self._net, url, connect_s=_CONNECT_S, ca_file=self._access.ca_file)
        return self._pool

    def _body(self, answer: BaseHTTPResponse) -> bytes:
        octets = bytearray()
        for part in answer.stream(65536):
            octets += part
            if len(octets) > _BODY_OCTETS:
                answer.close()
                text = f"the answer is larger than {_BODY_OCTETS} octets"
                raise self._error(text, retryable=False, certainty="in-doubt")
        answer.release_conn()
        return bytes(octets)

    def _refused(
        self, what: str, status: int, headers: Mapping[str, str], octets: bytes, wrote: Certainty
    ) -> OutsideError:
        if 300 <= status < 400:
            text = f"{what}: redirects ({status}) to {headers.get('Location', 'nowhere')}, which is not followed"
            return self._error(text, retryable=False, certainty="not-applied")
        text = f"{what}: answers {status} {_said(octets)}"
        if status >= 500:
            return self._error(text, retryable=True, certainty=wrote, retry_after_s=self._retry_after_s(headers))
        is_later = status in (408, 429)
        after_s = self._retry_after_s(headers) if is_later else None
        return self._error(text, retryable=is_later, certainty="not-applied", retry_after_s=after_s)

    def _retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        """Read Retry-After (RFC 9110 section 10.2.3): seconds, or a date; anything else counts as not said."""
        text = headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):  # no date, or one without a zone
            return None

    def _error(
        self, text: str, *, retryable: bool, certainty: Certainty, retry_after_s: float | None = None
    ) -> OutsideError:
        whole = shorten(self._without_key(f"{self._access.url}: {text}"), 300)
        return OutsideError(whole, retryable=retryable, certainty=certainty, retry_after_s=retry_after_s)

    def _without_key(self, text: str) -> str:
        for form in (self._access.key, quote(self._access.key, safe=""), json.dumps(self._access.key)[1:-1]):
            text = text.replace(form, "***")
        return text


Certainty = Literal["not-applied", "in-doubt"]


def _said(octets: bytes) -> str:
    """Return the error text of a body: the usual JSON keys, else its beginning."""
    text = octets[:2000].decode(errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        return text.strip()
    said = document.get("error") or document.get("message") if isinstance(document, dict) else None
    return str(said or text)
