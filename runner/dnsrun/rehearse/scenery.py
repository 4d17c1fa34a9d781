"""What the demo's lab shows: a domain, the hosts it moves between, their zones, its web sites and its playbooks.

Pure texts, but for the playbooks, which are package data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

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
MISTYPED = "192.0.2.52"
"""What somebody makes of the mail host's address at the new host: two digits change places."""
DOMAIN = "client.example"
OLD_TTL_S = 3600
NS_TTL_S = 7200
NEW_SITE_PAGES = 60
"""How many pages the new web server serves before it breaks down: enough for every test, not for visitors."""

Act = Literal["by-hand", "with-copy"]

_ROOT = f"""\
.                 86400 SOA a.root. hostmaster.root. 1 1800 900 604800 86400
.                 86400 NS  a.root.
a.root.           86400 A   {ROOT_SERVER}
example.          86400 NS  a.nic.example.
a.nic.example.    86400 A   {PARENT_SERVER}
"""
FIRST_PARENT_ZONE = f"""\
example.                {NS_TTL_S} SOA a.nic.example. hostmaster.nic.example. 1 1800 900 604800 900
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
@       SOA  ns1.old-host.example. hostmaster.old-host.example. 2026010101 7200 900 1209600 300
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
@       SOA  ns1.new-host.example. hostmaster.new-host.example. 1 7200 900 1209600 300
@       {NS_TTL_S} NS ns1.new-host.example.
@       {NS_TTL_S} NS ns2.new-host.example.
{_PUBLIC}"""
"""The zone at the new host: typed by hand, from what everybody can look up."""

APEX = dns.name.from_text(DOMAIN)
PARENT = dns.name.from_text("example")
WWW = dns.name.from_text(f"www.{DOMAIN}")
IMAP = dns.name.from_text(f"imap-k7.{DOMAIN}")
ROOT_ZONES: Mapping[Name, str] = {dns.name.root: _ROOT}

_NS_OF_DOMAIN = re.compile(rf"(?m)^({re.escape(DOMAIN)}\.\s+)\d+(\s+(?:IN\s+)?NS\s)")
_SERIAL = re.compile(r"(?m)^(\S+\s+\d+\s+IN\s+SOA\s+\S+\s+\S+\s+)(\d+)")


def sites() -> dict[str, Site]:
    """Return new web sites by address: the old one, and the new one, which breaks down under visitors."""
    return {WEB_OLD: Site("Client Co."), WEB_NEW: Site("Client Co.", pages=NEW_SITE_PAGES)}


def mailboxes() -> dict[str, Site]:
    """Return the mail host by its address."""
    return {MAIL: Site("mail")}


def playbook_text(act: Act = "with-copy", low_ttl_s: int = 60) -> str:
    """Return a playbook of the demo; it lowers TTLs to `low_ttl_s` seconds. Touches the disk."""
    text = files("dnsrun_playbooks").joinpath("demo", f"{act}.yaml").read_text(encoding="utf-8")
    return text.replace("ttl: 60\n", f"ttl: {low_ttl_s}\n")


def with_ns_ttl(zone_text: str, ttl_s: int) -> str:
    """Return a zone, as a server writes it, with another TTL (seconds) of the domain's NS RRset. Pure."""
    return _NS_OF_DOMAIN.sub(rf"\g<1>{ttl_s}\g<2>", zone_text)


def delegated_to_new(parent_text: str) -> str:
    """Return a parent zone that delegates the domain to the new host, as somebody does it by hand. Pure."""
    lines = [line.replace("old-host", "new-host") if _NS_OF_DOMAIN.match(line) else line for line in _lines(parent_text)]
    return _next_serial("\n".join(lines) + "\n")


def mistyped(zone_text: str) -> str:
    """Return a zone in which somebody has mistyped the address of the mail host. Pure."""
    start = f"{IMAP.to_text()} "
    lines = [line.replace(MAIL, MISTYPED) if line.startswith(start) else line for line in _lines(zone_text)]
    return _next_serial("\n".join(lines) + "\n")


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def _next_serial(text: str) -> str:
    return _SERIAL.sub(lambda found: f"{found[1]}{int(found[2]) + 1}", text, count=1)
