"""One conversation with a mail server over SMTP, as far as the envelope; what it said, as facts.

`smtplib` speaks; nothing is ever sent as a message here.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address

from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import in_words
from dnsrun.gates.services import broken, not_asked, with_facts
from dnsrun.gates.silence import BROKEN, no_reply
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten

from .accounts import Keys
from .asking import CLOSES, GREETED
from .socks import ProxyError
from .wire import BrokenError, Connect, Wire, as_socket, upgrade

_LOGGED_IN = 235  # smtplib takes 503 for it too, which servers say where they have no log-in at all


class Line(smtplib.SMTP):
    """An SMTP client on a connection of ours; EHLO gives the address that we come from (RFC 5321 section 4.1.3).

    What the network did is raised as it is, not as `SMTPServerDisconnected`: silence is no closed connection.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.banner = ""
        own = ip_address(wire.own_address)
        super().__init__(local_hostname=f"[{'IPv6:' if own.version == 6 else ''}{own}]")
        self.sock = as_socket(wire)

    def greet(self, host: str) -> int:
        """Take the banner and say EHLO; return the code of the banner. `host` is the name for TLS."""
        self._host = host  # what smtplib gives to STARTTLS
        code, said = self.getreply()
        self.banner = text_of(said)
        if code == GREETED:
            self.ehlo_or_helo_if_needed()
        return code

    def secure(self, trust: ssl.SSLContext) -> None:
        """STARTTLS, then EHLO again; raises `OSError`, of which `SMTPException` is one."""
        code, said = self.starttls(context=upgrade(trust))
        if code != GREETED:
            raise smtplib.SMTPResponseException(code, said)
        self.ehlo()

    def log_in(self, keys: Keys) -> None:
        """Log in; raises `OSError`, `SMTPAuthenticationError` when the server refuses."""
        code, said = self.login(keys.user, keys.password)
        if code != _LOGGED_IN:
            raise smtplib.SMTPAuthenticationError(code, said)

    def getreply(self) -> tuple[int, bytes]:
        """Return code and words of a reply; raises `OSError`."""
        try:
            code, said = super().getreply()
        except smtplib.SMTPServerDisconnected as err:
            raise _cause(err) from None
        except smtplib.SMTPResponseException as err:
            raise smtplib.SMTPException("a line without end") from err
        if not 200 <= code < 600:  # RFC 5321 section 4.2.1
            raise smtplib.SMTPException("no reply code")
        return code, said

    def send(self, s: bytes | str) -> None:  # type: ignore[override] # typeshed lets it take any buffer
        """Send; raises `OSError`."""
        try:
            super().send(s)
        except smtplib.SMTPServerDisconnected as err:
            raise _cause(err) from None


def _cause(err: smtplib.SMTPServerDisconnected) -> OSError:
    """Return what the network did, where smtplib hides it."""
    hidden = err.__context__
    return hidden if isinstance(hidden, OSError) and not isinstance(hidden, smtplib.SMTPException) else err


@dataclass(frozen=True, slots=True)
class Talk:
    """What to say: the name of the server, how TLS is begun, and for whom mail is to be announced.

    `tls` False: not even tried; `at_once`: before the first word. `insists`: without a valid certificate nothing
    more is said; else a handshake that fails is a fact, and the conversation goes on in the clear.
    `rcpt` None: nobody is asked for.
    """

    host: str
    trust: ssl.SSLContext
    tls: bool = True
    at_once: bool = False
    insists: bool = False
    rcpt: str | None = None
    login: Keys | None = None


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
        wire = connect(budget)
        try:
            return _told(wire, talk)
        finally:
            wire.close()
    except ssl.SSLError:
        raise
    except smtplib.SMTPResponseException as err:
        facts = {BROKEN: said_by(err), "refused_code": str(err.smtp_code), "refused_said": text_of(err.smtp_error)}
        return with_facts(said_by(err), facts)
    except (smtplib.SMTPException, ValueError) as err:
        return broken(said_by(err))
    except OSError as err:
        return ended(err)


def ended(err: OSError) -> Words | NoReply:
    """Return what the end of a conversation says: of the proxy, of the server, or of nobody."""
    if isinstance(err, ProxyError):
        return not_asked(str(err))
    return broken(str(err)) if isinstance(err, BrokenError) else no_reply(err)


def _told(wire: Wire, talk: Talk) -> Words:
    if talk.at_once:
        wire.secure(talk.host, talk.trust)
    line = Line(wire)
    code = line.greet(talk.host)
    facts = {"greeting": str(code), "banner": line.banner, "server": line.banner.partition(" ")[0]}
    if code != GREETED:
        return with_facts(f"{code} {line.banner}", facts)
    facts |= _secured(line, talk)
    facts |= wire.certificate
    facts["auth"] = "offered" if line.has_extn("auth") else ""
    if talk.login and wire.certificate:  # never in the clear
        facts |= _logged_in(line, talk.login)
    if talk.rcpt is not None:
        facts |= _announced(line, talk.rcpt)
    with suppress(OSError):
        line.quit()
    return with_facts(line.banner or "greets", facts)


def _secured(line: Line, talk: Talk) -> dict[str, str]:
    if talk.at_once:
        return {"tls": "at once"}
    if not talk.tls:
        return {}
    if not line.has_extn("starttls"):
        return {"tls": "not offered"}
    try:
        line.secure(talk.trust)
    except smtplib.SMTPResponseException as err:
        return {"tls": f"offered, and refused: {err.smtp_code} {shorten(text_of(err.smtp_error), 120)}"}
    return {"tls": "offered"}


def _logged_in(line: Line, keys: Keys) -> dict[str, str]:
    try:
        line.log_in(keys)
    except smtplib.SMTPAuthenticationError as err:
        return {"login": "refused", "login_said": keys.kept_out_of(f"{err.smtp_code} {text_of(err.smtp_error)}")}
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException:
        return {"login": "refused", "login_said": "it offers no way to log in that is known here"}
    return {"login": "ok"}


def _announced(line: Line, rcpt: str) -> dict[str, str]:
    """Announce a message from nobody (RFC 5321 section 4.5.5) for one mailbox, and take it back."""
    code, said = line.mail("")
    if code < 300:
        code, said = line.rcpt(rcpt)
    with suppress(OSError):  # a server may refuse and close
        line.rset()
    return {"rcpt_code": str(code), "rcpt_said": text_of(said)}


def text_of(said: bytes | str) -> str:
    """Return a server's words as one line."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())


def said_by(err: Exception) -> str:
    """Return what a server did when it left its protocol, in words that follow its name."""
    if isinstance(err, smtplib.SMTPResponseException):
        return f"answers {err.smtp_code} {shorten(text_of(err.smtp_error), 120)}".rstrip()
    if isinstance(err, smtplib.SMTPServerDisconnected):
        return CLOSES
    return "does not speak SMTP"
