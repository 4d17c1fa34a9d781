"""The servers of a trial: root, parent and everything outside, the hosts of the zone with their secondaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import dns.name
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset as DnsRRset

from dnsrun.dnsio.walk import Roots
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import Change, RRset, RRsetKey, rdata_from_text
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.rehearse.authority import Authority
from dnsrun.rehearse.lab import Place
from dnsrun.rehearse.responses import Faults

from .agenda import Agenda
from .keys import MadeUpKey, Signer, content_from
from .setting import Outside, Setting, soa_of
from .stillnet import Beyond, StillNet
from .troubles import Troubles
from .truth import Version, version_of

_DAY_S = 86_400
_PARKED_S = 14_400
_ROOT_NAME = "a.root."
PLACEHOLDER = "the placeholder"
_UPSTREAM = f"{_DAY_S} SOA a.root. hostmaster.root. 1 1800 900 604800 900"


class PlayedHost:
    """A host of the zone: its primary, its own secondaries, and other hosts that copy from it.

    Everything that it does to the world goes through the agenda. With a `signer` its servers serve the zone signed.
    """

    def __init__(
        self,
        name: str,
        content: ZoneSnapshot,
        servers: tuple[Name, ...],
        stage: Stage,
        signer: Signer | None = None,
    ) -> None:
        self.name = name
        self.content = content
        self.servers = servers
        self.authorities = {server: Authority({}) for server in servers}
        self.copies: list[PlayedHost] = []
        self._signer = signer
        self._newest = version_of(content, signer)
        self._held: dict[Name, Version] = {}
        self._stage = stage
        self._purged = False
        for server in servers:
            self._load(server, self._newest)

    @property
    def primary(self) -> Authority:
        """The server where it is written."""
        return self.authorities[self.servers[0]]

    def write(self, changes: Iterable[Change]) -> None:
        """Change the zone now; the secondaries follow."""
        floor_s = self._stage.troubles.floors_s.get(self.name, 0)
        self._take(_next_serial(self.content.apply(_clamped(change, floor_s) for change in changes)))

    def follow(self, primary: PlayedHost) -> None:
        """Copy the zone from another host now, when it has a newer one."""
        if self.content is not primary.content:
            self._take(primary.content)

    def catch_up(self) -> None:
        """Have every secondary of this host copy what the primary holds, now."""
        for server in self.servers[1:]:
            self._catch_up(server)

    def purge(self) -> None:
        """Delete the zone, for good: the servers refuse from now on, and nothing that is written here shows."""

        def begin() -> None:
            for server, authority in self.authorities.items():
                self._held[server] = _bare_version(self._held[server], self._signer)
                authority.faults = Faults(rcode=Rcode.REFUSED)

        self._purged = True
        self._stage.agenda.change(begin)

    def holds(self, server: Name) -> Version:
        """Return what one server serves."""
        return self._held[server]

    def _take(self, content: ZoneSnapshot) -> None:
        agenda, delays = self._stage.agenda, self._stage.setting.delays
        self.content, self._newest = content, version_of(content, self._signer)
        agenda.change(lambda: self._load(self.servers[0], self._newest))
        for server in self.servers[1:]:
            agenda.later(delays.secondary_s, lambda server=server: self._catch_up(server))  # type: ignore[misc]
        refresh_s = delays.copy_s if delays.copy_s is not None else soa_of(content).refresh
        for copy in self.copies:
            agenda.later(refresh_s, lambda copy=copy: copy.follow(self))  # type: ignore[misc]

    def _catch_up(self, server: Name) -> None:
        if server not in self._stage.troubles.stale:
            self._stage.agenda.change(lambda: self._load(server, self._newest))

    def _load(self, server: Name, version: Version) -> None:
        if self._purged:
            return
        if server in self._stage.troubles.empty:
            version = _bare_version(version, self._signer)
        hidden = self._stage.troubles.hidden
        if hidden is not None and self.name == self._stage.setting.playbook.zone.to:
            version = version_of(_hiding(version.snapshot, hidden), self._signer)
        self.authorities[server].put_zone(version.content)
        self._held[server] = version


class Stage:
    """Everything that answers questions in a trial, as a context manager; listens on 127.0.0.1 only.

    `beyond` says where web and mail servers are played. `is_planning`: a phase is being planned, so that whoever works
    by hand is only asked for words.
    """

    def __init__(self, setting: Setting, agenda: Agenda, troubles: Troubles) -> None:
        self.setting = setting
        self.agenda = agenda
        self.troubles = troubles
        self.places: dict[Place, Place] = {}
        self.beyond: Beyond = lambda _address, _port: None
        self.is_planning = False
        self.delegation = setting.delegation
        self._root_key, self._parent_key = MadeUpKey(dns.name.root, "root"), MadeUpKey(setting.parent, "parent")
        self._signers: dict[MadeUpKey, Signer] = {}
        self.hosts = _hosts(self)
        self.parent, self.root = Authority({}), Authority({})
        self._load_parent()
        self.root.put_zone(content_from(dns.name.root, self._root_text(), self._signer(self._root_key)))
        self._stack = ExitStack()
        self._looks = 0

    def __enter__(self) -> Self:
        root, parent, _ = self.setting.spare
        self._play(self.root, (root,))
        self._play(self.parent, (parent,))
        for host in self.hosts.values():
            for server, authority in host.authorities.items():
                self._play(authority, self.setting.addresses(server))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def is_parked(self) -> bool:
        """Tell whether the parent delegates to the placeholder."""
        return any(self.setting.spare[2] in addresses for addresses in self.delegation.glue.values())

    @property
    def roots(self) -> Roots:
        """Where iteration starts."""
        return Roots.of({_ROOT_NAME: [self.setting.spare[0]]})

    @property
    def anchor(self) -> DnsRRset | None:
        """What resolvers that validate trust in; None where nothing is signed."""
        return self._root_key.anchor if self.setting.signing else None

    def signer_of(self, host: str) -> Signer | None:
        """Return who signs the zone at a host, None where nobody does."""
        return self._signer(self.setting.signing.keys.get(host)) if self.setting.signing else None

    def _signer(self, key: MadeUpKey | None) -> Signer | None:
        """Return who signs with a key; None where nothing is signed."""
        if key is None or self.setting.signing is None:
            return None
        return self._signers.setdefault(key, Signer(key, self.setting.start))

    def net(self) -> StillNet:
        """Return a new way to the places of this stage."""
        return StillNet(self.places, self.agenda, self.version, self.beyond)

    def version(self) -> int:
        """Count the changes of the world; while a server flaps, no answer is sure to be like the one before."""
        if not self.troubles.flaps:
            return self.agenda.version
        self._looks -= 1
        return self._looks

    def also_at(self, authority: Authority, endpoints: Iterable[Endpoint]) -> None:
        """Play a server at more places: where the playbook says that it is written."""
        for endpoint in endpoints:
            self.places.setdefault((endpoint.address, endpoint.port), (authority.address, authority.port))

    def delegate(self, delegation: Delegation) -> None:
        """Have the parent serve a delegation now; its TTLs stay the parent's."""
        signing = self.setting.signing
        ds_ttl_s = signing.ds_ttl_s if signing and delegation.ds else 0
        self.delegation = replace(delegation, ttl_s=self.setting.delegation.ttl_s, ds_ttl_s=ds_ttl_s)
        self.agenda.change(self._load_parent)

    def park(self) -> None:
        """Have the parent delegate to a server that nobody planned; it serves a parking page (incident 6)."""
        apex, address = self.setting.apex, self.setting.spare[2]
        server = Name((b"ns", b"parked", *self.setting.parent.labels))
        if (address, 53) not in self.places:
            lines = [f"@ SOA {server} hostmaster.{server} 1 14400 3600 1209600 3600", f"@ NS {server}"]
            lines += [f"{name} A {address}" for name in ("@", "*")]
            text = "\n".join([f"$ORIGIN {apex}", f"$TTL {_PARKED_S}", *lines])
            self._play(Authority({apex: f"{text}\n"}), (address,))
        self.delegate(Delegation(frozenset({server}), {server: (address,)}, frozenset(), 0))

    def asked_contents(self) -> tuple[Version, ...]:
        """Return what each server holds that the parent delegates to."""
        return tuple(
            host.holds(server)
            for host in self.hosts.values()
            for server in host.servers
            if server in self.delegation.ns
        )

    def server_names(self) -> Mapping[str, str]:
        """Return the name of each name server by its address, for people."""
        root, parent, parked = self.setting.spare
        named = {
            address: server.to_text(omit_final_dot=True)
            for host in self.hosts.values()
            for server in host.servers
            for address in self.setting.addresses(server)
        }
        return {root: "the root", parent: "the parent", parked: PLACEHOLDER, **named}

    def _play(self, authority: Authority, addresses: Iterable[str]) -> None:
        self._stack.enter_context(authority)
        for address in addresses:
            self.places[address, 53] = (authority.address, authority.port)

    def _load_parent(self) -> None:
        self.parent.put_zone(content_from(self.setting.parent, self._parent_text(), self._signer(self._parent_key)))

    def _parent_text(self) -> str:
        delegation = self.delegation
        apex, parent, ttl_s = self.setting.apex, self.setting.parent, delegation.ttl_s
        server = f"a.rehearsed-parent.{parent}"
        lines = [
            f"{parent} {_UPSTREAM}",
            f"{parent} {_DAY_S} NS {server}",
            f"{server} {_DAY_S} A {self.setting.spare[1]}",
        ]
        lines += [f"{apex} {ttl_s} NS {name}" for name in sorted(delegation.ns)]
        lines += [f"{apex} {delegation.ds_ttl_s} DS {text}" for text in sorted(delegation.ds)]
        for name, addresses in sorted(delegation.glue.items()):
            lines += [f"{name} {ttl_s} {_address_type(address)} {address}" for address in addresses]
        lines += self._outside_lines(lambda name: name.is_subdomain(parent))
        return "\n".join(lines) + "\n"

    def _root_text(self) -> str:
        parent = self.setting.parent
        server = f"a.rehearsed-parent.{parent}"
        lines = [f". {_UPSTREAM}", f". {_DAY_S} NS {_ROOT_NAME}", f"{_ROOT_NAME} {_DAY_S} A {self.setting.spare[0]}"]
        lines += [f"{parent} {_DAY_S} NS {server}", f"{server} {_DAY_S} A {self.setting.spare[1]}"]
        lines += [f"{parent} {_DAY_S} DS {self._parent_key.ds}"] if self.setting.signing else []
        lines += self._outside_lines(lambda name: not name.is_subdomain(parent))
        return "\n".join(lines) + "\n"

    def _outside_lines(self, belongs: Callable[[Name], bool]) -> list[str]:
        found = sorted((name, known) for name, known in self.setting.outside.items() if belongs(name))
        return [line for name, known in found for line in _lines(name, known)]


