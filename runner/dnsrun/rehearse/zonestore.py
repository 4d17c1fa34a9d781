"""Zone content as the embedded authoritative server holds it: versions that never change once published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.zone
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset

from dnsrun.model.rrset import Labels, folded_labels

TypeKey = tuple[RdataType, RdataType]
"""A type and the type it covers; the second is NONE except for RRSIG."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The TTL (seconds) and RDATA of one RRset, in the order in which they were added."""

    ttl_s: int
    rdatas: tuple[Rdata, ...]

    def equals(self, other: Stored | None) -> bool:
        """Compare as RRsets do: the order of the RDATA means nothing."""
        return other is not None and self.ttl_s == other.ttl_s and set(self.rdatas) == set(other.rdatas)

    def rrset(self, owner: Name) -> RRset:
        """Return a new RRset that the caller may change."""
        return dns.rrset.from_rdata_list(owner, self.ttl_s, self.rdatas)

    def lines(self) -> tuple[str, ...]:
        """Return one sorted line `TTL RDATA` for each RDATA."""
        return tuple(sorted(f"{self.ttl_s} {rdata.to_text()}" for rdata in self.rdatas))


def type_key(rdata: Rdata) -> TypeKey:
    """Return the key under which `rdata` is stored at its owner."""
    return rdata.rdtype, rdata.covers()


Node = Mapping[TypeKey, Stored]
_NOTHING: Node = {}
SOA_KEY: TypeKey = (RdataType.SOA, RdataType.NONE)
NS_KEY: TypeKey = (RdataType.NS, RdataType.NONE)
CNAME_KEY: TypeKey = (RdataType.CNAME, RdataType.NONE)
DNAME_KEY: TypeKey = (RdataType.DNAME, RdataType.NONE)


class ZoneContent:
    """One version of a zone. Nothing changes it; an edit makes a new one through a `Draft`."""

    def __init__(self, apex: Name, nodes: dict[Name, Node], weights: dict[Name, int]) -> None:
        self.apex = apex
        self.nodes = nodes
        # How many owner names are at or below each name; a name with a weight but no node is an
        # empty non-terminal (RFC 4592 section 2.2.2).
        self.weights = weights

    @classmethod
    def from_text(cls, apex: Name, text: str) -> ZoneContent:
        """Read master-file text (RFC 1035 section 5); `$INCLUDE` is refused.

        Raises:
            dns.exception.DNSException: The text is no zone: syntax, no SOA or NS at the apex,
                a CNAME beside other data.
        """
        parsed = dns.zone.from_text(text, origin=apex, relativize=False, allow_include=False)
        return cls.from_zone(parsed)

    @classmethod
    def from_zone(cls, zone: dns.zone.Zone) -> ZoneContent:
        """Take the content of a dnspython zone whose names are absolute."""
        apex = zone.origin
        if apex is None:
            raise dns.zone.UnknownOrigin
        draft = Draft(cls(apex, {}, {}))
        for owner, rdataset in zone.iterate_rdatasets():
            draft.put(owner, (rdataset.rdtype, rdataset.covers), Stored(rdataset.ttl, tuple(rdataset)))
        return draft.finish()

    @property
    def soa(self) -> SOA:
        """The SOA RDATA of the apex."""
        rdata = self.nodes[self.apex][SOA_KEY].rdatas[0]
        assert isinstance(rdata, SOA)  # noqa: S101 - the key says so; this tells mypy
        return rdata

    @cached_property
    def by_labels(self) -> Mapping[Labels, Node]:
        """What each name holds, by its labels in lower case; empty non-terminals hold nothing. Quicker than by name."""
        return {folded_labels(name): self.nodes.get(name, _NOTHING) for name in self.weights}

    def exists(self, name: Name) -> bool:
        """Say whether `name` holds data or is an empty non-terminal."""
        return name in self.weights

    def rrset(self, owner: Name, key: TypeKey) -> RRset | None:
        """Return a new RRset, or None when `owner` has no such data."""
        stored = self.nodes.get(owner, {}).get(key)
        return None if stored is None else stored.rrset(owner)

    def records(self) -> Iterator[tuple[Name, TypeKey, Stored]]:
        """Yield every RRset: the SOA first, then by owner name (canonical order) and type."""
        for owner in sorted(self.nodes):
            yield from ((owner, key, self.nodes[owner][key]) for key in sorted(self.nodes[owner], key=_rank))

    def text(self) -> str:
        """Return sorted master-file text, one RDATA a line, absolute names, the SOA first."""
        lines = []
        for owner, key, stored in self.records():
            for line in stored.lines():
                ttl, rdata = line.split(" ", 1)
                lines.append(f"{owner} {ttl} IN {dns.rdatatype.to_text(key[0])} {rdata}\n")
        return "".join(lines)


def _rank(key: TypeKey) -> tuple[bool, TypeKey]:
    return key[0] != RdataType.SOA, key


class Draft:
    """The next version of a zone while it is being written."""

    def __init__(self, base: ZoneContent) -> None:
        self.base = base
        # copy() keeps the hash table; dict() would compare colliding names again, 20 ms for 10,000 of them.
        self._nodes: dict[Name, Node] = base.nodes.copy()
        self._weights = base.weights.copy()
        self._touched: dict[tuple[Name, TypeKey], None] = {}

    def node(self, owner: Name) -> Node:
        """Return what `owner` holds so far."""
        return self._nodes.get(owner, {})

    def put(self, owner: Name, key: TypeKey, stored: Stored | None) -> None:
        """Set one RRset; None, or no RDATA, removes it."""
        node = dict(self.node(owner))
        had_data = bool(node)
        if stored is None or not stored.rdatas:
            node.pop(key, None)
        else:
            node[key] = stored
        self._touched[owner, key] = None
        self._replace(owner, node, had_data=had_data)

    def _replace(self, owner: Name, node: Node, *, had_data: bool) -> None:
        if node:
            self._nodes[owner] = node
        elif had_data:
            del self._nodes[owner]
        step = bool(node) - had_data
        if step:
            self._weigh(owner, step)

    def _weigh(self, owner: Name, step: int) -> None:
        for name in ancestry(owner, self.base.apex):
            weight = self._weights.get(name, 0) + step
            if weight:
                self._weights[name] = weight
            else:
                del self._weights[name]

    def changes(self) -> list[tuple[Name, TypeKey, Stored | None, Stored | None]]:
        """Return owner, type, before and after of each RRset that is no longer what it was."""
        found = []
        for owner, key in self._touched:
            before = self.base.nodes.get(owner, {}).get(key)
            after = self.node(owner).get(key)
            if before is not after and not (before is not None and before.equals(after)):
                found.append((owner, key, before, after))
        return found

    def finish(self) -> ZoneContent:
        """Return the new version; the draft must not be written to afterwards."""
        return ZoneContent(self.base.apex, self._nodes, self._weights)


def ancestry(name: Name, apex: Name) -> list[Name]:
    """Return `name` and its ancestors up to and including `apex`, deepest first.

    `name` must be at or below `apex`; both absolute.
    """
    labels = name.labels
    return [Name(labels[cut:]) for cut in range(len(labels) - len(apex.labels) + 1)]
