"""P1, P2, P7, faults 1 to 4, 6, 7, 16: dead at any point, `resume` ends in the target, `rollback` in the checkpoint.

Both ways in one file, so that one process makes the recording for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from crash.crashworld import CrashWorld, Variant
from crash.recovery import CHUNKS, LONG_K, K, recover_all
from crash.runs import Recording
from dnsrun.model.act import Act
from dnsrun.model.entry import Astray, Entry


def test_every_kind_of_entry_and_act_is_among_what_is_crashed(
    recording: Recording, moves: Recording, record_property: Callable[[str, object], None]
) -> None:
    """Those of a zone that moves are crashed in `test_dead_while_moving`.

    `Astray` is what a look at the parent saw, and no act waits for it: a process that comes back to it is tested where
    the parent shows a placeholder.
    """
    crashed = {type(record.entry) for record in (*recording.records, *moves.records)}
    assert crashed == set(get_args(Entry)) - {Astray}
    assert recording.acts | moves.acts == set(get_args(Act))
    record_property("summary", f"crash points: {recording}; one of {K} is taken, both ways with -m long")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_resumed_at_every_kth_point(crashing: CrashWorld, recording: Recording, chunk: int) -> None:
    recover_all(crashing, recording.points[:: K * 2][chunk::CHUNKS], "resume")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_rolled_back_at_every_kth_point(crashing: CrashWorld, recording: Recording, chunk: int) -> None:
    recover_all(crashing, recording.points[K :: K * 2][chunk::CHUNKS], "rollback")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", get_args(Variant))
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_recovered_at_every_point(crashing: CrashWorld, recording: Recording, chunk: int, variant: Variant) -> None:
    recover_all(crashing, recording.points[::LONG_K][chunk::CHUNKS], variant)
