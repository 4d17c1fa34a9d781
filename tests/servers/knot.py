"""Knot DNS (`knotd`) as primary, secondary or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from .needs import need_program
from .running import RunningServer
from .zones import Key, Primary, Secondary, Zone, plain

_PACKAGE = "knot"


class Knot(RunningServer):
    """A `knotd` with its own configuration; `add` serves another zone without a restart."""

    software = "knot"

    def __init__(self, zones: Iterable[Zone] = (), *, name: str = "", port: int | None = None) -> None:
        self._knotd = need_program("knotd", server="Knot DNS", package=_PACKAGE)
        self._knotc = need_program("knotc", server="Knot DNS", package=_PACKAGE)
        super().__init__(name, port=port)
        self._zones = {plain(zone.origin): zone for zone in zones}

    def add(self, zone: Zone) -> None:
        """Serve one more zone; returns when it is answered for."""
        self._zones[plain(zone.origin)] = zone
        self._write_config()
        self._write_zone(zone)
        self._control("reload")
        self._wait_for_zones([zone.origin])

    def retransfer(self, origin: str) -> None:
        """Fetch a secondary zone from its primary now: the operator's refresh."""
        self._control("zone-retransfer", plain(origin))

    def _control(self, *words: str) -> None:
        self._run_tool(self._knotc, "-s", str(self.directory / "knot.sock"), "-t", "20", *words)

    def _command(self) -> Sequence[str]:
        (self.directory / "db").mkdir(exist_ok=True)
        self._write_config()
        for zone in self._zones.values():
            self._write_zone(zone)
        return [self._knotd, "-c", str(self.directory / "knot.conf")]

    def _is_ready(self) -> bool:
        return self._answers() and all(map(self._serves, self._zones))

    def _write_zone(self, zone: Zone) -> None:
        path = self.directory / _file(zone)
        # After a restart the file and its journal are the server's: it may have taken updates.
        if isinstance(zone, Primary) and not path.exists():
            path.write_text(f"$ORIGIN {plain(zone.origin).rstrip('.')}.\n{zone.text}")

    def _write_config(self) -> None:
        zones = list(self._zones.values())
        keys = sorted({zone.key for zone in zones if zone.key is not None}, key=lambda key: key.name)
        parts = [
            self._server(),
            "key:\n" + "".join(map(_key, keys)) if keys else "",
            "remote:\n" + "".join(_remotes(number, zone) for number, zone in enumerate(zones)),
            "acl:\n" + "".join(_acl(number, zone) for number, zone in enumerate(zones)),
            "zone:\n" + "".join(_stanza(number, zone, self.directory) for number, zone in enumerate(zones)),
        ]
        (self.directory / "knot.conf").write_text("\n".join(parts))

    def _server(self) -> str:
        return f"""
server:
    rundir: "{self.directory}"
    listen: {self.address}@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: "{self.directory / "knot.sock"}"
database:
    storage: "{self.directory / "db"}"
    journal-db-max-size: 32M
    kasp-db-max-size: 5M
    timer-db-max-size: 5M
    catalog-db-max-size: 5M
log:
  - target: stderr
    any: debug
"""


def _file(zone: Zone) -> str:
    return "zone-" + plain(zone.origin).replace("/", "_") + ".db"


def _key(key: Key) -> str:
    return f"  - id: {key.label}\n    algorithm: {key.algorithm}\n    secret: {key.secret}\n"


def _remotes(number: int, zone: Zone) -> str:
    # The key of a zone signs its secondary's requests, not a primary's NOTIFY: BIND takes that unsigned.
    servers = (zone.primary,) if isinstance(zone, Secondary) else zone.notify
    key = f"    key: {zone.key.label}\n" if isinstance(zone, Secondary) and zone.key else ""
    return "".join(
        f"  - id: remote-{number}-{index}\n    address: {server.address}@{server.port}\n{key}"
        for index, server in enumerate(servers)
    )


def _acl(number: int, zone: Zone) -> str:
    if isinstance(zone, Secondary):
        actions = ["transfer", *(["notify"] if zone.accepts_notify else [])]
    else:
        actions = [*(["transfer"] * zone.allow_transfer), *(["update"] * zone.allow_update)]
    key = f"    key: {zone.key.label}\n" if isinstance(zone, Primary) and zone.key else ""
    action = f"    action: [{', '.join(actions)}]\n" if actions else "    deny: on\n"
    return f"  - id: acl-{number}\n    address: 127.0.0.1\n{key}{action}"


def _stanza(number: int, zone: Zone, directory: Path) -> str:
    role = _secondary(number) if isinstance(zone, Secondary) else _primary(number, zone)
    return (
        f'  - domain: "{plain(zone.origin)}"\n    file: "{_file(zone)}"\n'
        f'    storage: "{directory}"\n    acl: acl-{number}\n    semantic-checks: off\n{role}'
    )


def _primary(number: int, zone: Primary) -> str:
    told = ", ".join(f"remote-{number}-{index}" for index in range(len(zone.notify)))
    return f"    notify: [{told}]\n" if told else ""


def _secondary(number: int) -> str:
    return f"    master: remote-{number}-0\n"
