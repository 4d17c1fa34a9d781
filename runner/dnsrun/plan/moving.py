"""A zone on its way to another host: what both sides hold, what is delegated, and how long caches ask whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.choice import choice_of
from dnsrun.model.content import is_content
from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import Change, RRset, RRsetKey, target_of
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .records import Desired, desired
from .ttl import margin_s

NEGATIVE_TTL_MAX_S = 10_800  # what resolvers keep at most, where the SOA is not known (RFC 2308 section 5)


@dataclass(frozen=True, slots=True)
class Moving:
    """Where a zone stands that moves.

    `switched`: the parent delegates to the new host. `other` is what the host that is not delegated to holds, the new
    one before the switch and the old one after it; `listed`: all that it holds, not only what it was asked for.
    `copied`: this run has written the zone at the new host. `captured` is the zone as this run saw it first.
    `delegation` is what the parent serves, `target` what it is to serve. `clean_at` (UTC) is when no honest cache asks
    the servers any more that were delegated to before the newest switch, either way (D1, D10); None without a switch.
    `unreadable` says why the other host could not be read; empty when it could. `raised_ttls`: TTLs in seconds that the
    new host serves though this run asked it for lower ones.
    """

    switched: bool
    other: ZoneSnapshot
    listed: bool
    copied: bool
    captured: ZoneSnapshot
    delegation: Delegation
    target: Delegation
    clean_at: datetime | None = None
    unreadable: str = ""
    raised_ttls: Mapping[RRsetKey, int] = field(default_factory=dict)


def target_delegation(playbook: Playbook, now: Delegation) -> Delegation:
    """Return the delegation to the new host: its name servers, glue for those inside the domain, the DS as they are."""
    servers = playbook.providers[playbook.zone.to or ""].name_servers
    glue = {server.name: server.addresses for server in servers if server.name.is_subdomain(playbook.domain)}
    return replace(now, ns=frozenset(server.name for server in servers), glue=glue)


def live_before_switch(playbook: Playbook, zone: ZoneSnapshot) -> Desired:
    """Return what the records become that are switched before the name servers."""
    steps = [step for phase in playbook.phases for step in phase.steps]
    kinds = [step.kind for step in steps]
    before = steps[: kinds.index("switch-ns")] if "switch-ns" in kinds else []
    switching = [step for step in before if step.kind == "switch-records"]
    if not switching:
        return Desired((), (), (), ())
    choices = [choice_of(step) for step in switching]
    return desired(
        playbook.records,
        zone,
        new_ttl_s=playbook.low_ttl_s,
        chosen=lambda key: any(key in choice for choice in choices),
    )


def copied_ttl_s(playbook: Playbook) -> int:
    """Return the highest TTL of what is copied, in seconds: that of `copy-zone`, else the playbook's low one."""
    steps = (step for phase in playbook.phases for step in phase.steps if step.kind == "copy-zone")
    given = (step.options.get("ttl") for step in steps)
    return next((ttl_s for ttl_s in given if isinstance(ttl_s, int)), playbook.low_ttl_s)


def to_write(content: ZoneSnapshot, held: ZoneSnapshot, *, apex_ns: bool) -> tuple[Change, ...]:
    """Return what a host is to write so that it holds `content`; nothing is removed, and never the SOA.

    `apex_ns`: it can write its own NS RRset at the apex.
    """
    changes = []
    for key in sorted(content.rrsets, key=RRsetKey.order):
        if key == RRsetKey(content.apex, RdataType.NS) and not apex_ns:
            continue
        wanted, there = content.rrsets[key], held.rrsets.get(key)
        if not _serves(there, wanted):
            changes.append(Change(key, there, _with_extras(wanted, there)))
    return tuple(changes)


def _serves(there: RRset | None, wanted: RRset) -> bool:
    return there is not None and there.same_data(wanted) and there.ttl_s == wanted.ttl_s


def _with_extras(wanted: RRset, there: RRset | None) -> RRset:
    """What only the host knows of an RRset (comments, flags) is its own and stays."""
    return replace(wanted, extras=there.extras if there else ())


def beyond(content: ZoneSnapshot, held: ZoneSnapshot, keep: Iterable[Name]) -> tuple[RRset, ...]:
    """Return the RRsets that a host holds and that are not in `content`, those at the names in `keep` aside."""
    kept = frozenset(keep)
    return tuple(
        held.rrsets[key]
        for key in sorted(held.rrsets.keys() - content.rrsets.keys(), key=RRsetKey.order)
        if is_content(key.rdtype) and key.owner not in kept and key != RRsetKey(content.apex, RdataType.NS)
    )


