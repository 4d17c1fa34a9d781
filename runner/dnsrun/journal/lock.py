"""The hold on a domain: an advisory lock that dies with its process (fault 16), taken for one advance."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from dnsrun.clock import Clock
from dnsrun.errors import JournalError, Lost
from dnsrun.model.codec import encode
from dnsrun.ports.journal import Head, Journal

from .files import open_private, private_folder


class Busy(Lost):
    """Another process holds the domain; its pid, what it does and since when are in the message (fault 14)."""


class FileHold:
    """A taken lock; `check` looks at the journal's head."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def check(self, head: Head) -> None:
        """Raise `Lost` when the journal has moved past `head` (fault 17)."""
        if self._journal.head() != head:
            raise Lost("another process has acted for this domain since; nothing was done")


class FileHolds:
    """Hands out the hold on one state folder."""

    def __init__(self, folder: Path, journal: Journal, clock: Clock) -> None:
        self._path = folder / "lock"
        self._journal = journal
        self._clock = clock

    @contextlib.contextmanager
    def take(self, doing: str) -> Iterator[FileHold]:
        """Take the lock at once or raise `Busy`. Touches the disk."""
        private_folder(self._path.parent)
        handle = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            self._lock(handle)
            with contextlib.suppress(
                OSError
            ):  # the note is for people: a full disk must not stop a rollback (fault 11)
                note = {"pid": os.getpid(), "since": encode(self._clock.now()), "doing": doing}
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(note).encode(), 0)
            yield FileHold(self._journal)
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Busy(f"{self._path.parent.name}: {_holder(os.pread(handle, 1000, 0))}; nothing was done") from err
        except OSError as err:
            raise JournalError(
                f"{self._path}: files cannot be locked there ({err.strerror}); nothing was done"
            ) from err


def _holder(note: bytes) -> str:
    try:
        facts = json.loads(note)
        return f"process {facts['pid']} is at work since {facts['since']} ({facts['doing']})"
    except (ValueError, KeyError, TypeError):
        return "another process is at work"
