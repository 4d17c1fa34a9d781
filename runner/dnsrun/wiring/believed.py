"""What time it is, when the wall clock may have been set between two processes (rule T9, faults 18, 19).

Beside the journals lies when this machine was last asked for the time, and how long it had been up then. As long as it
stays up, the time that passes since then is known, and of the two times the earlier one counts: a wait may become
longer, never shorter. After a restart there is nothing to compare with, and the wall clock counts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from dnsrun.clock import awake_and_asleep_s, now_utc
from dnsrun.errors import JournalError
from dnsrun.journal.files import open_private, write_once

MARK = "clock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def believed_now(
    state: Path,
    *,
    boot: str | None = None,
    wall: Callable[[], datetime] = now_utc,
    passed_s: Callable[[], float] = awake_and_asleep_s,
) -> datetime:
    """Return the time (UTC), never later than what has really passed since the mark in the folder `state`.

    Without a boot ID, or a state folder, the wall clock counts. Touches the disk; `boot`, `wall` and `passed_s` are for
    tests.
    """
    boot = _boot() if boot is None else boot
    now, up_s = wall(), passed_s()
    if not boot or not state.is_dir():
        return now
    marked = _marked(state / MARK, boot)
    if marked is None:
        with contextlib.suppress(JournalError):  # a folder that cannot be written is refused where something is written
            write_once(state / MARK, f"{boot} {up_s:.3f} {now.isoformat()}\n")
        return now
    then, then_s = marked
    return min(now, then + timedelta(milliseconds=int((up_s - then_s) * 1000)))


def _marked(path: Path, boot: str) -> tuple[datetime, float] | None:
    """Return the mark of this very boot; None when there is none that can be used."""
    if not path.exists():
        return None
    with contextlib.suppress(JournalError, ValueError):
        with os.fdopen(open_private(path, os.O_RDONLY), encoding="ascii") as file:
            of_boot, up_s, at = file.read(200).split()
        return (datetime.fromisoformat(at), float(up_s)) if of_boot == boot else None
    return None


def _boot() -> str:
    with contextlib.suppress(OSError):
        return BOOT_ID.read_text(encoding="ascii").strip()
    return ""
