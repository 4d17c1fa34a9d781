"""The playbook and the zones of the crash runs in which a zone moves: few records, lives of two minutes."""

from __future__ import annotations

from collections.abc import Mapping

from crash.crashworld import content
from dnsrun.rehearse.zonestore import ZoneContent
from switchworld import NEW_SERVERS, OLD_SERVERS, PARENT, client_zone, parent_zone

HIGH_S, LOW_S, PARENT_S = 120, 60, 60
LAST_PHASE = 3
EDITED, WRONG = "imap-7f3a.client.example.", "192.0.2.99"
_RECORDS = (
    ("www.client.example.", "A", "192.0.2.10"),
    ("client.example.", "MX", "10 mail.client.example."),
    ("mail.client.example.", "A", "192.0.2.25"),
    (EDITED, "A", "192.0.2.25"),
    ("*.wild.client.example.", "TXT", '"kept" "in two"'),
)
TEXT = """dnsrun: 1
domain: client.example
goal: The zone moves to the new host.
providers:
  old: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.old.example, ns2.old.example]}
  new: {use: rfc2136, server: 203.0.113.53, name_servers: [ns1.new.example, ns2.new.example]}
  registry: {use: parent-rfc2136, zone: example., server: 198.51.100.2}
zone: {from: old, to: new, registrar: registry}
ttl: 60
mail: {mailboxes: [mail.client.example]}
phases:
  - name: copy
    steps: [{kind: lower-ttl}, {kind: copy-zone}]
  - name: switch
    gates: [{kind: http, url: "http://www.client.example/", status: 200, successes: 1}]
    steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]
  - name: finish
    steps: [{kind: restore-ttl}, {kind: finish}]
"""


def old_zone() -> str:
    """Return the zone that moves, as it is in the beginning."""
    records = "".join(f"{owner} {HIGH_S} {rdtype} {value}\n" for owner, rdtype, value in _RECORDS)
    return client_zone(records=records, ttl_s=HIGH_S)


def new_zone() -> str:
    """Return what the new host serves in the beginning: nothing but the zone itself."""
    return client_zone(records="", servers=NEW_SERVERS, ttl_s=LOW_S)


def parent(servers: Mapping[str, str] = OLD_SERVERS) -> str:
    """Return the parent zone, which delegates a domain of somebody else, too."""
    others = "other.example. 900 NS ns1.old.example.\nother.example. 900 DS 1 13 2 " + "AB" * 32 + "\n"
    return parent_zone(*servers, more=others).replace("client.example. 900 NS", f"client.example. {PARENT_S} NS")


# Zones as `zone_text` gives them, SOA aside. Whoever asks for mail or for name servers gets a short answer beforehand.
def _held(servers: Mapping[str, str], ttl_s: int, *, short: bool) -> frozenset[str]:
    records = [*_RECORDS, *(("client.example.", "NS", f"{name}.") for name in servers)]
    return frozenset(
        f"{owner} {LOW_S if short and _is_mail(owner, rdtype) else ttl_s} IN {rdtype} {value}"
        for owner, rdtype, value in records
    )


def _is_mail(owner: str, rdtype: str) -> bool:
    return rdtype in {"MX", "NS"} or owner.startswith("mail.")


ORIGINAL = _held(OLD_SERVERS, HIGH_S, short=False)
LOWERED = _held(OLD_SERVERS, HIGH_S, short=True)
EMPTY = frozenset(f"client.example. {LOW_S} IN NS {name}." for name in NEW_SERVERS)
COPIED = _held(NEW_SERVERS, LOW_S, short=True)
RESTORED = _held(NEW_SERVERS, HIGH_S, short=False)


def delegating(servers: Mapping[str, str]) -> frozenset[str]:
    """Return the content of the parent zone."""
    return content(ZoneContent.from_text(PARENT, parent(servers)).text())


HERE, THERE = delegating(OLD_SERVERS), delegating(NEW_SERVERS)
AT_THE_END_OF = {
    0: (ORIGINAL, EMPTY, HERE),
    1: (LOWERED, COPIED, HERE),
    2: (LOWERED, COPIED, THERE),
    3: (LOWERED, RESTORED, THERE),
}
