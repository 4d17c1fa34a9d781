"""Rule N0: what the new host of a zone is to serve when the name servers are switched. Pure.

The zone as it was captured, with the records that are switched before the name servers; without what belongs to a
host or a signer; with the new name servers at the apex, and with TTLs low enough to go back from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address

from dns.rdatatype import RdataType

from dnsrun.model.content import HOSTS_OWN, is_content
from dnsrun.model.playbook import NameServer
from dnsrun.model.rrset import Change, RRset, RRsetKey, from_texts
from dnsrun.model.zone import ZoneSnapshot


def expected_content(
    checkpoint: ZoneSnapshot,
    changes: Iterable[Change],
    name_servers: Iterable[NameServer],
    *,
    ns_ttl_s: int,
    low_ttl_s: int | None = None,
) -> ZoneSnapshot:
    """Return what the new servers are to serve (N0), each RRset with the TTL (seconds) that it may have at most.

    `changes` are those of the records that are live before the switch. `name_servers` are exactly those to be
    delegated to; addresses given for those inside the zone are in the content, since glue and the child's address
    records must be equal (D7). `ns_ttl_s` is the TTL of the apex NS RRset, `low_ttl_s` bounds every other one.
    What old name servers inside the zone are called stays, as everything else that was captured.
    """
    servers = tuple(name_servers)
    apex_ns = RRsetKey(checkpoint.apex, RdataType.NS)
    kept = {
        key: _lowered(rrset, low_ttl_s)
        for key, rrset in checkpoint.apply(changes).rrsets.items()
        if is_content(key.rdtype) and key != apex_ns and rrset.rdatas
    }
    own = _own_addresses(checkpoint, servers, ns_ttl_s if low_ttl_s is None else min(ns_ttl_s, low_ttl_s))
    ns = from_texts(apex_ns, ns_ttl_s, (server.name.to_text() for server in servers))
    return replace(checkpoint, rrsets={**kept, **own, apex_ns: ns}, sources={}, unmodelled=())


def left_out(checkpoint: ZoneSnapshot) -> tuple[str, ...]:
    """Return what was captured and cannot be copied, one line each: types of the host's own and what is unmodelled."""
    private = (key for key in checkpoint.rrsets if not is_content(key.rdtype) and key.rdtype not in HOSTS_OWN)
    lines = tuple(f"{key}: a type of the old host's own" for key in sorted(private, key=RRsetKey.order))
    return (*lines, *checkpoint.unmodelled)


def _lowered(rrset: RRset, low_ttl_s: int | None) -> RRset:
    """What only the old host knows of an RRset does not go with it."""
    ttl_s = rrset.ttl_s if low_ttl_s is None else min(rrset.ttl_s, low_ttl_s)
    return rrset if ttl_s == rrset.ttl_s and not rrset.extras else replace(rrset, ttl_s=ttl_s, extras=())


def _own_addresses(checkpoint: ZoneSnapshot, servers: Iterable[NameServer], ttl_s: int) -> Mapping[RRsetKey, RRset]:
    found: dict[RRsetKey, RRset] = {}
    for server in servers:
        if not server.name.is_subdomain(checkpoint.apex):
            continue
        for version, rdtype in ((4, RdataType.A), (6, RdataType.AAAA)):
            texts = [address for address in server.addresses if ip_address(address).version == version]
            if texts:
                key = RRsetKey(server.name, rdtype)
                captured = checkpoint.rrsets.get(key)
                found[key] = from_texts(key, min(ttl_s, captured.ttl_s) if captured else ttl_s, texts)
    return found
