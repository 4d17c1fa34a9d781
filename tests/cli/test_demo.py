"""The demo as its reader meets it: one command, subprocesses of ordinary commands, a folder to go on in."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dnsrun.rehearse.lab import LabFile, read_lab_file
from servers.waiting import eventually

DNSRUN = str(Path(sys.executable).with_name("dnsrun"))
WITHIN_S = 40


@dataclass(frozen=True)
class Shown:
    """What a demo printed, how it ended, how long it took, and its folder."""

    text: str
    exit_code: int
    took_s: float
    folder: Path
    zone: str

    @property
    def counted_s(self) -> int:
        """The number of failed visits that the demo says it counted."""
        found = re.search(r"^([\d,]+) visits failed: ", self.text, re.MULTILINE)
        assert found, self.text
        return int(found[1].replace(",", ""))

    def after(self, command: str) -> str:
        """What stands between the last echo of a command and the next one."""
        return self.text.rpartition(f"$ dnsrun {command}\n")[2].partition("\n$ ")[0]


def begun(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TZ": "Asia/Tokyo", "DNSRUN_PROJECT": "/nowhere"}
    return subprocess.Popen(
        [DNSRUN, "demo", "--folder", str(folder), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def dnsrun(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DNSRUN, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def demo(folder: Path, *options: str) -> Shown:
    """Run a whole demo."""
    began_s = time.monotonic()
    process = begun(folder, *options)
    text, _ = process.communicate(timeout=2 * WITHIN_S)
    zone = (folder / "lab" / "client.example.zone").read_text()
    return Shown(text, process.returncode, time.monotonic() - began_s, folder, zone)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The demo as it is by default, run once."""
    return demo(tmp_path_factory.mktemp("demo") / "lab")


def test_the_demo_ends_well_in_time(shown: Shown) -> None:
    assert shown.exit_code == 0, shown.text
    assert shown.took_s < WITHIN_S


def test_it_refuses_the_switch_while_caches_may_hold_the_old_ttl_and_says_until_when(shown: Shown) -> None:
    refusal = shown.after("apply --phase 2 --yes")
    first = shown.text.split("$ dnsrun apply --phase 2 --yes\n")[1].partition("\n$ ")[0]
    assert "phase 2 refused until " in first
    assert re.search(r"\d\d:\d\d JST \(", first), "the time is local"
    assert "exit code 75" in first
    assert "exit code 75" not in refusal


def test_the_failed_switch_rolls_back_by_itself(shown: Shown) -> None:
    text = shown.after("apply --phase 2 --yes")
    assert "http://www.client.example/ answers 200 at 203.0.113.20" in text
    assert "http://www.client.example/ answers 503 at 203.0.113.20" in text
    assert text.index("answers 503") < text.index("ROLLING BACK") < text.index("Rolled back and checked.")
    assert "exit code 3: rolled back and verified" in text
    assert "www.client.example. 600 IN A 192.0.2.10" in shown.zone
    assert "203.0.113.20" not in shown.zone


def test_waits_are_jumped_over_and_it_says_so(shown: Shown) -> None:
    assert "waits are jumped over" in shown.text
    assert "Jumped over 25 h; it is " in shown.after("demo --jump 25h")


def test_how_long_visitors_suffered_is_counted(shown: Shown) -> None:
    # One cache came to the new server, which broke down after some pages, and kept its address for the rest of the TTL.
    assert 400 < shown.counted_s < 600


@pytest.mark.long
def test_visitors_suffer_less_with_a_low_ttl(tmp_path: Path) -> None:
    # Here it is not the TTL but the time until dnsrun notices that decides.
    assert 0 < demo(tmp_path / "lab", "--ttl", "60").counted_s < 60 + 120 + 30


def test_every_command_is_an_ordinary_one(shown: Shown) -> None:
    commands = [line.removeprefix("$ ") for line in shown.text.splitlines() if line.startswith("$ ")]
    assert commands[0] == f"cd {shown.folder}"
    assert [command.split()[1] for command in commands[1:]] == (
        ["check", "plan", "apply", "apply", "demo", "apply", "status", "demo", "demo"]
    )


