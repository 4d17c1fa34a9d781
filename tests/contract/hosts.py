"""Hosts for the contract: a zone of its own at a real server, its truth by transfer, edits by dnspython or the API."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.update
from dns.name import Name
from dns.rdataset import Rdataset

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.model.playbook import Json, Mark, ProviderSpec, SecretRef
from dnsrun.model.rrset import IN, Change, RRset, RRsetKey
from dnsrun.ports.provider import Context, Plugin, RegistrarPlugin, RegistrarProvider, ZoneProvider
from dnsrun.testing.verified import Word
from servers import Key, PowerDns, RunningServer


class FixedSecrets:
    """Secrets by the name of an environment variable that is not really there."""

    def __init__(self, **secrets: str) -> None:
        self._secrets = secrets

    def reveal(self, reference: SecretRef) -> str:
        return self._secrets[reference.where[0]]


def opened(plugin: Plugin, secrets: FixedSecrets, **options: Json | SecretRef) -> ZoneProvider:
    """Open the plugin as the runner would."""
    spec = ProviderSpec("host", plugin.name, options, (), Mark("test.yaml", 1, 1))
    clock = SystemClock()
    return plugin.open(spec, Context(SocketNet(clock), clock, secrets))


def opened_registrar(plugin: RegistrarPlugin, secrets: FixedSecrets, **options: Json | SecretRef) -> RegistrarProvider:
    """Open the registrar's plugin as the runner would."""
    spec = ProviderSpec("registrar", plugin.name, options, (), Mark("test.yaml", 1, 1))
    clock = SystemClock()
    return plugin.open(spec, Context(SocketNet(clock), clock, secrets))


def secret(name: str) -> SecretRef:
    """Refer to a secret."""
    return SecretRef("env", (name,))


def bridged(wanted: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Return the playbook's keys for a class of octoDNS."""
    return {"class": wanted, "options": options}


class ServerHost:
    """A zone at a server of the tests; `truth` is a transfer read by dnspython."""

    word: Word = "real-server"
    plugin = ""

    def __init__(self, server: RunningServer, origin: str, key: Key | None, what: str) -> None:
        self.what = what
        self.server = server
        self.apex: Name = dns.name.from_text(origin)
        self.key = key

    def truth(self) -> Mapping[RRsetKey, RRset]:
        zone = self.server.transfer(self.apex.to_text(), self.key)
        return {
            RRsetKey(owner, rdataset.rdtype): RRset(
                RRsetKey(owner, rdataset.rdtype), int(rdataset.ttl), frozenset(rdataset)
            )
            for owner, rdataset in zone.iterate_rdatasets()
        }


class UpdatedHost(ServerHost):
    """A primary that takes dynamic updates."""

    plugin = "rfc2136"

    def open(self) -> ZoneProvider:
        from dnsrun_providers.rfc2136 import PLUGIN

        assert self.key
        return opened(
            PLUGIN,
            FixedSecrets(TSIG=self.key.secret),
            server=self.server.address,
            port=self.server.port,
            key_name=self.key.name,
            key_secret=secret("TSIG"),
        )

    def edit(self, change: Change) -> None:
        assert self.key
        message = dns.update.UpdateMessage(self.apex, keyring=self.key.tsig())
        message.delete(change.key.owner, change.key.rdtype)
        if change.after:
            message.add(change.key.owner, _rdataset(change.after))
        answer = dns.query.tcp(message, self.server.address, port=self.server.port, timeout=5)
        assert answer.rcode() == dns.rcode.NOERROR


class ParentHost(UpdatedHost):
    """A parent zone at a primary that takes updates; `domain` is a name in it."""

    plugin = "parent-rfc2136"

    def __init__(self, server: RunningServer, origin: str, key: Key, what: str) -> None:
        super().__init__(server, origin, key, what)
        self.domain = dns.name.from_text("client", origin=self.apex)

    def open(self) -> RegistrarProvider:  # type: ignore[override] # a registrar's host, the rest is shared
        from dnsrun_providers.parent_rfc2136 import PLUGIN

        assert self.key
        return opened_registrar(
            PLUGIN,
            FixedSecrets(TSIG=self.key.secret),
            zone=self.apex.to_text(),
            server=self.server.address,
            port=self.server.port,
            key_name=self.key.name,
            key_secret=secret("TSIG"),
        )


class PowerDnsHost(ServerHost):
    """A zone behind the PowerDNS API."""

    plugin = "powerdns"

    def __init__(self, server: PowerDns, origin: str, what: str) -> None:
        super().__init__(server, origin, None, what)
        self.api_server = server

    def open(self) -> ZoneProvider:
        from dnsrun_providers.powerdns import PLUGIN

        server = self.api_server
        return opened(PLUGIN, FixedSecrets(KEY=server.api_key), api_url=server.api_url, api_key=secret("KEY"))

    def edit(self, change: Change) -> None:
        rrset: dict[str, object] = {"name": change.key.owner.to_text(), "type": change.key.rdtype.name}
        if change.after:
            records = [{"content": text, "disabled": False} for text in change.after.texts()]
            rrset |= {"changetype": "REPLACE", "ttl": change.after.ttl_s, "records": records}
        else:
            rrset |= {"changetype": "DELETE"}
        self.api_server.patch(self.apex.to_text(), rrset)


class BridgedPowerDnsHost(PowerDnsHost):
    """The same, through octodns-powerdns."""

    plugin = "octodns"

    def open(self) -> ZoneProvider:
        from dnsrun_providers.octodns_bridge import PLUGIN

        server = self.api_server
        options = {"host": server.address, "port": str(server.api_port), "api_key": secret("KEY")}
        return opened(PLUGIN, FixedSecrets(KEY=server.api_key), **bridged("octodns_powerdns.PowerDnsProvider", options))


class BridgedUpdatedHost(UpdatedHost):
    """A primary that takes dynamic updates, through octodns-bind."""

    plugin = "octodns"

    def open(self) -> ZoneProvider:
        from dnsrun_providers.octodns_bridge import PLUGIN

        assert self.key
        server = self.server
        options: dict[str, object] = {"host": server.address, "port": str(server.port)}
        options |= {"key_name": self.key.name, "key_secret": secret("TSIG"), "key_algorithm": "hmac-sha256"}
        return opened(PLUGIN, FixedSecrets(TSIG=self.key.secret), **bridged("octodns_bind.Rfc2136Provider", options))


def _rdataset(rrset: RRset) -> Rdataset:
    made = Rdataset(IN, rrset.key.rdtype, ttl=rrset.ttl_s)
    for rdata in rrset.rdatas:
        made.add(rdata)
    return made


def version(program: str, option: str) -> str:
    """Return the version number that a server's program prints."""
    done = subprocess.run([program, option], capture_output=True, text=True, timeout=10, check=False)
    words = (done.stdout + done.stderr).split()
    return next(word.split("-")[0] for word in words if word[0].isdigit() and "." in word)
