"""Who opens at which address and port: the protocol goes by the port, the answers by the state of the services."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property, partial
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Literal, Self

import dns.name
from dns.exception import DNSException

from dnsrun.gates import options
from dnsrun.gates.mail.asking import SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT, TLS_AT_ONCE
from dnsrun.gates.weburl import BadUrlError, is_address, parse
from dnsrun.model.playbook import GateSpec, MailAccount, Phase
from dnsrun.plan.mail.graph import mail_graph
from dnsrun.ports.provider import Secrets
from dnsrun.rehearse.lab import Place
from dnsrun.rehearse.trial.services import MAIL_SERVICE, Services, gates_of
from dnsrun.rehearse.trial.setting import Setting

from . import web
from .certificates import Certificates
from .doors import Doors, Peer
from .mailboxes import Imap, Mailboxes, pop3
from .smtp import Smtp

Protocol = Literal["http", "https", "smtp", "submission", "imap", "pop3"]
_USUAL: Mapping[int, Protocol] = {
    80: "http",
    443: "https",
    SMTP_PORT: "smtp",
    SUBMISSION_PORT: "submission",
    SUBMISSIONS_PORT: "submission",
    143: "imap",
    993: "imap",
    110: "pop3",
    995: "pop3",
}
_OF_KIND: Mapping[str, Protocol] = {
    "smtp": "smtp", "old-server-refuses": "smtp", "submission": "submission", "imap": "imap", "pop3": "pop3",
}  # fmt: skip


class Street:
    """The web and mail servers of a setting; doors open as somebody comes. A context manager; listens on 127.0.0.1.

    `phase` returns the phase under way: pages please its gates.
    """

    def __init__(
        self, setting: Setting, services: Services, secrets: Secrets, phase: Callable[[], Phase | None]
    ) -> None:
        playbook = setting.playbook
        accounts = playbook.mail.accounts if playbook.mail else {}
        self._services = services
        self._addresses = services.addresses
        self._names = _own_names(setting, services)
        self._protocols = _protocols(playbook.phases, accounts.values())
        self._boxes = Mailboxes(accounts, {name: secrets.reveal(one.password) for name, one in accounts.items()})
        self._phase = phase
        self._pages: dict[int, tuple[web.Page, ...]] = {}
        self._contexts: dict[str, SSLContext] = {}
        self._doors = Doors()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._doors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def trusted(self) -> str:
        """Return the file of the authority that vouches for every server. Touches the disk."""
        return self._certificates.trusted

    def place(self, address: str, port: int) -> Place | None:
        """Return where a service is played, None where nobody lives.

        Raises `ConnectionRefusedError` where nobody opens.
        """
        protocol = self._protocols.get(port)
        if address not in self._addresses or protocol is None:
            return None
        if not self._opens(address, protocol):
            raise ConnectionRefusedError
        talk = partial(self._talk, address, port, protocol)
        return self._doors.place((address, port), talk, lambda: self._context(address))

    @cached_property
    def _certificates(self) -> Certificates:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dnsrun-certificates-"))
        return Certificates(Path(folder))

    def _opens(self, address: str, protocol: Protocol) -> bool:
        if address in self._services.down:
            return False
        if protocol in {"http", "https"}:
            return True
        closed = self._services.is_off_at(address) and self._services.refusal == "closed"
        return address in self._services.mail and not closed

    def _context(self, address: str) -> SSLContext:
        if address not in self._contexts:
            self._contexts[address] = self._certificates.at(address, partial(self._certified, address))
        return self._contexts[address]

    def _certified(self, address: str, name: str) -> bool:
        return address not in self._services.bare and self._serves(address, name)

    def _serves(self, address: str, name: str) -> bool:
        if is_address(name):
            return name == address
        try:
            return self._services.serves(dns.name.from_text(name), address)
        except DNSException:
            return False

    def _talk(self, address: str, port: int, protocol: Protocol, peer: Peer) -> None:
        if protocol == "https" or port in TLS_AT_ONCE:
            peer.secure()
        is_off = partial(self._services.is_off_at, address)
        match protocol:
            case "http" | "https":
                host, target = web.asked(peer)
                web.answer(peer, self._page(address, host, port, target))
            case "smtp" | "submission":
                name, refuses = self._names.get(address, address), lambda: self._services.refusal if is_off() else ""
                Smtp(name, self._boxes, refuses, logs_in=protocol == "submission").talk(peer)
            case "imap":
                Imap(peer, self._boxes, is_off).talk()
            case "pop3":
                pop3(peer, self._boxes, is_off)

    def _page(self, address: str, host: str, port: int, target: str) -> web.Page:
        if not self._serves(address, host):
            return web.missing(host)
        phase = self._phase()
        number = phase.number if phase else 0
        if number not in self._pages:
            self._pages[number] = web.pages_of(gates_of((phase,)) if phase else ())
        return web.show(self._pages[number], host, port, target)


def _own_names(setting: Setting, services: Services) -> Mapping[str, str]:
    """Return the name by which a mail server greets, by its address: one that an MX names, if there is one."""
    graphs = [mail_graph(setting.playbook.mail, zone) for zone in (setting.zone, setting.target)]
    receiving = {ride.host for graph in graphs for ride in graph.rides if ride.role == "receiving"}
    names = sorted(
        (name for name in services.hosts if not name.is_wild()), key=lambda name: (name not in receiving, name)
    )
    return {address: name.to_text(omit_final_dot=True) for name in reversed(names) for address in services.hosts[name]}


def _protocols(phases: Iterable[Phase], accounts: Iterable[MailAccount]) -> Mapping[int, Protocol]:
    """Return what is spoken at which port: what gates, steps and accounts speak there, else what is usual."""
    gates = gates_of(phases)
    only_tls: dict[int, Protocol] = {options.number(gate, "port", 443): "https" for gate in gates if gate.kind == "tls"}
    steps = (step for phase in phases for step in phase.steps if step.kind == MAIL_SERVICE)
    switched: dict[int, Protocol] = {
        port: "smtp" for step in steps if isinstance(port := step.options.get("port"), int)
    }
    theirs: dict[int, Protocol] = {}
    for account in accounts:
        theirs |= {account.imap_port: "imap", account.submission_port: "submission"}
    return {**only_tls, **_USUAL, **switched, **theirs, **dict(_spoken(gates))}


def _spoken(gates: Iterable[GateSpec]) -> Iterator[tuple[int, Protocol]]:
    for gate in gates:
        if gate.kind == "http":
            with suppress(BadUrlError):
                url = parse(options.text(gate, "url"))
                yield url.port, "https" if url.scheme == "https" else "http"
        elif gate.kind in _OF_KIND and (port := options.number(gate, "port", 0)):
            yield port, _OF_KIND[gate.kind]
