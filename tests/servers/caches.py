"""BIND, Unbound and PowerDNS Recursor as the caches of clients: they follow delegations on port 53.

They need addresses and ports of their own, so they run in a network namespace: see `cachestage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .needs import need_program
from .running import RunningServer

RECURSOR = "pdns-recursor"


class Cache(RunningServer):
    """A caching resolver that begins at the given root server; `address` is where it listens, on port 53."""

    def __init__(self, address: str, root: str) -> None:
        super().__init__(port=53)
        self.address = address
        self._root = root

    def _is_ready(self) -> bool:
        return self._answers()

    def _hints(self) -> str:
        hints = self.directory / "root.hints"
        hints.write_text(f". 3600000 NS a.root.\na.root. 3600000 A {self._root}\n")
        return str(hints)


class BindCache(Cache):
    """`named` as a resolver; `more` are further options."""

    software = "bind"

    def __init__(self, address: str, root: str, more: str = "") -> None:
        super().__init__(address, root)
        self._more = more

    def _command(self) -> Sequence[str]:
        program = need_program("named", server="BIND", package="bind9")
        config = self.directory / "named.conf"
        config.write_text(f"""
options {{
    directory "{self.directory}";
    listen-on port {self.port} {{ {self.address}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion yes;
    allow-query {{ any; }};
    allow-recursion {{ any; }};
    dnssec-validation no;
    empty-zones-enable no;
    {self._more}
}};
controls {{ }};
zone "." {{ type hint; file "{self._hints()}"; }};
""")
        return [program, "-4", "-g", "-n", "1", "-c", str(config)]


class UnboundCache(Cache):
    """`unbound` with its own ways: TTLs as they come."""

    software = "unbound"

    def _command(self) -> Sequence[str]:
        program = need_program("unbound", server="Unbound", package="unbound")
        config = self.directory / "unbound.conf"
        config.write_text(f"""
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
    do-ip6: no
    access-control: 0.0.0.0/0 allow
    module-config: "iterator"
    root-hints: "{self._hints()}"
remote-control:
    control-enable: no
""")
        return [program, "-d", "-d", "-c", str(config)]


class RecursorCache(Cache):
    """`pdns_recursor`."""

    software = "recursor"

    def _command(self) -> Sequence[str]:
        program = need_program("pdns_recursor", server="PowerDNS Recursor", package=RECURSOR)
        (self.directory / "recursor.conf").write_text(f"""
local-address={self.address}
local-port={self.port}
hint-file={self._hints()}
allow-from=0.0.0.0/0
dont-query=
dnssec=off
daemon=no
threads=1
socket-dir={self.directory}
write-pid=no
security-poll-suffix=
loglevel=4
""")
        return [program, f"--config-dir={self.directory}"]
