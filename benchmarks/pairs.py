"""Run two ways of doing the same thing in turn and compare them pair by pair.

Only the ratio carries over to another machine. Each way returns the seconds that it took and raises when what it did
is not exactly right: a fast wrong answer is no result.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # real servers, and the workshop around them

Way = Callable[[], float]
_LINE = "{:<44} {:>10} {:>10} {:>8} {:>8} {:>8}"


class NotExactError(AssertionError):
    """The result is not what it was to be; whatever it took does not count."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways to the same result. `target` and `required` bound ours divided by theirs; None: no bound.

    `warm_up`: one run of each before those that count; for runs of seconds what is loaded once does not matter.
    """

    what: str
    ours: Way
    theirs: Way
    peer: str
    target: float | None = None
    required: float | None = None
    warm_up: bool = True


def rounds(default: int) -> int:
    """Return how many rounds the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=default, help=f"pairs of runs for each line ({default})")
    return int(parser.parse_args().rounds)


def compare(pairs: Iterable[Pair], rounds: int) -> int:
    """Run every pair `rounds` times, print a line each.

    Returns 1 when a ratio is above what is required, else 0.
    """
    print(_LINE.format("median of " + str(rounds), "dnsrun", "peer", "ratio", "target", "required"))
    within = [_is_within(pair, rounds) for pair in pairs]
    return 0 if all(within) else 1


def _is_within(pair: Pair, rounds: int) -> bool:
    if pair.warm_up:
        pair.ours(), pair.theirs()
    taken = [(pair.ours(), pair.theirs()) for _ in range(rounds)]
    ours, theirs = (statistics.median(side) for side in zip(*taken, strict=True))
    ratio = statistics.median(one / other for one, other in taken)
    print(
        _LINE.format(pair.what, _ms(ours), _ms(theirs), f"{ratio:.2f}", _bound(pair.target), _bound(pair.required)),
        f" peer: {pair.peer}",
        flush=True,
    )
    return pair.required is None or ratio <= pair.required


def _bound(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.2f}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def must_be(*, exact: bool, what: str) -> None:
    """Raise `NotExactError` unless `exact`."""
    if not exact:
        raise NotExactError(what)
