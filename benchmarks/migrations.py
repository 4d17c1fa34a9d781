"""How many simulated migrations a minute one core plays, the promises looked at after every record.

Worlds of 50 RRsets of each shape, hosts by API, without mishaps; CPU time of the whole process, servers and users
included. Required are 100 a minute.
"""

from __future__ import annotations

import argparse
import sys
import time

import pairs  # noqa: F401 - finds the tests' modules
from pairs import must_be
from soak.driving import soak
from soak.making import SHAPES, Shape, soak_world

REQUIRED_A_MINUTE = 100
RRSETS = 50


def cpu_s(shape: Shape, seeds: range) -> list[float]:
    """Return the CPU seconds of each migration; each must reach its target with every promise kept."""
    taken = []
    for seed in seeds:
        world = soak_world(seed, shape=shape, rrsets=RRSETS, plain=True)
        begun_s = time.process_time()
        came = soak(world)
        taken.append(time.process_time() - begun_s)
        must_be(exact=came.ending == "TGT" and not came.problems, what=f"{world}: {came.ending} {came.problems}")
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="worlds of each shape")
    seeds = range(1, parser.parse_args().seeds + 1)
    cpu_s("web", range(1))  # what is imported and compiled once
    total_s, played = 0.0, 0
    for shape in SHAPES:
        taken = cpu_s(shape, seeds)
        total_s, played = total_s + sum(taken), played + len(taken)
        print(f"{shape:10} {60 * len(taken) / sum(taken):6.0f} a minute, {sum(taken) / len(taken):.2f} s each")
    a_minute = 60 * played / total_s
    print(f"{'all':10} {a_minute:6.0f} a minute; required: {REQUIRED_A_MINUTE}")
    return int(a_minute < REQUIRED_A_MINUTE)


if __name__ == "__main__":
    sys.exit(main())
