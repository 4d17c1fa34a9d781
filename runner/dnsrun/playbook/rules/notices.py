"""Whoever is to hear of a failure must not be reached through the domain that may have failed."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name

from dnsrun.model.playbook import EmailSpec
from dnsrun.playbook.names import shown

from .facts import Facts, Finding


def check(facts: Facts) -> Iterator[Finding]:
    """Find mail servers, senders and recipients inside the domain; a webhook's host is secret, and looked at later."""
    for spec in facts.notify:
        if isinstance(spec, EmailSpec):
            if spec.server.is_subdomain(facts.domain):
                yield Finding(spec.mark, _inside(f"the mail server {shown(spec.server)}", facts))
            for address in (*spec.to, spec.sender):
                if dns.name.from_text(address.rpartition("@")[2]).is_subdomain(facts.domain):
                    yield Finding(spec.mark, _inside(f"the address {address}", facts))


def _inside(what: str, facts: Facts) -> str:
    return (
        f"{what} lies inside {shown(facts.domain)}, and may fail together with it: nobody would hear of that; "
        "name one elsewhere"
    )
