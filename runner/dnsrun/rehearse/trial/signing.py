"""Whether a domain is signed in a trial, by which hosts and with which keys; those are made up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import dns.dnssec
from dns.exception import DNSException
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from dnsrun.model.playbook import Playbook, Step
from dnsrun.model.rrset import RRsetKey, rdata_text
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .keys import MadeUpKey

USUAL_DS_TTL_S = 86_400
_DIGESTS = ("SHA256", "SHA384")
_ADD = "add-ds"


@dataclass(frozen=True, slots=True)
class Signing:
    """How a domain is signed. `keys`: those of the hosts that sign, by host; `ds_ttl_s`: of a DS at the parent.

    `ds` is what the parent has at the beginning, in master-file form.
    """

    keys: Mapping[str, MadeUpKey]
    ds_ttl_s: int
    ds: frozenset[str]


def signing_of(
    playbook: Playbook, delegation: Delegation, other: ZoneSnapshot | None, *, signed: bool, ds_ttl_s: int | None
) -> Signing | None:
    """Return how the domain is signed, None where it is not, neither before nor after.

    `signed`: the parent has a DS, whether `delegation` shows one or not. The new host signs where its captured zone
    `other` is signed, or the playbook publishes its DS; with the old host's keys where the captured ones fit the DS.
    """
    zone = playbook.zone
    last = zone.to or zone.provider
    keys = {zone.provider: MadeUpKey(playbook.domain, "of the old host")} if signed else {}
    if publishes_ds(playbook) or (signed and zone.to and other is not None and is_signed(other)):
        own = MadeUpKey(playbook.domain, "of the new host")
        keys.setdefault(last, keys[zone.provider] if signed and other and _fits(other, delegation.ds) else own)
    if not keys:
        return None
    ds = frozenset({keys[zone.provider].ds} if signed else ())
    return Signing(keys, ds_ttl_s or delegation.ds_ttl_s or USUAL_DS_TTL_S, ds)


def is_signed(zone: ZoneSnapshot) -> bool:
    """Tell whether a captured zone has keys."""
    return RRsetKey(zone.apex, RdataType.DNSKEY) in zone.rrsets


def _fits(zone: ZoneSnapshot, ds: frozenset[str]) -> bool:
    """Tell whether a DS points to a key of the zone."""
    held = zone.rrsets.get(RRsetKey(zone.apex, RdataType.DNSKEY))
    keys = [key for key in (held.rdatas if held else ()) if isinstance(key, DNSKEY)]
    return any(text in ds for key in keys for text in _pointers(zone, key))


def _pointers(zone: ZoneSnapshot, key: DNSKEY) -> list[str]:
    try:
        return [rdata_text(dns.dnssec.make_ds(zone.apex, key, digest)) for digest in _DIGESTS]
    except (DNSException, ValueError):
        return []  # a key that is none


def publishes_ds(playbook: Playbook) -> bool:
    """Tell whether the playbook has a DS published."""
    return any(step.kind == _ADD for phase in playbook.phases for step in phase.steps)


def with_made_up_keys(playbook: Playbook, signing: Signing | None) -> Playbook:
    """Return the playbook with the DS of the played new host in place of the real one's."""
    if signing is None:
        return playbook
    key = signing.keys.get(playbook.zone.to or playbook.zone.provider)

    def played(step: Step) -> Step:
        return replace(step, options={**step.options, "ds": (key.ds,)}) if key and step.kind == _ADD else step

    phases = (replace(phase, steps=tuple(map(played, phase.steps))) for phase in playbook.phases)
    return replace(playbook, phases=tuple(phases))


def assumptions(playbook: Playbook, signing: Signing | None) -> list[str]:
    """Return what is made up about signatures, in words."""
    if signing is None:
        return []
    zone = playbook.zone
    old, new = signing.keys.get(zone.provider), signing.keys.get(zone.to or "")
    said = []
    if signing.ds:
        said.append("the keys that the zone is signed with are made up, and so is the DS at the parent")
    if new and new == old:
        said.append("the new host signs with the keys of the old one")
    elif new and publishes_ds(playbook):
        said.append("the new host signs from the beginning with a key of its own, to which the DS of add-ds points")
    elif new:
        said.append("the new host signs with a key of its own, to which the DS does not point")
    elif signing.ds and zone.to:
        said.append("the new host does not sign")
    return said
