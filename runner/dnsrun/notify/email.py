"""Handing a mail to a named server: TLS always, verified against its name."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress

from dnsrun.errors import OutsideError
from dnsrun.gates.mail.accounts import Keys
from dnsrun.gates.mail.asking import GREETED, NO_TLS, TLS_AT_ONCE
from dnsrun.gates.mail.smtpline import Line, said_by, text_of
from dnsrun.gates.mail.wire import BrokenError, Wire
from dnsrun.gates.secured import in_words
from dnsrun.model.playbook import EmailSpec
from dnsrun.model.text import shorten

from .way import Way

_TAKEN = 300  # replies below it take what was said (RFC 5321 section 4.2.1)
_SHOWN = 160


def hand_over(
    spec: EmailSpec, letter: bytes | None, keys: Keys | None, trust: ssl.SSLContext, way: Way, *, never: frozenset[str]
) -> str:
    """Hand a letter over, or without one only log in; return why that failed, empty when it did not.

    `never` are the addresses of the domain's own mail hosts, through which nothing is told. Touches the network.
    """
    host = spec.server.to_text(omit_final_dot=True)
    try:
        addresses = way.public(host, allow_private=spec.allow_private)
    except OutsideError as err:
        return f"{host}: {err}"
    if shared := sorted(never & set(addresses)):
        return f"{host} is at {shared[0]}, which is a mail host of the domain itself; name a server elsewhere"
    try:
        wire = Wire(way.net.connect(addresses[0], spec.port, timeout_s=way.budget.left_s()), way.budget)
        try:
            _speak(_opened(wire, host, spec, trust), spec, letter, keys)
        finally:
            wire.close()
    except (OSError, ValueError) as err:  # what a client of the standard library makes of nonsense
        return f"{host} {_failure(err, keys)}"
    return ""


def _opened(wire: Wire, host: str, spec: EmailSpec, trust: ssl.SSLContext) -> Line:
    """Return the client after EHLO, behind TLS."""
    at_once = spec.port in TLS_AT_ONCE
    if at_once:
        wire.secure(host, trust)
    line = Line(wire)
    code = line.greet(host)
    if code != GREETED:
        raise smtplib.SMTPResponseException(code, line.banner)
    if not at_once:
        if not line.has_extn("starttls"):
            raise BrokenError(NO_TLS)
        line.secure(trust)
    return line


def _speak(line: Line, spec: EmailSpec, letter: bytes | None, keys: Keys | None) -> None:
    if keys:
        line.log_in(keys)
    if letter is not None:
        _accepted(line.mail(spec.sender))
        for address in spec.to:
            _accepted(line.rcpt(address))
        _accepted(line.data(letter))
    with suppress(OSError):
        line.quit()


def _accepted(reply: tuple[int, bytes]) -> None:
    code, said = reply
    if code >= _TAKEN:
        raise smtplib.SMTPResponseException(code, said)


def _failure(err: OSError | ValueError, keys: Keys | None) -> str:
    """Return what a server did, in words that follow its name and never hold the password."""
    if isinstance(err, ssl.SSLError):
        return f"cannot be believed: {in_words(err)}"
    if isinstance(err, smtplib.SMTPResponseException):
        said = text_of(err.smtp_error)
        return f"answers {err.smtp_code} {keys.kept_out_of(said) if keys else shorten(said, _SHOWN)}".rstrip()
    if isinstance(err, smtplib.SMTPNotSupportedError):
        return "offers no log-in"
    if isinstance(err, (smtplib.SMTPException, ValueError)):
        return said_by(err)
    if isinstance(err, BrokenError):
        return str(err)
    return "refuses the connection" if isinstance(err, ConnectionError) else "does not answer in time"
