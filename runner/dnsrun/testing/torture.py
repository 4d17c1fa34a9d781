"""RRsets that hosts get wrong: every type in use, odd names, odd text. Values only."""

from __future__ import annotations

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRset, key, rrset

LONG_TEXT_OCTETS = (254, 255, 256, 509, 510, 511)
"""Around where a TXT string is full: one holds at most 255 octets (RFC 1035 section 3.3.14)."""

_KEY = "mDMEWq5bZBYJKwYBBAHaRw8BAQdAtortureExample0123456789abcdefghijklmno="
_LINES = (
    ("plain", 3600, "A", ("192.0.2.10", "192.0.2.11")),
    ("plain", 300, "AAAA", ("2001:db8::10",)),
    ("plain", 3600, "TXT", ('"one"', '"two \\"quoted\\" ; back\\\\slash"', '"\\195\\164\\000\\255"', '""')),
    ("alias", 600, "CNAME", ("plain.{apex}",)),
    ("xn--r8jz45g", 600, "A", ("192.0.2.12",)),
    ("a\\.dot", 600, "A", ("192.0.2.13",)),
    ("_slash/26", 600, "PTR", ("plain.{apex}", "other.example.")),
    ("zero", 0, "A", ("192.0.2.14",)),
    ("mail", 3600, "MX", ("10 plain.{apex}", "20 mx.other.example.")),
    ("nomail", 3600, "MX", ("0 .",)),
    ("_sip._tcp", 3600, "SRV", ("10 60 5060 plain.{apex}", "20 0 5060 .")),
    ("naptr", 3600, "NAPTR", ('100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',)),
    ("caa", 3600, "CAA", ('0 issue "ca.example"', '128 iodef "mailto:x@example.com"')),
    ("_443._tcp", 3600, "TLSA", ("3 1 1 " + "ab" * 32,)),
    ("ssh", 3600, "SSHFP", ("4 2 " + "cd" * 32,)),
    ("https", 3600, "HTTPS", ('1 . alpn="h2,h3" ipv4hint="192.0.2.10"',)),
    ("_dns", 3600, "SVCB", ('1 plain.{apex} port="853"',)),
    (
        "loc",
        3600,
        "LOC",
        ("35 40 54.000 N 139 43 0.000 E 40.00m 1m 10000m 10m", "1 2 3.004 S 5 6 7.008 W -9.50m 2m 3000m 20m"),
    ),
    ("_uri", 3600, "URI", ('10 1 "https://www.example.com/"',)),
    ("hinfo", 3600, "HINFO", ('"cpu" "os"',)),
    ("rp", 3600, "RP", ("admin.{apex} plain.{apex}",)),
    ("afsdb", 3600, "AFSDB", ("1 plain.{apex}",)),
    ("kx", 3600, "KX", ("10 plain.{apex}",)),
    ("cert", 3600, "CERT", ("PGP 0 0 " + _KEY,)),
    ("pgp", 3600, "OPENPGPKEY", (_KEY,)),
    ("smime", 3600, "SMIMEA", ("3 0 1 " + "ef" * 32,)),
    ("dhcid", 3600, "DHCID", ("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",)),
    ("unknown", 3600, "TYPE65300", ("\\# 4 deadbeef",)),
    ("dname", 3600, "DNAME", ("elsewhere.example.",)),
    ("cut", 3600, "NS", ("ns1.child.example.", "ns2.child.example.")),
    ("cut", 3600, "DS", ("12345 13 2 " + "01" * 32,)),
    ("*.wild", 600, "A", ("192.0.2.15",)),
    ("deep.empty.between", 600, "TXT", ('"below an empty non-terminal"',)),
)


def torture(apex: Name, types: frozenset[RdataType] | None) -> tuple[RRset, ...]:
    """Return the RRsets for a zone `apex`, of the given types only (None: of all)."""
    made = []
    for label, ttl_s, rdtype, values in _LINES:
        owner = dns.name.from_text(label, origin=apex)
        filled = [value.replace("{apex}", apex.to_text()) for value in values]
        if types is None or key(owner, rdtype).rdtype in types:
            made.append(rrset(owner, ttl_s, rdtype, *filled))
    return tuple(made)


def long_text(owner: Name, octets: int) -> RRset:
    """Return a TXT RRset with one value of that many octets, split after 255 as most hosts do, and one split oddly."""
    text = _letters(octets)
    odd = f'"{text[:100]}" "{text[100 : octets // 2 + 50]}" "{text[octets // 2 + 50 :]}"'
    return rrset(owner, 600, "TXT", *usual_text(owner, octets).texts(), odd)


def usual_text(owner: Name, octets: int) -> RRset:
    """Return a TXT RRset with one value of that many octets, split after 255 as most hosts do."""
    text = _letters(octets)
    return rrset(owner, 600, "TXT", " ".join(f'"{text[start : start + 255]}"' for start in range(0, octets, 255)))


def _letters(octets: int) -> str:
    return "".join(chr(ord("a") + place % 26) for place in range(octets))


def added(rrset_added: RRset) -> Change:
    """Return the change that adds an RRset where there was none."""
    return Change(rrset_added.key, before=None, after=rrset_added)


def removed(rrset_removed: RRset) -> Change:
    """Return the change that removes an RRset."""
    return Change(rrset_removed.key, before=rrset_removed, after=None)


def replaced(before: RRset, after: RRset) -> Change:
    """Return the change from one RRset to another of the same key."""
    return Change(before.key, before=before, after=after)
