"""`dnsrun providers`: the DNS hosts that dnsrun can work with, what they can do, and how that was verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from dnsrun.errors import Exit
from dnsrun.model.codec import encode
from dnsrun.ports.provider import Capabilities, Plugin
from dnsrun.wiring.plugins import plugins, verified_words

from .session import Session, common, pass_session


@click.command(name="providers")
@common
@pass_session
def command(session: Session) -> Exit:
    """List the plugins that playbooks can `use`, with their capabilities and how each was verified."""
    console = session.console
    if session.as_json:
        console.json([_as_data(plugin) for plugin in plugins().values()])
        return Exit.DONE
    for plugin in plugins().values():
        console.out((plugin.name, "strong"), f"  {plugin.fragment.summary}")
        for line in _capabilities(plugin.capabilities):
            console.out(f"    {line}")
        console.out(f"    roles: {', '.join(sorted(plugin.roles))}; verified: {verified_words(plugin.name)}")
        required = plugin.fragment.required
        for key, schema in plugin.fragment.properties.items():
            needed = " (required)" if key in required else ""
            console.out(f"    {key}{needed}: {schema.get('description', '')}")
    return Exit.DONE


def _capabilities(can: Capabilities) -> Iterator[str]:
    if not can.writes:
        yield "writes: nobody of us can write there"
    elif can.needs_person:
        yield "writes: by hand; dnsrun says what to type and proves it by asking the servers"
    else:
        batch = "whole batches or nothing" if can.atomic_batch else "change by change"
        guard = "; refuses when somebody else was faster (compare-and-set)" if can.compare_and_set else ""
        yield f"writes: {batch}{guard}"
    yield f"reads: {can.reads or 'cannot read; give a file or a transfer (zone.capture)'}"
    if can.types is not None:
        yield f"types: {', '.join(sorted(rdtype.name for rdtype in can.types))}"
    if can.min_ttl_s:
        yield f"lowest TTL: {can.min_ttl_s} s for each {can.ttl_scope}"
    apex = "can write" if can.apex_ns else "cannot write"
    yield f"{apex} the name server records of the zone itself (apex NS); a write shows within {can.declared_delay_s} s"


def _as_data(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "summary": plugin.fragment.summary,
        "roles": sorted(plugin.roles),
        "capabilities": encode(plugin.capabilities),
        "verified": verified_words(plugin.name),
        "keys": {key: schema.get("description", "") for key, schema in plugin.fragment.properties.items()},
    }
