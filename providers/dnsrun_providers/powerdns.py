"""PowerDNS Authoritative Server through its own HTTP API (doc.powerdns.com/authoritative/http-api/zone.html).

- The whole zone comes in one answer, so a read is `complete`. What only PowerDNS knows (ALIAS, LUA) is `unmodelled`.
- `extras` of an RRset: `("disabled", RDATA)` for each switched-off record, in PowerDNS's own spelling, and
  `("comment", JSON)` with account, content and modified_at for each comment. A write leaves both as they are live;
  extras matter only where an RRset is made anew, after somebody has removed it.
- A write reads first and refuses a foreign value, but between the two there is no lock: no compare-and-set.
- One PATCH is one transaction. Calls above a megabyte need several, so `atomic_batch` is not declared.
- The serial moves as the zone's SOA-EDIT-API says. Where that is empty PowerDNS leaves it, and secondaries would
  never hear of the change: then the write raises it by one itself, in the same PATCH.
- Answers come from a cache for up to `cache-ttl` plus `query-cache-ttl` (20 s each unless configured).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from dnsrun import retry
from dnsrun.errors import OutsideError, UsageError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, RRset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from .live import foreign, impossible, not_there
from .powerdns_zone import Listing, content, read_listing
from .webapi import Access, WebApi

_BODY_OCTETS = 1_000_000  # webserver-max-bodysize is 2 MB unless configured
_SERIALS = 2**32

FRAGMENT = Fragment(
    summary="PowerDNS Authoritative Server, through its HTTP API.",
    properties={
        "api_url": {
            "type": "string",
            "format": "url",
            "description": "Where the API is, without /api/v1: https://pdns.example:8081.",
        },
        "api_key": {"type": "string", "format": "secret", "description": "The server's api-key."},
        "server_id": {"type": "string", "default": "localhost", "description": "Id of the server (localhost)."},
        "ca_file": {"type": "string", "description": "PEM file of the authority that signed the API's certificate."},
    },
    required=("api_url", "api_key"),
)

CAPABILITIES = Capabilities(apex_ns=True, declared_delay_s=60, reads="complete")


class PowerDns:
    """A zone at a PowerDNS server. Its name servers are known to the playbook only."""

    def __init__(self, api: WebApi, server_id: str, context: Context) -> None:
        self._api = api
        self._server_id = server_id
        self._context = context

    @property
    def capabilities(self) -> Capabilities:
        """What PowerDNS can do."""
        return CAPABILITIES

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """Empty: the API's address is not where the zone is served."""
        return ()

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Read the zone through the API; raises `OutsideError`. Touches the network; repeats what may help."""
        listing = self._listing(apex)
        return ZoneSnapshot(
            apex=apex,
            rrsets=listing.rrsets,
            source="PowerDNS API",
            taken_at=self._context.clock.now(),
            completeness="complete",
            unmodelled=listing.unmodelled,
        )

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write the changes whose `after` is not live yet.

        Touches the network. Raises `WriteConflict` when a live RRset is neither before nor after,
        `OutsideError` otherwise.
        """
        _check(apex, changes)
        listing = self._listing(apex)
        if listing.kind in ("Slave", "Secondary", "Consumer"):
            raise impossible(f"{apex} is only a copy at this PowerDNS ({listing.kind}): write at its primary")
        _check_readable(apex, listing, changes)
        left = not_there(changes, listing.rrsets)
        if found := foreign(left, listing.rrsets):
            raise WriteConflict(f"PowerDNS did not change {apex}: {found}; nothing was changed")
        self._patch(apex, listing, left)
        return Receipt()

    def _listing(self, apex: Name) -> Listing:
        path = self._path(apex)
        return retry.read(lambda: read_listing(apex, self._api.read(path)), clock=self._context.clock)

    def _path(self, apex: Name) -> str:
        # The API spells what a URL cannot hold as =XX (its documentation, "zone_id").
        text = apex.canonicalize().to_text()
        zone_id = "".join(char if char.isalnum() or char in ".-_" else f"={ord(char):02X}" for char in text)
        return f"/api/v1/servers/{self._server_id}/zones/{zone_id}"

    def _patch(self, apex: Name, listing: Listing, changes: tuple[Change, ...]) -> None:
        batches = list(_batches(listing, changes))
        for number, batch in enumerate(batches):
            serial = [] if listing.soa_edit_api else [_with_serial_raised(listing.soa, number + 1)]
            try:
                self._api.write("PATCH", self._path(apex), {"rrsets": [*batch, *serial]})
            except OutsideError as err:
                if number == 0:
                    raise
                text = f"{err}; {number} of {len(batches)} parts of the change were taken before"
                raise OutsideError(text, retryable=err.retryable, certainty="in-doubt") from err


