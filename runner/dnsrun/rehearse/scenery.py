"""What the demo's lab shows: a domain, the hosts it moves between, their zones, its web sites, its playbook. Texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

import dns.name
from dns.name import Name

from .website import Site

ROOT_SERVER = "198.51.100.1"
PARENT_SERVER = "198.51.100.2"
PRIMARY = "192.0.2.53"
SECONDARY = "192.0.2.54"
NEW_PRIMARY = "203.0.113.53"
NEW_SECONDARY = "203.0.113.54"
WEB_OLD = "192.0.2.10"
WEB_NEW = "203.0.113.20"
MAIL = "192.0.2.25"
WEB_RETIRED = "192.0.2.99"
OUTDATED = {WEB_NEW: WEB_RETIRED, MAIL: "192.0.2.98"}
"""Which addresses web site and mail host had last year, in the zone file that somebody finds."""
DOMAIN = "client.example"
OLD_TTL_S = 900
NS_TTL_S = 600
"""TTL of the delegation, in seconds. It is a day or two elsewhere; here the demo must not take long."""
REAL_NS_TTL_S = 86_400
NEW_SITE_PAGES = 75
"""How many pages the new web server serves before it breaks down: enough for every test, not for visitors."""

_ROOT = f"""\
.                 86400 SOA a.root. hostmaster.root. 1 1800 900 604800 86400
.                 86400 NS  a.root.
a.root.           86400 A   {ROOT_SERVER}
example.          86400 NS  a.nic.example.
a.nic.example.    86400 A   {PARENT_SERVER}
"""
FIRST_PARENT_ZONE = f"""\
example.                86400 SOA a.nic.example. hostmaster.nic.example. 1 1800 900 604800 900
example.                86400 NS  a.nic.example.
a.nic.example.          86400 A   {PARENT_SERVER}
ns1.old-host.example.   86400 A   {PRIMARY}
ns2.old-host.example.   86400 A   {SECONDARY}
ns1.new-host.example.   86400 A   {NEW_PRIMARY}
ns2.new-host.example.   86400 A   {NEW_SECONDARY}
mx1.relay.example.      86400 A   198.51.100.25
mx2.relay.example.      86400 A   198.51.100.26
_spf.relay.example.     86400 TXT "v=spf1 ip4:198.51.100.25 ip4:198.51.100.26 -all"
{DOMAIN}.         {NS_TTL_S} NS  ns1.old-host.example.
{DOMAIN}.         {NS_TTL_S} NS  ns2.old-host.example.
"""
_PUBLIC = f"""\
@       A    {WEB_OLD}
www     A    {WEB_OLD}
@       MX   10 mx1.relay.example.
@       MX   20 mx2.relay.example.
@       TXT  "v=spf1 mx include:_spf.relay.example -all"
"""
FIRST_ZONE = f"""\
$ORIGIN {DOMAIN}.
$TTL {OLD_TTL_S}
@       SOA  ns1.old-host.example. hostmaster.old-host.example. 2026010101 14400 3600 1209600 300
@       {NS_TTL_S} NS ns1.old-host.example.
@       {NS_TTL_S} NS ns2.old-host.example.
{_PUBLIC}\
_dmarc             TXT   "v=DMARC1; p=none"
imap-k7            A     {MAIL}
smtp-k7            CNAME imap-k7
s2026b._domainkey  TXT   "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
intra              A     192.0.2.80
*.dev              A     192.0.2.77
"""
"""The zone at the old host as it is before anybody changes it."""
FIRST_NEW_ZONE = f"""\
$ORIGIN {DOMAIN}.
$TTL {OLD_TTL_S}
@       SOA  ns1.new-host.example. hostmaster.new-host.example. 1 14400 3600 1209600 300
@       {NS_TTL_S} NS ns1.new-host.example.
@       {NS_TTL_S} NS ns2.new-host.example.
{_PUBLIC}"""
"""The zone at the new host: typed by hand, from what everybody can look up."""

_PLAYBOOK = """\
dnsrun: 1
domain: client.example
goal: The web site moves to a new server and the zone to a new DNS host. Mail stays as it is.
vars: {{web_old: 192.0.2.10, web_new: 203.0.113.20}}

