"""Who has been told of what, kept beside the journal, so that nobody hears the same twice or for ever."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dnsrun.errors import JournalError
from dnsrun.journal.files import open_private, private_folder, write_once

_KEPT, _LOCK = "told.json", "told.lock"


@dataclass(frozen=True, slots=True)
class Told:
    """Up to which journal record somebody has been told; `failures`: how often telling of the next one failed."""

    seq: int = 0
    failures: int = 0


def is_left(folder: Path) -> bool:
    """Tell whether somebody could not be told, and is to be tried again. Touches the disk."""
    with suppress(JournalError):
        return any(told.failures for told in _read(folder / _KEPT).values())
    return False


@contextmanager
def telling(folder: Path) -> Iterator[dict[str, Told] | None]:
    """Yield what is known, by who is told; None while another process is telling. Touches the disk.

    Raises `JournalError`.
    """
    handle = open_private(private_folder(folder) / _LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield _read(folder / _KEPT)
    finally:
        os.close(handle)


def keep(folder: Path, known: Mapping[str, Told]) -> None:
    """Keep what is known; call it while telling. Touches the disk; raises `JournalError`."""
    text = json.dumps({who: asdict(told) for who, told in sorted(known.items())}, indent=1, ensure_ascii=False)
    write_once(folder / _KEPT, text + "\n")


def _read(path: Path) -> dict[str, Told]:
    if not path.exists():
        return {}
    with os.fdopen(open_private(path, os.O_RDONLY), encoding="utf-8") as file:
        try:
            return {str(who): Told(int(told["seq"]), int(told["failures"])) for who, told in json.load(file).items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}
