"""An authoritative DNS server inside this process, for the demo, rehearsal and quick tests.

It serves whole zones over UDP and TCP, takes dynamic updates, gives and takes transfers, keeps a
log of what was asked and written, and fails in chosen ways on request. It answers with
minimal responses: no additional data beyond the addresses of name servers. It does not sign;
signatures and NSEC RRsets that a zone brings along are given to those who ask for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from random import Random
from threading import Lock, RLock, Thread
from types import TracebackType
from typing import Literal, NamedTuple, Self

import dns.flags
import dns.name
import dns.serial
import dns.tsig
from dns.message import Message
from dns.name import Name
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.update import UpdateMessage

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import folded_labels
from dnsrun.rehearse.lookup import Lookup, look_up
from dnsrun.rehearse.plain import answer_plain, read_plain
from dnsrun.rehearse.proofs import add_proofs
from dnsrun.rehearse.remembered import Answers, Remembered
from dnsrun.rehearse.responses import Faults, bare, render, spoil, unread
from dnsrun.rehearse.serverloop import Reply, ServerLoop, Transport
from dnsrun.rehearse.signing import UnreadableError, read_request
from dnsrun.rehearse.transfer import TransferSource, incoming, outgoing, serial_at
from dnsrun.rehearse.update import RRsetChange, apply_update
from dnsrun.rehearse.zonestore import SOA_KEY, ZoneContent, ancestry

__all__ = ["Authority", "Faults", "LogRecord", "RRsetChange", "TransferSource"]

Kind = Literal["query", "update", "transfer", "notify"]


_NO_FAULTS = Faults()


class LogRecord(NamedTuple):
    """One request as the server understood it.

    `at_s` is monotonic seconds. `name` and `rdtype` are the question, or the apex and SOA.
    `rcode` is None when the server stayed silent because of a fault. `changes` is what an
    update did to the zone, the serial bump aside; empty when it did nothing.
    """

    kind: Kind
    at_s: float
    transport: Transport
    name: Name
    rdtype: RdataType
    rcode: Rcode | None
    changes: tuple[RRsetChange, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a request came to; `wires` goes out unless it is None."""

    kind: Kind
    rcode: Rcode | None
    wires: Iterable[bytes]
    changes: tuple[RRsetChange, ...] = ()


