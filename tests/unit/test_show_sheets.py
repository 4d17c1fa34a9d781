"""Sheets for a person are private files in a folder of their own, whatever a plugin calls them (threat 14)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsrun.clock import VirtualClock
from dnsrun.errors import JournalError
from dnsrun.journal.store import FileJournal


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / ".dnsrun" / "client.example", VirtualClock(datetime(2026, 3, 2, tzinfo=UTC)))


def test_a_sheet_is_private_and_its_path_is_seen_from_the_project(journal: FileJournal, tmp_path: Path) -> None:
    told = journal.keep("phase-1-new", "client.example.csv", "name,type\n")
    assert told == ".dnsrun/client.example/sheets/phase-1-new/client.example.csv"
    assert (tmp_path / told).read_text() == "name,type\n"
    assert (tmp_path / told).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / told).parent.stat().st_mode & 0o777 == 0o700


def test_a_newer_sheet_takes_the_place_of_the_earlier_one(journal: FileJournal, tmp_path: Path) -> None:
    journal.keep("phase-1-new", "a.csv", "old")
    assert (tmp_path / journal.keep("phase-1-new", "a.csv", "new")).read_text() == "new"


@pytest.mark.parametrize("name", ["../../journal.jsonl", "/etc/passwd", "..", "a/b.csv", ".hidden", "new\nline", ""])
def test_a_sheet_stays_in_its_folder(journal: FileJournal, tmp_path: Path, name: str) -> None:
    told = tmp_path / journal.keep("phase-1-new", name, "x")
    assert told.parent == journal.folder / "sheets" / "phase-1-new"
    assert not told.name.startswith(".")
    assert told.name.isprintable()


def test_a_link_in_the_way_is_not_followed(journal: FileJournal, tmp_path: Path) -> None:
    journal.keep("phase-1-new", "a.csv", "x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    sheet = journal.folder / "sheets" / "phase-1-new" / "a.csv"
    sheet.unlink()
    sheet.symlink_to(elsewhere)
    journal.keep("phase-1-new", "a.csv", "y")
    assert elsewhere.read_text() == "precious"
    (journal.folder / "sheets" / "phase-2-new").symlink_to(tmp_path)
    with pytest.raises(JournalError, match="not a folder of yours"):
        journal.keep("phase-2-new", "a.csv", "y")
