"""BIND (`named`) as primary, secondary or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .needs import need_program
from .ports import free_port
from .running import RunningServer
from .zones import Key, Primary, Secondary, Zone, plain

_PACKAGE = "bind9"


class Bind(RunningServer):
    """A `named` with its own configuration; `add` serves another zone without a restart."""

    software = "bind"

    def __init__(self, zones: Iterable[Zone] = (), *, name: str = "", port: int | None = None) -> None:
        self._named = need_program("named", server="BIND", package=_PACKAGE)
        self._rndc = need_program("rndc", server="BIND", package=_PACKAGE)
        super().__init__(name, port=port)
        self._zones = {plain(zone.origin): zone for zone in zones}
        self._control_port = free_port()

    def add(self, zone: Zone) -> None:
        """Serve one more zone; returns when it is answered for."""
        self._zones[plain(zone.origin)] = zone
        self._write_config()
        self._write_zone(zone)
        self._control("reconfig")
        self._wait_for_zones([zone.origin])

    def retransfer(self, origin: str) -> None:
        """Fetch a secondary zone from its primary now: the operator's refresh."""
        self._control("retransfer", plain(origin))

    def _control(self, *words: str) -> None:
        self._run_tool(self._rndc, "-c", str(self.directory / "rndc.conf"), *words)

    def _command(self) -> Sequence[str]:
        (self.directory / "rndc.conf").write_text(self._rndc_config())
        self._write_config()
        for zone in self._zones.values():
            self._write_zone(zone)
        return [self._named, "-g", "-n", "1", "-c", str(self.directory / "named.conf")]

    def _is_ready(self) -> bool:
        return self._answers() and all(map(self._serves, self._zones))

    def _write_zone(self, zone: Zone) -> None:
        path = self.directory / _file(zone)
        # After a restart the file and its journal are the server's: it may have taken updates.
        if isinstance(zone, Primary) and not path.exists():
            path.write_text(zone.text)

    def _write_config(self) -> None:
        keys = {zone.key for zone in self._zones.values() if zone.key is not None}
        parts = [
            self._options(),
            *(_key(key) for key in sorted(keys, key=lambda key: key.name)),
            *(_stanza(zone) for zone in self._zones.values()),
        ]
        (self.directory / "named.conf").write_text("\n".join(parts))

    def _options(self) -> str:
        control = Key("rndc-key.")
        return f"""
options {{
    directory "{self.directory}";
    listen-on port {self.port} {{ {self.address}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion no;
    dnssec-validation no;
    minimal-responses no;
    notify explicit;
    notify-source {self.address};
    notify-delay 0;
    serial-query-rate 1000;
    transfer-source {self.address};
    min-refresh-time 1;
    min-retry-time 1;
    check-names primary ignore;
    allow-new-zones no;
    empty-zones-enable no;
    max-journal-size 10m;
}};
{_key(control)}
controls {{
    inet {self.address} port {self._control_port} allow {{ {self.address}; }} keys {{ "{control.label}"; }};
}};
"""

    def _rndc_config(self) -> str:
        control = Key("rndc-key.")
        return f"""{_key(control)}
options {{
    default-key "{control.label}";
    default-server {self.address};
    default-port {self._control_port};
}};
"""


def _file(zone: Zone) -> str:
    # The root's plain name is a dot, and names may hold slashes.
    return "zone-" + plain(zone.origin).replace("/", "_") + ".db"


def _key(key: Key) -> str:
    return f'key "{key.label}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};'


def _stanza(zone: Zone) -> str:
    body = _secondary(zone) if isinstance(zone, Secondary) else _primary(zone)
    return f'zone "{plain(zone.origin)}" {{ file "{_file(zone)}"; {body} }};'


def _primary(zone: Primary) -> str:
    who = f'key "{zone.key.label}"' if zone.key else "127.0.0.1"
    told = " ".join(f"{server.address} port {server.port};" for server in zone.notify)
    return (
        f"type primary; allow-update {{ {who if zone.allow_update else 'none'}; }}; "
        f"allow-transfer {{ {who if zone.allow_transfer else 'none'}; }}; also-notify {{ {told} }};"
    )


def _secondary(zone: Secondary) -> str:
    key = f' key "{zone.key.label}"' if zone.key else ""
    return (
        f"type secondary; primaries {{ {zone.primary.address} port {zone.primary.port}{key}; }}; "
        "masterfile-format text; allow-transfer { 127.0.0.1; };"
    )
