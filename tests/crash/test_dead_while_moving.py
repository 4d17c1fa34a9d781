"""P1, P2, P7, faults 1 to 4, 6, 7, 16, 17 where a zone moves: old host, new host and parent end in one state.

`resume` ends in the target or where the rollback was going, `rollback` in what was captured; whole zones are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from crash.crashworld import Variant
from crash.movingrecovery import around_delegation, recover_all_moving
from crash.movingworld import MovingWorld
from crash.runs import Recording
from dnsrun.model.act import SetDelegation, WriteZone
from servers import is_ci

K = 6
LONG_K = 4 if is_ci() else 1
CHUNKS = 8


def test_the_runs_write_at_both_hosts_and_at_the_parent(
    moves: Recording, record_property: Callable[[str, object], None]
) -> None:
    assert moves.acts == {WriteZone, SetDelegation}
    record_property("summary", f"crash points of a zone that moves: {moves}; one of {K} is taken, all with -m long")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_resumed_at_every_kth_point(moving: MovingWorld, moves: Recording, chunk: int) -> None:
    recover_all_moving(moving, moves.points[:: K * 2][chunk::CHUNKS], "resume")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_rolled_back_at_every_kth_point(moving: MovingWorld, moves: Recording, chunk: int) -> None:
    recover_all_moving(moving, moves.points[K :: K * 2][chunk::CHUNKS], "rollback")


@pytest.mark.parametrize("variant", get_args(Variant))
def test_recovered_around_every_change_of_the_delegation(
    moving: MovingWorld, moves: Recording, variant: Variant
) -> None:
    around = list(around_delegation(moving, moves.points))
    assert len(around) > 5
    recover_all_moving(moving, around, variant)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", get_args(Variant))
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_recovered_at_every_point(moving: MovingWorld, moves: Recording, chunk: int, variant: Variant) -> None:
    recover_all_moving(moving, moves.points[::LONG_K][chunk::CHUNKS], variant)
