"""P1 and fault 16 with real servers: a process is killed with SIGKILL, and another one goes on in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Literal, get_args
from urllib.parse import urlsplit

import dns.name
import pytest

from crash.child import begin_and_drive
from crash.children import child
from dnsrun.engine.advance import Ended
from dnsrun.engine.run import Run
from dnsrun.model.entry import RollbackAsked
from dnsrun.rehearse.authority import Authority
from servers import Bind, Knot, PowerDns, Primary, Secondary, Starter, eventually
from servers.running import RunningServer
from worlds import NEW, OLD, PARENT_ZONE, ROOT_ZONE, START, PacedClock, Web, Workshop

Host = Literal["bind", "powerdns"]
DOMAIN = "client.example"
PHASES = (1, 2)
K = 2 if "CI" not in os.environ else 6
# Where a write is near, each kind at one of the hosts; all points at both are long.
FEW: dict[Host, tuple[int, ...]] = {"bind": (13, 17, 44), "powerdns": (14, 41, 46)}
FIRST = {
    "bind": "{use: rfc2136, server: 198.51.100.53, name_servers: [ns1.client.example]}",
    "powerdns": '{use: powerdns, api_url: "URL", api_key: {env: API_KEY}, name_servers: [ns1.client.example]}',
}
PLAYBOOK = """dnsrun: 1
domain: client.example
providers:
  first: FIRST
  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}
zone: {from: first, secondaries: {first: [second]}}
records:
  - {names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}
  - {names: [fresh], type: A, value: 203.0.113.20}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200, successes: 1}
"""
ZONE = f"""
@ 3600 SOA ns1.client.example. nobody.client.example. 7 1800 900 604800 300
@ 3600 NS ns1.client.example.
@ 3600 NS ns2.client.example.
ns1 3600 A 198.51.100.53
ns2 3600 A 198.51.100.54
www 3600 A {OLD}
@ 3600 TXT "v=spf1 -all"
*.wild 3600 TXT "kept" "in two"
"""
ORIGINAL = frozenset({"www 3600 A 192.0.2.10"})
TARGET = frozenset({"www 600 A 203.0.113.20", "fresh 600 A 203.0.113.20"})


@dataclass(kw_only=True)
class Killing(Workshop):
    """Two real servers of one zone, and what the zone holds besides the records of the playbook."""

    primary: RunningServer
    secondary: Knot
    rest: frozenset[str] = frozenset()

    def held(self, server: RunningServer) -> frozenset[str]:
        """Return a transferred zone, its SOA aside, as lines."""
        zone = server.transfer(DOMAIN)
        origin = dns.name.from_text(DOMAIN)
        return frozenset(
            f"{name.relativize(origin)} {ttl} {rdata.rdtype.name} {rdata.to_text()}"
            for name, ttl, rdata in zone.iterate_rdatas()
            if rdata.rdtype.name != "SOA"
        )

    def goes_to(self, wanted: frozenset[str]) -> None:
        """Hold both servers to these records and everything else as it was."""
        assert self.held(self.primary) == self.rest | wanted
        eventually(lambda: self.held(self.secondary) == self.rest | wanted, 10, "the secondary holds the same")

    def resumed(self) -> Run:
        """Go on in a new process's place until both phases are done."""
        self.clock = PacedClock(START)
        run = self.open(self.text)
        for record in run.journal.read():
            self.clock.wait_until(record.at)
        for number in PHASES:
            begin_and_drive(self, run, number)
        return run

    def rolled_back(self, run: Run) -> None:
        run.append(RollbackAsked("all", None, "somebody"))
        ending = self.drive(run)
        assert isinstance(ending, Ended)
        assert ending.outcome == "rolled-back", ending.because


def above(stack: ExitStack) -> dict[tuple[str, int], tuple[str, int]]:
    root = stack.enter_context(Authority({dns.name.root: ROOT_ZONE}))
    parent = stack.enter_context(Authority({dns.name.from_text("example"): PARENT_ZONE}))
    old, new = stack.enter_context(Web()), stack.enter_context(Web())
    return {
        ("198.51.100.1", 53): (root.address, root.port),
        ("198.51.100.2", 53): (parent.address, parent.port),
        (OLD, 80): old.place,
        (NEW, 80): new.place,
    }


Killed = Callable[[Host], Killing]


@pytest.fixture
def on(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killed]:
    with ExitStack() as stack:

        def made(host: Host) -> Killing:
            zones = [Primary(DOMAIN, ZONE)]
            primary = start(Bind(zones) if host == "bind" else PowerDns(zones))
            secondary = start(Knot([Secondary(DOMAIN, primary.endpoint)]))
            places = above(stack)
            places["198.51.100.53", 53] = (primary.address, primary.port)
            places["198.51.100.54", 53] = (secondary.address, secondary.port)
            text = PLAYBOOK.replace("FIRST", FIRST[host])
            if isinstance(primary, PowerDns):
                api = urlsplit(primary.api_url)
                places[str(api.hostname), int(api.port or 80)] = (str(api.hostname), int(api.port or 80))
                monkeypatch.setenv("API_KEY", primary.api_key)
                text = text.replace("URL", primary.api_url)
            killing = Killing(folder=tmp_path / "0", places=places, text=text, primary=primary, secondary=secondary)
            killing.rest = killing.held(primary) - ORIGINAL
            return killing

        yield made


def kill_and_go_on(killing: Killing, at: int) -> bool:
    """Kill a process at a point, resume to the target, and go all the way back; return whether there was the point."""
    killing.folder = killing.folder.parent / str(at)
    with child(killing, SIGKILL, at, PHASES) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode in {0, -SIGKILL}, errors
    if at % 2:
        run = killing.resumed()
        killing.goes_to(TARGET)
    run = killing.open(killing.text)
    if run.state.opened:
        killing.rolled_back(run)
    killing.goes_to(ORIGINAL)
    return process.returncode != 0


@pytest.mark.parametrize("host", get_args(Host))
def test_killed_near_a_write(on: Killed, host: Host) -> None:
    killing = on(host)
    for at in FEW[host]:
        assert kill_and_go_on(killing, at)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("host", get_args(Host))
def test_killed_at_every_kth_point(on: Killed, host: Host) -> None:
    killing = on(host)
    at = 1
    while kill_and_go_on(killing, at):
        at += K