def apex_ns_ttl_s(zone: ZoneSnapshot, default_s: int) -> int:
    """Return the TTL of a zone's own NS RRset at the apex, in seconds."""
    rrset = _apex_ns(zone)
    return rrset.ttl_s if rrset else default_s


def _apex_ns(zone: ZoneSnapshot) -> RRset | None:
    return zone.rrsets.get(RRsetKey(zone.apex, RdataType.NS))


def asked_s(left: Delegation, served: Iterable[ZoneSnapshot], first: ZoneSnapshot | None = None) -> int:
    """Return for how many seconds caches ask the servers of a delegation that was left: P + C (D1).

    Whoever asks a cache for NS in the last second of the parent's NS RRset has it take the child's, for its whole TTL:
    measured with Unbound, and with PowerDNS Recursor where servers give no NS beside other answers. `served` are zones
    as either host served them at the switch and since; only those count whose own NS RRset names servers of `left`.
    `first` is the zone before TTLs were lowered: who took its NS RRset then keeps that, and no more.
    """
    was_s = apex_ns_ttl_s(first, 0) if first and _may_name(first, left) else 0
    child_s = max((apex_ns_ttl_s(zone, was_s) for zone in _of_host(left, served)), default=was_s)
    return max(left.ttl_s + child_s, was_s)


def kept_s(left: Delegation, served: Iterable[ZoneSnapshot], first: ZoneSnapshot | None = None) -> int:
    """Return for how many seconds caches ask the servers of a delegation that was left, or hold what they said.

    D1 after a switch, D10 after it was taken back; the arguments are those of `asked_s`. The last answer is kept for
    its TTL; one from before TTLs were lowered is no later than the switch.
    """
    served = tuple(served)
    said_s = max(map(_longest_ttl_s, _of_host(left, served)), default=0)
    was_s = _longest_ttl_s(first) if first and _may_name(first, left) else 0
    return max(asked_s(left, served, first) + said_s, was_s)


def _of_host(left: Delegation, served: Iterable[ZoneSnapshot]) -> tuple[ZoneSnapshot, ...]:
    """Return the zones of the host that was left, told by their NS RRset; all where none names its servers."""
    zones = tuple(served)
    if not any(_apex_ns(zone) and _may_name(zone, left) for zone in zones):
        return zones
    return tuple(zone for zone in zones if _may_name(zone, left))


def _may_name(zone: ZoneSnapshot, left: Delegation) -> bool:
    """Tell whether a zone's own NS RRset names servers of `left`, or is not known."""
    rrset = _apex_ns(zone)
    return rrset is None or not left.ns.isdisjoint(map(target_of, rrset.rdatas))


def _longest_ttl_s(zone: ZoneSnapshot) -> int:
    """Return the longest TTL of what a zone's servers answer, in seconds; NS at the apex counts as `asked_s` has it."""
    apex_ns = RRsetKey(zone.apex, RdataType.NS)
    return max(
        (rrset.ttl_s for key, rrset in zone.rrsets.items() if is_content(key.rdtype) and key != apex_ns), default=0
    )


def negative_ttl_s(zone: ZoneSnapshot) -> int:
    """Return for how many seconds caches keep that something does not exist; the usual most where it is not known."""
    return NEGATIVE_TTL_MAX_S if zone.negative_ttl_s is None else zone.negative_ttl_s


def clean_at(shown_at: datetime, kept_s: int) -> datetime:
    """Return when no honest cache asks the servers that were left any more nor holds what they said (D1, D10).

    `shown_at` is when every parent server showed the newer delegation; `kept_s` as the function of that name has it.
    """
    return shown_at + timedelta(seconds=kept_s + margin_s(kept_s))


def restored_ttls(captured: ZoneSnapshot, zone: ZoneSnapshot) -> Mapping[RRsetKey, int]:
    """Return the TTLs, in seconds, that RRsets of the new host had at the old one, where they are lower now."""
    return {
        key: before.ttl_s
        for key, before in captured.rrsets.items()
        if (now := zone.rrsets.get(key)) and now.ttl_s < before.ttl_s and is_content(key.rdtype)
    }
