"""What would be left of a folder after a power cut: file contents as of their last fsync, names as of the folder's."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

Tree = Mapping[str, bytes]
"""Files by their path below the folder."""


class DurableDisk:
    """Keeps book of every fsync below one folder, by inode; only what was synced is in `tree`."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.stat().st_ino
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {}

    def restart(self, tree: Tree, folder: Path) -> None:
        """Take what `write` has put into the folder as durable."""
        self._files.clear()
        self._folders.clear()
        for inside in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            self._folders[inside.stat().st_ino] = {entry.name: entry.inode() for entry in os.scandir(inside)}
        self._files |= {(folder / name).stat().st_ino: content for name, content in tree.items()}

    def synced(self, handle: int) -> None:
        """Note that a file or folder has been synced."""
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._folders[status.st_ino] = {entry.name: entry.inode() for entry in os.scandir(handle)}
        else:
            self._files[status.st_ino] = os.pread(handle, status.st_size, 0)

    def tree(self) -> Tree:
        """Return what a power cut would leave."""
        return dict(self._below(self._root, ""))

    def _below(self, folder: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        for name, inode in self._folders.get(folder, {}).items():
            if inode in self._files:
                yield prefix + name, self._files[inode]
            yield from self._below(inode, f"{prefix}{name}/")


def write(tree: Tree, folder: Path) -> None:
    """Lay files out in a folder as dnsrun keeps them: for their owner alone."""
    folder.mkdir(mode=0o700)
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)


_fsync = os.fsync


@contextmanager
def watching_fsync(synced: Callable[[int], None]) -> Iterator[None]:
    """Have every fsync of this process noted instead of made: faster, and what is not noted is lost.

    Several may watch at the same time.
    """
    others = os.fsync

    def noted(handle: int) -> None:
        synced(handle)
        if others is not _fsync:
            others(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", noted)
        yield
