"""Which `format` of a schema turns a text into what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dns.name import Name

from . import names, values, windows
from .problems import Unknowable, Wrong
from .rdata import record_type
from .wording import meant, quoted


def formats(
    domain: Name | None, providers: Iterable[str], accounts: Iterable[str] = ()
) -> Mapping[str, Callable[[str], object]]:
    """Return the converters; `domain` None when the playbook's own cannot be read.

    `providers` and `accounts` are the names below `providers:` and `mail: accounts:`.
    """
    known, mailboxes = frozenset(providers), frozenset(accounts)
    return {
        "duration": values.duration,
        "day": values.day,
        "moment": values.moment,
        "until": values.until,
        "address": values.address,
        "url": values.url,
        "path": _path,
        "domain": names.domain_name,
        "owner-name": lambda text: names.owner_name(text, _needed(domain)),
        "host-name": lambda text: names.host_name(text, domain),
        "server": lambda text: _server(text, domain),
        "record-type": record_type,
        "provider": lambda text: _known(text, known, "provider", "providers"),
        "account": lambda text: _known(text, mailboxes, "mail account", "mail: accounts"),
        "mail-address": values.mail_address,
        "hours": windows.hours,
        "timezone": windows.timezone,
        "holidays": windows.holidays,
    }


def _needed(domain: Name | None) -> Name:
    if domain is None:
        raise Unknowable
    return domain


def _path(text: str) -> str:
    if not text.isprintable():
        raise Wrong(f"must be the path of a file, not {quoted(text)}")
    return text


def _server(text: str, domain: Name | None) -> str:
    """Return a server's address, or its host name as absolute text."""
    try:
        return values.address(text)
    except Wrong:
        return names.host_name(text, domain).to_text()


def _known(text: str, known: frozenset[str], what: str, where: str) -> str:
    if text not in known:
        raise Wrong(f"there is no {what} {quoted(text)} below {where}{meant(text, known)}")
    return text
