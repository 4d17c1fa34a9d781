"""A checked playbook: what is wanted, by whom it is written, in which phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, get_args

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from .rrset import RRsetKey
from .window import Window

Side = Literal["live", "old", "new"]  # of a zone that moves: whose servers

Json = bool | int | str | None | tuple["Json", ...] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is, never what it is."""

    kind: Literal["env", "file", "keyring", "command"]
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}: {' '.join(self.where)}"


@dataclass(frozen=True, slots=True)
class NameServer:
    """A host's name server; `addresses` only where DNS cannot tell them (glue of in-zone names)."""

    name: Name
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One entry below `providers:`: the plugin (`use`) and its options, secrets still as references."""

    name: str
    use: str
    options: Mapping[str, Json | SecretRef]
    name_servers: tuple[NameServer, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class CaptureSpec:
    """Where the truth about the zone comes from, when not from the provider.

    Either `file` (zone file or CSV, attested by `given_by` `on` a day) or `transfer_from` (a server name or address).
    """

    file: str | None = None
    given_by: str | None = None
    on: date | None = None
    covers_all: bool = False
    transfer_from: str | None = None


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """The zone: who holds it (`provider`), who copies from whom, what changes by itself, and where it moves.

    `to` is the host it moves to (None: it stays), `registrar` who sets the delegation. `extras` says what becomes of
    RRsets that the new host holds and the old zone does not; owner names in `keep` stay whatever it says.
    """

    provider: str
    secondaries: Mapping[str, tuple[str, ...]]
    capture: CaptureSpec | None
    volatile: frozenset[Name]
    ttl_low_since: datetime | None
    require_v6: bool
    to: str | None = None
    registrar: str | None = None
    extras: Literal["refuse", "remove"] = "refuse"
    keep: frozenset[Name] = frozenset()


@dataclass(frozen=True, slots=True)
class Sender:
    """A host that sends the domain's mail, now or once everything is done.

    `until`: `always`; `switch`: until caches have followed what this playbook changes; or a day (`2026-11-20`).
    `since`: the name of the phase with which it begins to send; None: it sends now.
    """

    address: str
    until: str
    since: str | None = None
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MailAccount:
    """A mailbox that gates may log in to, send through and read; the password stays a reference.

    `imap` and `submission` are the hosts that its mail program would use; on ports 993 and 465 TLS comes first, on
    others by STARTTLS.
    """

    name: str
    address: str
    user: str
    password: SecretRef
    imap: Name | None = None
    imap_port: int = 993
    submission: Name | None = None
    submission_port: int = 587


@dataclass(frozen=True, slots=True)
class MailSpec:
    """What the playbook says about the domain's mail. `accounts` are mailboxes for tests, by the playbook's names."""

    mailboxes: tuple[Name, ...] = ()
    submission: tuple[Name, ...] = ()
    front: tuple[Name, ...] = ()
    senders: tuple[Sender, ...] = ()
    clients_by_address: int = 0
    moves: bool = False
    accounts: Mapping[str, MailAccount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AskedSpec:
    """What a person said on a day about what no server tells. `None` and empty texts: not asked.

    `local_mail`: the new web host keeps mail for the domain to itself. `office_dns`: the office has a DNS server of its
    own for the domain. `dns_ends_with_hosting`: the name servers stop when the contract that is left behind ends.
    """

    by: str
    on: date
    sending_devices: str = ""
    local_mail: bool | None = None
    office_dns: bool | None = None
    dns_ends_with_hosting: bool | None = None
    logins: str = ""


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """The desired state of the RRsets of one type at some names.

    Exactly one of `values`, `replaces` and `absent` is set. `was` is what may stand there now.
    `ttl_s` is None when the TTL is not stated. `keeps` lists twin types that stay on purpose (`aaaa: keep`).
    """

    names: tuple[Name, ...]
    rdtype: RdataType
    was: frozenset[Rdata] | None
    values: frozenset[Rdata] | None
    replaces: tuple[tuple[Rdata, Rdata], ...]
    absent: bool
    ttl_s: int | None
    keeps: frozenset[RdataType]
    affects_mail: bool
    mark: Mark
    _keys: tuple[RRsetKey, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keys", tuple(RRsetKey(name, self.rdtype) for name in self.names))

    def rrset_keys(self) -> tuple[RRsetKey, ...]:
        """Return the keys of the RRsets this entry speaks of."""
        return self._keys


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A gate as written, with its defaults filled in.

    Times are seconds. `at` None means before and after. `off` is the reason why the gate does not run.
    `name` is unique within its phase and stable between runs of the same playbook. `side` says whose servers are
    asked: those of the live delegation, those of the host that the zone leaves, or those of the host it moves to.
    `lenient`: nobody wrote it, so what is no better and no worse than before the phase does not decide.
    `late_s`: how long a name server that is merely late is waited for, where that is longer than `within_s`.
    """

    kind: str
    name: str
    options: Mapping[str, Json]
    at: Literal["before", "after"] | None = None
    every_s: int = 10
    within_s: int = 300
    successes: int = 3
    failures: int = 3
    on_fail: Literal["rollback", "pause"] = "rollback"
    advisory: bool = False
    off: str | None = None
    side: Side = "live"
    lenient: bool = False
    late_s: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step as written; `options` are the keys that belong to its kind."""

    kind: str
    options: Mapping[str, Json]
    gates: tuple[GateSpec, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase; `number` counts from 1 and is the default number where it means the same.

    `window` says when it may start; it never holds what has begun, nor a rollback.
    """

    number: int
    name: str
    steps: tuple[Step, ...]
    gates: tuple[GateSpec, ...]
    mark: Mark
    window: Window | None = None


Notice = Literal[
    "rolled-back", "rollback-incomplete", "paused", "needs-person", "done", "gate-failed", "watch-ended", "incident"
]
NOTICES: tuple[Notice, ...] = get_args(Notice)


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """An https address that is told what happened; the whole URL is a secret. `on`: of which events."""

    url: SecretRef
    form: Literal["json", "slack"]
    on: frozenset[Notice]
    allow_private: bool
    mark: Mark

    def __str__(self) -> str:
        return f"the webhook ({self.url})"


@dataclass(frozen=True, slots=True)
class EmailSpec:
    """People who are told by mail through a named server; at port 465 TLS comes first, at others by STARTTLS.

    `password` None: the server takes the mail without a log-in.
    """

    to: tuple[str, ...]
    sender: str
    server: Name
    port: int
    user: str
    password: SecretRef | None
    on: frozenset[Notice]
    allow_private: bool
    mark: Mark

    def __str__(self) -> str:
        return f"{', '.join(self.to)} by mail"


NotifySpec = WebhookSpec | EmailSpec


@dataclass(frozen=True, slots=True)
class Playbook:
    """A checked playbook. `digest` is that of `text`. `resolvers` are the addresses of caching resolvers to look at."""

    path: str
    text: str
    digest: str
    domain: Name
    goal: str
    providers: Mapping[str, ProviderSpec]
    zone: ZoneSpec
    mail: MailSpec | None
    records: tuple[RecordSpec, ...]
    phases: tuple[Phase, ...]
    low_ttl_s: int = 600
    resolvers: tuple[str, ...] = ()
    notify: tuple[NotifySpec, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    asked: AskedSpec | None = None

    def phase(self, number: int) -> Phase:
        """Return the phase with this number; raises `KeyError` when there is none."""
        return {phase.number: phase for phase in self.phases}[number]
