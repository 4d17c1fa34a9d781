"""A whole rehearsal: 300 names over five phases and every kind of cache, three days lived through.

Everything is played in this process: servers, hands, users, and the playbook's own steps and gates. The exit code is 1
when it takes longer or more memory than is required, or when it does not end in the target with nobody failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pairs  # noqa: F401 - finds the tests' modules
from dnsrun.rehearse import scenery
from dnsrun.rehearse.trial.drive import Script
from memory import peak_mib
from pairs import must_be
from trialworld import A_DAY, Trials

REQUIRED_S = 20.0
REQUIRED_MIB = 300.0
NAMES = 300


def zone_text(names: int) -> str:
    """Return the demo's zone with more names, every third of them an alias; NS TTL one day."""
    first = scenery.with_ns_ttl(scenery.FIRST_ZONE, 86_400)
    have = first.count("\n")
    more = (f"h{n:04} {'CNAME www' if n % 3 == 0 else f'A 192.0.2.{n % 200 + 1}'}\n" for n in range(names - have))
    return first + "".join(more)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=NAMES)
    names = parser.parse_args().names
    with tempfile.TemporaryDirectory() as folder:
        trials = replace(Trials(Path(folder), zone=zone_text(names), wishes=A_DAY), text=scenery.playbook_text(600))
        begun = time.perf_counter()
        found = trials.found(Script())
        taken_s = time.perf_counter() - begun
    good = found.played.ending == "target" and not found.broken_user_seconds
    must_be(exact=good, what="the rehearsal did not end in the target with nobody failed")
    lived_h = (found.played.ended - found.played.began).total_seconds() / 3600
    print(f"{names} names, {lived_h:.0f} h lived through: {taken_s:.1f} s, {peak_mib():.0f} MiB at most")
    return int(taken_s > REQUIRED_S or peak_mib() > REQUIRED_MIB)


if __name__ == "__main__":
    sys.exit(main())
