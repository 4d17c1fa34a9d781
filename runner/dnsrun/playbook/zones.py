"""Providers, zone, mail and what people were asked, as they are written, to their specs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, TypedDict

from dns.name import Name

from dnsrun.model.playbook import (
    AskedSpec,
    CaptureSpec,
    MailAccount,
    MailSpec,
    NameServer,
    ProviderSpec,
    Sender,
    ZoneSpec,
)

from .gates import plain
from .problems import Problems
from .walk import Value
from .wording import quoted

_COMMON = frozenset({"use", "name_servers"})
_ATTESTED = (("file", "which file, or write transfer"), ("given_by", "who gave the file"), ("on", "on which day"))


def providers(value: Value | None) -> Mapping[str, ProviderSpec]:
    """Return the providers that could be read."""
    return {name: _provider(name, found) for name, found in value.data.items() if found.whole} if value else {}


def _provider(name: str, value: Value) -> ProviderSpec:
    options = {key: plain(child) for key, child in value.data.items() if key not in _COMMON}
    listed = value.get("name_servers")
    servers = tuple(_name_server(item) for item in listed.data) if listed else ()
    return ProviderSpec(name, value.leaf("use"), options, servers, value.mark)


def _name_server(value: Value) -> NameServer:
    if isinstance(value.data, dict):
        return NameServer(value.leaf("name"), value.leaves("addresses"))
    return NameServer(value.data)


def zone(value: Value, problems: Problems, today: date) -> ZoneSpec:
    """Return the zone; `value` is whole."""
    return ZoneSpec(
        provider=value.leaf("from"),
        secondaries=_secondaries(value.get("secondaries"), problems),
        capture=_capture(value.get("capture"), problems, today),
        volatile=frozenset(value.leaves("volatile")),
        ttl_low_since=_past(value, problems, today),
        require_v6=value.leaf("require_v6", False),  # noqa: FBT003 - the default of a key
        to=value.leaf("to"),
        registrar=value.leaf("registrar"),
        **_extras(value.get("extras")),
    )


class _Extras(TypedDict, total=False):
    extras: Literal["refuse", "remove"]
    keep: frozenset[Name]


def _extras(value: Value | None) -> _Extras:
    if value is None:
        return {}
    if isinstance(value.data, dict):
        return {"keep": frozenset(value.leaves("keep"))}
    return {"extras": "remove" if value.data == "remove" else "refuse"}


def _secondaries(value: Value | None, problems: Problems) -> Mapping[str, tuple[str, ...]]:
    if value is None:
        return {}
    for primary, copies in value.data.items():
        for copy in copies.data:
            if copy.data == primary:
                problems.add(copy.mark, f"{quoted(primary)} cannot copy the zone from itself; name the secondary")
    return {primary: tuple(copy.data for copy in copies.data) for primary, copies in value.data.items()}


def _capture(value: Value | None, problems: Problems, today: date) -> CaptureSpec | None:
    if value is None:
        return None
    transfer = value.get("transfer")
    if transfer:
        for name in value.data.keys() - {"transfer"}:
            problems.add(value.data[name].key, f"'transfer' and {quoted(name)} exclude each other; keep one way")
        return CaptureSpec(transfer_from=transfer.data)
    for name, what in _ATTESTED if value.whole else ():
        if value.get(name) is None:
            problems.add(value.mark, f"{quoted(name)} is missing in 'capture'; say {what}")
    on = value.get("on")
    if on and on.data > today:
        problems.add(on.mark, f"{on.data.isoformat()} has not come yet; write the day on which the file was given")
    return CaptureSpec(
        file=value.leaf("file"),
        given_by=value.leaf("given_by"),
        on=value.leaf("on"),
        covers_all=value.leaf("covers") == "all",
    )


def _past(value: Value, problems: Problems, today: date) -> datetime | None:
    since = value.get("ttl_low_since")
    if since and since.data.date() > today:
        problems.add(since.mark, "this time has not come yet; write since when the TTLs are low")
    return since.data if since else None


def mail(value: Value) -> MailSpec:
    """Return the mail section; `value` is whole."""
    senders = value.get("senders")
    return MailSpec(
        mailboxes=value.leaves("mailboxes"),
        submission=value.leaves("submission"),
        front=value.leaves("front"),
        senders=tuple(map(_sender, senders.data)) if senders else (),
        clients_by_address=value.leaf("clients_by_address", 0),
        moves=value.leaf("moves", False),  # noqa: FBT003 - the default of a key
        accounts=_accounts(value.get("accounts")),
    )


def asked(value: Value, problems: Problems, today: date) -> AskedSpec | None:
    """Return what people said, None when a part of it is wrong or missing."""
    on = value.get("on")
    if on and on.data > today:
        problems.add(on.mark, f"{on.data.isoformat()} has not come yet; write the day on which it was said")
    if not value.whole:
        return None
    return AskedSpec(
        by=value.leaf("by"),
        on=value.leaf("on"),
        sending_devices=value.leaf("sending_devices", ""),
        local_mail=_yes(value.leaf("local_mail")),
        office_dns=_yes(value.leaf("office_dns")),
        dns_ends_with_hosting=_yes(value.leaf("dns_ends_with_hosting")),
        logins=value.leaf("logins", ""),
    )


def _yes(word: str | None) -> bool | None:
    return None if word is None else word == "yes"


def _sender(value: Value) -> Sender:
    return Sender(value.leaf("address"), value.leaf("until", "always"), value.leaf("from"), value.mark)


def _accounts(value: Value | None) -> Mapping[str, MailAccount]:
    found = {name: each for name, each in value.data.items() if each.whole} if value else {}
    return {
        name: MailAccount(
            name=name,
            address=each.leaf("address"),
            user=each.leaf("user", each.leaf("address")),
            password=each.leaf("password"),
            imap=each.leaf("imap"),
            imap_port=each.leaf("imap_port", 993),
            submission=each.leaf("submission"),
            submission_port=each.leaf("submission_port", 587),
        )
        for name, each in found.items()
    }


def refuse_public_defaults(value: Value, specs: Mapping[str, ProviderSpec], problems: Problems) -> None:
    """A host where nobody of us can write has no default phases (`use: public`)."""
    host = value.get("from")
    spec = specs.get(host.data) if host else None
    if host and spec and spec.use == "public":
        problems.add(
            host.mark,
            f"nobody of us can write at {quoted(host.data)} (use: public); write the phases out, with manual steps",
        )
