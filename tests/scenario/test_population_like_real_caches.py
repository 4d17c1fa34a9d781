"""Rule 2.2: the model's BIND, Unbound and PowerDNS Recursor move when the real ones do. A rare test about time.

Tolerance: one TTL of the record, since whose copy is oldest at the switch is chance, a second for caches that count
whole seconds (Unbound serves the last one, too), and a second and a half of scheduling. Kinds lie 8 s apart or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cachemodel import limits_of, looks_of
from dnsrun.rehearse.cache import POPULATION
from movecases import PLAYS, TTL_S, Case, Seen, seen
from servers.namespace import perform

TOLERANCE_S = TTL_S + 2.5
KINDS = {
    "BIND": "bind",
    "Unbound": "unbound",
    "PowerDNS Recursor": "powerdns-recursor",
    "BIND that serves stale answers": "serve-stale",
}
TABLE = {
    Case(20, 20): (13.5, 16.5, 13.6),
    Case(20, 20, asks_ns=True): (12.7, 15.4, 12.7),
    Case(20, 20, asks_ns_late=True): (12.2, 33.2, 12.2),
    Case(10, 60): (3.6, 3.6, 52.2),
    Case(10, 60, asks_ns=True): (3.7, 55.7, 51.8),
    Case(40, 5): (4.5, 36.3, 4.5),
    Case(40, 5, asks_ns=True): (3.7, 3.7, 3.7),
    Case(40, 40, purged=True): (31.6, 3.6, 60.5),
}
"""Seconds after the switch at which BIND, Unbound and the Recursor were measured to give the first new answer."""


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    return perform("movestage.py", "quick")


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return perform("movestage.py", "measured")


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.domain)
def test_the_model_gives_the_measured_table(case: Case) -> None:
    for name, new_after_s in zip(("bind", "unbound", "powerdns-recursor"), TABLE[case], strict=True):
        found = seen(looks_of(POPULATION[name], case, PLAYS["measured"].longest_s))
        assert found.new_after_s == pytest.approx(new_after_s, abs=TOLERANCE_S), name


@pytest.mark.long
def test_model_and_real_caches_move_together(
    quick: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    assert differences("quick", quick, record_property) == []


@pytest.mark.long
def test_model_and_real_caches_move_together_in_the_whole_table(
    measured: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    assert differences("measured", measured, record_property) == []


@pytest.mark.long
def test_real_caches_keep_data_and_absences_as_long_as_the_model_says(quick: dict[str, Any]) -> None:
    for cache, found in quick["limits"].items():
        for real_s, model_s in zip(found, limits_of(POPULATION[KINDS[cache]]), strict=True):
            assert model_s - 2 <= real_s <= model_s, cache


def differences(
    play: str, found: dict[str, Any], record_property: Callable[[str, object], None]
) -> list[tuple[str, str, Seen, Seen]]:
    """Return where the real caches went another way than the model; tell all that was seen."""
    apart = []
    for cache, kind in KINDS.items():
        for case in PLAYS[play].cases:
            real = seen(found["looks"][cache][case.domain])
            model = seen(looks_of(POPULATION[kind], case, PLAYS[play].longest_s))
            record_property("summary", f"  {cache}, {case.domain} new after {words(real)}, in the model {words(model)}")
            if not is_close(flat(real), flat(model)):
                apart.append((cache, case.domain, real, model))
    return apart


def flat(met: Seen) -> Sequence[float]:
    return (met.new_after_s, *(met.failed_s or ()))


def is_close(real: Sequence[float], model: Sequence[float]) -> bool:
    """Compare times; what has not happened when the play ends is infinity on both sides."""
    pairs = list(zip(real, model, strict=False))
    return len(real) == len(model) and all(one == other or abs(one - other) <= TOLERANCE_S for one, other in pairs)


def words(met: Seen) -> str:
    new = "never" if math.isinf(met.new_after_s) else f"{met.new_after_s:.1f} s"
    return f"{new}, failed {met.failed_s[0]:.1f} s to {met.failed_s[1]:.1f} s" if met.failed_s else new
