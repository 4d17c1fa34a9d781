"""Which programs the tests need, and what happens when one is missing."""

from __future__ import annotations

import os
import shutil

import pytest

_SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/opt/homebrew/bin"


def find_program(name: str) -> str | None:
    """Return the path of a program, looking into the sbin folders too (users have them rarely in PATH)."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}")


def need_program(name: str, *, server: str, package: str) -> str:
    """Return the path of a program; skip the test when it is missing (with `CI` set: fail)."""
    path = find_program(name)
    if path is not None:
        return path
    missing = f"{server} is not installed ({name} not found): apt-get install {package}"
    if is_ci():
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def need_root(server: str) -> None:
    """Skip the test where this is not root, without whom the server cannot change its users (with `CI` set: fail)."""
    if os.geteuid() == 0:
        return
    missing = f"{server} can be started by root only: run the tests as root in a container"
    if is_ci():
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def is_ci() -> bool:
    """Tell whether `CI` is set: then nothing may be skipped."""
    return bool(os.environ.get("CI"))
