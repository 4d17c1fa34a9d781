"""People elsewhere who write to a domain, a message a second, each through a cache of their own; nothing is forgotten.

Time is the test's virtual clock; caches, SMTP and mailboxes are real. A message that a server does not take for now
is tried again a minute later, as mail servers do, and one that it turns away for good has bounced.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dns.name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX

from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse.cache import CacheKind, CachingResolver
from dnsrun.rehearse.users import through
from worlds import PacedClock

SENDERS = (
    CacheKind("ordinary"),
    CacheKind("stretches short TTLs to 15 minutes", min_ttl_s=900),
    CacheKind("keeps nothing long", max_ttl_s=30),
)
_AGAIN = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


@dataclass
class Letter:
    """One message: when it was written, who asked for its way, and what became of it so far."""

    number: int
    written_at: datetime
    sender: str
    taken_at: datetime | None = None
    taken_by: str = ""
    bounced: str = ""
    tries: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def waiting(self) -> bool:
        """Neither taken nor bounced."""
        return self.taken_at is None and not self.bounced


class MailStream(PacedClock):
    """A clock in whose seconds somebody writes, once `writing`; jumps over long waits are nobody's seconds.

    `hosts` says where the mail server at an address really listens for SMTP.
    """

    def __init__(self, start: datetime, domain: str) -> None:
        super().__init__(start)
        self.letters: list[Letter] = []
        self.writing = False
        self._domain = domain
        self._hosts: Mapping[str, int] = {}
        self._caches: list[CachingResolver] = []
        self._again_at: dict[int, datetime] = {}

    def connect(self, net: MappedNet, roots: tuple[str, ...], hosts: Mapping[str, int]) -> None:
        """Give the senders their caches and the ways to the mail servers."""
        self._hosts = hosts
        self._caches = [CachingResolver(roots, through(net), self.now, kind) for kind in SENDERS]

    def wait_until(self, when: datetime) -> None:
        """Live every second until then."""
        while self.writing and self.now() < when:
            self._live_a_second()
            super().advance(min(1.0, (when - self.now()).total_seconds()))
        super().wait_until(when)

    def finish(self) -> None:
        """Write nothing any more, but go on until every message is taken or bounced."""
        self.writing = False
        for _ in range(60 * 60):
            if not self._again_at:
                break
            self._try_again()
            super().advance(1)

    def broken_seconds(self) -> dict[str, int]:
        """Return for each kind of cache in how many seconds a message was not taken at the first try."""
        late = [letter for letter in self.letters if len(letter.tries) > 1 or letter.bounced]
        return {kind.name: sum(letter.sender == kind.name for letter in late) * len(SENDERS) for kind in SENDERS}

    def _live_a_second(self) -> None:
        self._try_again()
        number = len(self.letters)
        cache = self._caches[number % len(self._caches)]
        letter = Letter(number, self.now(), cache.kind.name)
        self.letters.append(letter)
        self._try(letter, cache)

    def _try_again(self) -> None:
        due = [number for number, when in self._again_at.items() if when <= self.now()]
        for number in due:
            del self._again_at[number]
            self._try(self.letters[number], self._caches[number % len(self._caches)])

    def _try(self, letter: Letter, cache: CachingResolver) -> None:
        address = next(self._addresses(cache), "")
        said = self._hand_over(letter.number, address) if address else "no address"
        letter.tries.append((self.now(), f"{address}: {said}"))
        if said.startswith("2"):
            letter.taken_at, letter.taken_by = self.now(), address
        elif said.startswith("5"):
            letter.bounced = said
        else:
            self._again_at[letter.number] = self.now() + _AGAIN

    def _addresses(self, cache: CachingResolver) -> Iterator[str]:
        answer = cache.resolve(dns.name.from_text(self._domain), RdataType.MX)
        for rdata in answer.rrset or ():
            if isinstance(rdata, MX):
                found = cache.resolve(rdata.exchange, RdataType.A).rrset
                yield from (each.to_text() for each in found or ())

    def _hand_over(self, number: int, address: str) -> str:
        """Return what the server says in the end, on a line of this message's own."""
        if address not in self._hosts:
            return f"nobody at {address}"
        try:
            with smtplib.SMTP(
                "127.0.0.1", self._hosts[address], local_hostname="elsewhere.example", timeout=10
            ) as line:
                line.ehlo()
                return self._say(line, number)
        except (smtplib.SMTPException, OSError) as err:
            return f"no line: {err}"

    def _say(self, line: smtplib.SMTP, number: int) -> str:
        for code, text in (line.mail("writer@elsewhere.example"), line.rcpt(f"test@{self._domain}")):
            if code >= 400:
                return f"{code} {text.decode(errors='replace')}"
        code, text = line.data(f"Subject: stream\r\nX-Number: {number}\r\n\r\nnumber {number}\r\n")
        return f"{code} {text.decode(errors='replace')}"


def numbers(messages: list[bytes]) -> list[int]:
    """Return the numbers of the stream's messages in a mailbox."""
    headers = (line for message in messages for line in message.splitlines())
    return sorted(int(line.split(b":")[1]) for line in headers if line.startswith(b"X-Number:"))
