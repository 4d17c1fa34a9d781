"""A zone at which nobody can write or list: the operator's file is the truth, a person types, DNS proves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended, NeedsPerson
from dnsrun.engine.run import Run
from dnsrun.engine.start import prepare
from dnsrun.errors import Refused
from worlds import APEX, CLIENT_ZONE, NEW, OLD, World, world

PLAYBOOK = """dnsrun: 1
domain: client.example
providers:
  vps: {use: manual, panel: other, name_servers: [ns1.client.example]}
  second: {use: public, name_servers: [ns2.client.example]}
zone:
  from: vps
  secondaries: {vps: [second]}
  capture: {file: client.zone, given_by: operator of the VPS, on: 2026-03-01, covers: all}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}
phases:
  - {name: switch, steps: [{kind: switch-records}]}
"""
ZONE = CLIENT_ZONE + 'x7k2._domainkey.client.example. 3600 TXT "v=DKIM1; p=MIIB"\n'  # in no dictionary
ACCEPTED = {"manual-rollback": "the operator answers the phone"}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ZONE) as made:
        yield made


def opened(small: World, text: str = PLAYBOOK, file: str = ZONE) -> Run:
    run = small.open(text)
    run.ports = small.with_files(run.ports, {"client.zone": file})
    return run


def test_a_person_types_and_the_servers_prove_it(small: World) -> None:
    run = opened(small)
    prepared = small.start(run, 1, ACCEPTED)
    assert prepared.zone.completeness == "attested"
    assert OLD in prepared.undo_sheet
    after = small.drive(run)
    assert isinstance(after, NeedsPerson)
    assert NEW in after.text
    assert "www" in after.text
    small.edit(small.ns1, "www.client.example.", NEW)
    assert small.until_ended(run) == Ended("done", "done")
    assert small.values(small.ns2) == [f"3600 {NEW}"]


def test_an_outdated_file_is_refused(small: World) -> None:
    """Fault 31's cousin: the serial and an address of the file are not what is served."""
    outdated = ZONE.replace(" 7 1800", " 6 1800").replace("192.0.2.25", "192.0.2.26")
    with pytest.raises(Refused, match=r"(?s)cannot be trusted.*mail\.client\.example A"):
        prepare(opened(small, file=outdated), 1)


def test_a_file_that_is_not_said_to_be_whole_counts_as_probed(small: World) -> None:
    prepared = prepare(opened(small, PLAYBOOK.replace(", covers: all", "")), 1)
    assert prepared.zone.completeness == "probed"
    assert any("covers: all" in warning for warning in prepared.warnings)
    assert prepared.zone.apex == APEX
