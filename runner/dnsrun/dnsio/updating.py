"""Compose dynamic updates from changes (RFC 2136). Pure: messages out, no network.

Each change's `before` becomes a prerequisite, so that an update is a compare-and-set: the RRset exists with
exactly these RDATA (section 2.4.2) or does not exist (2.4.3). TTLs are no part of prerequisites.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import dns.rrset
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.tsig import Key
from dns.update import UpdateMessage

from dnsrun.errors import OutsideError
from dnsrun.model.rrset import IN, Change, Labels, RRsetKey, folded_labels, rdata_from_text

_MESSAGE_OCTETS = 60_000  # of 65,535: what is left is for header, question and TSIG
_RECORD = struct.Struct("!HHIH")
_TO_THE_ZONE = b"\xc0\x0c"  # a pointer to the name in the question, the apex (RFC 1035 section 4.1.4)
_MAY_STAND_BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})
_PASSING = frozenset({rdata_from_text(RdataType.NS, "passing.invalid.")})  # RFC 2606: no such name

Group = list[Change]  # all changes at one owner name
Records = list[bytes]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one owner name brings into a message: records of the prerequisite section and of the update section."""

    needs: Records
    writes: Records

    @property
    def octets(self) -> int:
        return sum(map(len, self.needs)) + sum(map(len, self.writes))


class _Rendered(dns.rrset.RRset):
    """Records that are octets already, in the place of an RRset: dnspython takes long to render thousands."""

    def __init__(self, apex: Name, records: Records) -> None:
        super().__init__(apex, IN, RdataType.ANY)
        self._records = records

    def to_wire(self, file: BytesIO, *_: Any, **__: Any) -> int:  # type: ignore[override] # no compression, no origin
        """Write the records; return how many they are."""
        file.write(b"".join(self._records))
        return len(self._records)


def compose(
    apex: Name, changes: Iterable[Change], key: Key | None, *, message_octets: int = _MESSAGE_OCTETS
) -> list[UpdateMessage]:
    """Return the messages that carry out `changes`, each atomic; all changes at one owner name are in one message.

    Raises `OutsideError` (`not-applied`) when a change is none that an update can make: the SOA, a name outside
    the zone, the removal of the apex NS RRset, one name with more data than a message holds.
    """
    pen = _Pen(apex)
    parts = [_part(pen, group, message_octets) for group in _by_owner(apex, changes)]
    return [_message(apex, batch, key) for batch in _batches(parts, message_octets)]


def _by_owner(apex: Name, changes: Iterable[Change]) -> Iterable[Group]:
    groups: dict[Labels, Group] = {}
    for change in changes:
        _check(apex, change)
        groups.setdefault(change.key.labels, []).append(change)
    return groups.values()


def _batches(parts: Iterable[_Part], message_octets: int) -> Iterator[list[_Part]]:
    batch: list[_Part] = []
    octets = 0
    for part in parts:
        size = part.octets
        if batch and octets + size > message_octets:
            yield batch
            batch, octets = [], 0
        batch.append(part)
        octets += size
    if batch:
        yield batch


def _check(apex: Name, change: Change) -> None:
    owner, rdtype = change.key.owner, change.key.rdtype
    if rdtype == RdataType.SOA:
        raise _impossible(f"the SOA of {apex} is the server's own")
    if change.key.labels[-len(apex.labels) :] != folded_labels(apex):
        raise _impossible(f"{owner} is outside the zone {apex}")
    if _is_apex_ns(apex, change) and change.after is None:
        raise _impossible(f"the name servers (NS) of {apex} cannot be removed, only replaced")


def _impossible(text: str) -> OutsideError:
    return OutsideError(f"{text}; nothing was changed", retryable=False, certainty="not-applied")


def _message(apex: Name, parts: list[_Part], key: Key | None) -> UpdateMessage:
    message = UpdateMessage(apex, keyring=key)
    message.prerequisite = [_Rendered(apex, [record for part in parts for record in part.needs])]
    message.update = [_Rendered(apex, [record for part in parts for record in part.writes])]
    return message


