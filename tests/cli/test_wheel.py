"""What `pip install .` brings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DATA = {"dnsrun_providers/panels/other.yaml", "dnsrun_providers/verified.json", "dnsrun_playbooks/web-move.yaml"}


def test_the_wheel_holds_only_dnsrun_packages_and_their_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"dnsrun", "dnsrun_playbooks", "dnsrun_providers"}
    assert set(names) >= DATA
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