def _check(apex: Name, changes: Iterable[Change]) -> None:
    for change in changes:
        owner, rdtype = change.key.owner, change.key.rdtype
        if rdtype == RdataType.SOA:
            raise impossible(f"the SOA of {apex} is the server's own")
        if not owner.is_subdomain(apex):
            raise impossible(f"{owner} is outside the zone {apex}")
        if change.after is None and rdtype == RdataType.NS and owner == apex:
            raise impossible(f"the name servers (NS) of {apex} cannot be removed, only replaced")


def _check_readable(apex: Name, listing: Listing, changes: Iterable[Change]) -> None:
    if hidden := [str(change.key) for change in changes if change.key in listing.unreadable]:
        raise WriteConflict(f"PowerDNS did not change {apex}: {', '.join(hidden)} holds what cannot be read")


def _batches(listing: Listing, changes: tuple[Change, ...]) -> Iterator[list[dict[str, Any]]]:
    groups: dict[Name, list[dict[str, Any]]] = {}
    # Removals first: PowerDNS looks at each RRset in turn, and an alias beside other data is an error.
    for change in sorted(changes, key=lambda change: change.after is not None):
        groups.setdefault(change.key.owner, []).append(_rrset_document(listing, change))
    batch: list[dict[str, Any]] = []
    octets = 0
    for group in groups.values():
        size = len(json.dumps(group))
        if batch and octets + size > _BODY_OCTETS:
            yield batch
            batch, octets = [], 0
        batch += group
        octets += size
    if batch:
        yield batch


def _rrset_document(listing: Listing, change: Change) -> dict[str, Any]:
    named = {"name": change.key.owner.to_text(), "type": RdataType.to_text(change.key.rdtype)}
    is_live = change.key in listing.rrsets or change.key in listing.switched_off
    extras = listing.extras(change.key) if is_live or change.after is None else change.after.extras
    switched_off = [{"content": text, "disabled": True} for name, text in extras if name == "disabled"]
    if change.after is None and not switched_off:
        return named | {"changetype": "DELETE"}
    document: dict[str, Any] = named | {"changetype": "REPLACE"}
    kept = change.after or change.before
    document["ttl"] = kept.ttl_s if kept else 0
    served = sorted(map(content, change.after.rdatas)) if change.after else []
    document["records"] = [{"content": text, "disabled": False} for text in served] + switched_off
    if not is_live:
        # Without the key PowerDNS leaves the comments of a live RRset alone.
        document["comments"] = [json.loads(text) for name, text in extras if name == "comment"]
    return document


def _with_serial_raised(soa: RRset, by: int) -> dict[str, Any]:
    (rdata,) = soa.rdatas
    if not isinstance(rdata, SOA):  # read_listing has seen to it
        raise TypeError("the SOA RRset holds something else")
    raised = rdata.replace(serial=(rdata.serial + by) % _SERIALS)
    return {
        "name": soa.key.owner.to_text(),
        "type": "SOA",
        "ttl": soa.ttl_s,
        "changetype": "REPLACE",
        "records": [{"content": content(raised), "disabled": False}],
    }


def _open(spec: ProviderSpec, context: Context) -> PowerDns:
    key, ca_file = spec.options["api_key"], spec.options.get("ca_file")
    if not isinstance(key, SecretRef):
        raise UsageError(f"{spec.mark}: {spec.name}: api_key is to be a reference to a secret")
    url = str(spec.options["api_url"]).rstrip("/").removesuffix("/api/v1")
    access = Access(url, "X-API-Key", context.secrets.reveal(key), str(ca_file) if ca_file else None)
    server_id = str(spec.options.get("server_id", "localhost"))
    return PowerDns(WebApi(access, net=context.net, clock=context.clock), server_id, context)


PLUGIN = Plugin("powerdns", frozenset({"zone"}), FRAGMENT, CAPABILITIES, _open)
