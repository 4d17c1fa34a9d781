"""One conversation with a mail server over SMTP, as far as the envelope; what it said, as facts.

`smtplib` speaks; nothing is ever sent as a message here.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import in_words
from dnsrun.gates.services import broken, not_asked, with_facts
from dnsrun.gates.silence import no_reply
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten

from .asking import GREETED
from .socks import ProxyError
from .wire import FloodError, Wire, as_socket, upgrade

Connect = Callable[[Budget], socket.socket]


class Line(smtplib.SMTP):
    """An SMTP client on a connection of ours; EHLO gives the address that we come from (RFC 5321 section 4.1.3)."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.banner = ""
        self.broken_tls = ""
        own = ip_address(wire.own_address)
        super().__init__(local_hostname=f"[{'IPv6:' if own.version == 6 else ''}{own}]")
        self.sock = as_socket(wire)

    def greet(self, host: str) -> int:
        """Take the banner and say EHLO; return the code of the last answer. `host` is the name for TLS."""
        self._host = host  # what smtplib gives to STARTTLS
        code, said = self.getreply()
        self.banner = _text(said)
        if code == GREETED:
            self.ehlo_or_helo_if_needed()
        return code

    def secure(self, trust: ssl.SSLContext) -> None:
        """STARTTLS, then EHLO again; raises `OSError` or `SMTPException`."""
        code, said = self.starttls(context=upgrade(trust))
        if code != GREETED:
            raise smtplib.SMTPResponseException(code, said)
        self.ehlo()


@dataclass(frozen=True, slots=True)
class Talk:
    """What to say: the name of the server, how TLS is begun, and for whom mail is to be announced.

    `tls` False: not even tried; `at_once`: before the first word. `insists`: without a valid certificate nothing
    more is said; else a handshake that fails is a fact, and the conversation goes on in the clear.
    `rcpt` None: nobody is asked for. `login`: user and password.
    """

    host: str
    trust: ssl.SSLContext
    tls: bool = True
    at_once: bool = False
    insists: bool = False
    rcpt: str | None = None
    login: tuple[str, str] | None = None


def converse(connect: Connect, talk: Talk, timeout_s: float) -> Words | NoReply:
    """Hold the conversation and return what was said. Touches the network, for `timeout_s` at most."""
    budget = Budget(timeout_s)
    try:
        return _once(connect, talk, budget)
    except ssl.SSLError as err:
        problem = in_words(err)
    if talk.insists:
        return broken(problem)
    # As senders do, which rarely look at certificates: again in the clear.
    try:
        got = _once(connect, replace(talk, tls=False), budget)
    except ssl.SSLError:
        return broken(problem)
    return with_facts(got.text, {**dict(got.facts), "tls": problem}) if isinstance(got, Words) else got


def _once(connect: Connect, talk: Talk, budget: Budget) -> Words | NoReply:
    """Hold one conversation; raises `SSLError` when TLS does not come about."""
    try:
        wire = Wire(connect(budget), budget)
    except ProxyError as err:
        return not_asked(str(err))
    except OSError as err:
        return no_reply(err)
    try:
        return _told(wire, talk)
    except ssl.SSLError:
        raise
    except FloodError as err:
        return broken(str(err))
    except smtplib.SMTPServerDisconnected:
        return broken("closes the connection in the middle")
    except (smtplib.SMTPException, UnicodeError, ValueError) as err:
        return broken(f"does not speak SMTP: {shorten(_said(err), 120)}")
    except OSError as err:
        return no_reply(err)
    finally:
        wire.close()


def _told(wire: Wire, talk: Talk) -> Words:
    if talk.at_once:
        wire.secure(talk.host, talk.trust)
    line = Line(wire)
    code = line.greet(talk.host)
    facts = {"greeting": str(code), "banner": line.banner, "server": line.banner.partition(" ")[0]}
    if code != GREETED:
        return with_facts(f"{code} {line.banner}", facts)
    facts |= _secured(line, talk)
    facts |= {name: str(value) for name, value in wire.certificate.items()}
    facts["auth"] = "offered" if line.has_extn("auth") else ""
    if talk.login:
        facts |= _logged_in(line, talk.login)
    if talk.rcpt is not None:
        facts |= _announced(line, talk.rcpt)
    _leave(line)
    return with_facts(line.banner or "greets", facts)


def _secured(line: Line, talk: Talk) -> dict[str, str]:
    if talk.at_once:
        return {"tls": "at once"}
    if not talk.tls:
        return {}
    if not line.has_extn("starttls"):
        return {"tls": "not offered"}
    line.secure(talk.trust)
    return {"tls": "offered"}


def _logged_in(line: Line, login: tuple[str, str]) -> dict[str, str]:
    try:
        line.login(*login)
    except smtplib.SMTPAuthenticationError as err:
        return {"login": f"{err.smtp_code} {_text(err.smtp_error)}"}
    except smtplib.SMTPNotSupportedError:
        return {"login": "not offered"}
    return {"login": "ok"}


def _announced(line: Line, rcpt: str) -> dict[str, str]:
    """Announce a message from nobody (RFC 5321 section 4.5.5) for one mailbox, and take it back."""
    code, said = line.mail("")
    if code < 300:
        code, said = line.rcpt(rcpt)
    line.rset()
    return {"rcpt_code": str(code), "rcpt_said": _text(said)}


def _leave(line: Line) -> None:
    try:
        line.quit()
    except (smtplib.SMTPException, OSError):
        return


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())


def _said(err: Exception) -> str:
    if isinstance(err, smtplib.SMTPResponseException):
        return f"{err.smtp_code} {_text(err.smtp_error)}"
    return type(err).__name__
