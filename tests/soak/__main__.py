"""`python -m soak SEED ...` or `FROM-TO`: play the worlds of seeds; exit 1 when a promise was not kept."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

from .driving import soak
from .making import soak_world

REPLAY = "make soak SEEDS={seed}"


def seeds_of(words: Iterable[str]) -> list[int]:
    """Return the seeds that words like `7`, `1-20` or `1,5` name."""
    found: list[int] = []
    for word in " ".join(words).replace(",", " ").split():
        first, _, last = word.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main(words: list[str]) -> int:
    """Play, tell and count."""
    begun_s, ended, failed = time.monotonic(), Counter[str](), []
    for seed in seeds_of(words):
        world = soak_world(seed)
        came = soak(world)
        ended[came.ending] += 1
        print(f"{came.ending:4} {world} ({came.played.phases[-1].because}{came.played.phases[-1].failed})", flush=True)
        if came.problems or came.ending == "?":
            failed.append(seed)
            for problem in came.problems[:20]:
                print(f"     {problem}")
            print(f"     again: {REPLAY.format(seed=seed)}", flush=True)
    took_s = time.monotonic() - begun_s
    print(f"{sum(ended.values())} migrations in {took_s:.0f} s: {dict(ended)}; {len(failed)} broke a promise {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
