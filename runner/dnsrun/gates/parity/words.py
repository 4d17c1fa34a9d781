"""What parity says: differences grouped into lines that name server, name, type and both answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dns.rcode
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.gates.silence import transport
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import Labels, RRset, RRsetKey
from dnsrun.model.text import shorten

from .names import is_made_up
from .sides import State


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer that is not as expected: what was asked, what came, what it is to be."""

    seen: Observation
    key: RRsetKey
    state: State
    wanted: Answer


def in_lines(
    differences: Sequence[Difference],
    apex: Name,
    labels: Mapping[Endpoint, str],
    *,
    servers: int,
    since: bool = False,
) -> list[str]:
    """Return one line for each difference, those of several servers and of one missing name together.

    `servers` is how many there are: where all of them say the same no names are listed. `since`: the servers are the
    old ones, and what was expected is what was captured.
    """
    told: dict[tuple[str, str, str], tuple[dict[Endpoint, None], dict[str, None]]] = {}
    for one in _telling(differences):
        ends, types = told.setdefault((_what(one, apex), _wanted(one), _is(one)), ({}, {}))
        ends[one.seen.server] = None
        types[dns.rdatatype.to_text(_type(one))] = None
    hidden = _hidden_names(differences)
    lines = [
        f"{_relative(name, apex)} is not there itself, a wildcard answers for it at {_who(list(ends), labels, servers)}"
        for name, ends in hidden.items()
    ]
    return lines + [
        _line(words, tuple(types), _who(list(ends), labels, servers), since=since)
        for words, (ends, types) in told.items()
    ]


def says_soa(seen: Observation, label: str) -> str:
    """Return what is wrong with a server that does not serve the zone."""
    got = seen.got
    if isinstance(got, NoReply):
        return f"{label} {_silence(seen, got)}"
    if isinstance(got, Answer) and got.kind == "data" and not got.aa:
        return f"{label} answers without authority"
    if isinstance(got, Answer) and got.kind == "referral":
        return f"{label} does not serve the zone: it refers to other servers"
    return f"{label} does not serve the zone: it answers {says(seen)}"


def says(seen: Observation) -> str:
    """Return one answer in a few words."""
    got = seen.got
    if isinstance(got, NoReply):
        return _silence(seen, got)
    if not isinstance(got, Answer):
        return "no DNS answer"
    if got.kind == "error":
        return dns.rcode.to_text(dns.rcode.Rcode.make(got.rcode))
    if got.kind == "referral" and got.rrset is not None:
        return f"a referral to {_values(got.rrset)}"
    text = _answer_words(got)
    return text if got.aa else f"{text}, without authority"


def _answer_words(got: Answer) -> str:
    if got.rrset is not None:
        return _values(got.rrset)
    return {"nxdomain": "no such name", "nodata": "nothing"}.get(got.kind, got.kind)


def _telling(differences: Sequence[Difference]) -> list[Difference]:
    """Leave out what says nothing new.

    A missing name is missing for every type and takes the empty names above it along, an error meets every question,
    a wildcard answers for many names.
    """
    kept: dict[tuple[Endpoint, object], Difference] = {}
    wild, missing = _wildcards(differences), _missing(differences)
    # What is lost comes before what is too much.
    for one in sorted(differences, key=lambda one: (one.wanted.rrset is None, one.key.order())):
        if _is_made_by_wildcard(one, wild) or (one.state == "gone" and (one.seen.server, one.key.labels) in missing):
            continue
        kept.setdefault((one.seen.server, _told_by(one)), one)
    return list(kept.values())


def _told_by(one: Difference) -> object:
    """Return what differences of one server have in common that one line tells."""
    got = one.seen.got
    if isinstance(got, NoReply) or (isinstance(got, Answer) and got.kind == "error"):
        return says(one.seen)
    if one.state == "gone" or (_is_alias(one.wanted) and isinstance(got, Answer) and got.rrset is None):
        return one.key.labels
    return one.key


def _missing(differences: Iterable[Difference]) -> set[tuple[Endpoint, Labels]]:
    """Return every name that is above a missing one, by server."""
    return {
        (one.seen.server, one.key.labels[depth:])
        for one in differences
        if one.state == "missing"
        for depth in range(len(one.key.labels))
    }


