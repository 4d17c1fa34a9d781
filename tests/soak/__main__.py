"""`python -m soak SEED ...` or `FROM-TO`: play the worlds of seeds; exit 1 when a promise was not kept."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

from .driving import soak
from .making import soak_world

_SHOWN = 20


def seeds_of(words: Iterable[str]) -> list[int]:
    """Return the seeds that words like `7`, `1-20` or `1,5` name."""
    found: list[int] = []
    for word in " ".join(words).replace(",", " ").split():
        first, _, last = word.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main(words: list[str]) -> int:
    """Play, tell and count."""
    begun_s, ended, failed = time.monotonic(), Counter[str](), list[int]()
    for seed in seeds_of(words):
        came = soak(soak_world(seed))
        ended[came.ending] += 1
        _tell(f"{came.ending:4} {came.world}")
        if came.problems:
            failed.append(seed)
            _tell(*(f"     {problem}" for problem in came.problems[:_SHOWN]), f"     again: {replay(seed)}")
    took_s = time.monotonic() - begun_s
    counts = ", ".join(f"{count} {ending}" for ending, count in sorted(ended.items()))
    _tell(f"{ended.total()} migrations in {took_s:.0f} s: {counts}; {len(failed)} broke a promise")
    return 1 if failed else 0


def replay(seed: int) -> str:
    """Return the command that plays a seed again."""
    return f"make soak SEEDS={seed}"


def _tell(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
