"""A zone of 10,000 records at two servers, differences planted at the second, and all that is asked of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, data
from dnsrun.model.rrset import Labels, RRset, RRsetKey, folded_labels, rrset
from servers import small_zone

DOMAIN = "client.example"
TTL_S = 300
EACH_SORT = 23
QUESTIONS = 18_400
_RECORDS = 10_000
_ASKED = ("A", "AAAA", "MX", "TXT", "CNAME", "SRV", "CAA", "NS", "PTR", "TLSA")

RRsets = Mapping[RRsetKey, RRset]


@dataclass(frozen=True, slots=True)
class Planted:
    """What is expected of both servers, what the second one holds, and the questions that must come out there.

    `names`: owner to the types asked; a name without RRsets does not exist.
    """

    right: RRsets
    wrong: RRsets
    names: Mapping[Name, tuple[RdataType, ...]]
    differing: frozenset[RRsetKey]

    def expected(self) -> Iterator[Expected]:
        """Yield what is expected, name by name."""
        held: dict[Labels, dict[RdataType, RRset]] = {}
        for key, one in self.right.items():
            held.setdefault(key.labels, {})[key.rdtype] = one
        for owner, types in self.names.items():
            present = held.get(folded_labels(owner))
            if present is None:
                yield Expected(owner, types, {}, NXDOMAIN)
            else:
                alias = present.get(RdataType.CNAME)
                yield Expected(owner, types, present, NODATA if alias is None else data(alias))

    def questions(self) -> list[RRsetKey]:
        """Return every question."""
        return [RRsetKey(owner, rdtype) for owner, types in self.names.items() for rdtype in types]


def plant() -> Planted:
    """Return the same zone, questions and differences each time."""
    rng = random.Random(2)
    right = {one.key: one for one in _zone(rng)}
    wrong, touched = _with_differences(right, rng)
    names = _names(right, rng)
    held = {key.owner for key in wrong}
    # A name that lost all it held does not exist: then its other types are answered differently as well.
    gone = {key.owner for key in touched} - held
    differing = touched | {RRsetKey(owner, rdtype) for owner in gone for rdtype in names[owner]}
    return Planted(right, wrong, names, frozenset(differing))


def zone_text(rrsets: RRsets) -> str:
    """Return the master file."""
    lines = [
        f"{one.key.owner} {one.ttl_s} IN {one.key.rdtype.name} {text}"
        for one in rrsets.values()
        for text in one.texts()
    ]
    return small_zone(*lines, ttl_s=TTL_S)


def _zone(rng: random.Random) -> Iterator[RRset]:
    count, number = 0, 0
    while count < _RECORDS:
        for one in _host(number, rng):
            count += len(one.rdatas)
            yield one
        number += 1


def _host(number: int, rng: random.Random) -> Iterator[RRset]:
    """Yield what one name holds: an alias, or addresses and now and then more."""
    owner = f"{rng.choice(('www', 'host', 'app', 'mail-gw', 'x'))}{number}.{DOMAIN}"
    if number % 25 == 7:
        yield rrset(owner, TTL_S, "CNAME", f"host{number}.hosting.example.net.")
        return
    addresses = [
        f"10.{rng.randrange(256)}.{rng.randrange(256)}.{last}" for last in range(1, 2 + (number % 10 == 0) * 2)
    ]
    yield rrset(owner, TTL_S, "A", *addresses)
    if number % 8 == 1:
        yield rrset(owner, TTL_S, "AAAA", f"2001:db8::{number:x}")
    if number % 12 == 2:
        yield rrset(owner, TTL_S, "TXT", f'"v=spf1 ip4:{addresses[0]} -all"')
    if number % 40 == 3:
        yield rrset(owner, TTL_S, "MX", f"10 mx.{DOMAIN}.", "20 mx.relay.example.net.")


def _names(right: RRsets, rng: random.Random) -> Mapping[Name, tuple[RdataType, ...]]:
    held: dict[Name, list[RdataType]] = {}
    for key in right:
        held.setdefault(key.owner, []).append(key.rdtype)
    left = QUESTIONS - len(right)
    absent = [dns.name.from_text(f"none{number}.{DOMAIN}") for number in range(left // 12)]
    others = left - len(absent)
    asked = {owner: tuple(types) for owner, types in held.items()}
    owners = list(held)
    while others:
        for owner in owners[: min(others, len(owners))]:
            asked[owner] += (_other_type(asked[owner], rng),)
            others -= 1
    return asked | dict.fromkeys(absent, (RdataType.A,))


def _other_type(taken: tuple[RdataType, ...], rng: random.Random) -> RdataType:
    known = {RdataType.CNAME, *taken} if RdataType.CNAME not in taken else set(taken)
    return rng.choice([kind for kind in map(dns.rdatatype.from_text, _ASKED) if kind not in known])


def _with_differences(right: RRsets, rng: random.Random) -> tuple[RRsets, set[RRsetKey]]:
    addresses = [key for key in right if key.rdtype == RdataType.A]
    several = [key for key in addresses if len(right[key].rdatas) > 1]
    subset = rng.sample(several, EACH_SORT)
    value, missing, ttl = _parts(rng.sample(sorted(set(addresses) - set(subset), key=str), 3 * EACH_SORT))
    wrong = dict(right)
    for key in missing:
        del wrong[key]
    for key in value:
        wrong[key] = rrset(key.owner, TTL_S, "A", "10.66.66.66")
    for key in ttl:
        wrong[key] = right[key].with_ttl(TTL_S + 1)
    for key in subset:
        wrong[key] = rrset(key.owner, TTL_S, "A", *right[key].texts()[1:])
    return wrong, {*subset, *value, *missing, *ttl}


def _parts(keys: list[RRsetKey]) -> list[list[RRsetKey]]:
    return [keys[at : at + EACH_SORT] for at in range(0, len(keys), EACH_SORT)]
