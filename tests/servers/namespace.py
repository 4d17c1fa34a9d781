"""Plays with real servers in a network of their own: addresses as they please, port 53, nothing leads out of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .needs import is_ci, need_program

_TESTS = Path(__file__).parent.parent
_NEEDED = (
    ("named", "BIND", "bind9"),
    ("knotd", "Knot DNS", "knot"),
    ("unbound", "Unbound", "unbound"),
    ("pdns_recursor", "PowerDNS Recursor", "pdns-recursor"),
    ("ip", "The tool for addresses", "iproute2"),
    ("unshare", "The tool for namespaces", "util-linux"),
)


def perform(stage: str, *words: str) -> dict[str, Any]:
    """Run `tests/<stage>` in a network of its own, at most 110 s long; return what it printed as JSON.

    Skips the test where a program or the right to make namespaces is missing (with `CI` set: fails).
    """
    for program, server, package in _NEEDED:
        need_program(program, server=server, package=package)
    path = os.pathsep.join((str(_TESTS), *filter(None, (os.environ.get("PYTHONPATH"),))))
    environment = {**os.environ, "PYTHONPATH": path, "PATH": os.pathsep.join(("/usr/sbin", os.environ["PATH"]))}
    command = [*_own_network(), sys.executable, str(_TESTS / stage), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _own_network() -> list[str]:
    """Return the words before a command that give it a network of its own, which ends with it."""
    ends = ["--net", "--pid", "--fork", "--kill-child"]
    for rights in (["--user", "--map-root-user"], []):
        words = ["unshare", *rights, *ends]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    closed = "no network namespace can be made here (unshare --user --map-root-user --net true fails); run as root"
    if is_ci():
        pytest.fail(closed, pytrace=False)
    pytest.skip(closed)
