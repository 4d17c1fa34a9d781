"""Texts to numbers, booleans, durations, days, times, addresses and URLs.

Only one spelling of each is read. Anything else is refused with the reading that YAML 1.1 would have given, because
that is what the next tool would make of it (threat 6).
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date, datetime
from urllib.parse import urlsplit

import yaml

from .problems import Wrong
from .wording import quoted

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
DURATION = r"(0|[1-9][0-9]{0,6})(s|m|h|d)"
_DURATION = re.compile(DURATION, re.ASCII)
# RFC 5321 section 4.1.2 without quoted local parts and address literals, which no test mailbox needs.
_MAIL_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_EXPLAINED = 40


def integer(text: str) -> int:
    """Return a whole number written as `0` or `-?[1-9][0-9]*`."""
    if _INTEGER.fullmatch(text):
        return int(text)
    as_seconds = f", in seconds {duration(text)}" if _DURATION.fullmatch(text) else ", such as 600"
    raise Wrong(f"must be a whole number{as_seconds}, not {quoted(text)}{_yaml11(text)}")


def boolean(text: str) -> bool:
    """Return a boolean written as `true` or `false`."""
    if text in ("true", "false"):
        return text == "true"
    raise Wrong(f"must be true or false, not {quoted(text)}{_yaml11(text)}")


def duration(text: str) -> int:
    """Return the seconds of `90s`, `15m`, `24h` or `7d`."""
    if found := _DURATION.fullmatch(text):
        return int(found.group(1)) * _SECONDS[found.group(2)]
    unit = f"; with a unit, such as {text}s or {text}m" if _INTEGER.fullmatch(text) else "; write 90s, 15m, 24h or 7d"
    raise Wrong(f"must be a duration, not {quoted(text)}{_yaml11(text)}{unit}")


def day(text: str) -> date:
    """Return a day written as `2026-11-20`."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Wrong(f"must be a day, not {quoted(text)}; write it as 2026-11-20")


def until(text: str) -> str:
    """Return `always`, `switch`, or a day written as `2026-11-20`."""
    try:
        return text if text in ("always", "switch") else day(text).isoformat()
    except Wrong as err:
        raise Wrong(f"must be always, switch or a day, not {quoted(text)}; write a day as 2026-11-20") from err


def moment(text: str) -> datetime:
    """Return an aware time written as `2026-11-20T09:00:00+09:00`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or len(text) < len("2026-11-20T09:00Z"):
        raise Wrong(
            f"must be a day and time with its offset, not {quoted(text)}; write it as 2026-11-20T09:00:00+09:00"
        )
    return found


def address(text: str) -> str:
    """Return an IPv4 or IPv6 address in its usual form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as err:
        raise Wrong(f"must be an IPv4 or IPv6 address, not {quoted(text)}") from err


def url(text: str) -> str:
    """Return an http or https URL with a host and without credentials (threats 1 and 11)."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as err:
        raise Wrong("must be a URL; write it as https://www.example.jp/") from err
    if "@" in parts.netloc:
        raise Wrong("holds a user name or password; leave it out of the URL, secrets do not belong into a playbook")
    if parts.scheme not in ("http", "https") or not host:
        raise Wrong(f"must be a URL with http or https, not {quoted(text)}; write it as https://www.example.jp/")
    if any(not char.isprintable() or char == " " for char in text):
        raise Wrong(f"must be a URL without blanks and control characters, not {quoted(text)}")
    return text


def mail_address(text: str) -> str:
    """Return a mail address: a local part without quotes, and a domain."""
    if _MAIL_ADDRESS.fullmatch(text):
        return text
    raise Wrong(f"must be a mail address, not {quoted(text)}; write it as test@client.example.jp")


def _yaml11(text: str) -> str:
    """Return ` (YAML 1.1 reads ...)` when a reader of YAML 1.1 would not take the plain text for a text."""
    if len(text) > _LONGEST_EXPLAINED:
        return ""
    try:
        reading = yaml.safe_load(f"[{text}]")[0] if re.fullmatch(r"[\w.:+~-]*", text) else text
    except (yaml.YAMLError, ValueError, IndexError):
        return ""
    if isinstance(reading, (str, dict, list)):
        return ""
    if isinstance(reading, date):
        return " (YAML 1.1 would read a date)"
    shown = (
        {True: "true", False: "false", None: "null"}.get(reading) if isinstance(reading, bool | None) else str(reading)
    )
    return f" (YAML 1.1 would read {shown})" if shown != text else ""
