"""The checkpoint: the zone, the delegation and the servers, read straight before a phase. Touches the network."""

from __future__ import annotations

from dataclasses import dataclass

from dnsrun.errors import Refused
from dnsrun.model.observation import Endpoint
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .eyes import current
from .run import Run


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read: the zone with its grade, the delegation at the parent, the servers, and what was noticed."""

    zone: ZoneSnapshot
    delegation: Delegation
    servers: tuple[Endpoint, ...]
    warnings: tuple[str, ...]


def read_checkpoint(run: Run) -> Checkpoint:
    """Read zone and delegation; raises `Refused` when the zone cannot be read or is not what the servers serve."""
    view = current(run)
    provider = run.ports.providers[run.playbook.zone.provider]
    if provider.capabilities.reads is None:
        raise Refused("the zone cannot be read at its host; nothing was changed")
    return Checkpoint(provider.read_zone(run.apex), view.parent.delegation, view.servers, ())
