"""Which machine a state folder belongs to: two machines with copies of one would not see each other (fault 13)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dnsrun.errors import Refused
from dnsrun.journal.files import open_private, private_folder, write_once

from .project import user_state

MACHINE = "machine"
SYSTEM_ID = Path("/etc/machine-id")


def settle_machine(folder: Path, environment: Mapping[str, str], *, adopt: bool) -> None:
    """Make the state folder this machine's; touches the disk.

    Raises `Refused` when it has last been used on another machine and `adopt` is False: a lock does not reach there.
    """
    mine, path = _this_machine(environment), folder / MACHINE
    last = _read(path)
    if last == mine:
        return
    if last and not adopt:
        raise Refused(
            f"{folder} was last used on another machine; nothing was changed. When nothing runs there any more, "
            "say --adopt to go on here"
        )
    private_folder(folder)
    write_once(path, mine + "\n")


def _this_machine(environment: Mapping[str, str]) -> str:
    """Return what tells this machine from others: a hash of its machine-id(5), else a random word kept in the state."""
    with contextlib.suppress(OSError):
        if machine_id := SYSTEM_ID.read_text(encoding="ascii").strip():
            return hashlib.sha256(f"dnsrun {machine_id}".encode()).hexdigest()[:32]
    path = user_state(environment) / MACHINE
    known = _read(path)
    if known:
        return known
    private_folder(path.parent)
    write_once(path, secrets.token_hex(16) + "\n")
    return _read(path)


def _read(path: Path) -> str:
    if not path.exists():
        return ""
    handle = open_private(path, os.O_RDONLY)
    with os.fdopen(handle, encoding="utf-8") as file:
        return file.read(100).strip()
