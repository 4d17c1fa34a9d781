"""Starting the processes that kill or stop themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL

from worlds import Workshop

TESTS = Path(__file__).resolve().parent.parent


@contextmanager
def child(shop: Workshop, signal: int, at: int | str, phases: tuple[int, ...]) -> Iterator[subprocess.Popen[str]]:
    """Start a process that runs these phases until it gives itself the signal at point `at`; ends it."""
    order = {
        "folder": str(shop.folder),
        "places": [(*place, *to) for place, to in shop.places.items()],
        "text": shop.text,
        "phases": phases,
        "signal": signal,
        "at": at,
    }
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(
        [sys.executable, "-m", "crash.child", json.dumps(order)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(SIGKILL)
                process.send_signal(SIGCONT)


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Return when the process has stopped itself; fails when it ends instead."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), process.stderr.read() if process.stderr else ""
