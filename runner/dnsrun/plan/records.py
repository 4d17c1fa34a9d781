"""Desired records against the live zone: changes, conflicts, and what stays behind. Pure.

An entry declares the whole RRset. A live value that is neither expected (`was`) nor wanted is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from dnsrun.model.playbook import RecordSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey, rdata_text
from dnsrun.model.zone import ZoneSnapshot

ADDRESSES = (RdataType.A, RdataType.AAAA)
WITH_HINTS = (RdataType.HTTPS, RdataType.SVCB)


@dataclass(frozen=True, slots=True)
class Desired:
    """What a set of record entries means for one live zone.

    `conflicts` and `already` are sentences. `stay_behind` are RRsets elsewhere that hold a value being replaced.
    """

    changes: tuple[Change, ...]
    already: tuple[str, ...]
    conflicts: tuple[str, ...]
    stay_behind: tuple[str, ...]


def desired(
    specs: Iterable[RecordSpec],
    zone: ZoneSnapshot,
    *,
    new_ttl_s: int,
    chosen: Callable[[RRsetKey], bool] = lambda _key: True,
) -> Desired:
    """Compare entries with the live zone, for the RRsets that are `chosen`.

    `new_ttl_s` is the TTL of RRsets that do not exist yet.
    """
    changes: list[Change] = []
    already: list[str] = []
    conflicts: list[str] = []
    wanted = [(spec, key) for spec in specs for key in spec.rrset_keys() if chosen(key)]
    for spec, key in wanted:
        live = zone.rrsets.get(key)
        target, problem = _target(spec, key, live, new_ttl_s)
        if problem:
            conflicts.append(f"{spec.mark}: {problem}")
        elif _is_there(spec, live, target):
            already.append(f"{key} is already {_values(live)}")
        else:
            changes.append(Change(key, live, target))
    keys = frozenset(key for _, key in wanted)
    moved = frozenset(change.key for change in changes if change.key.rdtype in ADDRESSES and not change.ttl_only)
    held = frozenset(key.labels for key in zone.rrsets)
    moving = [(spec, key) for spec, key in wanted if key in moved and key.labels in held]
    conflicts += [f"{spec.mark}: {text}" for spec, key in moving for text in _twins(spec, key, zone, keys)]
    conflicts += _cname_clashes(changes, zone)
    return Desired(tuple(changes), tuple(already), tuple(conflicts), tuple(_stay_behind(changes, zone, keys)))


def already_there(specs: Iterable[RecordSpec], zone: ZoneSnapshot, *, new_ttl_s: int) -> tuple[str, ...]:
    """Return, as sentences, that the zone holds all that the entries want; empty when something is left to do."""
    found = []
    for entry, key in ((spec, key) for spec in specs for key in spec.rrset_keys()):
        live = zone.rrsets.get(key)
        target, problem = _target(entry, key, live, new_ttl_s)
        if problem or not _is_there(entry, live, target):
            return ()
        found.append(f"{key} is already {_values(live)}")
    return tuple(found)


def _is_there(spec: RecordSpec, live: RRset | None, target: RRset | None) -> bool:
    if live is None or target is None:
        return live is target
    return live.same_data(target) and (spec.ttl_s is None or live == target)


def _target(spec: RecordSpec, key: RRsetKey, live: RRset | None, new_ttl_s: int) -> tuple[RRset | None, str | None]:
    """Return the RRset to be there (None: absent), or what stands against it."""
    held = live.rdatas if live else frozenset()
    ttl_s = spec.ttl_s if spec.ttl_s is not None else live.ttl_s if live else new_ttl_s
    extras = live.extras if live else ()
    if spec.replaces:
        return _replaced(spec, key, live)
    goal = _as_chunked(spec.values, held)
    strangers = held - _as_chunked(spec.was, held) - goal
    if strangers:
        return None, (
            f"{key} is {_texts(strangers)} now, which is neither what the playbook expects "
            f"({_texts(spec.was) if spec.was else 'no `was`'}) nor what it wants; nothing was changed. "
            "Find out who set it, then put it into `was` or take it out"
        )
    if not held and spec.was and goal:
        return None, f"{key} does not exist, but the playbook expects {_texts(spec.was)}; nothing was changed"
    return (RRset(key, ttl_s, goal, extras) if goal else None), None


def _as_chunked(rdatas: Iterable[Rdata] | None, held: frozenset[Rdata]) -> frozenset[Rdata]:
    """Return the RDATA, texts cut into strings as the live zone cuts them: people write a TXT as one text."""
    cuts = {(rdata.rdtype, b"".join(rdata.strings)): rdata for rdata in held if isinstance(rdata, TXTBase)}
    if not cuts:
        return frozenset(rdatas or ())
    return frozenset(
        cuts.get((rdata.rdtype, b"".join(rdata.strings)), rdata) if isinstance(rdata, TXTBase) else rdata
        for rdata in rdatas or ()
    )


def _replaced(spec: RecordSpec, key: RRsetKey, live: RRset | None) -> tuple[RRset | None, str | None]:
    held = live.rdatas if live else frozenset()
    rdatas = set(held)
    for pair in spec.replaces:
        old, new = (next(iter(_as_chunked((rdata,), held))) for rdata in pair)
        if old not in held and new not in held:
            return None, f"{key} holds neither {rdata_text(old)} nor {rdata_text(new)}; nothing was changed"
        rdatas -= {old}
        rdatas |= {new}
    ttl_s = spec.ttl_s if spec.ttl_s is not None or live is None else live.ttl_s
    return RRset(key, ttl_s or 0, frozenset(rdatas), live.extras if live else ()), None


def _twins(spec: RecordSpec, key: RRsetKey, zone: ZoneSnapshot, declared: frozenset[RRsetKey]) -> Iterable[str]:
    """An address that moves while its twin of the other family, or a hint, stays: clients would still go there."""
    other = RdataType.AAAA if key.rdtype == RdataType.A else RdataType.A
    for rdtype in (other, *WITH_HINTS):
        twin = RRsetKey(key.owner, rdtype)
        live = zone.rrsets.get(twin)
        if live is None or twin in declared or rdtype in spec.keeps or not _leads_somewhere(live):
            continue
        word = "aaaa" if rdtype == RdataType.AAAA else "a" if rdtype == RdataType.A else "https"
        yield (
            f"{key} changes, but {twin} stays {_values(live)}: some clients would go on using it; "
            f"add an entry for it, or say `{word}: keep`"
        )


def _leads_somewhere(rrset: RRset) -> bool:
    if rrset.key.rdtype not in WITH_HINTS:
        return True
    return any("ipv4hint" in rdata_text(rdata) or "ipv6hint" in rdata_text(rdata) for rdata in rrset.rdatas)


def _cname_clashes(changes: list[Change], zone: ZoneSnapshot) -> list[str]:
    """A CNAME stands alone at its name, and never at the apex (N4; RFC 1034 section 3.6.2)."""
    will_be = zone.apply(changes)
    aliases = {key.labels for key in will_be.rrsets if key.rdtype == RdataType.CNAME}
    touched = [change for change in changes if change.after and change.key.labels in aliases]
    after = will_be.at_owners(change.key.labels for change in touched) if touched else {}
    at_apex = RRsetKey(zone.apex, RdataType.CNAME)
    problems = []
    for change in touched:
        if change.key == at_apex:
            problems.append(f"{change.key} cannot be: a CNAME is alone at its name, and this one holds SOA and NS")
            continue
        beside = [rrset.key for rrset in after[change.key.labels] if rrset.key.rdtype not in _BESIDE_CNAME]
        if len(beside) > 1 and any(key.rdtype == RdataType.CNAME for key in beside):
            others = ", ".join(str(key) for key in beside if key != change.key)
            problems.append(
                f"{change.key} cannot stand beside {others}: a CNAME is alone at its name; remove the other"
            )
    return problems


_BESIDE_CNAME = frozenset({RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})


def _stay_behind(changes: list[Change], zone: ZoneSnapshot, declared: frozenset[RRsetKey]) -> Iterable[str]:
    leaving: set[Rdata] = set()
    for change in changes:
        if change.key.rdtype in ADDRESSES and change.before:
            leaving |= change.before.rdatas - (change.after.rdatas if change.after else frozenset())
    behind = [key for key in zone.rrsets if key not in declared and zone.rrsets[key].rdatas & leaving]
    for key in sorted(behind, key=RRsetKey.order):
        yield f"{key} stays {_values(zone.rrsets[key])}"


def _texts(rdatas: Iterable[Rdata] | None) -> str:
    return ", ".join(sorted(rdata_text(rdata) for rdata in rdatas or ()))


def _values(rrset: RRset | None) -> str:
    return ", ".join(rrset.texts()) if rrset else "absent"
