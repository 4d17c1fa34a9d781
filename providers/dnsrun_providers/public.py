"""A host that nobody of us can write: its zone is known from public questions only, its servers can be told of news."""

from __future__ import annotations

from dns.name import Name

from dnsrun.dnsio import wire
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.net import Net
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from .live import impossible

FRAGMENT = Fragment(summary="A host that nobody of us can write: what it serves is asked like everybody asks it.")

CAPABILITIES = Capabilities(writes=False)


class Public:
    """A host seen from outside. As a secondary it is sent NOTIFY at the addresses that the playbook gives."""

    def __init__(self, name: str, servers: tuple[Endpoint, ...], net: Net) -> None:
        self._name = name
        self._servers = servers
        self._net = net

    @property
    def capabilities(self) -> Capabilities:
        """Neither reads nor writes."""
        return CAPABILITIES

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """Empty: nothing is written here that could show anywhere."""
        return ()

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Raise `OutsideError`: public questions never list a zone."""
        message = f"{self._name} lists nothing: {apex} is known from public questions only"
        raise OutsideError(message, retryable=False, certainty="not-applied")

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Raise `OutsideError`: nobody of us can write here."""
        raise impossible(f"nobody of us can write {apex} at {self._name}, and {len(changes)} changes were asked for")

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        """Send NOTIFY to every address; the receipt says who took it.

        The addresses of the playbook count, else those of `servers`. Touches the network. Raises `OutsideError` when
        nobody took it, or when no address is known.
        """
        places = self._servers or servers
        if not places:
            text = f"no address is known for the servers of {self._name}: give name_servers with addresses"
            raise OutsideError(text, retryable=False, certainty="not-applied")
        said = {server: self._tell(server, apex) for server in places}
        words = "; ".join(f"{server}: {outcome}" for server, outcome in said.items())
        if "took it" not in said.values():
            raise OutsideError(f"NOTIFY for {apex}: {words}", retryable=True, certainty="not-applied")
        return Receipt(operation=f"NOTIFY: {words}")

    def _tell(self, server: Endpoint, apex: Name) -> str:
        try:
            return "took it" if wire.notify(self._net, server, apex) else "refused it"
        except OutsideError as err:
            return str(err)


def _open(spec: ProviderSpec, context: Context) -> Public:
    servers = tuple(Endpoint(host.name, address) for host in spec.name_servers for address in host.addresses)
    return Public(spec.name, servers, context.net)


PLUGIN = Plugin("public", frozenset({"zone", "secondary"}), FRAGMENT, CAPABILITIES, _open)