def _lines(name: Name, known: Outside) -> list[str]:
    lines = [f"{name} {_DAY_S} {_address_type(address)} {address}" for address in known.addresses]
    return lines + [f"{name} {_DAY_S} TXT {text}" for text in known.texts]


def _address_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _hosts(stage: Stage) -> dict[str, PlayedHost]:
    """Return the hosts of the zone by the playbook's names: the old one, who copies from it, the new one."""
    setting, zone = stage.setting, stage.setting.playbook.zone
    copying = [name for names in zone.secondaries.values() for name in names]
    known = {name: _named(setting, name) for name in (zone.provider, *copying)}
    of_others = frozenset().union(*(known[name] for name in copying)) if copying else frozenset()
    own = known[zone.provider] + tuple(sorted(setting.delegation.ns - of_others - set(known[zone.provider])))
    if zone.to:
        own = tuple(name for name in own if name not in _named(setting, zone.to))
    hosts = {zone.provider: PlayedHost(zone.provider, setting.zone, own, stage, stage.signer_of(zone.provider))}
    for primary, names in zone.secondaries.items():
        for name in names:
            if known[name]:
                hosts[name] = PlayedHost(name, setting.zone, known[name], stage, stage.signer_of(primary))
    for primary, names in zone.secondaries.items():
        hosts[primary].copies += [hosts[name] for name in names if name in hosts]
    if zone.to:
        begun, servers = _begun(setting, zone.to), _named(setting, zone.to)
        hosts[zone.to] = PlayedHost(zone.to, begun, servers, stage, stage.signer_of(zone.to))
    return hosts


