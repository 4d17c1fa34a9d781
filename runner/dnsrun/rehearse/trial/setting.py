"""What a trial is played on: the zone as captured, hosts, parent, who lives outside; what was assumed. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_network

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.errors import UsageError
from dnsrun.gates import options
from dnsrun.model.content import HOSTS_OWN
from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import RRsetKey, rrset, target_of
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.model.zonetext import to_text
from dnsrun.plan.mail.senders import policies, spf_hosts
from dnsrun.plan.records import desired

from .signing import Signing, assumptions, is_signed, signing_of, with_made_up_keys

ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)
USUAL_NS_TTL_S = 86_400
_LEADS_TO_HOSTS = frozenset({RdataType.CNAME, RdataType.MX, RdataType.NS, RdataType.SRV})
_DKIM_KEY = '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'  # RFC 8463 appendix A.2
_POOLS = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")  # RFC 5737: nobody real is there


@dataclass(frozen=True, slots=True)
class Delays:
    """How long others take, in seconds.

    `secondary_s`: servers of a host behind its primary. `copy_s`: hosts that copy from another one that does not tell
    them (None: the zone's refresh interval). Then the registrar, and a person who is asked to do something.
    """

    secondary_s: int = 5
    copy_s: int | None = None
    registrar_s: int = 900
    person_s: int = 600


@dataclass(frozen=True, slots=True)
class Outside:
    """What is known of a name outside the zone: addresses, and texts in master-file form."""

    addresses: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Captured:
    """What was read of the real world: the zone, what the parent serves, what the host it moves to holds already.

    `outside` are names beyond the zone as far as they were looked up; `files` what the playbook's capture names.
    """

    zone: ZoneSnapshot
    delegation: Delegation | None = None
    other: ZoneSnapshot | None = None
    outside: Mapping[Name, Outside] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What if: TTLs of the captured zone and of the delegation in seconds, `signed` (None: as captured), and delays.

    `signed`: the parent has a DS.
    """

    old_ttl_s: int | None = None
    ns_ttl_s: int | None = None
    delays: Delays = Delays()
    ds_ttl_s: int | None = None
    signed: bool | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """The stage before the play. `target` is the zone once everything is done; `assumed` says what was made up.

    `spare`: addresses of the root server, the parent's, and of a server that nobody planned (fault 54).
    `signing`: None where the domain is not signed, neither before nor after.
    """

    playbook: Playbook
    zone: ZoneSnapshot
    target: ZoneSnapshot
    other: ZoneSnapshot | None
    delegation: Delegation
    outside: Mapping[Name, Outside]
    files: Mapping[str, str]
    start: datetime
    delays: Delays
    spare: tuple[str, str, str]
    assumed: tuple[str, ...] = ()
    signing: Signing | None = None

    @property
    def apex(self) -> Name:
        """The domain."""
        return self.playbook.domain

    @property
    def parent(self) -> Name:
        """The zone that delegates it."""
        return self.apex.parent()

    def addresses(self, host: Name) -> tuple[str, ...]:
        """Return where a name server is: the playbook's word, glue, the zone's, else from outside."""
        for spec in self.playbook.providers.values():
            for server in spec.name_servers:
                if server.name == host and server.addresses:
                    return server.addresses
        if host in self.delegation.glue:
            return self.delegation.glue[host]
        return own_addresses(self.zone, host) or self.outside.get(host, Outside()).addresses


def own_addresses(zone: ZoneSnapshot, host: Name) -> tuple[str, ...]:
    """Return the addresses that a zone gives for a name."""
    held = (zone.rrsets.get(RRsetKey(host, rdtype)) for rdtype in ADDRESS_TYPES)
    return tuple(text for found in held if found for text in found.texts())


def set_scene(playbook: Playbook, captured: Captured, start: datetime, wishes: Wishes) -> Setting:
    """Return the stage for a playbook; raises `UsageError` where none can be built."""
    if len(playbook.domain) < 3:
        raise UsageError(f"{playbook.domain}: a top-level domain cannot be rehearsed")
    assumed: list[str] = []
    delegation = _delegation(playbook, captured, wishes, assumed)
    signing = _signing(playbook, captured, delegation, wishes, assumed)
    delegation = replace(
        delegation,
        ds=signing.ds if signing else frozenset(),
        ds_ttl_s=signing.ds_ttl_s if signing and signing.ds else 0,
    )
    playbook = with_made_up_keys(playbook, signing)
    zone = _whole(_with_ttl(captured.zone, wishes.old_ttl_s), delegation, assumed)
    target = zone.apply(desired(playbook.records, zone, new_ttl_s=playbook.low_ttl_s).changes)
    other = _whole(captured.other, delegation, []) if captured.other else None
    pool = _free_addresses(playbook, captured)
    outside = _outside(playbook, (zone, target), delegation, captured.outside, pool, assumed)
    return Setting(
        playbook=playbook,
        zone=zone,
        target=target,
        other=other,
        delegation=delegation,
        outside=outside,
        files={name: _as_file(name, zone) for name in captured.files},
        start=start,
        delays=wishes.delays,
        spare=(next(pool), next(pool), next(pool)),
        assumed=tuple(assumed),
        signing=signing,
    )


def _delegation(playbook: Playbook, captured: Captured, wishes: Wishes, assumed: list[str]) -> Delegation:
    known = captured.delegation
    if known is None:
        known = _made_up(playbook, captured.zone)
        servers = f"{_listed(known.ns)} with a TTL of {wishes.ns_ttl_s or known.ttl_s} s"
        assumed.append(f"the parent delegates to {servers}, {'with' if wishes.signed else 'without'} DS")
    return replace(known, ttl_s=wishes.ns_ttl_s or known.ttl_s)


def _signing(
    playbook: Playbook, captured: Captured, delegation: Delegation, wishes: Wishes, assumed: list[str]
) -> Signing | None:
    signed = bool(delegation.ds) if wishes.signed is None else wishes.signed
    if not signed and is_signed(captured.zone):
        assumed.append("the zone is signed, and the parent has no DS, so that nobody validates: played unsigned")
    found = signing_of(playbook, delegation, captured.other, signed=signed, ds_ttl_s=wishes.ds_ttl_s)
    assumed += assumptions(playbook, found)
    return found


def _made_up(playbook: Playbook, zone: ZoneSnapshot) -> Delegation:
    """Return the delegation to the servers that zone and playbook name; raises `UsageError` where they name none."""
    apex_ns = zone.rrsets.get(RRsetKey(playbook.domain, RdataType.NS))
    names = {target for rdata in (apex_ns.rdatas if apex_ns else ()) if (target := target_of(rdata))}
    names |= {server.name for server in playbook.providers[playbook.zone.provider].name_servers}
    if not names:
        raise UsageError(
            f"{playbook.path}: neither the zone nor the playbook names the servers that are delegated to; "
            "nothing was rehearsed. Give `name_servers` at the host, or capture first"
        )
    glue = {name: own_addresses(zone, name) for name in names if name.is_subdomain(playbook.domain)}
    return Delegation(frozenset(names), glue, frozenset(), apex_ns.ttl_s if apex_ns else USUAL_NS_TTL_S)


def _with_ttl(zone: ZoneSnapshot, ttl_s: int | None) -> ZoneSnapshot:
    if ttl_s is None:
        return zone
    return replace(zone, rrsets={key: found.with_ttl(ttl_s) for key, found in zone.rrsets.items()})


def _whole(zone: ZoneSnapshot, delegation: Delegation, assumed: list[str]) -> ZoneSnapshot:
    """Return a zone that a server can load: without signatures, with SOA and apex NS."""
    dropped = HOSTS_OWN - {RdataType.SOA}
    kept = {key: found for key, found in zone.rrsets.items() if key.rdtype not in dropped and found.rdatas}
    soa, ns = RRsetKey(zone.apex, RdataType.SOA), RRsetKey(zone.apex, RdataType.NS)
    if soa not in kept:
        first = min(delegation.ns).to_text()
        kept[soa] = rrset(zone.apex, 3600, "SOA", f"{first} hostmaster.{zone.apex} 1 14400 3600 1209600 300")
        assumed.append("the zone's SOA: refresh 4 h, negative TTL 300 s")
    if ns not in kept:
        kept[ns] = rrset(zone.apex, delegation.ttl_s, "NS", *(name.to_text() for name in delegation.ns))
    return replace(zone, rrsets=kept)


def _as_file(name: str, zone: ZoneSnapshot) -> str:
    """Return the played zone as the file that the playbook names as its capture: a zone file, or CSV."""
    if not name.lower().endswith(".csv"):
        return to_text(zone)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["name", "type", "ttl", "value"])
    for key, held in sorted(zone.rrsets.items(), key=lambda pair: pair[0].order()):
        rows.writerows([key.owner, key.rdtype.name, held.ttl_s, value] for value in held.texts())
    return text.getvalue()


