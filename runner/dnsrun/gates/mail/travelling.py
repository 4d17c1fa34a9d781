"""A test message on its way: out through a server or an account, into a mailbox, with where it got lost."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from imaplib import IMAP4

import dns.name
from dns.name import Name

from dnsrun.clock import now_utc
from dnsrun.errors import OutsideError, UsageError
from dnsrun.gates import options, services
from dnsrun.gates.budget import Budget
from dnsrun.gates.reach import why_not
from dnsrun.gates.secured import in_words
from dnsrun.gates.weburl import is_address
from dnsrun.model.observation import Endpoint, Observation, Words
from dnsrun.model.playbook import GateSpec, MailAccount
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase, Login
from dnsrun.ports.net import Net, View

from .accounts import keys_of
from .asking import SMTP_PORT, TLS_AT_ONCE, mail_hosts, trust_of, way_to
from .letters import Letter, LostError, inbox, letter, post, take_out
from .mailbox import Visit
from .socks import ProxyError
from .wire import BrokenError, Connect

_TIMEOUT_S = 60
_FINAL = 500  # RFC 5321 section 4.2.1
_NOWHERE = "0.0.0.0"  # noqa: S104 - names no address; nothing is bound


@dataclass(frozen=True, slots=True)
class _Trip:
    """One direction, and through what it goes. `sender` None: straight to the domain's mail hosts, from nobody."""

    word: str
    sender: Login | None
    reader: Login
    spec: GateSpec
    view: View
    net: Net
    trust: ssl.SSLContext

    @property
    def goes_out(self) -> bool:
        """Tell whether the sending end is the domain's; else the reading end is."""
        return self.word == "out"

    def way(self, address: str, port: int) -> Connect:
        """Return what connects to an address that clients on the internet can mean (threat 11)."""
        if not options.flag(self.spec, "allow_private") and (why := why_not(address)):
            raise _cannot(f"is not asked: {why}; say `allow_private: true` if that is meant")
        spec = self.spec if port == SMTP_PORT else replace(self.spec, options={**self.spec.options, "via": ""})
        return way_to(spec, self.net, self.view, address, port)

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses; raises `OutsideError` when there are none."""
        found = (host,) if is_address(host) else self.view.addresses(host)
        if not found:
            raise _cannot(f"{host} has no address")
        return found


def travelled(spec: GateSpec, case: GateCase, view: View, net: Net) -> Iterator[Observation]:
    """Yield what became of each direction. Touches the network, and the disk for certificates."""
    trust = trust_of(spec)
    inside = case.accounts.get(options.text(spec, "account"))
    other = options.text(spec, "other")
    outside = case.accounts.get(other)
    direction = options.text(spec, "direction")
    if isinstance(trust, str) or inside is None or (other and outside is None):
        yield _told("mail", services.not_asked(trust if isinstance(trust, str) else "the account is not known here"))
        return
    if direction != "out":
        yield _told("mail in", _travel(_Trip("in", outside, inside, spec, view, net, trust), case))
    if direction != "in" and outside:
        yield _told("mail out", _travel(_Trip("out", inside, outside, spec, view, net, trust), case))
    elif direction != "in":
        yield _told("mail out", services.not_asked("needs `other`: a mailbox elsewhere"))


def _travel(trip: _Trip, case: GateCase) -> Words:
    began = now_utc()
    budget = Budget(options.number(trip.spec, "timeout", _TIMEOUT_S))
    what = letter(trip.sender.account.address if trip.sender else "", trip.reader.account.address)
    said = ""
    try:
        # First the mailbox: a message that nobody can take out again is not sent.
        with _opened(trip, budget) as (line, host):
            said = _send(trip, case, what, budget)
            note = take_out(line, what, budget, host)
    except LostError as err:
        words = f"{err}; it was taken by {said}" if said else str(err)
        return Words(words, (("lost", words),)) if err.ours else services.not_asked(words)
    except (OutsideError, UsageError) as err:
        return services.not_asked(shorten(str(err)))
    seconds = round((now_utc() - began).total_seconds())
    return services.with_facts(f"arrives after {seconds} s", {"note": note, "said": said, "seconds": str(seconds)})


def _send(trip: _Trip, case: GateCase, what: Letter, budget: Budget) -> str:
    if trip.sender is None:
        hosts = mail_hosts(case.apex, trip.view)
        if isinstance(hosts, str):
            raise LostError(f"the domain {hosts}", ours=True)
        return _first_that_takes_it(_places(hosts, trip), trip, what, budget)
    account = trip.sender.account
    host = _host(account.submission, account, "submission")
    to = Visit(host, trip.trust, at_once=account.submission_port in TLS_AT_ONCE, login=keys_of(trip.sender))
    connect = trip.way(trip.addresses(host)[0], account.submission_port)
    with _at(host, ours=trip.goes_out):
        return post(connect, to, what, now_utc(), budget, ours=trip.goes_out)


def _places(hosts: Iterable[str], trip: _Trip) -> Iterator[tuple[str, str]]:
    """Yield hosts and their addresses; those of which nobody knows one are left out."""
    for host in hosts:
        with suppress(OutsideError):
            yield from [(host, address) for address in trip.addresses(host)]


def _first_that_takes_it(places: Iterable[tuple[str, str]], trip: _Trip, what: Letter, budget: Budget) -> str:
    """Deliver as a server does: to the first mail host that takes it, the next one where one does not answer.

    A final refusal (5xx) ends it. Where all fail, what a server said is told rather than that another was silent.
    """
    told: LostError | OutsideError | None = None
    for host, address in places:
        try:
            with _at(host, ours=True):
                to = Visit(host, trip.trust, at_once=False)
                return post(trip.way(address, SMTP_PORT), to, what, now_utc(), budget, ours=True)
        except LostError as err:
            if _is_final(err):
                raise
            told = err
        except OutsideError as err:
            told = told or err
    raise told or _cannot("no address of a mail host is known")


def _is_final(err: LostError) -> bool:
    reply = err.__cause__
    return isinstance(reply, smtplib.SMTPResponseException) and reply.smtp_code >= _FINAL


@contextmanager
def _opened(trip: _Trip, budget: Budget) -> Iterator[tuple[IMAP4, str]]:
    """Open the mailbox that the message is to come into, and yield it with its host."""
    account, ours = trip.reader.account, not trip.goes_out
    host = _host(account.imap, account, "imap")
    to = Visit(host, trip.trust, at_once=account.imap_port in TLS_AT_ONCE, login=keys_of(trip.reader))
    connect = trip.way(trip.addresses(host)[0], account.imap_port)
    with _at(host, ours=ours), inbox(connect, to, budget, ours=ours) as line:
        yield line, host


@contextmanager
def _at(host: str, *, ours: bool) -> Iterator[None]:
    """Say where it ended: a refused connection, a bad certificate are the server's doing, silence is nobody's."""
    try:
        yield
    except ssl.SSLError as err:
        raise LostError(f"{host}: {in_words(err)}", ours=ours) from err
    except BrokenError as err:
        raise LostError(f"{host} {err}", ours=ours) from err
    except ProxyError as err:
        raise _cannot(str(err)) from err
    except ConnectionError as err:
        raise LostError(f"{host} refuses the connection", ours=ours) from err
    except OSError as err:
        raise _cannot(f"{host} does not answer: {err.strerror or 'the time is up'}") from err


def _host(name: Name | None, account: MailAccount, key: str) -> str:
    if name is None:
        raise _cannot(f"the mail account {account.name} says no `{key}`")
    return name.to_text(omit_final_dot=True)


def _cannot(words: str) -> OutsideError:
    return OutsideError(words, retryable=True, certainty="not-applied")


def _told(of: str, got: Words) -> Observation:
    return Observation(of, Endpoint(dns.name.root, _NOWHERE), now_utc(), got, "tcp")
