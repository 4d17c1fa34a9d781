"""octoDNS as a library, the way its own command uses it, without its Manager."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from octodns.provider.base import BaseProvider  # type: ignore[import-untyped] # octoDNS has no types # noqa: TID251 - the peer
from octodns.provider.yaml import YamlProvider  # type: ignore[import-untyped] # octoDNS has no types # noqa: TID251 - the peer
from octodns.zone import Zone  # type: ignore[import-untyped] # octoDNS has no types # noqa: TID251 - the peer
from octodns_bind import Rfc2136Provider  # type: ignore[import-untyped] # octoDNS has no types
from octodns_powerdns import PowerDnsProvider  # type: ignore[import-untyped] # octoDNS has no types

from scene import KEY, TTL_S, Records, Scene

logging.disable(logging.WARNING)  # it says once that it enables its validators
warnings.simplefilter("ignore", DeprecationWarning)  # octodns-bind uses what octodns is going to drop


def provider(scene: Scene, domain: str) -> BaseProvider:
    """Return octoDNS's provider for the server of a domain, as a user would configure it."""
    server = scene.server(domain)
    if scene.hosts[domain] == "bind":
        key = {"key_name": KEY.name, "key_secret": KEY.secret, "key_algorithm": KEY.algorithm}
        return Rfc2136Provider("bind", server.address, port=server.port, **key)
    pdns = scene.powerdns
    return PowerDnsProvider("powerdns", pdns.address, pdns.api_key, port=pdns.api_port)


def populated(source: BaseProvider, domain: str) -> Zone:
    """Return the zone as octoDNS reads it."""
    zone = Zone(f"{domain}.", [])
    source.populate(zone, lenient=True)
    return zone


def write_config(folder: Path, domain: str, records: Records, address: str) -> None:
    """Write octoDNS's file of the whole zone, its name server included."""
    folder.mkdir(exist_ok=True)
    lines = [f"{name}: {{type: A, ttl: {TTL_S}, value: {value}}}" for name, value in records.items()]
    lines += [f"ns1: {{type: A, ttl: {TTL_S}, value: {address}}}"]
    lines += [f"'': {{type: NS, ttl: {TTL_S}, value: ns1.{domain}.}}"]
    (folder / f"{domain}.yaml").write_text("\n".join(lines) + "\n")


def apply(folder: Path, target: BaseProvider, domain: str) -> None:
    """Read the file, plan (which reads the zone) and write."""
    desired = populated(YamlProvider("file", str(folder), enforce_order=False), domain)
    plan = target.plan(desired)
    if plan is not None:
        target.apply(plan)
