"""Ask the servers what a listing cannot tell (grade `listed`): the types it leaves out, and data it gives only roughly.

Every name that the listing knows, and every name above it within the zone, is asked for every type the listing is blind
for, at every server. What can remain unseen is a name without any listed type, and types without a name of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.txtbase import TXTBase

from dnsrun.model.content import HOSTS_OWN, Content
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot

# What listings are known to give roughly: where text is cut, the letter case of a flag, one of several values.
_ROUGH = frozenset({RdataType.TXT, RdataType.SPF, RdataType.NAPTR, RdataType.PTR})


@dataclass(frozen=True, slots=True)
class Filled:
    """A listing with what the servers added. `findings` forbid to use it, `warnings` do not; both are sentences."""

    snapshot: ZoneSnapshot
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def keys_to_fill(listed: ZoneSnapshot) -> tuple[RRsetKey, ...]:
    """Return what to ask the servers, in canonical order: names times blind types, and what is not told surely. Pure.

    Below an alias, a zone cut and a DNAME nothing is asked: servers do not answer for it themselves.
    """
    held = Content(listed)
    aliases = {key.owner for key in listed.rrsets if key.rdtype == RdataType.CNAME}
    names = (_with_names_above(listed) | {listed.apex}) - aliases
    blind = listed.blind - HOSTS_OWN
    asked = {RRsetKey(name, rdtype) for name in names for rdtype in blind}
    asked |= {key for key, rrset in listed.rrsets.items() if key.rdtype in _ROUGH or not rrset.rdatas}
    return tuple(sorted((key for key in asked if not held.is_hidden(key)), key=RRsetKey.order))


def fill(listed: ZoneSnapshot, seen: Iterable[Observation]) -> Filled:
    """Lay over a listing what the servers answered to `keys_to_fill`. Pure.

    RRsets of blind types are added; where the listing gives an RRset roughly, or without its data, the servers' word
    stands. Whether all servers say the same is for the comparison afterwards, which now asks for these as well.
    """
    observations = tuple(seen)
    rrsets, sources, findings = dict(listed.rrsets), dict(listed.sources), []
    served = _served(observations)
    for key, (server, answered) in served.items():
        known = rrsets.get(key)
        if known is None or _is_rough(known, answered):
            rrsets[key] = replace(known, rdatas=answered.rdatas) if known else answered
            sources[key] = f"asked at {server}"
    held = Content(listed)
    for key in [key for key, rrset in rrsets.items() if not rrset.rdatas]:
        del rrsets[key]
        if not held.is_hidden(key):
            findings.append(f"{key} is listed without its data, and no server answers with them")
    snapshot = replace(listed, rrsets=rrsets, sources=sources)
    return Filled(snapshot, tuple(findings), tuple(_unanswered(observations)))


def _with_names_above(listed: ZoneSnapshot) -> set[Name]:
    names: set[Name] = set()
    for owner in listed.owners():
        name = owner
        while name not in names and len(name) > len(listed.apex):
            names.add(name)
            name = name.parent()
    return names


def _served(seen: Iterable[Observation]) -> Mapping[RRsetKey, tuple[Endpoint, RRset]]:
    """Return the data of each key from the first server that has some."""
    served: dict[RRsetKey, tuple[Endpoint, RRset]] = {}
    for one in sorted(seen, key=lambda one: str(one.server)):
        got = one.got
        if isinstance(got, Answer) and got.rrset and got.rrset.key == one.of and _is_own(got):
            served.setdefault(got.rrset.key, (one.server, got.rrset))
    return served


def _is_own(got: Answer) -> bool:
    """Tell whether the data are the zone's: those of a cut come as a referral."""
    return got.kind == "referral" or (got.kind == "data" and got.aa)


def _is_rough(listed: RRset, served: RRset) -> bool:
    """Tell whether the listing can mean what is served, though it does not say it to the octet."""
    if not listed.rdatas:
        return True
    if listed.key.rdtype not in _ROUGH or listed.same_data(served):
        return False
    mine, theirs = ({_roughly(rdata) for rdata in one.rdatas} for one in (listed, served))
    return mine < theirs if listed.key.rdtype == RdataType.PTR else mine == theirs


def _roughly(rdata: Rdata) -> bytes:
    match rdata:
        case TXTBase():
            return b"".join(rdata.strings)
        case NAPTR():
            return rdata.replace(flags=rdata.flags.upper()).to_digestable()
    return rdata.to_digestable()


def _unanswered(seen: Iterable[Observation]) -> Iterator[str]:
    silent: dict[Endpoint, set[str]] = {}
    for one in seen:
        failed = isinstance(one.got, NoReply) or (isinstance(one.got, Answer) and one.got.kind == "error")
        if failed and isinstance(one.of, RRsetKey):
            silent.setdefault(one.server, set()).add(RdataType.to_text(one.of.rdtype))
    for server, types in sorted(silent.items(), key=lambda item: str(item[0])):
        yield f"{server} does not answer for {', '.join(sorted(types))}: whether there are such records is not known"
