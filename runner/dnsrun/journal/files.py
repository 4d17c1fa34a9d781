"""Private files: folders 0700, files 0600, no symbolic links, durable writes (threat 14, fault 9)."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from dnsrun.errors import JournalError


def private_folder(path: Path) -> Path:
    """Create the folder and its parents (0700) durably when not there.

    Raises `JournalError` when it is not ours alone.
    """
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(folder.parent)  # what is written inside must not vanish with its folder (fault 9)
        status = path.lstat()
    except OSError as err:
        raise JournalError(f"{path}: cannot be used as state folder: {err.strerror}; nothing was done") from err
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise JournalError(f"{path}: is not a folder of yours (a link, or another owner); nothing was done")
    if status.st_mode & 0o077:
        path.chmod(0o700)
    return path


def open_private(path: Path, flags: int) -> int:
    """Open a file of ours without following links; created with 0600. Raises `JournalError`."""
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise JournalError(f"{path}: cannot be opened: {err.strerror}; nothing was done") from err
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(handle)
        raise JournalError(f"{path}: is not a plain file of yours; nothing was done")
    return handle


def write_once(path: Path, text: str) -> None:
    """Write a file that is either whole or absent, durably, its folder entry too. Raises `JournalError`."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as err:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise JournalError(f"{path}: cannot be written: {err.strerror}; nothing was changed outside") from err


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
