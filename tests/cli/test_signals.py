"""Signals (fault 8) and two processes at once, as subprocesses in a lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsrun.rehearse import scenery
from dnsrun.rehearse.world import World
from servers.waiting import eventually

DNSRUN = [sys.executable, "-c", "from dnsrun.cli.main import main; main()"]


class Lab:
    """A lab whose servers run in this process, and commands in it as subprocesses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".dnsrun" / scenery.DOMAIN

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "HOME": str(self.folder), "TZ": "UTC"}
        return subprocess.Popen(
            [*DNSRUN, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with self.begin(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def entries(self, kind: str) -> int:
        """Return how many entries of a kind the journal has."""
        path = self.state / "journal.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return sum(1 for line in lines if line.endswith("\n") and json.loads(line)["entry"]["is"] == kind)

    def until_it_writes(self, process: subprocess.Popen[str]) -> None:
        """Return when the journal has the first intent."""
        eventually(
            lambda: self.entries("Intended") > 0 or process.poll() is not None, what="the first write", timeout_s=60
        )
        assert process.poll() is None, process.communicate()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "lab").mkdir()
    (tmp_path / "playbooks" / "client.yaml").write_text(scenery.playbook_text())
    with World(tmp_path).running():
        yield Lab(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_apply_with_130_and_resume_goes_on(lab: Lab, number: signal.Signals) -> None:
    """Fault 8."""
    with lab.begin("apply", "--phase", "1", "--yes") as process:
        lab.until_it_writes(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Go on with `dnsrun resume client.example`, or back with `dnsrun rollback client.example`" in err
    assert lab("status")[0] in (0, 7)
    code, out, err = lab("resume", "client.example")
    assert code == 0, err
    assert 'Done: phase 1 "lower TTLs".' in out
    assert lab.entries("Intended") in (1, 2)


def test_a_kill_needs_no_unlocking(lab: Lab) -> None:
    """Fault 16: the next process goes on."""
    with lab.begin("apply", "--phase", "1", "--yes") as process:
        lab.until_it_writes(process)
        process.kill()
    code, out, err = lab("resume", "client.example")
    assert code == 0, err
    assert "Done" in out


def test_the_lab_says_that_it_is_one(lab: Lab) -> None:
    code, out, err = lab("plan")
    assert code == 0, err
    assert err.startswith("This folder is a lab")
    assert "This folder is a lab" not in out


def test_a_rollback_from_a_second_terminal_ends_both(lab: Lab) -> None:
    """The request is journaled; whoever has the hold performs it, and both say how it ended."""
    with lab.begin("apply", "--phase", "1", "--yes") as process:
        lab.until_it_writes(process)
        code, out, err = lab("rollback", "client.example", "--all", "--yes")
        first = process.communicate(timeout=60)
    assert lab.entries("RollbackAsked") == 1, (out, err)
    assert code == 3, (out, err)
    assert process.returncode in (0, 3), first
    assert lab.entries("RollbackBegun") == 1
    assert "192.0.2.10" in lab("export")[1]
    assert f"www.{scenery.DOMAIN}. {scenery.OLD_TTL_S} IN A 192.0.2.10" in lab("export")[1]
