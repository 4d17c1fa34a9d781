"""What was asked and what came back, without a judgement; and the judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Literal

from dns.name import Name

from .rrset import Labels, RRset, RRsetKey, folded_labels

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """A server: its name (absolute; may be the root when it has none), one address, one port (1 to 65535).

    Equal when all three are. What is seen is kept by server: so the labels in lower case and their hash are kept.
    """

    name: Name
    address: str
    port: int = 53
    _folded: tuple[Labels, str, int] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded = (folded_labels(self.name), self.address, self.port)
        object.__setattr__(self, "_folded", folded)
        object.__setattr__(self, "_hash", hash(folded))

    def __eq__(self, other: object) -> bool:
        return self._folded == other._folded if isinstance(other, Endpoint) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    @property
    def is_v6(self) -> bool:
        """Tell whether the address is IPv6."""
        return ip_address(self.address).version == 6

    def __str__(self) -> str:
        name = self.name.to_text(omit_final_dot=True)
        return f"{name} ({self.address})" if name != "." else self.address


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one server, without recursion (RD=0)."""

    key: RRsetKey
    server: Endpoint
    transport: Transport = "udp"  # "udp" turns to TCP by itself when the answer is truncated


@dataclass(frozen=True, slots=True)
class Answer:
    """A DNS answer that matches its question's owner name, class and type.

    `kind`: `data` (the RRset exists; `rrset` is set), `nodata` (the name exists, the type does not),
    `nxdomain`, `referral` (a zone cut above or at the name; `rrset` is the NS RRset of the cut),
    `error` (another RCODE). `aa` is the AA bit. `negative_ttl_s`: min(SOA TTL, MINIMUM) of a negative answer.
    """

    rcode: int
    aa: bool
    rrset: RRset | None
    kind: Literal["data", "nodata", "nxdomain", "referral", "error"]
    negative_ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class NoReply:
    """No usable answer: `refused` (connection refused or reset), `timeout`, `unreachable`, `malformed`."""

    why: Literal["refused", "timeout", "unreachable", "malformed"]


@dataclass(frozen=True, slots=True)
class Words:
    """What a service that is not DNS said: a line for people, and facts for the judge (all text, not escaped)."""

    text: str
    facts: tuple[tuple[str, str], ...] = ()

    def fact(self, name: str) -> str | None:
        """Return one fact, or None when it was not seen."""
        return dict(self.facts).get(name)


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing asked of one server at one time (UTC).

    `of` is the RRset asked for, or the words of another gate (a URL, a host). `control` marks what was asked
    only to tell silence from a dead network: it is never evidence for or against the subject.
    """

    of: RRsetKey | str
    server: Endpoint
    at: datetime
    got: Answer | Words | NoReply
    transport: str = "udp"
    control: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's judgement of one round.

    `not_yet` marks a failure that time alone may heal (an old value still served). `evidence` holds the
    observations that decided, not all of them. `not_checked` names what could not be asked from here and
    does not block (IPv6 without a route). `warnings` do not decide.
    """

    outcome: Literal["pass", "fail", "unknown"]
    because: str
    evidence: tuple[Observation, ...] = ()
    not_yet: bool = False
    not_checked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
