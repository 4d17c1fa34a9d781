"""Sheets for a person: they hold what must stand there, can be handed back as a capture, and are no formulas."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import dns.name
import pytest

from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.model.rrset import Change, RRset, RRsetKey, rrset
from dnsrun.testing.torture import added, torture
from dnsrun_providers.sheets import sheets

APEX = dns.name.from_text("client.example.jp.")
EVIL = (
    rrset("=cmd|'/c calc'!a0.client.example.jp", 60, "CNAME", "+sum.example."),
    rrset("-x.client.example.jp", 60, "CNAME", "-y.example."),
    rrset(r"\@.client.example.jp", 60, "TXT", '"=1+1"'),
    rrset("place.client.example.jp", 60, "GPOS", "-32.6882 116.8652 10.0"),
)


def read_back(file: tuple[str, str]) -> dict[RRsetKey, RRset]:
    handed = Handed(file[0], "a person", date(2026, 11, 22))
    zone = read_attested(file[1], APEX, handed, taken_at=datetime(2026, 11, 22, tzinfo=UTC))
    return dict(zone.rrsets)


@pytest.mark.parametrize("place", [0, 1])
def test_a_sheet_handed_back_is_what_was_to_be_typed(place: int) -> None:
    wanted = (*torture(APEX, None), *EVIL)
    assert read_back(sheets(APEX, map(added, wanted))[place]) == {one.key: one for one in wanted}


def test_no_cell_is_a_formula_and_every_record_stands_on_its_line() -> None:
    """Threat 17."""
    (_, text), _ = sheets(APEX, map(added, (*torture(APEX, None), *EVIL)))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["name", "type", "ttl", "value"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert len(rows) == len(text.splitlines())


def test_what_is_taken_out_is_on_no_sheet() -> None:
    stays, goes = (rrset(f"{label}.client.example.jp", 60, "A", "192.0.2.1") for label in ("stays", "goes"))
    files = sheets(APEX, (added(stays), Change(goes.key, goes, None)))
    assert [name for name, _ in files] == ["client.example.jp.csv", "client.example.jp.zone"]
    assert not [text for _, text in files if "goes" in text]


def test_the_name_of_a_zone_stays_within_its_folder() -> None:
    apex = dns.name.from_text("0/25.2.0.192.in-addr.arpa.")
    files = sheets(apex, (added(rrset(apex, 60, "TXT", '"x"')),))
    assert [name for name, _ in files] == ["0_25.2.0.192.in-addr.arpa.csv", "0_25.2.0.192.in-addr.arpa.zone"]
