"""What the demo's lab shows: a domain with its servers, its zones, its web sites and its playbook. Pure texts."""

from __future__ import annotations

from collections.abc import Mapping

import dns.name
from dns.name import Name

from .website import Site

ROOT_SERVER = "198.51.100.1"
PARENT_SERVER = "198.51.100.2"
PRIMARY = "198.51.100.53"
SECONDARY = "203.0.113.53"
WEB_OLD = "192.0.2.10"
WEB_NEW = "203.0.113.20"
DOMAIN = "client.example"
OLD_TTL_S = 3600
NEW_SITE_PAGES = 60
"""How many pages the new web server serves before it breaks down: enough for every test, not for visitors."""

_ROOT = f"""\
.                 86400 SOA a.root. hostmaster.root. 1 1800 900 604800 86400
.                 86400 NS  a.root.
a.root.           86400 A   {ROOT_SERVER}
example.          86400 NS  a.nic.example.
a.nic.example.    86400 A   {PARENT_SERVER}
"""
_PARENT = f"""\
example.              86400 SOA a.nic.example. hostmaster.nic.example. 1 1800 900 604800 900
example.              86400 NS  a.nic.example.
a.nic.example.        86400 A   {PARENT_SERVER}
ns1.dnshost.example.  86400 A   {PRIMARY}
ns2.dnshost.example.  86400 A   {SECONDARY}
{DOMAIN}.       86400 NS  ns1.dnshost.example.
{DOMAIN}.       86400 NS  ns2.dnshost.example.
"""
_ZONE = f"""\
$ORIGIN {DOMAIN}.
$TTL {OLD_TTL_S}
@       SOA  ns1.dnshost.example. hostmaster 2026010101 7200 900 1209600 300
@       NS   ns1.dnshost.example.
@       NS   ns2.dnshost.example.
@       A    {WEB_OLD}
www     A    {WEB_OLD}
mail    A    {WEB_OLD}
@       MX   10 mail
@       TXT  "v=spf1 mx -all"
_dmarc  TXT  "v=DMARC1; p=none"
"""
_PLAYBOOK = """\
dnsrun: 1
domain: {domain}
goal: The web site moves to a new server. Mail stays where it is.
vars: {{web_old: {web_old}, web_new: {web_new}}}

providers:
  dns_host: {{use: rfc2136, server: {primary}}}

zone: {{from: dns_host}}
ttl: {ttl_s}

mail:
  mailboxes: [mail.{domain}]
  submission: [mail.{domain}]
  moves: false

records:
  - {{names: ["@", www], type: A, was: "${{web_old}}", value: "${{web_new}}"}}

phases:
  - name: lower TTLs
    steps: [{{kind: lower-ttl}}]
  - name: switch A
    steps: [{{kind: switch-records}}, {{kind: watch, for: {watch}}}]
    gates: [{{kind: http, url: "http://www.{domain}/", status: 200, contains: "Client"}}]
  - name: finish
    steps: [{{kind: restore-ttl}}, {{kind: finish}}]
"""


APEX = dns.name.from_text(DOMAIN)
WWW = dns.name.from_text(f"www.{DOMAIN}")
FIRST_ZONE = _ZONE
"""The zone as it is before anybody changes it."""
FIXED_ZONES: Mapping[str, Mapping[Name, str]] = {
    ROOT_SERVER: {dns.name.root: _ROOT},
    PARENT_SERVER: {dns.name.from_text("example"): _PARENT},
}
"""The zones of the root and the parent, by server address."""


def sites() -> dict[str, Site]:
    """Return new web sites by address: the old one, and the new one, which breaks down under visitors."""
    return {WEB_OLD: Site("Client Co."), WEB_NEW: Site("Client Co.", pages=NEW_SITE_PAGES)}


def playbook_text(low_ttl_s: int = 600) -> str:
    """Return the playbook that moves the web site; it lowers TTLs to `low_ttl_s` seconds."""
    # The watch outlasts every cache, so that it sees what visitors do to the new server.
    watch_s = max(1200, 2 * low_ttl_s)
    return _PLAYBOOK.format(
        domain=DOMAIN,
        web_old=WEB_OLD,
        web_new=WEB_NEW,
        primary=PRIMARY,
        ttl_s=low_ttl_s,
        watch=f"{watch_s // 60}m",
    )
