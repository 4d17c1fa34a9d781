"""nginx: one page at one port, with whatever status."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from collections.abc import Sequence

from .needs import need_program
from .ports import LOOPBACK
from .running import RunningServer
from .waiting import eventually


class Nginx(RunningServer):
    """A web server that gives the same short page for every path."""

    software = "nginx"

    def __init__(self, page: str = "Client", *, name: str = "") -> None:
        self._program = need_program("nginx", server="nginx", package="nginx-light")
        super().__init__(name)
        self._page = page
        self._status = 200

    @property
    def place(self) -> tuple[str, int]:
        """Where it really listens."""
        return self.address, self.port

    def answer(self, status: int) -> None:
        """Answer with another status from now on; returns when that is so."""
        self._status = status
        self._write()
        self._signal(signal.SIGHUP)
        eventually(lambda: self._got() == status, 10, f"status {status}")

    def _command(self) -> Sequence[str]:
        self._write()
        return [self._program, "-p", str(self.directory), "-c", "nginx.conf", "-e", "stderr"]

    def _is_ready(self) -> bool:
        return self._got() == self._status

    def _got(self) -> int:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/", timeout=2) as response:
                return int(response.status)
        except urllib.error.HTTPError as err:
            return err.code
        except OSError:
            return 0

    def _write(self) -> None:
        (self.directory / "nginx.conf").write_text(
            f"""daemon off;
pid nginx.pid;
worker_processes 1;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fast; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {LOOPBACK}:{self.port};
    location / {{ return {self._status} "{self._page}"; }}
  }}
}}
"""
        )
