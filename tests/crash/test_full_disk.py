"""Faults 10 and 11: a disk that is full stops what goes forward before its call, and stops no rollback."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash.crashworld import CrashWorld, content
from crash.runs import Recording
from crash.words import AT_THE_END_OF, LOWERED, ORIGINAL, SWITCHED
from dnsrun.errors import JournalError
from dnsrun.journal import store
from dnsrun.journal.files import write_once
from dnsrun.model.entry import RollbackAsked


@contextmanager
def disk_of(folder: Path, octets: int) -> Iterator[None]:
    """Let the files of a folder hold no more than that together."""

    def need(more: int) -> None:
        held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "lock")
        if held + more > octets:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def pwrite(handle: int, data: bytes, offset: int) -> int:
        need(len(data))
        return made(handle, data, offset)

    def once(path: Path, text: str) -> None:
        try:
            need(len(text.encode()))
        except OSError as err:
            raise JournalError(f"{path}: cannot be written: {err.strerror}") from err
        write_once(path, text)

    made = os.pwrite
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr(store, "write_once", once)
        yield


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_no_call_is_made_when_its_intent_cannot_be_written(crashing: CrashWorld, recording: Recording) -> None:
    """Fault 10: nothing is done outside, and with room again the phase goes on to its target."""
    crashing.start_at(recording.ends[2])
    run, folder = crashing.begin(3), crashing.small.folder
    with disk_of(folder, held(folder)), pytest.raises(JournalError, match="No space left"):
        crashing.go(run)
    assert crashing.calls == 0
    assert [content(zone) for zone in crashing.zones] == [SWITCHED] * 2
    assert crashing.go(crashing.open()) == "done"
    assert [content(zone) for zone in crashing.zones] == [AT_THE_END_OF[3]] * 2


def test_a_full_disk_does_not_keep_a_rollback_from_its_end(crashing: CrashWorld, recording: Recording) -> None:
    """Faults 10 and 11: the room for it was kept."""
    crashing.start_at(recording.ends[3])
    run, folder = crashing.open(), crashing.small.folder
    with disk_of(folder, held(folder)):
        run.append(RollbackAsked("all", None, "somebody"))
        assert crashing.go(run) == "rolled-back"
    assert [content(zone) for zone in crashing.zones] == [ORIGINAL] * 2


def test_a_disk_that_fills_up_in_the_middle_of_a_rollback_stops_nothing(
    crashing: CrashWorld, recording: Recording
) -> None:
    crashing.start_at(recording.ends[2])
    run, folder = crashing.open(), crashing.small.folder
    full = held(folder)
    run.append(RollbackAsked("newest", None, "somebody"))
    with disk_of(folder, full):
        assert crashing.go(run) == "rolled-back"
    assert [content(zone) for zone in crashing.zones] == [LOWERED] * 2