def soa_of(zone: ZoneSnapshot) -> SOA:
    """Return the SOA RDATA of a zone that has one."""
    rdata = next(iter(zone.soa.rdatas)) if zone.soa else None
    assert isinstance(rdata, SOA)  # noqa: S101 - `_whole` has put one there; this tells mypy
    return rdata


def outside_hosts(playbook: Playbook, zones: Iterable[ZoneSnapshot], delegation: Delegation | None) -> frozenset[Name]:
    """Return every host outside the zone that servers, mail or aliases lead to, or that gates ask."""
    found = {server.name for spec in playbook.providers.values() for server in spec.name_servers}
    found |= delegation.ns if delegation else frozenset()
    found |= (
        set(playbook.mail.front) | {*playbook.mail.mailboxes, *playbook.mail.submission} if playbook.mail else set()
    )
    for account in playbook.mail.accounts.values() if playbook.mail else ():
        found |= {host for host in (account.imap, account.submission) if host}
    for phase in playbook.phases:
        written = (*phase.gates, *(gate for step in phase.steps for gate in step.gates))
        found |= {host for gate in written for host in options.hosts(gate)}
    for zone in zones:
        for held in zone.rrsets.values():
            found |= {to for rdata in held.rdatas if held.key.rdtype in _LEADS_TO_HOSTS and (to := target_of(rdata))}
    return frozenset(name for name in found if not name.is_subdomain(playbook.domain) and name != dns.name.root)


