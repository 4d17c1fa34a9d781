"""A state folder belongs to one machine at a time (fault 13)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnsrun.errors import Refused
from dnsrun.wiring import machine
from dnsrun.wiring.machine import settle_machine


def on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / name).write_text(name)
    monkeypatch.setattr(machine, "SYSTEM_ID", tmp_path / name)
    return {"XDG_STATE_HOME": str(tmp_path / f"state-{name}")}


def test_a_folder_copied_to_another_machine_is_refused_until_it_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "client.example"
    settle_machine(folder, on("laptop", tmp_path, monkeypatch), adopt=False)
    settle_machine(folder, on("laptop", tmp_path, monkeypatch), adopt=False)
    there = on("server", tmp_path, monkeypatch)
    with pytest.raises(Refused, match=r"another machine.*--adopt"):
        settle_machine(folder, there, adopt=False)
    settle_machine(folder, there, adopt=True)
    settle_machine(folder, there, adopt=False)
    with pytest.raises(Refused):
        settle_machine(folder, on("laptop", tmp_path, monkeypatch), adopt=False)


def test_a_machine_without_an_id_of_its_own_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SYSTEM_ID", tmp_path / "none")
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    settle_machine(tmp_path / "a.example", environment, adopt=False)
    settle_machine(tmp_path / "a.example", environment, adopt=False)
    assert (tmp_path / "state" / "dnsrun" / "machine").stat().st_mode & 0o777 == 0o600


def test_the_folder_holds_no_machine_id_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_machine(tmp_path / "a.example", on("laptop", tmp_path, monkeypatch), adopt=False)
    assert "laptop" not in (tmp_path / "a.example" / "machine").read_text()
