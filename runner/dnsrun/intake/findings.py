"""What was found out about a domain by asking servers. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dns.name import Name

from dnsrun.dnsio.parent import Parent
from dnsrun.model.observation import Endpoint
from dnsrun.model.zone import ZoneSnapshot


@dataclass(frozen=True, slots=True)
class Server:
    """One address of one name server.

    `serial`: of the SOA that it answers with authority, None when it does not; then `says` is why. `transfer`: why it
    gives the zone to nobody, empty when it gave it to us.
    """

    endpoint: Endpoint
    serial: int | None
    says: str = ""
    transfer: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that asking could not find out: a word of `words.yaml`, and what is filled into its sentence."""

    word: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """A domain as its parent and every server of its delegation show it.

    `primary` is the SOA's MNAME; `beside` are its addresses where it is not among the delegated servers. `differences`
    are sentences: where servers contradict each other, the parent, or the zone. `limits`: what is not known.
    `spf` holds the SPF records that the domain's own leads to, by their domain; those of known operators are not read.
    """

    apex: Name
    parent: Parent
    servers: tuple[Server, ...]
    not_checked: tuple[Endpoint, ...]
    nameless: tuple[Name, ...]
    primary: Name | None
    beside: tuple[Server, ...]
    zone: ZoneSnapshot
    differences: tuple[str, ...]
    limits: tuple[Limit, ...]
    spf: Mapping[Name, str] = field(default_factory=dict)

    @property
    def giver(self) -> Server | None:
        """The first server that gave us the whole zone, None when none did."""
        given = (server for server in (*self.servers, *self.beside) if server.serial is not None)
        return next((server for server in given if not server.transfer), None)