def _named(setting: Setting, provider: str) -> tuple[Name, ...]:
    return tuple(server.name for server in setting.playbook.providers[provider].name_servers)


def _begun(setting: Setting, provider: str) -> ZoneSnapshot:
    """Return what the new host holds before anything is copied: what was captured there, else an empty zone."""
    if setting.other is not None:
        return setting.other
    names = _named(setting, provider)
    soa, ns = (RRsetKey(setting.apex, rdtype) for rdtype in (RdataType.SOA, RdataType.NS))
    held = {key: setting.zone.rrsets[key] for key in (soa, ns)}
    own = RRset(ns, held[ns].ttl_s, frozenset(rdata_from_text(RdataType.NS, name.to_text()) for name in names))
    return replace(setting.zone, rrsets={soa: held[soa], ns: own}, source="a new zone")


def _bare_version(version: Version, signer: Signer | None) -> Version:
    return version_of(replace(version.snapshot, rrsets=_bare(version.snapshot)), signer)


def _bare(zone: ZoneSnapshot) -> Mapping[RRsetKey, RRset]:
    keys = (RRsetKey(zone.apex, rdtype) for rdtype in (RdataType.SOA, RdataType.NS))
    return {key: zone.rrsets[key] for key in keys}


def _hiding(zone: ZoneSnapshot, name: Name) -> ZoneSnapshot:
    """Return the zone without a name; a wildcard answers for it: the zone's own, else one with the same data."""
    wild = Name((b"*", *zone.apex.labels))
    kept = {key: held for key, held in zone.rrsets.items() if key.owner != name}
    if wild not in zone.owners():
        lost = [held for key, held in zone.rrsets.items() if key.owner == name]
        kept |= {key: replace(held, key=key) for held in lost for key in [RRsetKey(wild, held.key.rdtype)]}
    return replace(zone, rrsets=kept)


def _clamped(change: Change, floor_s: int) -> Change:
    if change.after is None or change.after.ttl_s >= floor_s:
        return change
    return replace(change, after=change.after.with_ttl(floor_s))


def _next_serial(zone: ZoneSnapshot) -> ZoneSnapshot:
    soa = soa_of(zone)
    key = RRsetKey(zone.apex, RdataType.SOA)
    raised = soa.replace(serial=(soa.serial + 1) % 2**32)
    return replace(zone, rrsets={**zone.rrsets, key: RRset(key, zone.rrsets[key].ttl_s, frozenset({raised}))})