def test_it_says_where_its_folder_is_and_how_to_go_on(shown: Shown) -> None:
    end = shown.text[-700:]
    for line in (f"cd {shown.folder}", "dnsrun demo --world . &", "dnsrun apply --phase 2 --yes"):
        assert f"    {line}" in end


def test_nothing_of_it_runs_on(shown: Shown) -> None:
    assert_over(lab_of(shown.folder))


def lab_of(folder: Path) -> LabFile:
    lab = read_lab_file(folder)
    assert lab is not None
    return lab


def started(folder: Path) -> LabFile:
    eventually(lambda: read_lab_file(folder), timeout_s=20, what="the lab's servers")
    return lab_of(folder)


def assert_over(lab: LabFile) -> None:
    for place in {*lab.places.values(), lab.control}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(place, timeout=1)


@contextmanager
def world(folder: Path) -> Iterator[None]:
    """Play the world of a folder as the demo's last lines say."""
    with subprocess.Popen([DNSRUN, "demo", "--world", "."], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is running" in process.stdout.readline()
        yield
        process.terminate()
    assert process.returncode == 0


def test_the_reader_can_go_on_in_the_folder_until_the_move_succeeds(shown: Shown) -> None:
    folder = shown.folder
    status = dnsrun(folder, "status")
    assert (status.returncode, "rolled back" in status.stdout) == (0, True)
    with world(folder):
        assert dnsrun(folder, "demo", "--repair").returncode == 0
        switched = dnsrun(folder, "apply", "--phase", "2", "--yes")
        assert switched.returncode == 0, switched.stderr
        met = json.loads(dnsrun(folder, "demo", "--visitors", "--json").stdout)
        assert (met["address"], met["broken"]) == ("203.0.113.20", 0)
    assert_over(lab_of(folder))


def test_without_its_world_a_command_says_how_to_start_it(shown: Shown) -> None:
    refused = dnsrun(shown.folder, "demo", "--visitors")
    assert refused.returncode == 2
    assert f"dnsrun demo --world {shown.folder}" in refused.stderr


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    demo = begun(tmp_path / "lab")
    lab = started(tmp_path / "lab")
    os.killpg(demo.pid, signal.SIGINT)
    text, _ = demo.communicate(timeout=20)
    assert demo.returncode == 130, text
    assert f"everything else is in {tmp_path / 'lab'}" in text
    eventually(lambda: is_over(lab), what="the end of the servers")


def test_a_killed_demo_leaves_no_servers_behind(tmp_path: Path) -> None:
    demo = begun(tmp_path / "lab")
    lab = started(tmp_path / "lab")
    os.killpg(demo.pid, signal.SIGKILL)
    demo.communicate(timeout=20)
    eventually(lambda: is_over(lab), what="the end of the servers")


def is_over(lab: LabFile) -> bool:
    try:
        socket.create_connection(lab.control, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = dnsrun(tmp_path, "demo", "--folder", str(tmp_path))
    assert refused.returncode == 2
    assert "is not empty; nothing was changed" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ttl", "5"), "60<=x<=1800"),
        (("--jump", "25"), "must be a duration"),
        (("--jump", "32d"), "at most 31d"),
        (("--jump", "1h", "--visitors"), "stands alone"),
        (("--json",), "made for reading"),
        (("--repair",), "no project folder"),
        (("--world", "."), "is not the folder of a demo"),
    ],
)
def test_what_cannot_mean_anything_is_refused_before_anything_happens(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused = dnsrun(tmp_path, "demo", *arguments)
    assert refused.returncode == 2
    assert says in refused.stdout + refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_ordinary_project_is_no_lab_to_jump_in(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    refused = dnsrun(tmp_path, "demo", "--jump", "1h")
    assert refused.returncode == 2
    assert "is not the folder of a demo" in refused.stderr
