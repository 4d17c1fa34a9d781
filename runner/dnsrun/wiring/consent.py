"""Consent to run programs, remembered for one very playbook: by the digest of its text (threat 9)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dnsrun.journal.files import open_private, private_folder, write_once


def is_allowed(folder: Path, digest: str) -> bool:
    """Tell whether the person allowed programs for the playbook with this digest. Touches the disk."""
    return digest in _allowed(folder / "commands-allowed.json")


def allow(folder: Path, digest: str) -> None:
    """Remember that programs are allowed for the playbook with this digest. Touches the disk (0600)."""
    path = private_folder(folder) / "commands-allowed.json"
    if digest not in (known := _allowed(path)):
        write_once(path, json.dumps([*known, digest], indent=1) + "\n")


def _allowed(path: Path) -> list[str]:
    if not path.exists():
        return []
    with os.fdopen(open_private(path, os.O_RDONLY), encoding="utf-8") as file:
        try:
            known = json.load(file)
        except ValueError:
            return []
    return [str(digest) for digest in known] if isinstance(known, list) else []
