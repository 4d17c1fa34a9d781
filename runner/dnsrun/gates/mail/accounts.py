"""Logging in: what is sent, and what must not come back (threat 2)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from dnsrun.errors import UsageError
from dnsrun.gates import options
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase, Login

_SHORTEST = 3  # a shorter text is in everything


@dataclass(frozen=True, slots=True)
class Keys:
    """A user's name and password, both printable ASCII."""

    user: str
    password: str = field(repr=False)

    def kept_out_of(self, said: str) -> str:
        """Return a server's words, cut; none where they repeat the password in any form that it was sent in."""
        if any(form in said for form in self._forms() if len(form) >= _SHORTEST):
            return "(its words repeat the password, and are not shown)"
        return shorten(said, 120)

    def _forms(self) -> set[str]:
        plain = {self.password, quoted(self.password)[1:-1]}
        plain |= {repr(one)[1:-1] for one in plain}  # as imaplib shows what a server said
        sent = (self.password, f"\0{self.user}\0{self.password}")  # AUTH LOGIN and AUTH PLAIN (RFC 4616)
        return plain | {base64.b64encode(one.encode()).decode().rstrip("=") for one in sent}


def login_of(spec: GateSpec, case: GateCase) -> Login | None:
    """Return the account that a gate names, None when it names none."""
    name = options.text(spec, "account")
    return case.accounts.get(name) if name else None


def keys_for(spec: GateSpec, case: GateCase) -> Keys | None:
    """Return what a gate logs in with, None when it names no account; raises `UsageError` as `keys_of` does."""
    login = login_of(spec, case)
    if login is None and (name := options.text(spec, "account")):
        raise UsageError(f"the mail account {shorten(name)} is not known here")
    return keys_of(login) if login else None


def keys_of(login: Login) -> Keys:
    """Return what to log in with; raises `UsageError` when the password is not there or cannot be sent.

    Only printable ASCII is sent: for anything else servers differ in what they take it for, and a line break would
    begin a command of its own.
    """
    keys = Keys(login.account.user, login.password())
    for word, text in (("user", keys.user), ("password", keys.password)):
        if not (text.isascii() and text.isprintable()):
            raise UsageError(
                f"the {word} of the mail account {login.account.name} has characters beyond printable ASCII, "
                "which servers read differently; use an account without them for tests"
            )
    return keys


def quoted(text: str) -> str:
    """Return a text as an IMAP quoted string (RFC 9051 section 4.3)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
