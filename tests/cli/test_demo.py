"""The demo as its reader meets it: one command, subprocesses of ordinary commands, a folder to go on in."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dnsrun.dnsio.probing import usual_names
from dnsrun.rehearse.lab import LabFile, read_lab_file
from dnsrun.rehearse.scenery import APEX
from dnsrun.rehearse.trial.population import USERS_SIT_BEHIND
from servers.waiting import eventually

DNSRUN = str(Path(sys.executable).with_name("dnsrun"))
WITHIN_S = 40


@dataclass(frozen=True)
class Shown:
    """What a demo printed, how it ended, its folder, and the zones that it left."""

    text: str
    exit_code: int
    worked_s: float
    folder: Path
    zones: dict[str, str]

    def counted(self, what: str) -> int:
        """The number of failures that the demo says it counted."""
        found = re.search(rf"^([\d,]+) {what} failed: ", self.text, re.MULTILINE)
        assert found, self.text
        return int(found[1].replace(",", ""))

    def after(self, command: str, time: int = 1) -> str:
        """What stands between the n-th echo of a command and the next one."""
        return self.text.split(f"$ dnsrun {command}\n")[time].partition("\n$ ")[0]


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
    """Run a whole demo; it is to take 40 s on an idle machine, so its processor time counts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = begun(folder, *options)
    text, _ = process.communicate(timeout=6 * WITHIN_S)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    zones = {path.stem: path.read_text() for path in (folder / "lab").glob("*.zone")}
    return Shown(text, process.returncode, worked_s, folder, zones)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The demo as it is by default, run once."""
    return demo(tmp_path_factory.mktemp("demo") / "lab")


def test_the_demo_ends_well_in_time(shown: Shown) -> None:
    assert shown.exit_code == 0, shown.text
    assert shown.worked_s < WITHIN_S


def test_its_lines_fit_a_terminal(shown: Shown) -> None:
    told = [shown.after("demo --by-hand"), shown.after("demo --visitors")]
    ours = [line for line in shown.text.splitlines() if line.startswith("#")]
    assert max(map(len, ours)) <= 106
    lines = [line for text in told for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if len(line) > 100] == []


def test_act_1_a_zone_typed_by_hand_is_refused_with_what_is_missing(shown: Shown) -> None:
    refusal = shown.after("apply --phase 4 --yes")
    assert "nothing was changed" in refusal
    assert "exit code 5" in refusal
    listed = re.findall(r"(?m)^    (\S+) (A|CNAME|TXT) ", refusal)
    assert {("imap-k7", "A"), ("s2026b._domainkey", "TXT"), ("*.dev", "A")} <= set(listed)
    in_dictionary = {name.relativize(APEX).to_text() for name in usual_names(APEX)}
    assert not {"imap-k7", "s2026b._domainkey"} & in_dictionary, "public look-ups would not have shown them"
    assert "www" not in dict(listed)


def test_act_1_what_the_by_hand_way_would_have_cost_is_counted(shown: Shown) -> None:
    text = shown.after("demo --by-hand")
    assert "no such name imap-k7.client.example" in text
    assert re.search(r"mail would have been down for 24 h 0 min 0 s:\n[\d,]+ calls for mail failed", text)


def test_act_1_caches_break_at_different_times_while_the_web_site_looks_fine(shown: Shown) -> None:
    text = shown.after("demo --by-hand")
    assert "No visits failed." in text
    times = re.findall(r"(?m)^  (\S+ \S+)  mail fails behind [\w-]+", text)
    assert 2 <= len(set(times)) == len(times)
    assert "Put back before they forgot the old ones: " in text


def test_what_people_met_is_told_for_each_kind_of_cache(shown: Shown) -> None:
    table = shown.after("demo --visitors").partition("without the page    without mail\n")[2]
    told = dict(re.findall(r"(?m)^  (\S+) {2,}(\S.*?) {2,}", table))
    assert list(told) == [kind.name for kind in USERS_SIT_BEHIND]
    assert "min" in told["bind"]


def test_act_2_refuses_the_switch_while_caches_may_hold_the_old_ttl_and_says_until_when(shown: Shown) -> None:
    first = shown.after("apply --phase 2 --yes")
    assert "phase 2 refused until " in first
    assert re.search(r"\d\d:\d\d JST \(", first), "the time is local"
    assert "exit code 75" in first


def test_act_2_the_failed_switch_rolls_back_by_itself_and_goes_through_once_repaired(shown: Shown) -> None:
    text = shown.after("apply --phase 2 --yes", 2)
    assert "http://www.client.example/ answers 200 at 203.0.113.20" in text
    assert "http://www.client.example/ answers 503 at 203.0.113.20" in text
    assert text.index("answers 503") < text.index("ROLLING BACK") < text.index("Rolled back and checked.")
    assert "exit code 3: rolled back and verified" in text
    assert 'Done: phase 2 "switch A".' in shown.after("apply --phase 2 --yes", 3)
    assert "www.client.example. 60 IN A 203.0.113.20" in shown.zones["old-host"]


def test_act_3_both_sides_go_back_when_the_new_host_is_spoiled(shown: Shown) -> None:
    text = shown.after("apply --phase 4 --yes", 2)
    assert "every server of the parent delegates to ns1.new-host.example, ns2.new-host.example" in text
    back = next(line for line in text.splitlines() if "ROLLING BACK" in line)
    for part in ("@, www → 203.0.113.20", "imap-k7 → 192.0.2.25", "name servers → ns1.old-host.example"):
        assert part in back
    assert "exit code 3: rolled back and verified" in text


def test_what_gates_say_comes_in_the_order_of_its_time(shown: Shown) -> None:
    for time in (1, 2):
        times = re.findall(r"(?m)^(\d\d:\d\d:\d\d)  ", shown.after("apply --phase 4 --yes", time))
        assert times == sorted(times, key=lambda clock: (clock < times[0], clock)), "midnight may be among them"


def test_act_3_ends_with_the_zone_at_the_new_host(shown: Shown) -> None:
    assert 'Done: phase 4 "switch NS".' in shown.after("apply --phase 4 --yes", 3)
    assert "The run is finished" in shown.after("apply --phase 5 --yes")
    assert "client.example. 600 IN NS ns1.new-host.example." in shown.zones["parent"]
    assert "old-host" not in re.sub(r"ns\d\.old-host\.example\. .*", "", shown.zones["parent"])
    for line in ("imap-k7.client.example. 900 IN A 192.0.2.25", "www.client.example. 900 IN A 203.0.113.20"):
        assert line in shown.zones["new-host"]


def test_waits_are_jumped_over_and_it_says_so(shown: Shown) -> None:
    assert "waits are jumped over" in shown.text
    assert "Jumped over 25 h; it is " in shown.after("demo --jump 25h")


def test_how_long_people_suffered_is_counted(shown: Shown) -> None:
    # Found after two rounds a minute apart; then the caches have to let go of a record of 60 s.
    # One cache stretches TTLs: it may have looked before the accident.
    users = len(USERS_SIT_BEHIND)
    assert 50 <= shown.counted("calls for mail") / users < 60 + 120 + 30
    assert shown.counted("calls for mail") < shown.counted("visits") < 2 * (60 + 120 + 30) * users


@pytest.mark.long
def test_people_suffer_longer_with_a_higher_ttl(tmp_path: Path, shown: Shown) -> None:
    assert demo(tmp_path / "lab", "--ttl", "600").counted("visits") > shown.counted("visits")


def test_every_command_is_an_ordinary_one(shown: Shown) -> None:
    commands = [line.removeprefix("$ ") for line in shown.text.splitlines() if line.startswith("$ ")]
    assert commands[0] == f"cd {shown.folder}"
    words = " ".join(command.split()[1] for command in commands[1:])
    assert words == (
        "check apply demo plan apply apply demo apply demo demo apply apply demo apply demo demo apply demo apply"
    )


def test_it_says_where_its_folder_is_and_how_to_go_on(shown: Shown) -> None:
    end = shown.text.rpartition("no formulas")[2]
    for line in (f"cd {shown.folder}", "dnsrun report ", "dnsrun demo --world . &"):
        assert f"    {line}" in end
    assert "dnsrun demo --by-hand --ns-ttl 6h" in end


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


def test_the_reader_can_go_on_in_the_folder(shown: Shown) -> None:
    folder = shown.folder
    report = dnsrun(folder, "report")
    assert (report.returncode, "ROLLING BACK" in report.stdout) == (0, True), report.stderr
    with world(folder):
        met = json.loads(dnsrun(folder, "demo", "--visitors", "--json").stdout)
        assert (list(met["web"]["addresses"]), met["web"]["broken"], met["mail"]["broken"]) == (["203.0.113.20"], 0, 0)
    assert_over(lab_of(folder))


def test_the_reader_can_begin_anew_in_the_folder(shown: Shown, tmp_path: Path) -> None:
    folder = shutil.copytree(shown.folder, tmp_path / "copy")
    shutil.rmtree(folder / ".dnsrun")
    for path in (folder / "lab").iterdir():
        path.unlink()
    with world(folder):
        refused = dnsrun(folder, "apply", "--phase", "4", "--yes")
        assert (refused.returncode, "imap-k7 A" in refused.stderr) == (5, True)
        counted = [by_hand(folder, ns_ttl) for ns_ttl in ("6h", "2h")]
    assert counted == [21_600, 7_200], "another TTL, another number"


def by_hand(folder: Path, ns_ttl: str) -> int:
    """Return for how many seconds somebody would have been without mail after a switch by hand, at worst."""
    mail = json.loads(dnsrun(folder, "demo", "--by-hand", "--ns-ttl", ns_ttl, "--json").stdout)["mail"]
    return int(mail["worst_s"])


def test_without_its_world_a_command_says_how_to_start_it(shown: Shown) -> None:
    refused = dnsrun(shown.folder, "demo", "--visitors")
    assert refused.returncode == 2
    assert f"dnsrun demo --world {shown.folder}" in refused.stderr


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    demo = begun(tmp_path / "lab")
    lab = started(tmp_path / "lab")
    os.killpg(demo.pid, signal.SIGINT)
    text, _ = demo.communicate(timeout=60)
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
        (("--ttl", "5"), "60<=x<=900"),
        (("--jump", "25"), "must be a duration"),
        (("--jump", "32d"), "at most 31d"),
        (("--jump", "1h", "--visitors"), "stands alone"),
        (("--json",), "made for reading"),
        (("--repair",), "no project folder"),
        (("--ns-ttl", "1h"), "goes with --by-hand"),
        (("--by-hand", "--ns-ttl", "25h"), "24h at most"),
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
