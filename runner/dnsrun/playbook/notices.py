"""Who is told, as it is written, to `WebhookSpec` and `EmailSpec`."""

from __future__ import annotations

from dnsrun.model.playbook import NOTICES, EmailSpec, NotifySpec, WebhookSpec

from .problems import Problems
from .walk import Value
from .wording import quoted

_SUBMISSION_PORT = 587
_OF_WEBHOOK, _OF_EMAIL = frozenset({"format"}), frozenset({"server", "port", "from", "user", "password"})
_NEEDED = (("server", "which mail server takes it"), ("from", "from which address it comes"))


def notify(value: Value | None, problems: Problems) -> tuple[NotifySpec, ...]:
    """Return who is told; what is not whole, or means nothing, is left out and reported."""
    found = [_one(item, problems) for item in value.data if item.whole] if value else []
    return tuple(spec for spec in found if spec is not None)


def _one(value: Value, problems: Problems) -> NotifySpec | None:
    by_webhook = value.get("webhook") is not None
    if by_webhook == (value.get("email") is not None):
        problems.add(value.mark, "each entry of 'notify' has one way; write either webhook or email")
        return None
    way, foreign = ("webhook", _OF_EMAIL) if by_webhook else ("email", _OF_WEBHOOK)
    for name in foreign & value.data.keys():
        problems.add(value.data[name].key, f"{quoted(name)} says nothing of {quoted(way)}; leave it out")
    return _webhook(value) if by_webhook else _email(value, problems)


def _webhook(value: Value) -> WebhookSpec:
    return WebhookSpec(
        url=value.leaf("webhook"),
        form=value.leaf("format", "json"),
        on=frozenset(value.leaves("on") or NOTICES),
        allow_private=value.leaf("allow_private", False),  # noqa: FBT003 - the default of a key
        mark=value.mark,
    )


def _email(value: Value, problems: Problems) -> EmailSpec | None:
    missing = [(name, what) for name, what in _NEEDED if value.get(name) is None]
    for name, what in missing:
        problems.add(value.mark, f"{quoted(name)} is missing beside 'email'; say {what}")
    if (user := value.get("user")) and value.get("password") is None:
        problems.add(user.key, "'user' without 'password' logs nobody in; add a reference to the password")
    if missing:
        return None
    return EmailSpec(
        to=value.leaves("email"),
        sender=value.leaf("from"),
        server=value.leaf("server"),
        port=value.leaf("port", _SUBMISSION_PORT),
        user=value.leaf("user", value.leaf("from")),
        password=value.leaf("password"),
        on=frozenset(value.leaves("on") or NOTICES),
        allow_private=value.leaf("allow_private", False),  # noqa: FBT003 - the default of a key
        mark=value.mark,
    )
