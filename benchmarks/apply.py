"""Apply, from the file until every server was seen answering with it (S5): 10,000 new records, and one in 10,000.

dnsrun reads the playbook, captures the zone, holds it against what the servers answer, plans, journals, writes, reads
back at every server and judges with every built-in gate. The peer is octoDNS as a library: its file, plan, which reads
the zone, and apply; it reads nothing back, and its file holds the whole zone, as it must.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pairs
import peers
from dnsrun.engine.advance import Ended
from dnsrun.engine.start import begin, prepare
from pairs import Pair, must_be
from scene import Host, Records, Scene, addresses, entries, scene, steps

MANY = addresses(10_000)
HOSTS: tuple[Host, ...] = ("bind", "powerdns")


class Creating:
    """Each run fills a zone of its own."""

    def __init__(self, made: Scene, host: Host) -> None:
        self._scene = made
        self._domains = (domain for domain, of in made.hosts.items() if of == host and domain.startswith("new"))

    def ours(self) -> float:
        domain = self._empty()
        return applied(self._scene, domain, self._scene.playbook(domain, entries(MANY)), MANY)

    def theirs(self) -> float:
        domain = self._empty()
        return applied_by_octodns(self._scene, domain, MANY)

    def _empty(self) -> str:
        domain = next(self._domains)
        self._scene.add(domain, {})
        return domain


class Changing:
    """Each run gives one name of a large zone another address."""

    def __init__(self, made: Scene, host: Host) -> None:
        self._scene = made
        self._domain = f"large-{host}.example"
        self._records = dict(MANY)
        self._fresh: Iterator[str] = (f"192.0.2.{number}" for number in count(1))
        made.add(self._domain, MANY)

    def ours(self) -> float:
        was, new = self._records["h5000"], self._change()
        entry = f"{{names: [h5000], type: A, was: {was}, value: {new}}}"
        return applied(self._scene, self._domain, self._scene.playbook(self._domain, [entry]), self._records)

    def theirs(self) -> float:
        self._change()
        return applied_by_octodns(self._scene, self._domain, self._records)

    def _change(self) -> str:
        self._records["h5000"] = next(self._fresh)
        return self._records["h5000"]


def applied(made: Scene, domain: str, text: str, wanted: Records) -> float:
    begun = time.perf_counter()
    run = made.open(text)
    begin(run, prepare(run, 1), {})
    *_, last = steps(run)
    taken = time.perf_counter() - begun
    must_be(exact=last == Ended("done", "done"), what=f"ended with {last}")
    made.check(domain, wanted)
    return taken


def applied_by_octodns(made: Scene, domain: str, wanted: Records) -> float:
    folder = made.folder / "octodns"
    peers.write_config(folder, domain, wanted, made.address(domain))
    begun = time.perf_counter()
    peers.apply(folder, peers.provider(made, domain), domain)
    taken = time.perf_counter() - begun
    made.check(domain, wanted)
    return taken


def main() -> int:
    rounds = pairs.rounds(2)
    hosts: dict[str, Host] = {f"large-{host}.example": host for host in HOSTS}
    hosts |= {f"new{number}-{host}.example": host for number in range(2 * rounds) for host in HOSTS}
    names = {"bind": "BIND", "powerdns": "PowerDNS"}
    with scene(hosts) as made:
        ways = [
            (f"{what} at {names[host]} (S5)", kind(made, host), f"octoDNS, octodns-{host}", target)
            for what, kind, target in (("10,000 creates", Creating, 0.55), ("1 change of 10,000", Changing, 0.25))
            for host in HOSTS
        ]
        return pairs.compare(
            [
                Pair(what, way.ours, way.theirs, peer, target, required=1.0, warm_up=False)
                for what, way, peer, target in ways
            ],
            rounds,
        )


if __name__ == "__main__":
    raise SystemExit(main())
