"""The rules that tests/conftest.py lays on every test, tried on test files of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import find_program

TESTS = Path(__file__).resolve().parents[1]

SAMPLES = {
    "pytest.ini": "[pytest]\nmarkers =\n    long\n",
    "test_file.py": "import pytest\npytest.skip('the file says so', allow_module_level=True)\n",
    "test_sample.py": """
import pytest
from servers import need_program

def test_itself():
    pytest.skip("the test says so")

@pytest.mark.skip(reason="a mark says so")
def test_mark():
    pass

def test_missing():
    need_program("no-such-named", server="BIND", package="bind9")

@pytest.mark.xfail(reason="known to be wrong", strict=True)
def test_known():
    assert False

@pytest.mark.long
def test_long():
    pass
""",
}


def run_tests(folder: Path, samples: dict[str, str], *, ci: str) -> str:
    for name, text in samples.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "conftest", "--continue-on-collection-errors"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def test_a_missing_server_skips_its_tests_and_names_the_package(tmp_path: Path) -> None:
    said = run_tests(tmp_path, SAMPLES, ci="")
    assert "4 skipped, 1 deselected, 1 xfailed" in said
    assert "BIND is not installed (no-such-named not found): apt-get install bind9" in said


def test_with_ci_set_whatever_would_be_skipped_fails_and_says_why(tmp_path: Path) -> None:
    said = run_tests(tmp_path, SAMPLES, ci="1")
    assert "2 failed, 1 deselected, 1 xfailed, 2 errors" in said
    for why in ("the file says so", "the test says so", "a mark says so"):
        assert f"skipped, which CI does not allow: {why}" in said.replace("Skipped: ", "")
    assert "BIND is not installed (no-such-named not found): apt-get install bind9" in said


def test_a_failure_shows_the_log_of_the_servers_that_took_part(tmp_path: Path) -> None:
    if find_program("knotd") is None:
        pytest.skip("Knot DNS is not installed (knotd not found): apt-get install knot")
    text = "from servers import Knot\ndef test_it(start): start(Knot()); assert False\n"
    said = run_tests(tmp_path, {"test_sample.py": text}, ci="")
    assert "log of knot knot.test." in said
    assert "starting server" in said
