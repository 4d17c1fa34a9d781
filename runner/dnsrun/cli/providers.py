"""`dnsrun providers`: the DNS hosts and registrars that dnsrun can work with: what they can do, how it was verified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from dnsrun.errors import Exit
from dnsrun.model.codec import encode
from dnsrun.model.times import duration
from dnsrun.ports.provider import Capabilities, Plugin, RegistrarPlugin
from dnsrun.wiring.plugins import plugins, registrars, verified_words

from .session import Session, common, pass_session


@click.command(name="providers")
@common
@pass_session
def command(session: Session) -> Exit:
    """List what playbooks can `use` for a DNS host or a registrar, with capabilities and how each was verified."""
    console = session.console
    if session.as_json:
        found: list[Plugin | RegistrarPlugin] = [*plugins().values(), *registrars().values()]
        console.json([_as_data(plugin) for plugin in found])
        return Exit.DONE
    for plugin in plugins().values():
        console.out((plugin.name, "strong"), f"  {plugin.fragment.summary}")
        for line in (*_capabilities(plugin.capabilities), *_common(plugin)):
            console.out(f"    {line}")
    console.out("")
    console.out("Registrars, for zone.registrar:")
    for registrar in registrars().values():
        console.out((registrar.name, "strong"), f"  {registrar.fragment.summary}")
        for line in (*_of_registrar(registrar.capabilities), *_common(registrar)):
            console.out(f"    {line}")
    return Exit.DONE


def _capabilities(can: Capabilities) -> Iterator[str]:
    yield _writes(can)
    yield f"reads: {can.reads or 'cannot read; give a file or a transfer (zone.capture)'}"
    if can.types is not None:
        yield f"types: {', '.join(sorted(rdtype.name for rdtype in can.types))}"
    if can.min_ttl_s:
        yield f"lowest TTL: {can.min_ttl_s} s for each {can.ttl_scope}"
    apex = "can write" if can.apex_ns else "cannot write"
    yield f"{apex} the name server records of the zone itself (apex NS); a write shows within {can.declared_delay_s} s"
    if can.serves_before_delegation is not True:
        known = "does not answer" if can.serves_before_delegation is False else "not known whether it answers"
        yield f"{known} for a zone before the zone is delegated to it"
    if can.saving_may_delegate:
        yield "saving records there can also switch the name servers"


def _writes(can: Capabilities) -> str:
    if not can.writes:
        return "writes: nobody of us can write there"
    if can.needs_person:
        return "writes: by hand; dnsrun says what to type and proves it by asking the servers"
    batch = "whole batches or nothing" if can.atomic_batch else "change by change"
    guard = "; refuses when somebody else was faster (compare-and-set)" if can.compare_and_set else ""
    return f"writes: {batch}{guard}"


def _of_registrar(can: Capabilities) -> Iterator[str]:
    yield _writes(can)
    what = ["name servers", *(["their addresses (glue)"] * can.glue), *(["DS"] * can.ds)]
    yield f"sets: {', '.join(what)}; the parent zone shows it within {duration(can.declared_delay_s)}"


def _common(plugin: Plugin | RegistrarPlugin) -> Iterator[str]:
    yield f"roles: {', '.join(_roles(plugin))}; verified: {verified_words(plugin.name)}"
    for key, schema in plugin.fragment.properties.items():
        needed = " (required)" if key in plugin.fragment.required else ""
        yield f"{key}{needed}: {schema.get('description', '')}{_choice(schema)}"


def _choice(schema: Mapping[str, Any]) -> str:
    return f" One of {', '.join(map(str, schema['enum']))}." if "enum" in schema else ""


def _roles(plugin: Plugin | RegistrarPlugin) -> list[str]:
    return sorted(plugin.roles) if isinstance(plugin, Plugin) else ["registrar"]


def _as_data(plugin: Plugin | RegistrarPlugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "summary": plugin.fragment.summary,
        "roles": _roles(plugin),
        "capabilities": encode(plugin.capabilities),
        "verified": verified_words(plugin.name),
        "keys": {key: schema.get("description", "") for key, schema in plugin.fragment.properties.items()},
    }
