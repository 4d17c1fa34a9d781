"""Capture of a zone of 10,000 records: transfer from BIND into the model, written as text, hashed, stored (S4).

The peer is populate of octodns-bind, which stores nothing.
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import dns.name

import pairs
import peers
from dnsrun.journal.store import FileJournal
from dnsrun.model.zonetext import from_text, to_text
from pairs import Pair, must_be
from scene import Scene, addresses, scene

DOMAIN = "client.example"
RECORDS = addresses(10_000)


def ours(made: Scene, folders: count[int]) -> float:
    provider = made.open(made.playbook(DOMAIN, ["{names: [h0], type: A, value: 10.0.0.0}"])).ports.providers["host"]
    journal = FileJournal(Path(made.folder) / f"capture-{next(folders)}", made.clock)
    begun = time.perf_counter()
    zone = provider.read_zone(dns.name.from_text(DOMAIN))
    digest = journal.put(to_text(zone), suffix="zone")
    taken = time.perf_counter() - begun
    stored = from_text(journal.get(digest))
    held = {key.owner.labels[0].decode(): r.texts() for key, r in stored.rrsets.items() if key.rdtype.name == "A"}
    held.pop("ns1")
    must_be(exact=held == {name: (address,) for name, address in RECORDS.items()}, what="the capture is not the zone")
    return taken


def theirs(made: Scene) -> float:
    source = peers.provider(made, DOMAIN)
    begun = time.perf_counter()
    zone = peers.populated(source, DOMAIN)
    taken = time.perf_counter() - begun
    held = {record.name: record.values for record in zone.records if record._type == "A"}
    held.pop("ns1")
    must_be(exact=held == {name: [address] for name, address in RECORDS.items()}, what="populate is not the zone")
    return taken


def main() -> int:
    rounds = pairs.rounds(5)
    with scene({DOMAIN: "bind"}) as made:
        made.add(DOMAIN, RECORDS)
        folders = count()
        pair = Pair(
            "capture of 10,000 records by transfer (S4)",
            lambda: ours(made, folders),
            lambda: theirs(made),
            "octodns-bind populate",
            target=0.6,
        )
        return pairs.compare([pair], rounds)


if __name__ == "__main__":
    raise SystemExit(main())
