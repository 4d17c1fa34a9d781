"""RRsets, and changes of RRsets that know their opposite.

Owner names are absolute `dns.name.Name`; equality is that of names (RFC 4343), RDATA is compared in
canonical wire form (RFC 4034 section 6.2), so that TXT chunk boundaries count and letter case of names does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import GenericRdata, Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

IN = dns.rdataclass.IN
TTL_MAX_S = 2**31 - 1  # RFC 2181 section 8

# Types whose text form dnspython reads back to the same octets; others are checked one by one.
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_FAITHFUL = frozenset({RdataType.CNAME, RdataType.MX, RdataType.NS, RdataType.PTR})


Labels = tuple[bytes, ...]


def folded_labels(name: Name) -> Labels:
    """Return the labels in lower case: equal for equal names (RFC 4343), and quick to hash and compare."""
    return tuple(map(bytes.lower, name.labels))


@dataclass(frozen=True, slots=True, eq=False)
class RRsetKey:
    """Owner name and RR type: what names an RRset within class IN.

    Equal when owner and type are. A name hashes and compares octet by octet in Python, and zones are looked up by key
    many times: so the labels in lower case (RFC 4343) and their hash are kept.
    """

    owner: Name
    rdtype: RdataType
    _folded: tuple[Labels, int] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded = (folded_labels(self.owner), int(self.rdtype))
        object.__setattr__(self, "_folded", folded)
        object.__setattr__(self, "_hash", hash(folded))

    @property
    def labels(self) -> Labels:
        """The owner's labels in lower case."""
        return self._folded[0]

    def __eq__(self, other: object) -> bool:
        return self._folded == other._folded if isinstance(other, RRsetKey) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return f"{self.owner.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(self.rdtype)}"

    def order(self) -> tuple[Labels, int]:
        """Return a sort key: canonical name order (RFC 4034 section 6.1), then type number."""
        labels, rdtype = self._folded
        return labels[::-1], rdtype


@dataclass(frozen=True, slots=True)
class RRset:
    """All data of one owner name and type.

    `ttl_s` is 0 to 2**31 - 1. `extras` holds facts that only the provider knows (disabled, comment,
    proxied) and that are written back as they came.
    """

    key: RRsetKey
    ttl_s: int
    rdatas: frozenset[Rdata]
    extras: tuple[tuple[str, str], ...] = ()
    _canonical: tuple[bytes, ...] = field(default=(), init=False, repr=False, compare=False)

    def with_ttl(self, ttl_s: int) -> RRset:
        """Return the same data with another TTL, in seconds."""
        return replace(self, ttl_s=ttl_s)

    def same_data(self, other: RRset | None) -> bool:
        """Tell whether the RDATA are the same; TTL and extras aside."""
        if other is None or self.key != other.key:
            return False
        mine, theirs = self.rdatas, other.rdatas
        if mine is theirs:
            return True
        if len(mine) == len(theirs) == 1:
            (one,), (another,) = mine, theirs
            if isinstance(one, A | AAAA) and type(one) is type(another):
                return bool(one.address == another.address)  # most are one address, and its text is canonical
        return self.canonical() == other.canonical()

    def canonical(self) -> tuple[bytes, ...]:
        """Return the RDATA in canonical form (RFC 4034 section 6.2), sorted; made once, since it takes a while."""
        if not self._canonical:
            object.__setattr__(self, "_canonical", tuple(sorted(rdata.to_digestable() for rdata in self.rdatas)))
        return self._canonical

    def texts(self) -> tuple[str, ...]:
        """Return the RDATA in master-file form, sorted."""
        return tuple(sorted(rdata_text(rdata) for rdata in self.rdatas))


@dataclass(frozen=True, slots=True)
class Change:
    """One RRset before and after; `None` says that it is absent. Never the SOA."""

    key: RRsetKey
    before: RRset | None
    after: RRset | None

    def reverse(self) -> Change:
        """Return the change that undoes this one."""
        return Change(self.key, before=self.after, after=self.before)

    @property
    def ttl_only(self) -> bool:
        """Tell whether the RDATA stay as they are."""
        return self.before is not None and self.after is not None and self.before.rdatas == self.after.rdatas


def key(owner: Name | str, rdtype: RdataType | str) -> RRsetKey:
    """Return the key for an absolute owner name (text needs no final dot) and a type (text or number)."""
    name = dns.name.from_text(owner) if isinstance(owner, str) else owner
    if not name.is_absolute():
        raise ValueError(f"owner name {name} is not absolute")
    kind = dns.rdatatype.from_text(rdtype) if isinstance(rdtype, str) else rdtype
    return RRsetKey(name, kind)


def rrset(owner: Name | str, ttl_s: int, rdtype: RdataType | str, *values: str) -> RRset:
    """Return an RRset from master-file texts; names in `values` must be absolute."""
    return from_texts(key(owner, rdtype), ttl_s, values)


def from_texts(
    rrset_key: RRsetKey, ttl_s: int, values: Iterable[str], extras: tuple[tuple[str, str], ...] = ()
) -> RRset:
    """Return the RRset with these RDATA in master-file form (RFC 1035 section 5, RFC 3597 for unknown types).

    Raises `dns.exception.DNSException` when a value cannot be read.
    """
    rdatas = frozenset(rdata_from_text(rrset_key.rdtype, value) for value in values)
    return RRset(rrset_key, ttl_s, rdatas, extras)


def rdata_from_text(rdtype: RdataType, text: str) -> Rdata:
    """Read one RDATA in master-file form; relative names are taken as below the root."""
    # An address needs no tokenizer, and most records are addresses.
    if rdtype == RdataType.A and _IPV4.fullmatch(text):
        return A(IN, rdtype, text)  # type: ignore[no-untyped-call] # dnspython's
    return dns.rdata.from_text(IN, rdtype, text, origin=dns.name.root, relativize=False)


def rdata_text(rdata: Rdata) -> str:
    """Return the RDATA in master-file form such that reading it gives the same octets.

    Where the type's own form loses something, the generic form of RFC 3597 section 5 is used.
    """
    if isinstance(rdata, A | AAAA):
        return str(rdata.address)
    text = rdata.to_text()
    if rdata.rdtype in _FAITHFUL:
        return text
    wire = rdata.to_wire()
    try:
        if rdata_from_text(rdata.rdtype, text).to_wire() == wire:
            return text
    except (DNSException, ValueError):
        pass
    return GenericRdata(rdata.rdclass, rdata.rdtype, wire or b"").to_text()


def target_of(rdata: Rdata) -> Name | None:
    """Return the host that a CNAME, DNAME, NS, PTR, MX or SRV leads to; None for other types."""
    found = getattr(rdata, "target", None) or getattr(rdata, "exchange", None)
    return found if isinstance(found, Name) else None
