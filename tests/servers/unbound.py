"""Unbound as a caching resolver that knows only the servers of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dnsrun.model.observation import Endpoint

from .needs import need_program
from .running import RunningServer
from .zones import plain


class Unbound(RunningServer):
    """A cache that asks, for each zone of `stubs` (origin, `.` among them), the given test servers.

    Test servers listen on ports other than 53, which a delegation cannot name: give every zone whose
    servers are to be asked its own entry. It never leaves 127.0.0.1. `flush` empties the cache by a restart.
    With `anchor`, a DS record as text, it validates.
    """

    software = "unbound"

    def __init__(
        self, stubs: Mapping[str, Sequence[Endpoint]], *, name: str = "", port: int | None = None, anchor: str = ""
    ) -> None:
        self._program = need_program("unbound", server="Unbound", package="unbound")
        super().__init__(name, port=port)
        self._stubs = dict(stubs)
        self._anchor = anchor

    def flush(self) -> None:
        """Forget everything that was cached."""
        self.stop()
        self.start()

    def _command(self) -> Sequence[str]:
        config = self.directory / "unbound.conf"
        config.write_text(self._options() + "".join(_stub(*item) for item in self._stubs.items()))
        return [self._program, "-d", "-d", "-c", str(config)]

    def _is_ready(self) -> bool:
        return self._answers()

    def _modules(self) -> str:
        if not self._anchor:
            return '    module-config: "iterator"'
        return f'    module-config: "validator iterator"\n    trust-anchor: "{self._anchor}"'

    def _options(self) -> str:
        return f"""
server:
    directory: "{self.directory}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    num-threads: 1
    interface: {self.address}
    port: {self.port}
    outgoing-interface: {self.address}
    do-ip6: no
    do-not-query-localhost: no
    access-control: 127.0.0.0/8 allow_snoop
{self._modules()}
    target-fetch-policy: "0 0 0 0 0"
    unblock-lan-zones: yes
    local-zone: "test." nodefault
    infra-host-ttl: 1
    msg-cache-size: 1m
    rrset-cache-size: 1m
remote-control:
    control-enable: no
"""


def _stub(origin: str, servers: Sequence[Endpoint]) -> str:
    lines = "".join(f"    stub-addr: {server.address}@{server.port}\n" for server in servers)
    # stub-prime would ask the zone for its own name servers and then go to port 53.
    return f'stub-zone:\n    name: "{plain(origin)}"\n    stub-prime: no\n{lines}'