def outside_policies(playbook: Playbook, zones: Iterable[ZoneSnapshot]) -> frozenset[Name]:
    """Return every name outside the zone whose SPF the zone's own includes."""
    hosts = (
        host
        for zone in zones
        for held in zone.rrsets.values()
        for text in policies(held)
        for _, host in spf_hosts(text, held.key.owner)
    )
    return frozenset(host for host in hosts if not host.is_subdomain(playbook.domain))


def outside_keys(zones: Iterable[ZoneSnapshot]) -> frozenset[Name]:
    """Return every name outside the zone that holds a DKIM key for an alias in it (RFC 6376 section 3.6.2)."""
    return frozenset(
        to
        for zone in zones
        for key, held in zone.rrsets.items()
        if key.rdtype == RdataType.CNAME and b"_domainkey" in key.owner.labels
        for rdata in held.rdatas
        if (to := target_of(rdata)) and not to.is_subdomain(zone.apex)
    )


def _outside(
    playbook: Playbook,
    zones: tuple[ZoneSnapshot, ...],
    delegation: Delegation,
    known: Mapping[Name, Outside],
    pool: Iterator[str],
    assumed: list[str],
) -> Mapping[Name, Outside]:
    found = dict(known)
    made_up = []
    for host in sorted(outside_hosts(playbook, zones, delegation)):
        if not found.get(host, Outside()).addresses:
            found[host] = replace(found.get(host, Outside()), addresses=(next(pool),))
            made_up.append(host)
    if made_up:
        assumed.append(f"addresses of {_listed(made_up)}")
    senders = [sender.address for sender in playbook.mail.senders] if playbook.mail else []
    allowed = "".join(f" ip{6 if ':' in address else 4}:{address}" for address in senders)
    if allowing := _made_up_texts(found, outside_policies(playbook, zones), f'"v=spf1{allowed} ?all"'):
        assumed.append(f"the SPF records of {_listed(allowing)} allow every sender of the playbook")
    if keys := _made_up_texts(found, outside_keys(zones), _DKIM_KEY):
        assumed.append(f"there are DKIM keys at {_listed(keys)}")
    return found


def _made_up_texts(found: dict[Name, Outside], names: Iterable[Name], text: str) -> list[Name]:
    """Put a text at those of the names that have none, and return them."""
    unknown = [name for name in sorted(names) if not found.get(name, Outside()).texts]
    for name in unknown:
        found[name] = replace(found.get(name, Outside()), texts=(text,))
    return unknown


def _free_addresses(playbook: Playbook, captured: Captured) -> Iterator[str]:
    """Yield example addresses that neither playbook nor zones speak of."""
    zones = (captured.zone, *([captured.other] if captured.other else []))
    used = {text for zone in zones for held in zone.rrsets.values() for text in held.texts()}
    used |= {address for one in captured.outside.values() for address in one.addresses}
    used |= {
        address for found in (captured.delegation.glue.values() if captured.delegation else ()) for address in found
    }
    for pool in _POOLS:
        for address in ip_network(pool).hosts():
            text = str(address)
            if text not in used and text not in playbook.text:
                yield text


def _listed(names: Iterable[Name]) -> str:
    texts = [name.to_text(omit_final_dot=True) for name in sorted(names)]
    return ", ".join(texts) if len(texts) <= 5 else f"{', '.join(texts[:4])} and {len(texts) - 4} more"
