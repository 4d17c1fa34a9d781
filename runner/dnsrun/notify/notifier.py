"""Tells people what a journal says, between the acts of a run: never in their way, never for long, never twice."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from dns.name import Name

from dnsrun.dnsio.walk import Roots
from dnsrun.errors import DnsrunError, JournalError, OutsideError, UsageError
from dnsrun.gates.budget import Budget
from dnsrun.gates.mail.accounts import Keys
from dnsrun.gates.secured import context
from dnsrun.model.codec import decode
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import EmailSpec, Notice, NotifySpec, Playbook, WebhookSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import from_text
from dnsrun.plan.mail import mail_graph
from dnsrun.plan.records import ADDRESSES
from dnsrun.ports.journal import Journal
from dnsrun.ports.net import Net
from dnsrun.ports.provider import Secrets

from . import told, webhook
from .email import hand_over
from .letters import body, letter
from .story import Message, Story, follow
from .told import Told
from .way import Way

WITHIN_S = 10.0  # for everybody together: telling is not what a run is for
MOST_ROUNDS = 3
NEWS_FOR = timedelta(hours=1)  # what is older is no news: a new entry of the playbook, a copied folder


@dataclass(frozen=True, slots=True)
class Means:
    """What telling needs. `redact` takes secrets out of a text; `open_network` is called when somebody is told."""

    journal: Journal
    folder: Path
    open_network: Callable[[], tuple[Net, Roots]]
    secrets: Secrets
    redact: Callable[[str], str]


class Notifier:
    """Follows one journal. Not for several threads."""

    def __init__(self, playbook: Playbook, means: Means) -> None:
        self._playbook = playbook
        self._means = means
        self._story = Story()
        self._seq = 0
        self._news: list[Message] = []

    def tell(self, now: datetime) -> tuple[str, ...]:
        """Tell everybody what is new at `now` (UTC); return whom that failed with and why.

        Touches the disk and the network, for about `WITHIN_S`; never raises for what fails.
        """
        try:
            self._catch_up()
            self._news = [message for message in self._news if now - message.at <= NEWS_FOR]
            return self._tell_all() if self._news else ()
        except JournalError as err:
            return (f"nobody was told: {err}",)

    def problems(self) -> Iterator[tuple[NotifySpec, str]]:
        """Yield everybody who is to be told, with why that would fail now (empty: it would not); sends nothing.

        Touches the network.
        """
        with suppress(JournalError):
            self._catch_up()
        for spec in self._playbook.notify:
            yield spec, self._attempt(spec, None)

    def _catch_up(self) -> None:
        for record in self._means.journal.read(self._seq):
            self._seq = record.seq
            self._story, message = follow(self._story, record, self._plan_of)
            if message:
                self._news.append(message)

    def _plan_of(self, digest: str) -> Plan:
        try:
            plan: Plan = decode(Plan, json.loads(self._means.journal.get(digest)))
        except (ValueError, KeyError, TypeError) as err:
            raise JournalError(f"the plan {digest[:12]} cannot be read: {err}") from err
        return plan

    def _tell_all(self) -> tuple[str, ...]:
        failures: list[str] = []
        with told.telling(self._means.folder) as known:
            if known is not None:
                for spec in self._playbook.notify:
                    failures += self._tell_one(spec, known)
        return tuple(failures)

    def _tell_one(self, spec: NotifySpec, known: dict[str, Told]) -> Iterator[str]:
        """Tell one of all that is new to him; what fails is tried again the next time, and then given up."""
        who = str(spec)
        for message in self._news:
            before = known.get(who, Told())
            wanted = [notice for notice in message.notices if notice in spec.on]
            if message.seq <= before.seq or not wanted:
                continue
            problem = self._attempt(spec, (message, wanted[0]))
            rounds = before.failures + 1
            over = not problem or rounds >= MOST_ROUNDS
            known[who] = Told(message.seq) if over else Told(before.seq, rounds)
            told.keep(self._means.folder, known)
            if problem:
                end = f"given up after {rounds} times" if over else "tried again later"
                yield f"not told ({wanted[0]}): {who}: {problem}; {end}"
            if not over:
                return

    def _attempt(self, spec: NotifySpec, news: tuple[Message, Notice] | None) -> str:
        """Tell somebody, or without news only look whether that is possible; return why it failed."""
        try:
            net, roots = self._means.open_network()
            way = Way(net, roots, Budget(WITHIN_S / len(self._playbook.notify)))
            if isinstance(spec, WebhookSpec):
                return self._post(spec, news, way, context(""))
            return self._mail(spec, news, way, context(""))
        except (DnsrunError, OSError) as err:
            return str(err)

    def _post(self, spec: WebhookSpec, news: tuple[Message, Notice] | None, way: Way, trust: ssl.SSLContext) -> str:
        url = self._means.secrets.reveal(spec.url)
        if problem := webhook.flaw(url, self._playbook.domain):
            return problem
        if news is None:
            return webhook.answers(url, trust, way, allow_private=spec.allow_private)
        return webhook.post(url, body(*self._discreet(news), spec), trust, way, allow_private=spec.allow_private)

    def _mail(self, spec: EmailSpec, news: tuple[Message, Notice] | None, way: Way, trust: ssl.SSLContext) -> str:
        keys = Keys(spec.user, self._means.secrets.reveal(spec.password)) if spec.password else None
        if keys and not ((text := keys.user + keys.password).isascii() and text.isprintable()):
            raise UsageError("user and password must be printable ASCII, which every server reads alike")
        never = frozenset(self._mail_addresses(way))
        return hand_over(spec, letter(*self._discreet(news), spec) if news else None, keys, trust, way, never=never)

    def _discreet(self, news: tuple[Message, Notice]) -> tuple[Message, Notice]:
        message, notice = news
        return replace(message, text=self._means.redact(message.text)), notice

    def _mail_addresses(self, way: Way) -> Iterator[str]:
        """Yield the addresses of the domain's own mail hosts: before, and as the playbook changes them.

        A host of another domain that mail rides on, a large provider's, does not fail with this one.
        """
        story, playbook = self._story, self._playbook
        zone = from_text(self._means.journal.get(story.zone)) if story.zone else None
        names = set(mail_graph(playbook.mail, zone).servers if zone else _declared(playbook))
        for spec in playbook.records:
            if spec.rdtype in ADDRESSES and names & set(spec.names):
                new = (*(spec.values or ()), *(after for _, after in spec.replaces))
                yield from (rdata.to_text() for rdata in new)
        for name in names:
            held = list(_held(zone, name))
            yield from held
            if not held and name.is_subdomain(playbook.domain):
                with suppress(OutsideError):
                    yield from way.addresses(name.to_text())


def _declared(playbook: Playbook) -> tuple[Name, ...]:
    return (*playbook.mail.mailboxes, *playbook.mail.submission) if playbook.mail else ()


def _held(zone: ZoneSnapshot | None, name: Name) -> Iterator[str]:
    for rdtype in ADDRESSES if zone else ():
        rrset = zone.rrsets.get(RRsetKey(name, rdtype)) if zone else None
        yield from rrset.texts() if rrset else ()
