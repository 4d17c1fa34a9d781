"""Test messages with a token of their own: sent, looked for in a mailbox over IMAP, deleted again."""

from __future__ import annotations

import secrets
import smtplib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from imaplib import IMAP4

from dnsrun.gates.budget import Budget
from dnsrun.model.text import shorten

from .asking import GREETED
from .mailbox import Connect, Visit, opened_imap, refused_login
from .smtpline import Line
from .wire import Wire

POLL_S = 1.0


class LostError(Exception):
    """A message did not get through; the words say where and why. `ours`: it is the domain's servers' doing."""

    def __init__(self, words: str, *, ours: bool) -> None:
        super().__init__(words)
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Letter:
    """A message without content: `token` stands in its subject and message ID. `sender` may be empty (nobody)."""

    token: str
    sender: str
    to: str

    def octets(self, at: datetime) -> bytes:
        """Return the message as it is sent at `at` (UTC)."""
        message = EmailMessage()
        message["From"] = self.sender or self.to
        message["To"] = self.to
        message["Subject"] = f"dnsrun test {self.token}"
        message["Message-ID"] = f"<{self.token}@dnsrun.invalid>"
        message["Date"] = format_datetime(at)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody is to answer
        message.set_content("A test message of dnsrun; it is deleted once it has arrived.\n")
        return message.as_bytes()


def letter(sender: str, to: str) -> Letter:
    """Return a letter with a token that nobody can guess."""
    return Letter(f"dnsrun-{secrets.token_hex(12)}", sender, to)


def post(connect: Connect, to: Visit, what: Letter, at: datetime, budget: Budget, *, ours: bool) -> str:
    """Send a letter and return the server's last words. Touches the network.

    `to.at_once` and `to.login` as for a mail program; without a log-in as a server that delivers, and TLS only where
    it is offered and holds. Raises `LostError`, `OSError` when nobody answers.
    """
    wire = Wire(connect(budget), budget)
    try:
        return _posted(wire, to, what, at)
    except smtplib.SMTPAuthenticationError as err:
        raise LostError(f"{to.host} refuses the log-in: {err.smtp_code}", ours=ours) from err
    except smtplib.SMTPResponseException as err:
        said = shorten(err.smtp_error.decode("utf-8", "replace") if isinstance(err.smtp_error, bytes) else "", 120)
        raise LostError(f"{to.host} refuses the message: {err.smtp_code} {said}".rstrip(), ours=ours) from err
    except (smtplib.SMTPException, UnicodeError, ValueError) as err:
        raise LostError(f"{to.host} does not take the message: {type(err).__name__}", ours=ours) from err
    finally:
        wire.close()


def _posted(wire: Wire, to: Visit, what: Letter, at: datetime) -> str:
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = Line(wire)
    code = line.greet(to.host)
    if code != GREETED:
        raise smtplib.SMTPResponseException(code, line.banner)
    if to.login and not to.at_once:
        line.secure(to.trust)
    if to.login:
        line.login(*to.login)
    for code, said in (line.mail(what.sender), line.rcpt(what.to)):
        if code >= 300:
            raise smtplib.SMTPResponseException(code, said)
    code, said = line.data(what.octets(at))
    if code >= 300:
        raise smtplib.SMTPResponseException(code, said)
    with suppress(smtplib.SMTPException, OSError):
        line.quit()
    return said.decode("utf-8", "replace")


def fetch(connect: Connect, to: Visit, what: Letter, budget: Budget, *, ours: bool) -> str:
    """Wait for a letter in the inbox, delete it, and return a note (empty: it is gone). Touches the network.

    Raises `LostError` when it does not come, `OSError` when nobody answers.
    """
    wire = Wire(connect(budget), budget)
    try:
        line = opened_imap(wire, to)
        if to.login and (said := refused_login(line, to.login)):
            raise LostError(f"{to.host} refuses the log-in: {said}", ours=ours)
        line.select("INBOX")
        found = _waited_for(line, what, budget, to.host)
        note = _deleted(line, found)
        with suppress(IMAP4.error, OSError):
            line.logout()
    except (IMAP4.error, EOFError) as err:
        raise LostError(f"{to.host} breaks off: {type(err).__name__}", ours=ours) from err
    finally:
        wire.close()
    return note


def _waited_for(line: IMAP4, what: Letter, budget: Budget, host: str) -> str:
    while True:
        _, data = line.uid("SEARCH", "HEADER", "Message-ID", what.token)
        uids = data[0].split() if data and isinstance(data[0], bytes) else []
        if uids:
            return str(uids[-1].decode("ascii"))
        try:
            budget.pause(POLL_S)
        except TimeoutError:
            words = f"was accepted, and did not come into the mailbox at {host}"
            raise LostError(words, ours=True) from None
        line.noop()


def _deleted(line: IMAP4, uid: str) -> str:
    line.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
    _, data = line.capability()
    told = data[0].split() if data and isinstance(data[0], bytes) else []
    if b"UIDPLUS" not in told:
        return "the test message is marked as deleted, but stays: the server cannot remove a single one"
    line.uid("EXPUNGE", uid)
    return ""
