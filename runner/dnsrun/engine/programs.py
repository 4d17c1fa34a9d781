"""Running a program of the playbook to its end: without a shell, when the person allowed it (threats 3, 9)."""

from __future__ import annotations

import os
import signal
import subprocess

from dnsrun.errors import OutsideError
from dnsrun.ports.provider import Receipt

from .run import Run

COMMAND_TIMEOUT_S = 600
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")  # what a program may see (threat 3)


def run_program(run: Run, argv: tuple[str, ...]) -> Receipt:
    """Run a program with an allow-listed environment; raises `OutsideError` with its last words when it fails."""
    if not run.ports.commands_allowed:
        raise _program_failed("commands are not allowed; run again with --allow-commands")
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment["DNSRUN_DOMAIN"] = run.apex.to_text(omit_final_dot=True)
    try:
        with subprocess.Popen(  # noqa: S603 - argv of the playbook, consent was asked for
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=COMMAND_TIMEOUT_S)
            except subprocess.TimeoutExpired as err:
                os.killpg(process.pid, signal.SIGKILL)
                raise _program_failed(f"did not end within {COMMAND_TIMEOUT_S} s and was killed") from err
    except OSError as err:
        raise _program_failed(f"cannot be run: {err.strerror}") from err
    if process.returncode:
        words = output.decode(errors="replace").strip()[-300:]
        raise _program_failed(f"ended with status {process.returncode}: {words}")
    return Receipt()


def _program_failed(because: str) -> OutsideError:
    return OutsideError(because, retryable=False, certainty="not-applied")
