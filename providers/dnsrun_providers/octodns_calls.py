"""Calls into octoDNS: quiet, and with its errors turned into ours. The only place that catches whatever comes.

octoDNS's providers raise plain `Exception` for a refused key, and errors of whichever HTTP library they use.
"""

from __future__ import annotations

import base64
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from urllib.parse import quote, quote_plus

from dns.exception import DNSException

from dnsrun.errors import DnsrunError, OutsideError
from dnsrun.model.text import shorten

_TOO_MANY = 429
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class CallFailed(Exception):
    """A call into octoDNS did not end well; `text` is fit to be shown.

    `may_help`: asking again may help. `is_answer`: the other side has read the request and refused it.
    """

    def __init__(self, text: str, *, may_help: bool, is_answer: bool, retry_after_s: float | None) -> None:
        self.text = text
        self.may_help = may_help
        self.is_answer = is_answer
        self.retry_after_s = retry_after_s
        super().__init__(text)

    def read_error(self, doing: str) -> OutsideError:
        """Return the error for a call that only reads."""
        text = f"{doing}: {self.text}"
        return OutsideError(text, retryable=self.may_help, certainty="not-applied", retry_after_s=self.retry_after_s)


@contextmanager
def calling(secrets: tuple[str, ...]) -> Iterator[None]:
    """Run octoDNS's code; raises `CallFailed` for whatever it raises. No secret gets into the text."""
    quiet = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(quiet)  # else Python prints octoDNS's warnings, which may repeat what a host sent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # octoDNS's providers use what it is going to drop
            yield
    except DnsrunError:
        raise
    except Exception as err:  # noqa: BLE001 - octoDNS's providers raise plain Exception
        raise _failed(err, secrets) from None  # its text and its request may hold a secret
    finally:
        root.removeHandler(quiet)


def _failed(err: Exception, secrets: tuple[str, ...]) -> CallFailed:
    status = _status(err)
    chain = tuple(_chain(err))
    may_help = any(isinstance(one, OSError | DNSException) for one in chain) or "Transfer" in type(err).__name__
    if status:
        may_help = status >= _SERVER_ERROR or status == _TOO_MANY
    is_answer = status is not None and _CLIENT_ERROR <= status < _SERVER_ERROR
    return CallFailed(_words(err, status, secrets), may_help=may_help, is_answer=is_answer, retry_after_s=_after_s(err))


def _words(err: Exception, status: int | None, secrets: tuple[str, ...]) -> str:
    kind = type(err).__name__ + (f", status {status}" if status else "")
    at_fault = _at_fault(err.__traceback__) if status is None else ""
    said = " ".join(f"{at_fault and f'{at_fault}: '}{err}".split())
    is_safe = not any(form in said for secret in secrets for form in _forms(secret))
    return f"{shorten(said)} ({kind})" if said and is_safe else kind


def _forms(secret: str) -> tuple[str, ...]:
    return secret, quote(secret), quote_plus(secret), base64.b64encode(secret.encode()).decode(), repr(secret)[1:-1]


def _at_fault(trace: TracebackType | None) -> str:
    """Return which record octoDNS was at, innermost first; empty when unknown. Its own errors seldom tell."""
    found = ""
    while trace is not None:
        names = trace.tb_frame.f_locals
        record = next((names[word] for word in ("rrset", "record", "rr", "first") if word in names), None)
        if trace.tb_frame.f_code.co_name in ("idna_decode", "idna_encode"):
            found = str(names["name"])
        found = _named(record) or found
        trace = trace.tb_next
    return found


def _named(record: object) -> str:
    if isinstance(record, dict):
        lower = {str(key).lower(): value for key, value in record.items()}
        words = lower.get("name"), lower.get("type")
    else:
        words = getattr(record, "name", None), getattr(record, "_type", None)
    return " ".join(word for word in words if isinstance(word, str)) if words[0] else ""


def _chain(err: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = err
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(err: Exception) -> int | None:
    """Return the HTTP status that requests, or botocore, keeps in its error."""
    response = getattr(err, "response", None)
    if isinstance(response, dict):
        response = response.get("ResponseMetadata", {})
        found = response.get("HTTPStatusCode") if isinstance(response, dict) else None
    else:
        found = getattr(response, "status_code", None)
    return found if isinstance(found, int) else None


def _after_s(err: Exception) -> float | None:
    headers = getattr(getattr(err, "response", None), "headers", None) or {}
    try:
        return float(headers.get("Retry-After", ""))
    except (AttributeError, TypeError, ValueError):
        return None
