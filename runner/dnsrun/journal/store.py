"""The journal of one domain as files: `journal.jsonl`, and blobs by digest below `captures/`.

One record a line, each with the SHA-256 of the one before, so that a changed line is found (fault 58). A line
without its newline is a torn tail (fault 4): it was never acknowledged, and is cut by the next append.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from dnsrun.clock import Clock
from dnsrun.errors import JournalError, Lost
from dnsrun.model.codec import decode, encode
from dnsrun.model.entry import SCHEMA_VERSION, Entry, Opened, Planned, Record, RollbackAsked, RollbackBegun
from dnsrun.model.text import shorten
from dnsrun.ports.journal import Head

from .files import open_private, private_folder, sync_folder, write_once

EMPTY: Head = (0, "")
DIGEST_FIELD = b', "digest": "'
_UNFIT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_KINDS = frozenset(kind.__name__ for kind in get_args(Entry))
RESERVE_OCTETS = 512 * 1024  # room for a rollback's records on a disk that has filled up (fault 11)


class FileJournal:
    """A journal in a folder. Every method touches the disk; none the network."""

    def __init__(self, folder: Path, clock: Clock, *, seen_from: Path | None = None) -> None:
        """Open it; paths of sheets are shown as seen from a folder above, the project's unless given."""
        self.folder = folder
        self._seen_from = seen_from or folder.parent.parent
        self._clock = clock
        self._path = folder / "journal.jsonl"
        self._last = folder / "last"
        self._reserve = folder / ".reserve"
        self._head: Head = EMPTY
        self._offset = 0

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records with seq > `after`; raise `JournalError` at the first line that does not fit."""
        acknowledged = self._acknowledged()
        head, offset = (self._head, self._offset) if after >= self._head[0] else (EMPTY, 0)
        for line in self._lines(offset):
            record = _parse(line, head, self._path)
            head, offset = (record.seq, record.digest), offset + len(line)
            if offset > self._offset:
                self._head, self._offset = head, offset
            if record.seq > after:
                yield record
        if head[0] < acknowledged:
            raise JournalError(
                f"{self._path}: ends with record {head[0]}, but record {acknowledged} was written: its end was cut "
                "off; nothing was changed. Put the file back from a copy"
            )

    def head(self) -> Head:
        """Return seq and digest of the last durable record, reading only what is new."""
        for _ in self.read(self._head[0]):
            pass
        return self._head

    def append(self, entry: Entry, *, head: Head) -> Record:
        """Append durably and return the record.

        Raises `Lost` when the journal's head is not `head`, `JournalError` when it cannot be written.
        """
        private_folder(self.folder)
        handle = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self.head() != head:
                raise Lost(f"{self._path}: another process has written since; nothing was done")
            self._prepare_room(entry)
            record, line = _line(entry, head, self._clock)
            self._write(handle, line)
            self._acknowledge(record.seq)
        finally:
            os.close(handle)
        self._head = (record.seq, record.digest)
        self._offset += len(line)
        return record

    def _acknowledged(self) -> int:
        """Return the seq of the last record that an append came back for, as far as it is known."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._last.read_text(encoding="ascii"))
        return 0

    def _acknowledge(self, seq: int) -> None:
        """Keep the last seq beside the journal: a chain alone does not show that its end is missing (fault 58)."""
        with contextlib.suppress(OSError, JournalError):
            handle = open_private(self._last, os.O_WRONLY | os.O_CREAT)
            try:
                os.pwrite(handle, f"{seq:<20}\n".encode(), 0)
            finally:
                os.close(handle)

    def put(self, blob: str, *, suffix: str) -> str:
        """Store text durably under its digest; storing it again changes nothing."""
        digest = hashlib.sha256(blob.encode()).hexdigest()
        path = private_folder(private_folder(self.folder) / "captures") / f"{digest}.{suffix}"
        if not path.exists():
            write_once(path, blob)
        return digest

    def get(self, digest: str) -> str:
        """Return stored text; raise `JournalError` when it is missing or was changed (threat 15)."""
        found = next(iter((self.folder / "captures").glob(f"{digest}.*")), None)
        if found is None:
            raise JournalError(f"{self.folder}: captured state {digest[:12]} is missing; nothing was changed")
        handle = open_private(found, os.O_RDONLY)
        with os.fdopen(handle, "rb") as file:
            octets = file.read()
        if hashlib.sha256(octets).hexdigest() != digest:
            raise JournalError(f"{found}: has been changed since it was captured; nothing was changed")
        return octets.decode()

    def keep(self, folder: str, name: str, text: str) -> str:
        """Write `sheets/FOLDER/NAME` for a person; return its path as it is shown to them (threat 14)."""
        path = private_folder(self.folder)
        for part in ("sheets", folder):
            path = private_folder(path / _plain(part))
        path /= _plain(name)
        write_once(path, text)
        return str(path.relative_to(self._seen_from))

    def _lines(self, offset: int) -> Iterator[bytes]:
        handle = self._open_for_reading()
        if handle is None:
            return
        with os.fdopen(handle, "rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n") and not _is_whole(line[:-1]):
                    return
                yield line

    def _open_for_reading(self) -> int | None:
        try:
            handle = open_private(self._path, os.O_RDONLY)
        except JournalError as err:
            if isinstance(err.__cause__, FileNotFoundError) and not self._offset:
                return None
            raise
        if os.fstat(handle).st_size < self._offset:
            os.close(handle)
            raise JournalError(f"{self._path}: has become shorter since record {self._head[0]}; nothing was done")
        return handle

    def _prepare_room(self, entry: Entry) -> None:
        """Keep a reserve on disk while going forward; give it up when a rollback begins."""
        if isinstance(entry, (RollbackAsked, RollbackBegun)):
            self._reserve.unlink(missing_ok=True)
        elif not self._reserve.exists() and (isinstance(entry, Opened) or _goes_forward(entry)):
            write_once(self._reserve, "\0" * RESERVE_OCTETS)

    def _write(self, handle: int, line: bytes) -> None:
        new_file = self._offset == 0
        try:
            os.ftruncate(handle, self._offset)
            _write_whole(handle, line, self._offset)
            os.fsync(handle)
            if new_file:
                sync_folder(self.folder)
        except OSError as err:
            os.ftruncate(handle, self._offset)
            raise JournalError(f"{self._path}: cannot be written: {err.strerror}; nothing was done outside") from err