_Wild = dict[tuple[Endpoint, RdataType], list[tuple[Labels, RRset]]]


def _wildcards(differences: Iterable[Difference]) -> _Wild:
    """Return the levels below which a made-up name is answered though none should be, the highest first."""
    found: _Wild = {}
    for one in differences:
        got = one.seen.got
        if one.state == "extra" and is_made_up(one.key.owner) and isinstance(got, Answer) and got.rrset:
            found.setdefault((one.seen.server, one.key.rdtype), []).append((one.key.labels[1:], got.rrset))
    for levels in found.values():
        levels.sort(key=lambda level: len(level[0]))
    return found


def _is_made_by_wildcard(one: Difference, wild: _Wild) -> bool:
    """Tell whether a wildcard of a higher level gives this answer: that wildcard's own line tells it."""
    got = one.seen.got
    if one.state != "extra" or not isinstance(got, Answer) or got.rrset is None:
        return False
    own = one.key.labels[1:] if is_made_up(one.key.owner) else None
    return any(
        level != own and one.key.labels[-len(level) :] == level and rrset.rdatas == got.rrset.rdatas
        for level, rrset in wild.get((one.seen.server, one.key.rdtype), ())
    )


def _hidden_names(differences: Sequence[Difference]) -> dict[Name, dict[Endpoint, None]]:
    """Return the names that should exist and do not, since a wildcard answers even below them (fault 61)."""
    wild = _wildcards(differences)
    hidden: dict[Name, dict[Endpoint, None]] = {}
    for one in differences:
        if is_made_up(one.key.owner) and _is_made_by_wildcard(one, wild):
            hidden.setdefault(one.key.owner.parent(), {})[one.seen.server] = None
    return hidden


def _is_alias(answer: Answer) -> bool:
    return answer.rrset is not None and answer.rrset.key.rdtype == RdataType.CNAME


def _type(one: Difference) -> RdataType:
    return RdataType.CNAME if _is_alias(one.wanted) else one.key.rdtype


def _is(one: Difference) -> str:
    got = one.seen.got
    if one.state == "ttl" and isinstance(got, Answer) and got.rrset is not None:
        return f"{got.rrset.ttl_s} s"
    return says(one.seen)


def _what(one: Difference, apex: Name) -> str:
    """Return the name as people say it; a made-up one stands for every other name at its level."""
    owner = one.key.owner
    if is_made_up(owner):
        return "any other name" if owner.parent() == apex else f"any name below {_relative(owner.parent(), apex)}"
    return _relative(owner, apex)


def _relative(name: Name, apex: Name) -> str:
    return shorten(name.relativize(apex).to_text())


def _wanted(one: Difference) -> str:
    if one.state == "ttl" and one.wanted.rrset is not None:
        return f"kept {one.wanted.rrset.ttl_s} s at most"
    if one.wanted.kind == "referral" and one.wanted.rrset is not None:
        return f"a referral to {_values(one.wanted.rrset)}"
    return _answer_words(one.wanted)


def _line(place: tuple[str, str, str], types: Sequence[str], who: str, *, since: bool) -> str:
    what, wanted, got = place
    shown = f"{what} {'/'.join(types[:4])}" + ("/…" if len(types) > 4 else "")
    if since:
        return f"the old side has changed since, run this again: {shown} was {wanted}, is {got} at {who}"
    return f"{shown} should be {wanted}, is {got} at {who}"


def _who(found: Sequence[Endpoint], labels: Mapping[Endpoint, str], servers: int) -> str:
    if servers > 1 and len(found) == servers:
        return f"all {servers} servers"
    names = list(dict.fromkeys(labels[end] for end in found))
    return ", ".join(names)


def _silence(seen: Observation, got: NoReply) -> str:
    over = f" over {transport(seen).upper()}"
    if got.why == "refused":
        return f"refuses the connection{over}"
    return f"sends what cannot be read{over}" if got.why == "malformed" else f"does not answer{over}"


def _values(rrset: RRset) -> str:
    kind = "" if rrset.key.rdtype != RdataType.CNAME else "an alias of "
    return kind + shorten(", ".join(rrset.texts()), 100)
