"""P1, P2, P7, faults 2 to 4, 7, 16: dead at any point, `rollback` ends in the checkpoint."""

from __future__ import annotations

import pytest

from crash.crashworld import CrashWorld
from crash.recovery import CHUNKS, LONG_K, K, recover_all
from crash.runs import Recording


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_dead_at_every_kth_point(crashing: CrashWorld, recording: Recording, chunk: int) -> None:
    recover_all(crashing, recording.points[K :: K * 2][chunk::CHUNKS], "rollback")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_dead_at_every_point(crashing: CrashWorld, recording: Recording, chunk: int) -> None:
    recover_all(crashing, recording.points[::LONG_K][chunk::CHUNKS], "rollback")
