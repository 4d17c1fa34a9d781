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
from dnsrun.gates.silence import no_reply
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten

from .wire import FloodError, Wire, as_socket, upgrade

Connect = Callable[[Budget], socket.socket]
_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """Whom to visit: the name for TLS, whether TLS comes first (else STARTTLS), and with which user and password."""

    host: str
    trust: ssl.SSLContext
    at_once: bool
    login: tuple[str, str] | None = None


class ImapLine(imaplib.IMAP4):
    """An IMAP client on a connection of ours."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 - the budget decides
        return as_socket(self._wire)


class PopLine(poplib.POP3):
    """A POP3 client on a connection of ours."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 - the budget decides
        return as_socket(self._wire)


def visit(connect: Connect, talk: Callable[[Wire], Words], timeout_s: float) -> Words | NoReply:
    """Hold one conversation and return what was said. Touches the network, for `timeout_s` at most."""
    budget = Budget(timeout_s)
    try:
        wire = Wire(connect(budget), budget)
    except OSError as err:
        return no_reply(err)
    try:
        return talk(wire)
    except ssl.SSLError as err:
        return broken(in_words(err))
    except FloodError as err:
        return broken(str(err))
    except (imaplib.IMAP4.abort, EOFError):
        return broken("closes the connection in the middle")
    except (imaplib.IMAP4.error, poplib.error_proto, UnicodeError, ValueError) as err:
        return broken(f"answers otherwise than its protocol says: {_said(err)}")
    except OSError as err:
        return no_reply(err)
    finally:
        wire.close()


def opened_imap(wire: Wire, to: Visit) -> ImapLine:
    """Return the client behind TLS, not logged in; raises what `visit` knows."""
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = ImapLine(wire, to.host)
    if not to.at_once:
        line.starttls(ssl_context=upgrade(to.trust))
    return line


def read_imap(wire: Wire, to: Visit) -> Words:
    """Return greeting, capabilities, certificate, and with a log-in how many messages the inbox holds."""
    line = opened_imap(wire, to)
    greeting = _text(line.welcome)
    facts = dict(wire.certificate)
    if to.login:
        facts |= _imap_inbox(line, to.login)
    _leave(line.logout)
    return with_facts(greeting or "greets", facts)


def _imap_inbox(line: ImapLine, login: tuple[str, str]) -> dict[str, str]:
    if said := refused_login(line, login):
        return {"login": said}
    status, data = line.select("INBOX", readonly=True)
    count = _text(data[0]) if status == "OK" and data and data[0] else ""
    return {"login": "ok", "messages": count} if count.isdigit() else {"login": f"the inbox cannot be opened: {count}"}


def refused_login(line: ImapLine, login: tuple[str, str]) -> str:
    """Log in; return the server's words when it refuses, without what was sent."""
    try:
        line.login(*login)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as err:
        return _said(err).replace(login[1], "***") or "refused"
    return ""


def read_pop3(wire: Wire, to: Visit) -> Words:
    """Return greeting, certificate, and with a log-in how many messages the mailbox holds."""
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = PopLine(wire, to.host)
    greeting = _text(line.getwelcome())
    facts: dict[str, str] = {}
    if not to.at_once:
        line.stls(context=upgrade(to.trust))
    facts |= wire.certificate
    if to.login:
        facts |= _pop3_mailbox(line, to.login)
    _leave(line.quit)
    return with_facts(greeting or "greets", facts)


def _pop3_mailbox(line: PopLine, login: tuple[str, str]) -> dict[str, str]:
    try:
        line.user(login[0])
        line.pass_(login[1])
    except poplib.error_proto as err:
        return {"login": _said(err).replace(login[1], "***") or "refused"}
    count, _ = line.stat()
    return {"login": "ok", "messages": str(count)}


def _leave(say_goodbye: Callable[[], object]) -> None:
    try:
        say_goodbye()
    except (imaplib.IMAP4.error, poplib.error_proto, OSError):
        return


def _text(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(re.sub(r"^(\* OK|\+OK)\s*", "", text).split())[:_MOST_WORDS]


def _said(err: Exception) -> str:
    said = err.args[0] if err.args else ""
    return shorten(_text(said), 120)


READERS: Mapping[str, Callable[[Wire, Visit], Words]] = {"imap": read_imap, "pop3": read_pop3}
