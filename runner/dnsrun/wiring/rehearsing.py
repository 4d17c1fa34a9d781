"""What a rehearsal needs of this machine: the captured zone, and the playbook's hosts opened without their secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.dnsio.walk import Walk
from dnsrun.engine.checkpoint import read_checkpoint
from dnsrun.engine.moving import read_other
from dnsrun.engine.run import Run
from dnsrun.errors import DnsrunError, OutsideError, UsageError
from dnsrun.journal.fold import RunState
from dnsrun.model.entry import Captured as CapturedEntry
from dnsrun.model.playbook import Playbook, ProviderSpec, SecretRef
from dnsrun.model.rrset import rdata_text
from dnsrun.model.text import escape
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.provider import Capabilities, Context, RegistrarProvider, ZoneProvider
from dnsrun.rehearse.trial.hands import Cast
from dnsrun.rehearse.trial.setting import Captured, Outside, outside_hosts, outside_keys, outside_policies

from .plugins import plugins, registrars
from .world import World

_MOST_POLICIES = 20
_LARGEST_ZONE_OCTETS = 32 * 1024 * 1024
_NOTHING = "bm90aGluZw=="  # what stands for every secret: readable as text and as base64


class _NoSecrets:
    """Stands for every secret: nothing real is asked, so nothing real is needed."""

    def reveal(self, reference: SecretRef) -> str:  # noqa: ARG002 - none is looked up
        """Return a text that opens nothing."""
        return _NOTHING


class _OnlyCapable:
    """A host or registrar that could not be opened here: only what its kind can do is known."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.own_servers = ()

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object, **__: object) -> NoReturn:
            message = f"{name} is not rehearsed: this host cannot be opened here"
            raise OutsideError(message, retryable=False, certainty="not-applied")

        return refuse


def open_cast(world: World, playbook: Playbook, *, language: str = "en") -> Cast:
    """Return hosts and registrars as the playbook names them. No network, no secrets."""
    context = Context(_NoNet(), world.clock, _NoSecrets(), language)
    known: Mapping[str, Any] = {**plugins(), **registrars()}
    opened = {name: _open(known[spec.use], spec, context) for name, spec in playbook.providers.items()}
    hosts: dict[str, ZoneProvider] = {
        name: one for name, one in opened.items() if playbook.providers[name].use in plugins()
    }
    others: dict[str, RegistrarProvider] = {name: one for name, one in opened.items() if name not in hosts}
    return Cast(hosts, others, context.secrets)


class _NoNet:
    """No way out: hosts of a rehearsal are asked nothing."""

    def __getattr__(self, name: str) -> Any:
        message = f"the network was to be used ({name}) where nothing real is asked"
        raise OutsideError(message, retryable=False, certainty="not-applied")


def _open(plugin: Any, spec: ProviderSpec, context: Context) -> Any:
    try:
        return plugin.open(spec, context)
    except DnsrunError:
        return _OnlyCapable(plugin.capabilities)


def captured_in_file(path: Path, new: Path | None, playbook: Playbook, now: datetime) -> Captured:
    """Return a zone file, and another of what the new host holds already; the parent is assumed. Touches the disk.

    Raises `UsageError` or `PlaybookError`.
    """
    text = _text(path)
    zone = _read_zone(text, path, playbook, now)
    other = _read_zone(_text(new), new, playbook, now) if new else None
    return Captured(zone, other=other, files=_files(playbook, text))


def _read_zone(text: str, path: Path, playbook: Playbook, now: datetime) -> ZoneSnapshot:
    return read_attested(text, playbook.domain, Handed(str(path), "whoever rehearses", now.date()), taken_at=now)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST_ZONE_OCTETS + 1)
    except OSError as err:
        raise UsageError(f"{escape(str(path))}: the zone cannot be read: {err.strerror}") from err
    if len(octets) > _LARGEST_ZONE_OCTETS:
        raise UsageError(f"{escape(str(path))}: the zone is larger than 32 MiB")
    return octets.decode("utf-8", errors="replace")


def captured_now(run: Run) -> Captured:
    """Return the zone as it is now, with what lies outside it. Reads the network; raises as `prepare` does."""
    checkpoint = read_checkpoint(run)
    other = read_other(run, checkpoint.view, checkpoint.zone)[0] if run.playbook.zone.to else None
    found = Captured(checkpoint.zone, checkpoint.delegation, other, files=run.ports.files)
    return replace(found, outside=_look_outside(run, found))


def captured_before(run: Run) -> Captured | None:
    """Return the newest capture that was taken before this run wrote anything; None without one. Touches the disk."""
    chosen = _newest_untouched(run.state)
    if chosen is None:
        return None
    zone = run.zone(chosen.zone)
    return Captured(zone, chosen.delegation, files=run.ports.files or _files(run.playbook, ""))


def _newest_untouched(state: RunState) -> CapturedEntry | None:
    captures = [entry for entry in state.captures if entry.zone]
    if not captures:
        return None
    return captures[0] if state.wrote() else captures[-1]


def _files(playbook: Playbook, text: str) -> Mapping[str, str]:
    spec = playbook.zone.capture
    return {spec.file: text} if spec and spec.file else {}


def _look_outside(run: Run, found: Captured) -> Mapping[Name, Outside]:
    """Look up the hosts, SPF records and DKIM keys outside the zone, as far as they are found. Touches the network."""
    walk = Walk(run.ports.net, run.ports.roots)
    zones: tuple[ZoneSnapshot, ...] = (found.zone, *([found.other] if found.other else []))
    seen: dict[Name, Outside] = {}
    for host in sorted(outside_hosts(run.playbook, zones, found.delegation)):
        seen[host] = Outside(_addresses(walk, host))
    for name in (*_policies(walk, outside_policies(run.playbook, zones)), *sorted(outside_keys(zones))):
        seen[name] = replace(seen.get(name, Outside()), texts=_texts(walk, name))
    return {name: known for name, known in seen.items() if known.addresses or known.texts}


def _policies(walk: Walk, first: Iterable[Name]) -> list[Name]:
    """Return the names whose SPF is included, also by the included ones."""
    from dnsrun.plan.mail.senders import spf_hosts

    found: list[Name] = []
    left = sorted(first)
    while left and len(found) < _MOST_POLICIES:
        name = left.pop(0)
        if name not in found:
            found.append(name)
            spoken = (text.strip('"') for text in _texts(walk, name))
            left += [host for text in spoken if text.startswith("v=spf1") for _, host in spf_hosts(text, name)]
    return found


def _addresses(walk: Walk, host: Name) -> tuple[str, ...]:
    try:
        return walk.addresses(host)
    except OutsideError:
        return ()


def _texts(walk: Walk, name: Name) -> tuple[str, ...]:
    if name == dns.name.root:
        return ()
    try:
        found = walk.find(name, RdataType.TXT)
    except OutsideError:
        return ()
    return tuple(sorted(rdata_text(rdata) for rdata in found if isinstance(rdata, TXTBase)))