class Authority:
    """Serve zones on loopback from a background thread, as a context manager.

    `zones` maps absolute apex names to master-file text. `secondaries` names zones that are
    transferred from a primary when NOTIFY arrives or `refresh` is called; such a zone may also
    stand in `zones` with its first content, else it answers SERVFAIL until the first transfer.
    With `ns_beside` answers carry the zone's NS RRset, from which child-centric caches learn it.
    With `key`, updates and transfers must be signed with it; queries may be. `on_notify` is
    called in the server's thread with the apex of each accepted NOTIFY. All methods may be
    called from any thread.

    Raises:
        dns.exception.DNSException: The text of a zone cannot be read.
        OSError: On entry, when the port is taken.
    """

    def __init__(
        self,
        zones: Mapping[Name, str],
        *,
        secondaries: Mapping[Name, TransferSource] | None = None,
        key: dns.tsig.Key | None = None,
        on_notify: Callable[[Name], None] | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
        ns_beside: bool = False,
    ) -> None:
        self.address = address
        self.port = port
        self._key = key
        self._ns_beside = ns_beside
        self._on_notify = on_notify
        self._secondaries = dict(secondaries or {})
        self._zones: dict[Name, ZoneContent | None] = dict.fromkeys(self._secondaries)
        self._zones |= {apex: ZoneContent.from_text(apex, text) for apex, text in zones.items()}
        self._frozen: dict[Name, ZoneContent | None] | None = None
        self._faults = Faults()
        self._dice: dict[str, Random] = {}
        self._log: list[LogRecord] = []
        self._answers = Answers()
        self._lock = RLock()
        self._refresh_lock = Lock()
        self._to_refresh: SimpleQueue[Name | None] = SimpleQueue()
        self._loop: ServerLoop | None = None
        self._refresher: Thread | None = None

    def __enter__(self) -> Self:
        self._loop = ServerLoop(self._handle, address=self.address, port=self.port, name="authority")
        self.port = self._loop.port
        if self._secondaries:
            self._refresher = Thread(target=self._refresh_on_notify, name="authority-refresh", daemon=True)
            self._refresher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop:
            self._loop.stop()
        if self._refresher:
            self._to_refresh.put(None)
            self._refresher.join()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens; the name is the root, since a server does not know what it is called."""
        return Endpoint(dns.name.root, self.address, self.port)

    @property
    def log(self) -> list[LogRecord]:
        """A copy of what was asked and written so far, oldest first."""
        with self._lock:
            return list(self._log)

    @property
    def faults(self) -> Faults:
        """How the server misbehaves now; assign another value to change it at once."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._lock:
            if not faults.stale:
                self._frozen = None
            elif self._frozen is None:
                self._frozen = dict(self._zones)
            self._faults = faults

    def zone_text(self, apex: Name) -> str:
        """Return the current content as sorted master-file text, one RDATA a line, the SOA first.

        Raises:
            KeyError: The zone is not here, or not transferred yet.
        """
        with self._lock:
            content = self._zones[apex]
        if content is None:
            raise KeyError(apex)
        return content.text()

    def serial(self, apex: Name) -> int:
        """Return the SOA serial of the current content.

        Raises:
            KeyError: The zone is not here, or not transferred yet.
        """
        with self._lock:
            content = self._zones[apex]
        if content is None:
            raise KeyError(apex)
        return content.soa.serial

    def set_zone(self, apex: Name, text: str) -> None:
        """Replace a zone, or add one, as somebody else's edit would; the serial is that of `text`.

        Raises:
            dns.exception.DNSException: The text cannot be read; nothing was replaced.
        """
        self.put_zone(ZoneContent.from_text(apex, text))

    def put_zone(self, content: ZoneContent) -> None:
        """Replace a zone, or add one, by a version that other servers may hold, too."""
        with self._lock:
            self._zones[content.apex] = content

    def refresh(self, apex: Name) -> bool:
        """Transfer a secondary zone when the serial of its primary is higher (RFC 1996, RFC 1982).

        Returns whether there is a new version. Touches the network.

        Raises:
            KeyError: `apex` is not among the secondaries.
            OutsideError: The primary gave no serial or no zone; the old version stays.
        """
        source = self._secondaries[apex]
        with self._refresh_lock:
            held = self._zones[apex]
            serial = serial_at(apex, source)
            if held is not None and not dns.serial.Serial(serial) > dns.serial.Serial(held.soa.serial):
                return False
            content = incoming(apex, source)
            with self._lock:
                self._zones[apex] = content
            return True

    def _refresh_on_notify(self) -> None:
        while (apex := self._to_refresh.get()) is not None:
            try:
                self.refresh(apex)
            except OutsideError:
                continue  # as any secondary: the next NOTIFY brings the next attempt

    @property
    def zones(self) -> tuple[ZoneContent | None, ...]:
        """The zones as they are served now; equal to another server's while it serves the very same."""
        with self._lock:
            return tuple(self._served().values())

    def answer(self, wire: bytes, transport: Transport) -> Iterable[bytes]:
        """Answer one message in the caller's thread, as it is answered over a socket; nothing where it is silent."""
        return self._handle(wire, transport).messages

    def _handle(self, wire: bytes, transport: Transport) -> Reply:
        faults = self._faults
        if faults.reset_tcp and transport == "tcp":
            return Reply(breaks=True)
        if faults == _NO_FAULTS:
            quick = self._quickly(wire, transport)
            if quick is not None:
                return quick
        try:
            request = read_request(wire, self._key)
        except UnreadableError as err:
            return Reply() if err.answer is None or faults.drops(transport) else Reply((err.answer,), faults.delay_s)
        with self._lock:
            served = tuple(self._served().values())
        answered = self._answer(request, transport, faults)
        self._record(request, transport, answered)
        plain = faults == _NO_FAULTS and answered.kind == "query" and not request.had_tsig
        if plain and len(request.question) == 1 and isinstance(answered.wires, tuple) and answered.wires:
            asked = request.question[0]
            given = Remembered(asked.name, asked.rdtype, answered.rcode, answered.wires[0][2:])
            with self._lock:
                self._answers.keep(wire, transport, given, served)
        return Reply(answered.wires, faults.delay_s)

    def _quickly(self, wire: bytes, transport: Transport) -> Reply | None:
        """Answer what was answered since the zones last changed, or is an ordinary question; None for any other."""
        with self._lock:
            zones = dict(self._served())
            known = self._answers.to(wire, transport, zones.values())
        given = known or self._plainly(wire, transport, zones)
        if given is None:
            return None
        with self._lock:
            now_s = time.monotonic()
            self._log.append(LogRecord("query", now_s, transport, given.name, given.rdtype, given.rcode))
            if known is None:
                self._answers.keep(wire, transport, given, zones.values())
        return Reply((wire[:2] + given.answer,))

    def _plainly(
        self, wire: bytes, transport: Transport, zones: Mapping[Name, ZoneContent | None]
    ) -> Remembered | None:
        """Answer an ordinary question without much ado, None for any other."""
        asked = None if self._ns_beside else read_plain(wire)
        if asked is None:
            return None
        by_labels = {folded_labels(apex): zone for apex, zone in zones.items()}
        nearest = next((by_labels[name] for name in asked.names if name in by_labels), None)
        answered = answer_plain(nearest, asked, transport) if nearest is not None else None
        return Remembered(asked.owner, asked.rdtype, *answered) if answered else None

    def _record(self, request: Message, transport: Transport, answered: _Answered) -> None:
        name, rdtype = dns.name.root, RdataType.NONE
        if request.question:
            name, rdtype = request.question[0].name, request.question[0].rdtype
        record = LogRecord(answered.kind, time.monotonic(), transport, name, rdtype, answered.rcode, answered.changes)
        with self._lock:
            self._log.append(record)

    def _answer(self, request: Message, transport: Transport, faults: Faults) -> _Answered:
        opcode = request.opcode()
        if faults.drops(transport):
            return _Answered(_kind(request), None, ())
        if faults.no_edns and request.edns >= 0:
            return _Answered(_kind(request), Rcode.FORMERR, (unread(request),))
        if request.edns > 0:
            return _simple("query", request, Rcode.BADVERS)
        if len(request.question) != 1:
            return _simple(_kind(request), request, Rcode.FORMERR)
        if isinstance(request, UpdateMessage):
            return self._update(request, faults)
        if opcode == Opcode.NOTIFY:
            return self._notified(request, faults)
        if opcode != Opcode.QUERY:
            return _simple("query", request, Rcode.NOTIMP)
        if request.question[0].rdtype in (RdataType.AXFR, RdataType.IXFR):
            return self._transfer(request, transport, faults)
        return self._query(request, transport, faults)

    def _served(self) -> dict[Name, ZoneContent | None]:
        return self._zones if self._frozen is None else self._frozen

    def _meets(self, faults: Faults, request: Message, transport: Transport) -> bool:
        """Throw the dice whether this question meets the fault; each has its own, whatever order they come in."""
        question = request.question[0]
        asked = f"{question.name.canonicalize()} {question.rdtype:d} {request.edns} {request.ednsflags}"
        own = f"{faults.seed} {transport} {asked}"
        return self._dice.setdefault(own, Random(own)).random() < faults.rcode_share  # noqa: S311 - no secret

    def _query(self, request: Message, transport: Transport, faults: Faults) -> _Answered:
        if faults.rcode is not None and self._meets(faults, request, transport):
            return _simple("query", request, faults.rcode)
        question = request.question[0]
        with self._lock:
            apex = _zone_for(self._served(), question.name, question.rdtype)
            content = self._served()[apex] if apex is not None else None
        if apex is None or question.rdclass != RdataClass.IN:
            return _simple("query", request, Rcode.REFUSED)
        if content is None:
            return _simple("query", request, Rcode.SERVFAIL)
        found = look_up(content, question.name, question.rdtype, ns_beside=self._ns_beside)
        if request.ednsflags & dns.flags.DO:
            add_proofs(content, question.name, found)
        spoil(found, faults)
        return _Answered("query", found.rcode, (render(request, found, transport, udp_size=faults.udp_size),))

    def _transfer(self, request: Message, transport: Transport, faults: Faults) -> _Answered:
        question = request.question[0]
        if faults.rcode is not None and self._meets(faults, request, transport):
            return _simple("transfer", request, faults.rcode)
        if self._key and not request.had_tsig:
            return _simple("transfer", request, Rcode.REFUSED)
        with self._lock:
            content = self._served().get(question.name)
        if content is None:
            return _simple("transfer", request, Rcode.NOTAUTH)
        if transport == "tcp":
            return _Answered("transfer", Rcode.NOERROR, outgoing(content, request, min_ttl_s=faults.min_ttl_s))
        if question.rdtype == RdataType.AXFR:
            return _simple("transfer", request, Rcode.FORMERR)
        # RFC 1995 section 4: the SOA alone tells the client to come back over TCP.
        soa = content.nodes[content.apex][SOA_KEY].rrset(content.apex)
        return _Answered("transfer", Rcode.NOERROR, (render(request, Lookup(answer=[soa]), transport),))

    def _update(self, request: UpdateMessage, faults: Faults) -> _Answered:
        apex = request.question[0].name
        if faults.update_rcode is not None:
            return _simple("update", request, faults.update_rcode)
        if apex not in self._zones:
            return _simple("update", request, Rcode.NOTAUTH)
        if apex in self._secondaries or (self._key and not request.had_tsig):
            return _simple("update", request, Rcode.REFUSED)
        with self._lock:
            held = self._zones[apex]
            if held is None:
                return _simple("update", request, Rcode.SERVFAIL)
            updated = apply_update(held, request)
            self._zones[apex] = updated.zone
        rcode = None if faults.lose_update_answers else updated.rcode
        wires = () if rcode is None else (bare(request, rcode),)
        return _Answered("update", rcode, wires, updated.changes)

    def _notified(self, request: Message, faults: Faults) -> _Answered:
        apex = request.question[0].name
        if apex not in self._zones:
            return _simple("notify", request, Rcode.NOTAUTH)
        if faults.refuse_notify:
            return _simple("notify", request, Rcode.REFUSED)
        if apex in self._secondaries:
            self._to_refresh.put(apex)
        if self._on_notify:
            self._on_notify(apex)
        return _Answered("notify", Rcode.NOERROR, (bare(request, Rcode.NOERROR, authoritative=True),))


def _kind(request: Message) -> Kind:
    if isinstance(request, UpdateMessage):
        return "update"
    return "notify" if request.opcode() == Opcode.NOTIFY else "query"


def _simple(kind: Kind, request: Message, rcode: Rcode) -> _Answered:
    return _Answered(kind, rcode, (bare(request, rcode),))


def _zone_for(zones: Mapping[Name, ZoneContent | None], name: Name, rdtype: RdataType) -> Name | None:
    """Return the apex of the zone that answers: the nearest one, for DS the parent's if it is here."""
    nearest = [above for above in ancestry(name, dns.name.root) if above in zones][:2]
    if rdtype == RdataType.DS and len(nearest) == 2 and nearest[0] == name:
        return nearest[1]
    return nearest[0] if nearest else None
