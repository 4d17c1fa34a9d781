"""One world and one recording of all its points for each test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.crashworld import CrashWorld, crash_world
from crash.movingruns import record_moving
from crash.movingworld import MovingWorld, moving_world
from crash.runs import Recording, record


@pytest.fixture(scope="session")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashWorld]:
    with crash_world(tmp_path_factory.mktemp("crash")) as world:
        yield world


@pytest.fixture(scope="session")
def recording(crashing: CrashWorld) -> Recording:
    return record(crashing)


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingWorld]:
    with moving_world(tmp_path_factory.mktemp("moving")) as world:
        yield world


@pytest.fixture(scope="session")
def moves(moving: MovingWorld) -> Recording:
    return record_moving(moving)
