"""Test messages with a token of their own: sent, looked for in a mailbox over IMAP, deleted again."""

from __future__ import annotations

import secrets
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from imaplib import IMAP4

from dnsrun.gates.budget import Budget
from dnsrun.model.text import shorten

from . import mailbox
from .asking import GREETED, NO_TLS
from .mailbox import GARBLED, Visit, leave, opened_imap, refused_login
from .refusals import is_about_us
from .smtpline import Line, said_by, text_of
from .wire import BrokenError, Connect, Wire

POLL_S = 1.0
_SHOWN = 120


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

    @property
    def subject(self) -> str:
        """The subject, by which a person finds it."""
        return f"dnsrun test {self.token}"

    def octets(self, at: datetime) -> bytes:
        """Return the message as it is sent at `at` (UTC); lines end as RFC 5321 section 2.3.8 wants them."""
        message = EmailMessage(policy.SMTP)
        message["From"] = self.sender or self.to
        message["To"] = self.to
        message["Subject"] = self.subject
        message["Message-ID"] = f"<{self.token}@dnsrun.invalid>"
        message["Date"] = format_datetime(at)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody is to answer
        message.set_content("A test message of dnsrun; it is deleted once it has arrived.\n")
        return message.as_bytes()


def letter(sender: str, to: str) -> Letter:
    """Return a letter with a token that nobody can guess."""
    return Letter(f"dnsrun-{secrets.token_hex(12)}", sender, to)


def post(connect: Connect, to: Visit, what: Letter, at: datetime, budget: Budget, *, ours: bool) -> str:
    """Send a letter and return who took it with which words. Touches the network.

    `to.at_once` and `to.login` as for a mail program; without a log-in as a server that delivers, which takes TLS
    where it is offered and holds. Raises `LostError` when the server refuses, `OSError` when nobody answers.
    """
    try:
        return _posted(connect(budget), to, what, at, tls=True, ours=ours)
    except ssl.SSLError:
        if to.login:
            raise
    return _posted(connect(budget), to, what, at, tls=False, ours=ours)


def _posted(wire: Wire, to: Visit, what: Letter, at: datetime, *, tls: bool, ours: bool) -> str:
    try:
        line = _opened(wire, to, tls=tls)
        if to.login:
            line.log_in(to.login)
        said = _handed_over(line, what, at)
        with suppress(OSError):
            line.quit()
    except smtplib.SMTPAuthenticationError as err:
        said = _shown(to, f"{err.smtp_code} {text_of(err.smtp_error)}")
        raise LostError(f"{to.host} refuses the log-in: {said}", ours=ours) from err
    except smtplib.SMTPResponseException as err:
        said = _shown(to, text_of(err.smtp_error))
        is_fair = to.login is not None or not is_about_us(err.smtp_code, said)
        words = f"{to.host} refuses the message: {err.smtp_code} {said}".rstrip()
        raise LostError(words, ours=ours and is_fair) from err
    except smtplib.SMTPNotSupportedError as err:
        raise LostError(f"{to.host} offers no log-in", ours=ours) from err
    except (smtplib.SMTPException, ValueError) as err:
        if isinstance(err, ssl.SSLError):  # a bad certificate is both
            raise
        raise LostError(f"{to.host} {said_by(err)}", ours=ours) from err
    finally:
        wire.close()
    return f"{to.host}: {_shown(to, said)}"


def _shown(to: Visit, said: str) -> str:
    return to.login.kept_out_of(said) if to.login else shorten(said, _SHOWN)


def _opened(wire: Wire, to: Visit, *, tls: bool) -> Line:
    """Return the client after EHLO, behind TLS wherever there is a log-in."""
    if to.at_once:
        wire.secure(to.host, to.trust)
    line = Line(wire)
    code = line.greet(to.host)
    if code != GREETED:
        raise smtplib.SMTPResponseException(code, line.banner)
    if to.at_once or not tls:
        return line
    if line.has_extn("starttls"):
        with suppress(*(() if to.login else (smtplib.SMTPResponseException,))):
            line.secure(to.trust)
    elif to.login:
        raise BrokenError(NO_TLS)
    return line


def _handed_over(line: Line, what: Letter, at: datetime) -> str:
    for say, address in ((line.mail, what.sender), (line.rcpt, what.to)):
        code, said = say(address)
        if code >= 300:
            raise smtplib.SMTPResponseException(code, said)
    code, said = line.data(what.octets(at))
    if code >= 300:
        raise smtplib.SMTPResponseException(code, said)
    return text_of(said)


@contextmanager
def inbox(connect: Connect, to: Visit, budget: Budget, *, ours: bool) -> Iterator[IMAP4]:
    """Open a mailbox's inbox; close it at the end of the block. Touches the network.

    Raises `LostError` when the server refuses, also inside the block, `OSError` when nobody answers.
    """
    wire = connect(budget)
    try:
        line = opened_imap(wire, to)
        if to.login and (said := refused_login(line, to.login)):
            raise LostError(f"{to.host} refuses the log-in: {said}", ours=ours)
        if line.select("INBOX")[0] != "OK":
            raise LostError(f"{to.host} does not open the inbox", ours=ours)
        yield line
        leave(line.logout)
    except GARBLED as err:
        hidden = err.__context__
        if isinstance(err, ssl.SSLError):
            raise
        if isinstance(hidden, OSError):
            raise hidden from None
        raise LostError(f"{to.host} {mailbox.said_by(err)}", ours=ours) from err
    finally:
        wire.close()


def take_out(line: IMAP4, what: Letter, budget: Budget, host: str) -> str:
    """Wait for a letter in the opened inbox, delete it, and return a note (empty: it is gone).

    Raises `LostError` when it does not come, and what `inbox` knows.
    """
    return _deleted(line, _waited_for(line, what, budget, host), what)


def _waited_for(line: IMAP4, what: Letter, budget: Budget, host: str) -> str:
    """Return the UID of the letter once it is there; looks at least once."""
    uid, pause_s = _found(line, what), POLL_S / 10
    try:
        while uid is None:
            budget.pause(pause_s)
            line.noop()
            uid, pause_s = _found(line, what), min(2 * pause_s, POLL_S)
    except TimeoutError:
        words = f"was accepted, and did not come into the inbox at {host} (subject: {what.subject})"
        raise LostError(words, ours=True) from None
    return uid


def _found(line: IMAP4, what: Letter) -> str | None:
    """Return the UID of the letter in the opened mailbox, None when it is not there.

    What the search finds is looked at again: a server that searches badly must not have us delete another message.
    """
    _, data = line.uid("SEARCH", "HEADER", "Message-ID", what.token)
    words = data[0].split() if data and isinstance(data[0], bytes) else []
    for uid in (word.decode("ascii") for word in reversed(words) if word.isdigit()):
        _, parts = line.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        if any(what.token.encode() in part for one in parts if isinstance(one, tuple) for part in one[1:]):
            return uid
    return None


def _deleted(line: IMAP4, uid: str, what: Letter) -> str:
    """Delete one message and nothing else; return a note when it stays."""
    stays = f'the test message stays in the inbox (subject: "{what.subject}"): '
    if line.uid("STORE", uid, "+FLAGS", r"(\Deleted)")[0] != "OK":
        return f"{stays}the server does not let it be deleted"
    _, data = line.capability()
    told = data[0].upper().split() if data and isinstance(data[0], bytes) else []
    if not {b"UIDPLUS", b"IMAP4REV2"} & set(told):
        return f"{stays}marked as deleted, since the server cannot remove a single one"
    return "" if line.uid("EXPUNGE", uid)[0] == "OK" else f"{stays}marked as deleted, and not removed"
