"""How a command ends: an error becomes a sentence and an exit code; a bug, a file that can be sent."""

from __future__ import annotations

import os
from pathlib import Path

from dnsrun.errors import DnsrunError, Exit, PlaybookError

from .session import Session


class Interrupted(Exception):
    """A signal asked to stop; everything is in the journal."""


def tell_error(session: Session, err: DnsrunError, *, of: str = "") -> Exit:
    """Print what went wrong and return the exit code that stands for it."""
    code = Exit(err.exit_code)
    if session.as_json:
        problems = [str(problem) for problem in err.problems] if isinstance(err, PlaybookError) else []
        error = {"kind": type(err).__name__, "text": str(err)} | ({"problems": problems} if problems else {})
        session.console.json(({"domain": of} if of else {}) | {"error": error, "exit": int(code)})
        return code
    text = str(err)
    lead = f"{of}: " if of and not isinstance(err, PlaybookError) and of not in text else ""
    for number, line in enumerate(f"{lead}{text}".split("\n")):
        session.console.err((line, "failed" if number == 0 else "plain"))
    return code


def tell_bug(session: Session) -> Exit:
    """Write the trace of the exception being handled to a file, without secrets, and say where it is."""
    import traceback

    text = session.redactor.redact(traceback.format_exc())
    path = _write_trace(session, text)
    where = f"The trace is in {path}; it holds no secrets." if path else text
    session.console.err(("This is a bug in dnsrun, and the journal is as it was.", "failed"))
    for line in where.splitlines()[:-1]:
        session.console.err(line)
    session.console.err(
        f"{where.splitlines()[-1]} Please report it with what you did. `dnsrun status` says where things stand."
    )
    return Exit.BUG


def _write_trace(session: Session, text: str) -> Path | None:
    import tempfile

    state = session.__dict__.get("project")
    folder = state / ".dnsrun" if state is not None and (state / ".dnsrun").is_dir() else None
    for place in (folder, None):
        try:
            handle, path = tempfile.mkstemp(dir=place, prefix="bug-", suffix=".txt")
        except OSError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return Path(path)
    return None