providers:
  old_host: {{use: rfc2136, server: 192.0.2.53, name_servers: [ns1.old-host.example, ns2.old-host.example]}}
  new_host: {{use: rfc2136, server: 203.0.113.53, name_servers: [ns1.new-host.example, ns2.new-host.example]}}
  registrar: {{use: parent-rfc2136, zone: example., server: 198.51.100.2}}

zone: {{from: old_host, to: new_host, registrar: registrar}}
ttl: {low_ttl_s}

mail:
  mailboxes: [imap-k7.client.example]
  submission: [smtp-k7.client.example]
  front: [mx1.relay.example, mx2.relay.example]

records:
  - {{names: ["@", www], type: A, was: "${{web_old}}", value: "${{web_new}}"}}

phases:
  - name: lower TTLs
    steps: [{{kind: lower-ttl}}, {{kind: copy-zone}}]
  - name: switch A
    steps: [{{kind: switch-records}}, {{kind: watch, for: {watch}}}]
    gates: [{{kind: http, url: "http://www.client.example/", status: 200, contains: "Client"}}]
  - name: verify
    steps: [{{kind: watch, for: all-caches}}]
  - name: switch NS
    steps: [{{kind: switch-ns}}, {{kind: watch, for: all-caches}}]
    gates: [{{kind: http, url: "http://www.client.example/", status: 200, contains: "Client"}}]
  - name: finish
    steps: [{{kind: restore-ttl}}, {{kind: finish}}]
"""

APEX = dns.name.from_text(DOMAIN)
PARENT = dns.name.from_text("example")
WWW = dns.name.from_text(f"www.{DOMAIN}")
IMAP = dns.name.from_text(f"imap-k7.{DOMAIN}")
ROOT_ZONES: Mapping[Name, str] = {dns.name.root: _ROOT}

_NS_LINE = re.compile(rf"(?m)^{re.escape(DOMAIN)}\. \d+ IN NS .*$")
_TTL = re.compile(r" \d+ IN ")
_SERIAL = re.compile(r"(?m)^(\S+\s+\d+\s+IN\s+SOA\s+\S+\s+\S+\s+)(\d+)")


def sites() -> dict[str, Site]:
    """Return new web sites by address: the old one, the new one, which breaks down under visitors, a retired one."""
    new = Site("Client Co.", pages=NEW_SITE_PAGES)
    return {WEB_OLD: Site("Client Co."), WEB_NEW: new, WEB_RETIRED: Site("", pages=0)}


def playbook_text(low_ttl_s: int = 60) -> str:
    """Return the playbook of the demo; it lowers TTLs to `low_ttl_s` seconds. Pure."""
    # The watch outlasts every cache, so that it sees what visitors do to the new server.
    watch = f"{max(5, 3 + low_ttl_s // 60)}m"
    return _PLAYBOOK.format(low_ttl_s=low_ttl_s, watch=watch)


def with_ns_ttl(zone_text: str, ttl_s: int) -> str:
    """Return a zone, as a host writes it, with another TTL (seconds) of the domain's NS RRset. Pure."""
    return _NS_LINE.sub(lambda found: _TTL.sub(f" {ttl_s} IN ", found[0], count=1), zone_text)


def delegated_to_new(parent_text: str) -> str:
    """Return a parent zone that delegates the domain to the new host, as somebody does it by hand. Pure."""
    moved = _NS_LINE.sub(lambda found: found[0].replace("old-host", "new-host"), parent_text)
    return _next_serial(moved)


def is_delegated_to_new(parent_text: str) -> bool:
    """Tell whether a parent zone delegates the domain to the new host. Pure."""
    return any("new-host" in line for line in _NS_LINE.findall(parent_text))


def outdated(zone_text: str) -> str:
    """Return a zone into which somebody has imported last year's file. Pure."""
    for now, then in OUTDATED.items():
        zone_text = re.sub(rf"(?m)( IN A ){re.escape(now)}$", rf"\g<1>{then}", zone_text)
    return _next_serial(zone_text)


def _next_serial(text: str) -> str:
    return _SERIAL.sub(lambda found: f"{found[1]}{int(found[2]) + 1}", text, count=1)
