"""A registrar for who runs the parent zone: its primary takes dynamic updates (RFC 2136) and gives transfers.

NS, glue and DS of a domain change in one message, which takes effect whole or not at all, and only if all of them are
as they were before. The TTLs stay those of the parent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import replace

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS

from dnsrun.errors import WriteConflict
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey, rdata_from_text, rdata_text, rrset
from dnsrun.model.zone import Delegation
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Receipt, RegistrarPlugin, Settled

from . import primary
from .instructions import shown
from .live import Live, foreign, impossible
from .primary import Primary

FRAGMENT = Fragment(
    summary="The parent zone is yours: its primary takes dynamic updates and gives transfers (BIND, Knot, ...).",
    properties={
        "zone": {
            "type": "string",
            "format": "host-name",
            "description": "Name of the parent zone (a single label with final dot). It is not guessed.",
        },
        **primary.PROPERTIES,
    },
    required=("zone", "server"),
)

# An hour: secondaries of the parent that no NOTIFY reaches look at the SOA that often.
CAPABILITIES = Capabilities(compare_and_set=True, atomic_batch=True, glue=True, ds=True, declared_delay_s=3600)

_ADDRESSES = (RdataType.A, RdataType.AAAA)


class ParentRfc2136:
    """The primary of the parent zone."""

    def __init__(self, zone: Name, at: Primary) -> None:
        self._zone = zone
        self._at = at

    @property
    def capabilities(self) -> Capabilities:
        """The same for every server."""
        return CAPABILITIES

    def read_delegation(self, domain: Name) -> Delegation | None:
        """Return the delegation in the parent zone, by transfer: a server of both zones answers for the child.

        Touches the network. Raises `OutsideError`; not retryable when the domain is not in this zone.
        """
        return _delegation(self._read(domain), domain)

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        """Send one update; none when the parent zone holds `after` already.

        Glue that the domain no longer uses is removed, unless another delegation of the zone names it. Touches
        the network. Raises `WriteConflict` when the delegation is neither `before` nor `after`, else `OutsideError`.
        """
        before, after = _canonical(before), _canonical(after)
        _check(domain, after)
        live = self._read(domain)
        found = _delegation(live, domain)
        if found.same(after):
            return Receipt()
        if not found.same(before):
            raise WriteConflict(f"{self._at.server} did not change {self._zone}: {_differs(domain, before, live)}")
        changes = [change for change in _changes(domain, after, live) if not _equal(change)]
        self._at.update(self._zone, changes)
        return Receipt()

    def poll(self, operation: str) -> Settled:  # noqa: ARG002 - no receipt names one
        """Return that it is settled: an update has taken effect when it is answered."""
        return Settled()

    def _read(self, domain: Name) -> Live:
        if domain == self._zone or not domain.is_subdomain(self._zone):
            text = f"{shown(domain)} is not below {shown(self._zone)}, the zone that the playbook names as its parent"
            raise impossible(text)
        live = self._at.transfer(self._zone)
        if cut := _cut_above(domain, self._zone, live):
            raise impossible(f"{shown(self._zone)} delegates {shown(cut)}: the parent of {shown(domain)} is there")
        return live


def _canonical(delegation: Delegation) -> Delegation:
    """Return the delegation with addresses and DS spelled as the zone's are."""
    return replace(
        delegation,
        glue={name: tuple(map(_address_text, found)) for name, found in delegation.glue.items()},
        ds=frozenset(rdata_text(rdata_from_text(RdataType.DS, text)) for text in delegation.ds),
    )


def _address_text(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _check(domain: Name, after: Delegation) -> None:
    if not after.ns:
        raise impossible(f"{shown(domain)} would be left without name servers")
    for name in after.glue:
        if name not in after.ns or not name.is_subdomain(domain):
            raise impossible(f"glue for {shown(name)}, which is no name server of {shown(domain)} inside the domain")


def _cut_above(domain: Name, zone: Name, live: Live) -> Name | None:
    above = domain.parent()
    while above != zone:
        if RRsetKey(above, RdataType.NS) in live:
            return above
        above = above.parent()
    return None


def _delegation(live: Live, domain: Name) -> Delegation:
    """Return what the parent zone holds, glue as a referral gives it: of name servers inside the domain."""
    ns, ds = live.get(RRsetKey(domain, RdataType.NS)), live.get(RRsetKey(domain, RdataType.DS))
    names = frozenset(_targets(ns))
    glue = {name: _addresses(live, name) for name in names if name.is_subdomain(domain)}
    return Delegation(
        ns=names,
        glue={name: addresses for name, addresses in glue.items() if addresses},
        ds=frozenset(ds.texts()) if ds else frozenset(),
        ttl_s=ns.ttl_s if ns else 0,
        ds_ttl_s=ds.ttl_s if ds else 0,
    )


def _targets(ns: RRset | None) -> Iterator[Name]:
    for rdata in ns.rdatas if ns else ():
        if isinstance(rdata, NS):
            yield rdata.target


def _addresses(live: Live, name: Name) -> tuple[str, ...]:
    held = (live.get(RRsetKey(name, rdtype)) for rdtype in _ADDRESSES)
    return tuple(text for found in held if found for text in found.texts())


def _changes(domain: Name, after: Delegation, live: Live) -> Iterator[Change]:
    """Yield the changes from what is live to `after`: the message's prerequisites are what is live."""
    ns_key, ds_key = RRsetKey(domain, RdataType.NS), RRsetKey(domain, RdataType.DS)
    before = live.get(ns_key)
    ttl_s = before.ttl_s if before else after.ttl_s
    yield _change(live, ns_key, ttl_s, (name.to_text() for name in after.ns))
    yield _change(live, ds_key, after.ds_ttl_s or ttl_s, after.ds)
    for name in sorted({*_targets(before), *after.ns}):
        if not name.is_subdomain(domain) or (name not in after.ns and _used_elsewhere(name, domain, live)):
            continue
        wanted = [ipaddress.ip_address(text) for text in after.glue.get(name, ()) if name in after.ns]
        for version, rdtype in zip((4, 6), _ADDRESSES, strict=True):
            values = (str(address) for address in wanted if address.version == version)
            yield _change(live, RRsetKey(name, rdtype), ttl_s, values)


def _change(live: Live, key: RRsetKey, ttl_s: int, values: Iterable[str]) -> Change:
    before, texts = live.get(key), tuple(values)
    ttl_s = before.ttl_s if before else ttl_s
    return Change(key, before, rrset(key.owner, ttl_s, key.rdtype, *texts) if texts else None)


def _equal(change: Change) -> bool:
    return change.before is change.after or change.ttl_only


def _used_elsewhere(name: Name, domain: Name, live: Live) -> bool:
    """Tell whether another delegation names this server: without its address that one could break (incident 17)."""
    return any(
        name in _targets(found) for key, found in live.items() if key.rdtype == RdataType.NS and key.owner != domain
    )


def _differs(domain: Name, before: Delegation, live: Live) -> str:
    """Say in words which RRsets are not as before."""
    back = _changes(domain, before, live)
    return foreign((Change(change.key, before=change.after, after=None) for change in back), live)


def _open(spec: ProviderSpec, context: Context) -> ParentRfc2136:
    zone = dns.name.from_text(str(spec.options["zone"]))
    return ParentRfc2136(zone, primary.of_playbook(spec, context))


PLUGIN = RegistrarPlugin("parent-rfc2136", FRAGMENT, CAPABILITIES, _open)