class _Pen:
    """Writes records; names below the apex end in a pointer, and an RDATA that many share is rendered once."""

    def __init__(self, apex: Name) -> None:
        self.apex = apex
        self._rdatas: dict[int, tuple[Rdata, bytes]] = {}  # by identity: hashing renders too
        self._written: tuple[Name, bytes] = (apex, _TO_THE_ZONE)  # the owner name before: it comes several times

    def with_data(self, key: RRsetKey, rdatas: Iterable[Rdata], ttl_s: int = 0, rdclass: RdataClass = IN) -> Records:
        """Return one record for each RDATA."""
        owner = self._owner(key.owner)
        return [self._record(owner, key.rdtype, rdclass, ttl_s, self._rdata(rdata)) for rdata in rdatas]

    def bare(self, key: RRsetKey, rdclass: RdataClass, rdtype: RdataType | None = None) -> bytes:
        """Return a record without TTL and RDATA, of another type if given."""
        return self._record(self._owner(key.owner), rdtype or key.rdtype, rdclass, 0, b"")

    def _record(self, owner: bytes, rdtype: RdataType, rdclass: RdataClass, ttl_s: int, rdata: bytes) -> bytes:
        return owner + _RECORD.pack(rdtype, rdclass, ttl_s, len(rdata)) + rdata

    def _owner(self, name: Name) -> bytes:
        if self._written[0] is not name:
            self._written = (name, self._name(name))
        return self._written[1]

    def _name(self, name: Name) -> bytes:
        labels, end = name.labels, self.apex.labels
        own = len(labels) - len(end)
        if labels[own:] != end:
            return name.to_wire() or b""  # spelled in other letters than the apex
        return b"".join([bytes((len(label),)) + label for label in labels[:own]]) + _TO_THE_ZONE

    def _rdata(self, rdata: Rdata) -> bytes:
        known = self._rdatas.get(id(rdata))
        if known is None:
            known = self._rdatas[id(rdata)] = (rdata, rdata.to_wire() or b"")
        return known[1]


def _part(pen: _Pen, group: Group, message_octets: int) -> _Part:
    needs = [record for change in group for record in _as_before(pen, change)]
    needs += _room(pen, group)
    # Deletions first: a CNAME makes room for an address, and the other way round.
    writes = [
        pen.bare(change.key, RdataClass.ANY) for change in group if change.before and not _is_apex_ns(pen.apex, change)
    ]
    for change in group:
        writes += pen.with_data(change.key, change.after.rdatas, change.after.ttl_s) if change.after else ()
    for change in group:
        writes += _old_values(pen, change) if _is_apex_ns(pen.apex, change) else ()
    part = _Part(needs, writes)
    if part.octets > message_octets:
        raise _impossible(f"the data of {group[0].key.owner} do not fit into one update message; nothing was changed")
    return part


def _as_before(pen: _Pen, change: Change) -> Records:
    if change.before is None or not change.before.rdatas:
        return [pen.bare(change.key, RdataClass.NONE)]
    return pen.with_data(change.key, change.before.rdatas)


def _room(pen: _Pen, group: Group) -> Records:
    """Require what a server would silently ignore an addition for (RFC 2136 section 3.4.2.2)."""
    touched = {change.key.rdtype for change in group}
    if all(change.before or not change.after for change in group):
        return []
    if touched == {RdataType.CNAME}:
        return [pen.bare(group[0].key, RdataClass.NONE, RdataType.ANY)]
    if not touched & _MAY_STAND_BESIDE_CNAME:
        return [pen.bare(group[0].key, RdataClass.NONE, RdataType.CNAME)]
    return []


def _old_values(pen: _Pen, change: Change) -> Records:
    """Delete the old apex NS one by one: a server ignores the deletion of the whole RRset (section 3.4.2.3).

    Nothing that was just added is deleted: Knot keeps an old value then. Knot also ignores the addition of a
    value that is there with another TTL; a new value moves the TTL of all, so one comes and goes in the message.
    """
    old, new = change.before, change.after
    if old is None or new is None:
        return []
    gone, passing = old.rdatas - new.rdatas, Records()
    if old.ttl_s != new.ttl_s and new.rdatas <= old.rdatas:
        passing = pen.with_data(change.key, _PASSING, new.ttl_s)
        gone |= _PASSING
    return [*passing, *pen.with_data(change.key, gone, rdclass=RdataClass.NONE)]


def _is_apex_ns(apex: Name, change: Change) -> bool:
    return change.key.rdtype == RdataType.NS and change.key.owner == apex
