"""PowerDNS (`pdns_server`) with SQLite and its HTTP API, as primary, secondary or both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import urllib3

from .needs import is_ci, need_program
from .ports import free_port
from .running import RunningServer
from .zones import Key, Primary, Secondary, Zone, plain

_PACKAGE = "pdns-server pdns-backend-sqlite3"
_SCHEMAS = (
    Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"),
    Path("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"),
    Path("/usr/local/share/doc/pdns/schema.sqlite3.sql"),
    Path("/opt/homebrew/share/doc/pdns/schema.sqlite3.sql"),
)


class PowerDns(RunningServer):
    """A `pdns_server` whose zones are made through its API; every answer comes fresh from the database.

    With `open_transfers` 127.0.0.1 may transfer every zone; without it a zone's key is needed. A zone takes
    no dynamic updates: it is changed through the API. `soa_edit_api` says how the serial moves then.
    """

    software = "powerdns"

    def __init__(
        self,
        zones: Iterable[Zone] = (),
        *,
        name: str = "",
        port: int | None = None,
        soa_edit_api: str = "INCREASE",
        open_transfers: bool = True,
    ) -> None:
        self._program = need_program("pdns_server", server="PowerDNS", package=_PACKAGE)
        self._schema = _need_schema()
        super().__init__(name, port=port)
        self._zones = {plain(zone.origin): zone for zone in zones}
        self._soa_edit_api = soa_edit_api
        self._open_transfers = open_transfers
        self.api_port = free_port()
        self.api_key = "test-api-key"

    @property
    def api_url(self) -> str:
        """The API's base URL, without the path /api/v1."""
        return f"http://{self.address}:{self.api_port}"

    def start(self) -> None:
        """Start the server and, the first time, make its zones."""
        is_new = not (self.directory / "pdns.db").exists()
        super().start()
        if is_new:
            for zone in self._zones.values():
                self._create(zone)

    def add(self, zone: Zone) -> None:
        """Serve one more zone; returns when it is answered for."""
        self._zones[plain(zone.origin)] = zone
        self._create(zone)

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the API below `/api/v1/servers/localhost`; return the JSON answer, None when it is empty.

        Raises AssertionError with the server's words when the status is 400 or more.
        """
        url = f"{self.api_url}/api/v1/servers/localhost{path}"
        headers = {"X-API-Key": self.api_key}
        answer = urllib3.request(method, url, json=body, headers=headers, timeout=5.0, retries=False)
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.data!r}"
        return answer.json() if answer.data else None

    def zone_path(self, origin: str) -> str:
        """The API's path of a zone, for `api`."""
        return "/zones/" + (plain(origin).rstrip(".") + ".").replace("/", "=2F")

    def patch(self, origin: str, *rrsets: dict[str, object]) -> None:
        """Change RRsets (`name`, `type`, `ttl`, `changetype`, `records`) in one call."""
        self.api("PATCH", self.zone_path(origin), {"rrsets": list(rrsets)})

    def notify(self, origin: str) -> None:
        """Tell the zone's secondaries now; PowerDNS does not by itself after a change through the API."""
        self.api("PUT", f"{self.zone_path(origin)}/notify")

    def retransfer(self, origin: str) -> None:
        """Fetch a secondary zone from its primary now: the operator's refresh."""
        self.api("PUT", f"{self.zone_path(origin)}/axfr-retrieve")

    def _create(self, zone: Zone) -> None:
        key_ids = [self._key_id(zone.key)] if zone.key else []
        body: dict[str, object] = {"name": plain(zone.origin).rstrip(".") + "."}
        if isinstance(zone, Primary):
            body |= {"kind": "Master", "zone": _master_file(zone), "master_tsig_key_ids": key_ids}
            body |= {"soa_edit_api": ""}
        else:
            masters = [f"{zone.primary.address}:{zone.primary.port}"]
            body |= {"kind": "Slave", "masters": masters, "slave_tsig_key_ids": key_ids}
        self.api("POST", "/zones", body)
        self._set_metadata(zone)
        self._wait_for_zones([zone.origin])

    def _set_metadata(self, zone: Zone) -> None:
        path = self.zone_path(zone.origin)
        if isinstance(zone, Secondary):
            self.retransfer(zone.origin)
            return
        # Set afterwards: making the zone would move the serial that the test gave.
        self.api("PUT", path, {"soa_edit_api": self._soa_edit_api})
        if zone.notify:
            told = [f"{server.address}:{server.port}" for server in zone.notify]
            self.api("PUT", f"{path}/metadata/ALSO-NOTIFY", {"kind": "ALSO-NOTIFY", "metadata": told})

    def _key_id(self, key: Key) -> str:
        known = {entry["id"] for entry in self.api("GET", "/tsigkeys")}
        wanted = f"{key.label}."
        if wanted not in known:
            body = {"name": key.label, "algorithm": key.algorithm, "key": key.secret}
            self.api("POST", "/tsigkeys", body)
        return wanted

    def _command(self) -> Sequence[str]:
        database = self.directory / "pdns.db"
        if not database.exists():
            with closing(sqlite3.connect(database)) as connection:
                connection.executescript(self._schema.read_text())
        (self.directory / "pdns.conf").write_text(self._config(database))
        return [self._program, f"--config-dir={self.directory}", "--daemon=no", "--guardian=no"]

    def _is_ready(self) -> bool:
        return self._answers() and self._api_answers()

    def _api_answers(self) -> bool:
        try:
            self.api("GET", "")
        except urllib3.exceptions.HTTPError:
            return False
        return True

    def _config(self, database: Path) -> str:
        return f"""
launch=gsqlite3
gsqlite3-database={database}
gsqlite3-dnssec=yes
gsqlite3-pragma-synchronous=0
local-address={self.address}
local-port={self.port}
socket-dir={self.directory}
write-pid=no
api=yes
api-key={self.api_key}
webserver=yes
webserver-address={self.address}
webserver-port={self.api_port}
webserver-allow-from=127.0.0.1
allow-axfr-ips={"127.0.0.1" if self._open_transfers else ""}
only-notify=127.0.0.0/8
query-local-address={self.address}
primary=yes
secondary=yes
receiver-threads=1
distributor-threads=1
retrieval-threads=1
signing-threads=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
zone-metadata-cache-ttl=0
security-poll-suffix=
version-string=anonymous
loglevel=5
"""


def _master_file(zone: Primary) -> str:
    return f"$ORIGIN {plain(zone.origin).rstrip('.')}.\n{zone.text}"


def _need_schema() -> Path:
    for schema in _SCHEMAS:
        if schema.exists():
            return schema
    missing = f"PowerDNS has no SQLite schema (schema.sqlite3.sql not found): apt-get install {_PACKAGE}"
    if is_ci():
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
