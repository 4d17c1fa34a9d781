"""What a command costs before it does anything (S1): `dnsrun --help`, and `dnsrun status` on a project of 20 domains.

Each domain has a journal of a phase that really ran. The peer is `octodns-sync --help`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pairs
from dnsrun.engine.advance import Ended
from dnsrun.engine.start import begin, prepare
from pairs import Pair, must_be
from scene import Scene, addresses, entries, scene, steps

BIN = Path(sys.executable).parent
DOMAINS = tuple(f"client{number}.example" for number in range(20))


def timed(*command: str, says: tuple[str, ...], environment: dict[str, str] | None = None) -> float:
    """Return how long a command takes; its output must hold all these words."""
    begun = time.perf_counter()
    done = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, env=environment, check=True)
    taken = time.perf_counter() - begun
    must_be(exact=all(word in done.stdout for word in says), what=f"{command} does not say what it should")
    return taken


def fill(made: Scene, project: Path) -> None:
    """Run a phase for every domain, so that a playbook and a journal of each are in the project."""
    (project / "playbooks").mkdir(parents=True)
    state = replace(made, folder=project / ".dnsrun")
    for domain in DOMAINS:
        made.add(domain, {})
        text = made.playbook(domain, entries(addresses(2)))
        (project / "playbooks" / f"{domain}.yaml").write_text(text)
        run = state.open(text, folder=domain)
        begin(run, prepare(run, 1), {})
        must_be(exact=[*steps(run)][-1] == Ended("done", "done"), what=f"{domain} was not changed")


def status(project: Path, *, remembered: bool) -> Callable[[], float]:
    """Return a way to ask for the state of all domains; without what the last look remembered unless `remembered`."""
    environment = os.environ | {"HOME": str(project), "XDG_STATE_HOME": str(project / "state")}

    def ours() -> float:
        if not remembered:
            for kept in (project / ".dnsrun").glob("*/status.json"):
                kept.unlink()
        return timed("dnsrun", "status", "--project", str(project), says=DOMAINS, environment=environment)

    return ours


def main() -> int:
    rounds = pairs.rounds(15)

    def octodns() -> float:
        return timed("octodns-sync", "--help", says=("--doit",))

    def helped() -> float:
        return timed("dnsrun", "--help", says=("rollback", "Exit codes"))

    peer = "octodns-sync --help"
    with scene(dict.fromkeys(DOMAINS, "bind")) as made:
        project = made.folder / "project"
        fill(made, project)
        return pairs.compare(
            [
                Pair("dnsrun --help (S1)", helped, octodns, peer, target=0.45, required=1.0),
                Pair("dnsrun status, 20 domains (S1)", status(project, remembered=True), octodns, peer, 1.0, 1.0),
                Pair("the same, every journal is new to it", status(project, remembered=False), octodns, peer),
            ],
            rounds,
        )


if __name__ == "__main__":
    raise SystemExit(main())
