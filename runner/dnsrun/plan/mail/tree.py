"""The mail of a domain as lines for a person: what is received, read and sent by which way. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dns.name import Name

from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import rdata_text
from dnsrun.model.text import shorten
from dnsrun.plan.records import ADDRESSES

from .graph import MailGraph, Ride

_ROLES = ("receiving", "reading", "sending")
_WIDEST = 140


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What was found out, in words: about hosts outside the zone, and about the addresses that send mail."""

    hosts: Mapping[Name, str]
    senders: Mapping[str, str]


def mail_tree(graph: MailGraph, playbook: Playbook, elsewhere: Elsewhere, *, most: int) -> tuple[str, ...]:
    """Return the lines, none for a domain without mail; those that the playbook changes come whatever `most` says."""
    if not graph.servers:
        return ()
    left = _left_addresses(playbook, graph)
    ways, changing = list(_whole_ways(graph)), _changing(graph, playbook)
    kept = {*ways[:most], *(way for way in ways if way in changing)}
    lines = []
    for role in _ROLES:
        shown = [way for way in ways if way.role == role and way in kept]
        words = [_line(way, changing, left, elsewhere, playbook) for way in shown]
        lines += [f"{role if not index else '':<10} {line}" for index, line in enumerate(words)]
    if more := len(ways) - len(kept):
        lines.append(f"… and {more} more (-v)")
    return tuple(lines)


def _whole_ways(graph: MailGraph) -> Iterator[Ride]:
    """Yield the rides that none goes on from."""
    begun = {ride.path[:length] for ride in graph.rides for length in range(1, len(ride.path))}
    return (ride for ride in graph.rides if ride.path not in begun)


def _changing(graph: MailGraph, playbook: Playbook) -> frozenset[Ride]:
    """Return the rides in which the playbook changes a link."""
    keys = {key for spec in playbook.records for key in spec.rrset_keys()}
    changed = {ride.path for ride in graph.rides if ride.key in keys}
    return frozenset(
        ride for ride in graph.rides if any(ride.path[:length] in changed for length in range(1, len(ride.path) + 1))
    )


def _line(
    way: Ride, changing: frozenset[Ride], left: Mapping[str, str], elsewhere: Elsewhere, playbook: Playbook
) -> str:
    line = shorten(str(way), _WIDEST)
    if way in changing:
        return f"{line}  ← this playbook changes it"
    if way.key is not None and way.key.rdtype in ADDRESSES:
        address = way.path[-1].partition(" ")[2]
        return f"{line} = {left[address]}" if address in left else line
    if way.sender:
        return f"{line}; {elsewhere.senders.get(way.sender, 'its name was not looked up')}"
    if way.host is not None:
        return f"{line} ({_outside(way.host, elsewhere, playbook)})"
    return line


def _outside(host: Name, elsewhere: Elsewhere, playbook: Playbook) -> str:
    if host.is_subdomain(playbook.domain):
        return "no address in the zone"
    front = playbook.mail is not None and host in playbook.mail.front
    words = ("a relay in front of the mailboxes",) * front
    return ", ".join((*words, elsewhere.hosts.get(host) or "elsewhere"))


def _left_addresses(playbook: Playbook, graph: MailGraph) -> dict[str, str]:
    """Return the addresses that records leave, in words: whoever shares one depends on a server that is left."""
    return {
        rdata_text(rdata): f"what {spec.names[0].to_text(omit_final_dot=True)} leaves: that server must stay"
        for spec in playbook.records
        if spec.rdtype in ADDRESSES and not any(key in graph.keys for key in spec.rrset_keys())
        for rdata in spec.was or (old for old, _ in spec.replaces)
    }
