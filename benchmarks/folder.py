"""A folder of 200 playbooks, 20 new records each, one phase each, every gate on, at PowerDNS (S6).

dnsrun is the command `dnsrun apply --all`, in this process: for each domain the delegation from the roots, capture,
the zone held against its servers, plan, journal, write, read back, gates. The peer is octoDNS as a library, one
provider for all zones as its own command has it: file, plan, apply; it reads nothing back and has no gate.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pairs
import peers
from dnsrun.cli.console import Console
from dnsrun.cli.main import run
from dnsrun.cli.session import Session
from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.walk import Roots
from dnsrun.wiring.redaction import Redactor
from dnsrun.wiring.world import Network, World
from pairs import Pair, must_be
from scene import ROOT, Host, Scene, addresses, entries, scene

DOMAINS = tuple(f"client{number}.example" for number in range(200))
RECORDS = addresses(20)


class Folder:
    """The zones, emptied before each run."""

    def __init__(self, made: Scene) -> None:
        self._scene = made
        self._fresh = (made.folder / f"clients{number}" for number in count(1))
        for domain in DOMAINS:
            made.add(domain, {})

    def ours(self) -> float:
        """Apply every playbook of a folder that has no journals yet."""
        self._empty()
        folder = next(self._fresh)
        (folder / "playbooks").mkdir(parents=True)
        for domain in DOMAINS:
            text = self._scene.playbook(domain, entries(RECORDS))
            (folder / f"playbooks/{domain}.yaml").write_text(text)
        said = io.StringIO()
        begun = time.perf_counter()
        options = ("--all", "--phase", "switch", "--yes", "--project", str(folder))
        code = run(("apply", *options), self._session(folder, said))
        taken = time.perf_counter() - begun
        must_be(exact=code == 0, what=f"dnsrun ended with {code}:\n{said.getvalue()[:1000]}")
        self._check()
        return taken

    def _session(self, folder: Path, said: io.StringIO) -> Session:
        environment = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        console = Console(environment, out=said, err=said, stdin=io.StringIO(), interactive=False)
        return Session(console, environment, open_world=self._open)

    def _open(self, project: Path, redactor: Redactor, environment: Mapping[str, str]) -> World:
        clock = SystemClock()
        return World(
            project,
            clock=clock,
            open_network=lambda: Network(MappedNet(self._scene.places, clock), Roots.of({"a.root.": [ROOT]})),
            redactor=redactor,
            environment=environment,
        )

    def theirs(self) -> float:
        """Have octoDNS bring every zone to what its file says."""
        self._empty()
        folder = self._scene.folder / "octodns"
        for domain in DOMAINS:
            peers.write_config(folder, domain, RECORDS, self._scene.address(domain))
        begun = time.perf_counter()
        target = peers.provider(self._scene, DOMAINS[0])
        for domain in DOMAINS:
            peers.apply(folder, target, domain)
        taken = time.perf_counter() - begun
        self._check()
        return taken

    def _empty(self) -> None:
        for domain in DOMAINS:
            gone: list[dict[str, object]] = [
                {"name": f"{name}.{domain}.", "type": "A", "changetype": "DELETE", "records": []} for name in RECORDS
            ]
            self._scene.powerdns.patch(domain, *gone)

    def _check(self) -> None:
        for domain in DOMAINS:
            self._scene.check(domain, RECORDS)


def main() -> int:
    rounds = pairs.rounds(3)
    hosts: dict[str, Host] = dict.fromkeys(DOMAINS, "powerdns")
    with scene(hosts) as made:
        folder = Folder(made)
        what = f"{len(DOMAINS)} playbooks at PowerDNS (S6)"
        peer = "octoDNS, octodns-powerdns, no gates"
        return pairs.compare([Pair(what, folder.ours, folder.theirs, peer, target=1.0, warm_up=False)], rounds)


if __name__ == "__main__":
    raise SystemExit(main())
