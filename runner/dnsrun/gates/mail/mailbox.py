"""Reading a mailbox over IMAP or POP3 as a mail program does, as far as its count; what was said, as facts."""

from __future__ import annotations

import imaplib
import poplib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import in_words
from dnsrun.gates.services import broken, with_facts
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten

from .accounts import Keys, quoted
from .asking import CLOSES, NO_TLS
from .smtpline import ended
from .wire import OCTETS_CAP, BrokenError, Connect, Wire, as_socket, upgrade

_MOST_WORDS = 200
# What the clients of the standard library raise at words that are none of their protocol.
GARBLED = (imaplib.IMAP4.error, poplib.error_proto, ValueError, LookupError)


@dataclass(frozen=True, slots=True)
class Visit:
    """Whom to visit: the name for TLS, whether TLS comes first (else STARTTLS), and with which user and password."""

    host: str
    trust: ssl.SSLContext
    at_once: bool
    login: Keys | None = None


class ImapLine(imaplib.IMAP4):
    """An IMAP client on a connection of ours."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 - the budget decides
        return as_socket(self._wire)

    def read(self, size: int) -> bytes:
        """Return a literal; raises `BrokenError` before memory is set aside for one that nobody would send."""
        if size > OCTETS_CAP:
            raise BrokenError("announces more than anybody needs to hear")
        return super().read(size)


class PopLine(poplib.POP3):
    """A POP3 client on a connection of ours."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 - the budget decides
        return as_socket(self._wire)


def visit(connect: Connect, talk: Callable[[Wire], Words], timeout_s: float) -> Words | NoReply:
    """Hold one conversation and return what was said. Touches the network, for `timeout_s` at most."""
    try:
        wire = connect(Budget(timeout_s))
        try:
            return talk(wire)
        finally:
            wire.close()
    except ssl.SSLError as err:
        return broken(in_words(err))
    except GARBLED as err:
        hidden = err.__context__
        return ended(hidden) if isinstance(hidden, OSError) else broken(said_by(err))
    except OSError as err:
        return ended(err)


def opened_imap(wire: Wire, to: Visit) -> ImapLine:
    """Return the client behind TLS, not logged in; raises what `visit` knows."""
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = ImapLine(wire, to.host)
    if not to.at_once:
        if "STARTTLS" not in line.capabilities:
            raise BrokenError(NO_TLS)
        line.starttls(ssl_context=upgrade(to.trust))
    return line


def read_imap(wire: Wire, to: Visit) -> Words:
    """Return greeting, capabilities, certificate, and with a log-in how many messages the inbox holds."""
    line = opened_imap(wire, to)
    greeting = _text(line.welcome)
    facts = {**wire.certificate, "capabilities": " ".join(line.capabilities)}
    if to.login:
        facts |= _imap_inbox(line, to.login)
    leave(line.logout)
    return with_facts(greeting or "greets", facts)


def _imap_inbox(line: ImapLine, keys: Keys) -> dict[str, str]:
    if said := refused_login(line, keys):
        return {"login": "refused", "login_said": said}
    status, data = line.select("INBOX", readonly=True)
    count = _text(data[0]) if status == "OK" and data and data[0] else ""
    return {"login": "ok"} | ({"messages": count} if count.isdecimal() else {"inbox": "closed"})


def refused_login(line: ImapLine, keys: Keys) -> str:
    """Log in; return the server's words when it refuses, empty when it does not."""
    try:
        line.login(quoted(keys.user), keys.password)  # which imaplib quotes itself
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as err:
        return keys.kept_out_of(_first(err)) or "no reason given"
    return ""


def read_pop3(wire: Wire, to: Visit) -> Words:
    """Return greeting, capabilities, certificate, and with a log-in how many messages the mailbox holds."""
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = PopLine(wire, to.host)
    greeting = _text(line.getwelcome())
    if not to.at_once:
        if "STLS" not in _told(line):
            raise BrokenError(NO_TLS)
        line.stls(context=upgrade(to.trust))
    facts = {**wire.certificate, "capabilities": " ".join(_told(line))}
    if to.login:
        facts |= _pop3_mailbox(line, to.login)
    leave(line.quit)
    return with_facts(greeting or "greets", facts)


def _told(line: PopLine) -> tuple[str, ...]:
    """Return the server's capabilities (RFC 2449), none when it does not know the question."""
    try:
        return tuple(line.capa())
    except poplib.error_proto as err:
        if is_end(err):
            raise
        return ()


def _pop3_mailbox(line: PopLine, keys: Keys) -> dict[str, str]:
    try:
        line.user(keys.user)
        line.pass_(keys.password)
    except poplib.error_proto as err:
        if is_end(err):
            raise
        return {"login": "refused", "login_said": keys.kept_out_of(_first(err)) or "no reason given"}
    try:
        count, _ = line.stat()
    except poplib.error_proto as err:
        if is_end(err):
            raise
        return {"login": "ok", "inbox": "closed"}
    return {"login": "ok", "messages": str(count)}


def leave(say_goodbye: Callable[[], object]) -> None:
    """Say goodbye, as far as the server still listens."""
    try:
        say_goodbye()
    except (*GARBLED, OSError):
        return


def is_end(err: Exception) -> bool:
    """Tell whether the server closed the connection, which the clients report as words of its protocol."""
    said = str(err.args[0]) if err.args else ""
    return said.endswith("EOF") or "unterminated line" in said


def said_by(err: Exception) -> str:
    """Return what a server did when it left its protocol, in words that follow its name."""
    if is_end(err):
        return CLOSES
    said = _first(err)
    if isinstance(err, imaplib.IMAP4.abort) or re.match(r"\* BYE|-ERR", said):
        return f"breaks off: {said}"
    return f"answers otherwise than its protocol says: {said}".rstrip(": ")


def _text(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(re.sub(r"^(\* OK|\+OK)\s*", "", text).split())[:_MOST_WORDS]


def _first(err: Exception) -> str:
    """Return the words that a server gave; those of Python say nothing to anybody."""
    said = err.args[0] if err.args and isinstance(err, (imaplib.IMAP4.error, poplib.error_proto)) else ""
    return shorten(_text(said), 120)


READERS: Mapping[str, Callable[[Wire, Visit], Words]] = {"imap": read_imap, "pop3": read_pop3}