def _plain(name: str) -> str:
    """Return a file name that stays in its folder, whatever a plugin calls its sheet."""
    return _UNFIT_IN_NAMES.sub("_", name).lstrip(".") or "sheet"


def _goes_forward(entry: Entry) -> bool:
    return isinstance(entry, Planned) and entry.direction == "forward"


def _write_whole(handle: int, line: bytes, offset: int) -> None:
    if os.pwrite(handle, line, offset) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(entry: Entry, head: Head, clock: Clock) -> tuple[Record, bytes]:
    seq, previous = head
    now = clock.now()
    body = {"v": SCHEMA_VERSION, "seq": seq + 1, "at": encode(now), "previous": previous, "entry": encode(entry)}
    text = json.dumps(body, ensure_ascii=False, separators=(", ", ": ")).encode()
    digest = hashlib.sha256(text).hexdigest()
    return Record(seq + 1, now, previous, entry, digest), _signed(text, digest) + b"\n"


def _signed(body: bytes, digest: str) -> bytes:
    """Return the line, its newline aside: the digest of all octets before it stands last."""
    return body[:-1] + DIGEST_FIELD + digest.encode() + b'"}'


def _is_whole(line: bytes) -> bool:
    """Tell whether this is all of a record's line but the newline: then what follows is damage, not a torn tail."""
    before, _, rest = line.rpartition(DIGEST_FIELD)
    return rest == hashlib.sha256(before + b"}").hexdigest().encode() + b'"}'


class _StrangerError(Exception):
    """A record of a kind that is not known."""


def _parse(line: bytes, head: Head, path: Path) -> Record:
    """Return the record of a line, or raise `JournalError` that names the last good one."""
    good = f"the last good record is {head[0]}" if head[0] else "no record is good"
    try:
        body = json.loads(line)
        version = body["v"]
        if version == SCHEMA_VERSION:
            return _chained(line, body, head)
    except _StrangerError as err:
        raise JournalError(
            f"{path}: line {head[0] + 1} is whole and holds a record of a kind that this version of dnsrun does not "
            f"know ({err}; {good}); nothing was changed. Use the version that wrote it"
        ) from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise JournalError(
            f"{path}: line {head[0] + 1} is damaged or was changed ({good}); nothing was changed. "
            "Put the file back from a copy, or restore the zone by hand from captures/"
        ) from err
    raise JournalError(
        f"{path}: line {head[0] + 1} was written by another version of dnsrun (journal version {version}, "
        f"this one reads {SCHEMA_VERSION}; {good}); nothing was changed. Use the version that began the run"
    )


def _chained(line: bytes, body: dict[str, Any], head: Head) -> Record:
    if (
        not line.endswith(b"\n")
        or not _is_whole(line[:-1])
        or (body["seq"], body["previous"]) != (head[0] + 1, head[1])
    ):
        raise ValueError("the chain is broken")
    kind = body["entry"]["is"]
    if kind not in _KINDS:
        raise _StrangerError(shorten(str(kind)))
    del body["v"]
    return decode(Record, body)
