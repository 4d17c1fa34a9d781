"""A person sets the name servers at a registrar's panel: what each look at the parent says, and the way back.

The zone "example" has two servers, each changed by hand.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import dns.name
import pytest

from cli.conftest import Project, Result
from dnsrun.rehearse.authority import Authority
from switchworld import NEW_SERVERS, NS_ONLY, OLD_SERVERS, PARENT, SwitchWorld, parent_zone, switch_world
from worlds import ROOT_ZONE, World

TEXT = f"""{NS_ONLY.replace("{use: parent-rfc2136, zone: example., server: 198.51.100.2}", "{use: manual-registrar}")}
phases:
  - {{name: copy, steps: [{{kind: copy-zone}}]}}
  - {{name: switch, steps: [{{kind: switch-ns}}, {{kind: watch, for: 2m}}]}}
"""
ACCEPT = ("--yes", "--accept", "manual-rollback=the client is at the phone")
SECOND = "198.51.100.3"
SECOND_NS = f"example. 3600 NS nsb.example.\nnsb.example. 3600 A {SECOND}\n"
STATES = {
    "not started": "every parent server still serves the old name servers",
    "propagating": "some parent servers serve the new name servers, some the old ones",
    "partial": "not exactly the new ones: ns1.new.example",
    "wrong": "neither the old nor the new name servers: ns1.new.example, ns2.nwe.example",
}


@dataclass
class Desk:
    """A project, and the hands of whoever sits at the registrar's panel."""

    project: Project
    parents: tuple[Authority, Authority]

    def types(self, *names: str, at: slice = slice(None)) -> None:
        """Have the parent's servers, or some of them, delegate to these names."""
        for parent in list(self.parents)[at]:
            parent.set_zone(PARENT, parent_zone(*names, more=SECOND_NS))

    def applied(self) -> Result:
        """Copy the zone, and begin to switch."""
        self.project.write(TEXT)
        copied = self.project("apply", "--phase", "copy", "--yes")
        assert copied.code == 0, copied.all
        return self.project("apply", "--phase", "switch", *ACCEPT)

    def resumed(self) -> Result:
        return self.project("resume", "client.example")

    def seen(self, result: Result) -> str:
        """What a command told, on one line."""
        return " ".join(result.err.split())

    def told(self) -> dict[str, Any]:
        """Return where the domain stands."""
        (standing,) = json.loads(self.project("status", "--json").out)
        return cast("dict[str, Any]", standing)

    def stored_undo(self) -> str:
        return "".join(path.read_text() for path in self.project.state.rglob("*undo.txt"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    folder = tmp_path / "clients"
    (folder / "playbooks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")}
    with switch_world(tmp_path / "servers") as world, Authority({PARENT: parent_zone(*OLD_SERVERS)}) as second:
        root = f"{ROOT_ZONE}{SECOND_NS}".replace("example. 3600 NS", "example. 86400 NS")
        world.root.set_zone(dns.name.root, root)
        world.places[SECOND, 53] = (second.address, second.port)
        made = Desk(Project(folder, cast("World", world), environment), (world.parent, second))
        made.types(*OLD_SERVERS)
        yield made


def world_of(desk: Desk) -> SwitchWorld:
    return cast("SwitchWorld", desk.project.world)


def test_the_way_back_is_on_paper_before_anything_is_asked_for(desk: Desk) -> None:
    asked = desk.applied()
    assert asked.code == 6, asked.all
    back = asked.err.index("To go back by hand")
    assert back < asked.err.index("for registry, by hand:")
    assert "ns1.old.example" in asked.err[back : asked.err.index("for registry, by hand:")]
    assert "ns1.old.example" in desk.stored_undo()


def test_without_the_risk_accepted_nobody_is_asked_for_anything(desk: Desk) -> None:
    desk.project.write(TEXT)
    assert desk.project("apply", "--phase", "copy", "--yes").code == 0
    refused = desk.project("apply", "--phase", "switch", "--yes")
    assert refused.code == 5
    assert "manual-rollback" in refused.err
    assert "by hand:" not in refused.err.replace("To go back by hand", "")
    assert not desk.stored_undo()


def test_each_look_says_how_far_the_parent_has_come(desk: Desk) -> None:
    """Not started, propagating, partial, a typo in one name, done; nothing but the last is a switch."""
    assert STATES["not started"] in desk.seen(desk.applied())
    desk.types(*NEW_SERVERS, at=slice(1))
    looked = desk.resumed()
    assert (looked.code, STATES["propagating"] in desk.seen(looked)) == (6, True), looked.all
    desk.types("ns1.new.example")
    looked = desk.resumed()
    assert (looked.code, STATES["partial"] in desk.seen(looked)) == (6, True), looked.all
    assert "INCIDENT" not in looked.err
    desk.types("ns1.new.example", "ns2.nwe.example")
    looked = desk.resumed()
    assert (looked.code, STATES["wrong"] in desk.seen(looked)) == (6, True), looked.all
    assert "INCIDENT" in looked.err
    assert "caches keep that up to 900 s" in desk.seen(looked)
    desk.types(*NEW_SERVERS)
    done = desk.resumed()
    assert done.code == 0, done.all


def test_a_typo_at_one_parent_server_only_is_an_incident_too(desk: Desk) -> None:
    """D2: all servers of the parent are asked, not one."""
    desk.applied()
    desk.types(*NEW_SERVERS)
    desk.types("ns1.new.example", "ns2.nwe.example", at=slice(1, 2))
    looked = desk.resumed()
    assert looked.code == 6, looked.all
    assert f"nsb.example ({SECOND}) serves {STATES['wrong']}" in desk.seen(looked)


def test_status_and_report_tell_of_a_typo_at_the_parent_until_no_cache_holds_it(desk: Desk) -> None:
    desk.applied()
    assert desk.told()["incident"] is None
    desk.types("ns1.new.example", "ns2.nwe.example", at=slice(1, 2))
    desk.resumed()
    desk.resumed()
    during = desk.told()["incident"]
    assert during["served"] == {f"nsb.example ({SECOND})": "ns1.new.example, ns2.nwe.example"}
    assert (during["servers"], during["ttl"], during["until"], during["caches_until"]) == (1, 900, None, None)
    shown = desk.project("status").out
    assert re.search(
        r"INCIDENT since .*: 1 server of the parent zone gave ns1\.new\.example, ns2\.nwe\.example,", shown
    )
    assert "caches keep it up to 15 min" in shown

    desk.project.world.clock.advance(60)
    desk.types(*NEW_SERVERS)
    assert desk.resumed().code == 0
    over = desk.told()["incident"]
    assert (over["since"], over["served"]) == (during["since"], during["served"])
    until, forgotten = (datetime.fromisoformat(over[name]) for name in ("until", "caches_until"))
    assert forgotten == until + timedelta(seconds=900)
    assert re.search(r"INCIDENT from .* until .*; caches may hold it until ", desk.project("status").out)
    desk.project.world.clock.advance(900)
    assert desk.told()["incident"] is None

    report = json.loads(desk.project("report", "client.example", "--json").out)
    seen, gone = (row for row in report["timeline"] if row["kind"] == "incident")
    assert (seen["at"], gone["at"]) == (over["since"], over["until"])
    assert f"ns1.new.example, ns2.nwe.example at nsb.example ({SECOND})" in seen["details"]
    assert (
        "asked for was: name servers: ns1.old.example, ns2.old.example → ns1.new.example, ns2.new.example"
        in (seen["details"])
    )
    assert gone["until"] == over["caches_until"]


def test_a_persons_rollback_is_4_until_the_parent_proves_it_then_3(desk: Desk) -> None:
    desk.applied()
    desk.types(*NEW_SERVERS)
    assert desk.resumed().code == 0
    asked = desk.project("rollback", "--yes")
    assert asked.code == 4, asked.all
    assert "ns1.old.example" in asked.err
    assert desk.project("status").code == 7
    desk.types(*OLD_SERVERS, at=slice(1))
    half = desk.resumed()
    assert half.code == 4, half.all
    assert "some parent servers serve" in desk.seen(half)
    desk.types(*OLD_SERVERS)
    proved = desk.resumed()
    assert proved.code == 3, proved.all
    assert "Rolled back and checked." in proved.out
    assert desk.project("status").code != 7


def test_what_breaks_while_the_person_is_still_at_it_comes_right_at_the_new_host_at_once(desk: Desk) -> None:
    """Fault 51: the data needs no person."""
    desk.applied()
    desk.types(*NEW_SERVERS)
    world = world_of(desk)
    world.edit(world.new, "imap-7f3a.client.example.", "192.0.2.99")
    broken = desk.resumed()
    assert broken.code == 4, broken.all
    assert world.held(world.new, "imap-7f3a.client.example.", "A") == ["600 192.0.2.25"]
    assert world.delegated() == set(NEW_SERVERS)
    desk.types(*OLD_SERVERS)
    assert desk.resumed().code == 3
