"""The project folder: where playbooks and state are, and which folder belongs to which domain."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import dns.name
from dns.exception import DNSException
from dns.name import Name

from dnsrun.errors import Refused, UsageError
from dnsrun.journal.files import open_private, private_folder, write_once
from dnsrun.model.text import escape

STATE = ".dnsrun"
PLAYBOOKS = "playbooks"
JOURNAL = "journal.jsonl"
SUFFIXES = (".yaml", ".yml")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_LONGEST = 200  # octets of a folder name; file systems take 255


def find_project(start: Path, *, given: str | None, environment: Mapping[str, str]) -> Path:
    """Return the project folder, absolute.

    `given` (--project) wins, then DNSRUN_PROJECT, then the nearest folder upward of `start` that holds `.dnsrun/`
    or `playbooks/`. Raises `UsageError` when there is none. Touches the disk.
    """
    told = given or environment.get("DNSRUN_PROJECT")
    if told:
        folder = Path(told).expanduser().absolute()
        if not folder.is_dir():
            raise UsageError(f"{escape(told)}: there is no such folder; name the project folder")
        return folder
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / STATE).is_dir() or (folder / PLAYBOOKS).is_dir():
            return folder
    raise UsageError(
        f"no project folder: neither {escape(str(here))} nor a folder above it holds {PLAYBOOKS}/ or {STATE}/; "
        f"make one with `mkdir {PLAYBOOKS}`, or name it with --project"
    )


def state_name(domain: Name) -> str:
    """Return the name of a domain's state folder: its A-label in lower case, everything unusual escaped (threat 12).

    One domain has one name, however it is written (fault 60); it is never a path, never begins with a dot or a
    hyphen, and different domains never share one. Pure.
    """
    labels = domain.relativize(dns.name.root).labels
    text = ".".join("".join(_escaped(octet) for octet in label.lower()) for label in labels)
    if text.startswith("-"):
        text = f"%2d{text[1:]}"
    if len(text) <= _LONGEST:
        return text or "%"
    return f"{text[:100]}%{hashlib.sha256(text.encode()).hexdigest()}"


def _escaped(octet: int) -> str:
    return chr(octet) if octet in _PLAIN else f"%{octet:02x}"


def state_folder(project: Path, domain: Name) -> Path:
    """Return the state folder of a domain. Pure."""
    return project / STATE / state_name(domain)


def domains_with_state(project: Path) -> tuple[Path, ...]:
    """Return the state folders that hold a journal, sorted. Touches the disk."""
    return tuple(sorted(path.parent for path in (project / STATE).glob(f"*/{JOURNAL}")))


def playbook_files(project: Path) -> tuple[Path, ...]:
    """Return the playbooks of a project, sorted. Touches the disk."""
    found = (path for path in (project / PLAYBOOKS).glob("*") if path.suffix in SUFFIXES and path.is_file())
    return tuple(sorted(found))


def as_domain(word: str) -> Name | None:
    """Return the domain that a word means, as U-label or A-label, with or without final dot; None if it means none."""
    try:
        name = dns.name.from_text(word, idna_codec=dns.name.IDNA_2008_Practical)
    except (DNSException, UnicodeError, IndexError):
        return None
    return name.canonicalize() if len(name.labels) > 2 else None


def refuse_other_project(project: Path, domain: Name, environment: Mapping[str, str]) -> None:
    """Raise `Refused` when another project folder of this user runs the domain and still holds its journal.

    Touches the disk.
    """
    known = _read_claim(_claim_path(domain, environment))
    if known is not None and known != project and (state_folder(known, domain) / JOURNAL).exists():
        raise Refused(
            f"{domain.to_text(omit_final_dot=True)} is run from another project folder of yours, "
            f"{escape(str(known))}; nothing was changed. Go on there, or move its state folder here"
        )


def claim(project: Path, domain: Name, environment: Mapping[str, str]) -> None:
    """Remember that this project folder runs the domain, for this user. Touches the disk (0600)."""
    path = _claim_path(domain, environment)
    if _read_claim(path) != project:
        private_folder(path.parent)
        write_once(path, json.dumps({"project": str(project)}) + "\n")


def _claim_path(domain: Name, environment: Mapping[str, str]) -> Path:
    return user_state(environment) / "projects" / f"{state_name(domain)}.json"


def _read_claim(path: Path) -> Path | None:
    if not path.exists():
        return None
    handle = open_private(path, os.O_RDONLY)
    with os.fdopen(handle, encoding="utf-8") as file:
        try:
            return Path(json.load(file)["project"])
        except (ValueError, KeyError, TypeError):
            return None


def user_state(environment: Mapping[str, str]) -> Path:
    """Return where this user's own facts are kept: the XDG state folder's part for dnsrun."""
    base = environment.get("XDG_STATE_HOME")
    home = environment.get("HOME") or str(Path.home())
    return (Path(base) if base and Path(base).is_absolute() else Path(home) / ".local" / "state") / "dnsrun"
