"""Compose dynamic updates from changes (RFC 2136). Pure: messages out, no network.

Each change's `before` becomes a prerequisite, so that an update is a compare-and-set: the RRset exists with
exactly these RDATA (section 2.4.2) or does not exist (2.4.3). TTLs are no part of prerequisites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dns.rrset
from dns.name import Name
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.tsig import Key
from dns.update import UpdateMessage

from dnsrun.errors import OutsideError
from dnsrun.model.rrset import IN, Change, RRset, RRsetKey, rdata_from_text

_MESSAGE_OCTETS = 60_000  # of 65,535: what is left is for header, question and TSIG
_RECORD_OCTETS = 10  # type, class, TTL, RDLENGTH
_MAY_STAND_BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})
_PASSING = frozenset({rdata_from_text(RdataType.NS, "passing.invalid.")})  # RFC 2606: no such name

Group = list[Change]  # all changes at one owner name


def compose(
    apex: Name, changes: Iterable[Change], key: Key | None, *, message_octets: int = _MESSAGE_OCTETS
) -> list[UpdateMessage]:
    """Return the messages that carry out `changes`, each atomic; all changes at one owner name are in one message.

    Raises `OutsideError` (`not-applied`) when a change is none that an update can make: the SOA, a name outside
    the zone, the removal of the apex NS RRset, one name with more data than a message holds.
    """
    batches = list(_batches(_by_owner(apex, changes), message_octets))
    return [_message(apex, batch, key) for batch in batches]


def _by_owner(apex: Name, changes: Iterable[Change]) -> Iterable[Group]:
    groups: dict[Name, Group] = {}
    for change in changes:
        _check(apex, change)
        groups.setdefault(change.key.owner, []).append(change)
    return groups.values()


def _batches(groups: Iterable[Group], message_octets: int) -> Iterator[list[Group]]:
    batch: list[Group] = []
    octets = 0
    for group in groups:
        size = sum(_octets(change) for change in group)
        if size > message_octets:
            raise _impossible(
                f"the data of {group[0].key.owner} do not fit into one update message; nothing was changed"
            )
        if batch and octets + size > message_octets:
            yield batch
            batch, octets = [], 0
        batch.append(group)
        octets += size
    if batch:
        yield batch


def _check(apex: Name, change: Change) -> None:
    owner, rdtype = change.key.owner, change.key.rdtype
    if rdtype == RdataType.SOA:
        raise _impossible(f"the SOA of {apex} is the server's own")
    if not owner.is_subdomain(apex):
        raise _impossible(f"{owner} is outside the zone {apex}")
    if _is_apex_ns(apex, change) and change.after is None:
        raise _impossible(f"the name servers (NS) of {apex} cannot be removed, only replaced")


def _impossible(text: str) -> OutsideError:
    return OutsideError(f"{text}; nothing was changed", retryable=False, certainty="not-applied")


def _octets(change: Change) -> int:
    """Return an upper bound of what the change takes in a message, without compression."""
    record = sum(len(label) + 1 for label in change.key.owner.labels) + _RECORD_OCTETS
    before = sum(record + len(rdata.to_wire() or b"") for rdata in (change.before.rdatas if change.before else ()))
    after = sum(record + len(rdata.to_wire() or b"") for rdata in (change.after.rdatas if change.after else ()))
    # Old values stand twice where they are deleted singly, and up to three records are without data.
    return 2 * before + after + 3 * record


def _message(apex: Name, groups: list[Group], key: Key | None) -> UpdateMessage:
    message = UpdateMessage(apex, keyring=key)
    for group in groups:
        message.prerequisite += [_as_before(change) for change in group]
        message.prerequisite += _room(group)
        # Deletions first: a CNAME makes room for an address, and the other way round.
        message.update += [_deletion(change) for change in group if change.before and not _is_apex_ns(apex, change)]
        message.update += [_part(change.key, change.after) for change in group if change.after]
        message.update += [part for change in group if _is_apex_ns(apex, change) for part in _old_values(change)]
    return message


def _part(key: RRsetKey, rrset: RRset | None = None, deleting: RdataClass | None = None) -> dns.rrset.RRset:
    # Straight into the section: the message's own methods look each RRset up among all others.
    part = dns.rrset.RRset(key.owner, IN, key.rdtype, RdataType.NONE, deleting)
    for rdata in rrset.rdatas if rrset else ():
        part.add(rdata, rrset.ttl_s if rrset else 0)
    return part


def _as_before(change: Change) -> dns.rrset.RRset:
    if change.before is None:
        return _part(change.key, deleting=RdataClass.NONE)
    return _part(change.key, change.before.with_ttl(0))


def _room(group: Group) -> Iterator[dns.rrset.RRset]:
    """Require what a server would silently ignore an addition for (RFC 2136 section 3.4.2.2)."""
    touched = {change.key.rdtype for change in group}
    if all(change.before or not change.after for change in group):
        return
    if touched == {RdataType.CNAME}:
        yield _part(RRsetKey(group[0].key.owner, RdataType.ANY), deleting=RdataClass.NONE)
    elif not touched & _MAY_STAND_BESIDE_CNAME:
        yield _part(RRsetKey(group[0].key.owner, RdataType.CNAME), deleting=RdataClass.NONE)


def _deletion(change: Change) -> dns.rrset.RRset:
    return _part(change.key, deleting=RdataClass.ANY)


def _old_values(change: Change) -> Iterator[dns.rrset.RRset]:
    """Delete the old apex NS one by one: a server ignores the deletion of the whole RRset (section 3.4.2.3).

    Nothing that was just added is deleted: Knot keeps an old value then. Knot also ignores the addition of a
    value that is there with another TTL; a new value moves the TTL of all, so one comes and goes in the message.
    """
    old, new = change.before, change.after
    if old is None or new is None:
        return
    gone = old.rdatas - new.rdatas
    if old.ttl_s != new.ttl_s and new.rdatas <= old.rdatas:
        yield _part(change.key, RRset(change.key, new.ttl_s, _PASSING))
        gone |= _PASSING
    if gone:
        yield _part(change.key, RRset(change.key, 0, gone), deleting=RdataClass.NONE)


def _is_apex_ns(apex: Name, change: Change) -> bool:
    return change.key.rdtype == RdataType.NS and change.key.owner == apex
