"""A signed root and parent, and domains below it that are signed, not signed, or signed wrongly; real keys, no luck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cache

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.name import Name
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rrset import RRset

from dnsrun.rehearse.authority import Authority
from movecases import OLD, PARENT, ROOT

DAY_S = 86_400
DOMAINS = ("good", "unsigned", "expired", "early", "wrong-ds", "stripped")
"""What is the matter with each domain below `example.`"""
_EXAMPLE = dns.name.from_text("example.")
_RECORDS = """www A 192.0.2.1
alias CNAME www
away CNAME www.good.example.
*.wild A 192.0.2.3
under.no.data A 192.0.2.4
"""


def apex_of(domain: str) -> Name:
    return dns.name.from_text(domain, _EXAMPLE)


@cache
def key(number: int) -> tuple[ec.EllipticCurvePrivateKey, DNSKEY]:
    """Return a zone key; the same for the same number."""
    private = ec.derive_private_key(1000 + number, ec.SECP256R1())
    return private, dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)


def ds_of(apex: Name, number: int) -> str:
    return str(dns.dnssec.make_ds(apex, key(number)[1], "SHA256", validating=True).to_text())


def anchor() -> RRset:
    """Return the trust anchor: the DS RRset of the root."""
    return dns.rrset.from_text(dns.name.root, 0, "IN", "DS", ds_of(dns.name.root, 0))


def signed(apex: Name, text: str, number: int, now: datetime, *, begins_s: int = -DAY_S, ends_s: int = DAY_S) -> str:
    """Return a zone, signed; signatures begin and end so many seconds from `now`."""
    zone = dns.zone.from_text(text, origin=apex, relativize=False)
    begins, ends = (now + timedelta(seconds=seconds) for seconds in (begins_s, ends_s))
    dns.dnssec.sign_zone(zone, keys=[key(number)], inception=begins, expiration=ends)
    return str(zone.to_text(relativize=False))


def root_zone(now: datetime) -> str:
    text = f"""$TTL 86400
@ SOA a.root. nobody. 1 1800 900 604800 300
@ NS a.root.
a.root. A {ROOT}
example. NS ns.example.
example. DS {ds_of(_EXAMPLE, 1)}
ns.example. A {PARENT}
"""
    return signed(dns.name.root, text, 0, now)


def parent_zone(now: datetime, *, without_ds: tuple[str, ...] = ("unsigned",)) -> str:
    text = f"$TTL 3600\n@ SOA ns nobody 1 1800 900 604800 300\n@ NS ns\nns A {PARENT}\nns.old A {OLD}\n"
    for domain in DOMAINS:
        text += f"{domain} NS ns.old\n"
        if domain not in without_ds:
            text += f"{domain} DS {ds_of(apex_of(domain), 3 if domain == 'wrong-ds' else 2)}\n"
    return signed(_EXAMPLE, text, 1, now)


def domain_zone(domain: str, now: datetime) -> str:
    apex = apex_of(domain)
    text = f"$TTL 300\n@ SOA ns.old.example. nobody 1 1800 900 604800 300\n@ NS ns.old.example.\n{_RECORDS}"
    if domain in ("unsigned", "stripped"):
        return text
    begins_s, ends_s = {"expired": (-2 * DAY_S, -DAY_S), "early": (DAY_S, 2 * DAY_S)}.get(domain, (-DAY_S, DAY_S))
    return signed(apex, text, 2, now, begins_s=begins_s, ends_s=ends_s)


@contextmanager
def signed_world(now: datetime) -> Iterator[dict[str, Authority]]:
    """Start the servers; by address."""
    with ExitStack() as stack:
        yield {
            ROOT: stack.enter_context(Authority({dns.name.root: root_zone(now)})),
            PARENT: stack.enter_context(Authority({_EXAMPLE: parent_zone(now)})),
            OLD: stack.enter_context(Authority({apex_of(domain): domain_zone(domain, now) for domain in DOMAINS})),
        }
