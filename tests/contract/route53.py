"""A hosted zone of moto's Route 53, in this process: its truth and edits by boto3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import dns.name
from dns.name import Name
from octodns_route53 import Route53Provider  # type: ignore[import-untyped] # octoDNS has no types

from dnsrun.clock import SystemClock
from dnsrun.model.rrset import Change, RRset, RRsetKey, from_texts, key, rrset
from dnsrun.ports.provider import ZoneProvider
from dnsrun.testing.verified import Word
from dnsrun_providers.octodns_bridge import Made, OctodnsBridge

KEYS = {"access_key_id": "testing", "secret_access_key": "testing"}


class Route53AtMoto(Route53Provider):  # type: ignore[misc] # octoDNS has no types
    """The class as it is, but for health checks: moto's list of them lacks what octoDNS looks for."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._health_checks: dict[str, object] = {}


class BridgedRoute53Host:
    """A hosted zone, through octodns-route53."""

    plugin = "octodns"
    word: Word = "fixture"

    def __init__(self, origin: str, what: str) -> None:
        self.what = what
        self.apex: Name = dns.name.from_text(origin)
        self._api: Any = boto3.client("route53", aws_access_key_id="testing", aws_secret_access_key="testing")
        made = self._api.create_hosted_zone(Name=origin, CallerReference=origin)
        self._zone_id = made["HostedZone"]["Id"]
        # moto's own is no master-file text
        soa = "ns-2048.awsdns-64.com. hostmaster.example.com. 1 7200 900 1209600 86400"
        self.change("UPSERT", as_listed(rrset(self.apex, 900, "SOA", soa)))

    def open(self) -> ZoneProvider:
        return OctodnsBridge(lambda: Made(Route53AtMoto, KEYS), clock=SystemClock())

    def truth(self) -> Mapping[RRsetKey, RRset]:
        pages = self._api.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self._zone_id)
        held = [_read(listed) for page in pages for listed in page["ResourceRecordSets"] if "TTL" in listed]
        return {one.key: one for one in held}

    def edit(self, change: Change) -> None:
        if wanted := change.after or change.before:
            self.change("UPSERT" if change.after else "DELETE", as_listed(wanted))

    def change(self, action: str, listed: Mapping[str, object]) -> None:
        """Change one resource record set as the API takes it."""
        changes = {"Changes": [{"Action": action, "ResourceRecordSet": listed}]}
        self._api.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch=changes)


def as_listed(wanted: RRset) -> dict[str, object]:
    """Return an RRset as the API spells it."""
    values = [{"Value": text} for text in wanted.texts()]
    name, rdtype = wanted.key.owner.to_text(), wanted.key.rdtype.name
    return {"Name": name, "Type": rdtype, "TTL": wanted.ttl_s, "ResourceRecords": values}


def _read(listed: Mapping[str, Any]) -> RRset:
    owner = dns.name.from_text(listed["Name"])
    values = [record["Value"] for record in listed["ResourceRecords"]]
    return from_texts(key(owner, listed["Type"]), listed["TTL"], values)
