"""Which domains a command is about: playbooks named by file or domain, or those of the project folder."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dns.name
from dns.name import Name

from dnsrun.errors import DnsrunError, UsageError
from dnsrun.model.text import escape
from dnsrun.wiring.project import SUFFIXES, as_domain, domains_with_state, playbook_files, state_folder

from .session import Session

if TYPE_CHECKING:  # the reader is loaded when a playbook is read: `dnsrun status` stays quick
    from dnsrun.journal.fold import RunState
    from dnsrun.model.playbook import Playbook

# A line of its own, as every playbook writes it; anything cleverer is read by the playbook reader.
_DOMAIN_LINE = re.compile(r"""^domain:[ \t]*["']?([^\s"'#$]+)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """A domain of the project: its playbook's file, None when only its state is there."""

    domain: Name
    path: Path | None

    @property
    def shown(self) -> str:
        """The domain without final dot."""
        return self.domain.to_text(omit_final_dot=True)


def named(session: Session, words: Sequence[str]) -> tuple[Target, ...]:
    """Return what the words of a command line mean, each a file or a domain; without words every domain.

    Raises `UsageError`, or `PlaybookError` for a file whose domain cannot be read. Touches the disk.
    """
    if not words:
        return everything(session)
    files = [Path(word) for word in words if _is_file(word)]
    if files:
        session.start = files[0].absolute().parent
    return tuple(_one(session, word) for word in words)


def everything(session: Session) -> tuple[Target, ...]:
    """Return every domain of the project folder, by name: those with a playbook and those with state only."""
    from_files = [Target(domain_of(session, path), path) for path in playbook_files(session.project)]
    known = {state_folder(session.project, target.domain) for target in from_files}
    orphans = [_orphan(session, folder) for folder in domains_with_state(session.project) if folder not in known]
    return tuple(sorted((*from_files, *orphans), key=lambda target: target.domain))


def matching(targets: Iterable[Target], glob: str | None) -> tuple[Target, ...]:
    """Return the targets whose domain matches a pattern such as `*.example` (--limit); all when None."""
    return tuple(
        target for target in targets if glob is None or fnmatch.fnmatchcase(target.shown, glob.casefold().rstrip("."))
    )


def domain_of(session: Session, path: Path) -> Name:
    """Return the domain that a playbook's file is about, reading no more than needed."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as err:
        raise UsageError(f"cannot read the playbook {escape(str(path))}: {err.strerror}") from err
    lines = _DOMAIN_LINE.findall(text)
    name = as_domain(lines[0]) if len(lines) == 1 else None
    if name is None:
        from dnsrun.wiring.runs import load

        name = load(session.world, path).domain.canonicalize()
    return name


def state_of(session: Session, target: Target) -> RunState:
    """Return what the journal of a domain says. Touches the disk; raises `JournalError`."""
    return _folded(session, state_folder(session.project, target.domain))


def _folded(session: Session, folder: Path) -> RunState:
    from dnsrun.journal.fold import fold_all
    from dnsrun.wiring.world import journal_of

    return fold_all(journal_of(session.world, folder).read())


def playbook_of(session: Session, target: Target) -> Playbook:
    """Return the playbook of a domain as it stands in its file."""
    if target.path is None:
        raise UsageError(f"{target.shown} has state here but no playbook; put its playbook back into playbooks/")
    from dnsrun.wiring.runs import load

    return load(session.world, target.path)


def stored_playbook(session: Session, target: Target) -> Playbook:
    """Return the playbook that the run was begun with: from its file while that is unchanged, else from the journal.

    Raises `UsageError` when no run has begun.
    """
    folder = state_folder(session.project, target.domain)
    opened = _folded(session, folder).opened
    if opened is None:
        raise UsageError(f"{target.shown}: no phase has begun, so there is nothing to go on with or to take back")
    from dnsrun.wiring.runs import load, reread
    from dnsrun.wiring.world import journal_of

    if target.path and is_unchanged(target.path, opened.playbook):
        return load(session.world, target.path)
    return reread(session.world, journal_of(session.world, folder).get(opened.playbook), opened.path)


def is_unchanged(path: Path, digest: str) -> bool:
    """Tell whether a playbook's file still has the text that this digest stands for."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _is_file(word: str) -> bool:
    return word.endswith(SUFFIXES) or "/" in word or Path(word).is_file()


def _one(session: Session, word: str) -> Target:
    if _is_file(word):
        return Target(domain_of(session, Path(word)), Path(word))
    wanted = as_domain(word)
    if wanted is None:
        raise UsageError(f"{escape(word)} is neither a playbook's file nor a domain")
    found = [target for target in _readable(session) if target.domain == wanted]
    if len(found) > 1:
        files = ", ".join(escape(str(target.path)) for target in found)
        raise UsageError(f"{escape(word)}: several playbooks are about this domain ({files}); name the file")
    if not found:
        raise UsageError(
            f"{escape(word)}: no playbook in {escape(str(session.project))}/playbooks is about this domain"
        )
    return found[0]


def _readable(session: Session) -> Iterable[Target]:
    """Yield every domain of the project; a file that cannot be read is not in the way of another domain."""
    known = set()
    for path in playbook_files(session.project):
        try:
            target = Target(domain_of(session, path), path)
        except DnsrunError:
            continue
        known.add(state_folder(session.project, target.domain))
        yield target
    for folder in domains_with_state(session.project):
        if folder not in known:
            yield _orphan(session, folder)


def _orphan(session: Session, folder: Path) -> Target:
    """Return the domain of a state folder whose playbook is not among the project's files."""
    opened = _folded(session, folder).opened
    name = as_domain(opened.domain) if opened else as_domain(folder.name)
    path = Path(opened.path) if opened and Path(opened.path).is_file() else None
    return Target(name or dns.name.from_text(folder.name), path)
