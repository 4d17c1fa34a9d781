"""What the person sees while the name servers move: before, meanwhile, after, and on the way back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from cli.conftest import Project
from dnsrun.rehearse.authority import Faults
from mailwords import smtp
from registrars import TellingClock
from switchworld import NEW_SERVERS, NS_ONLY, PARENT, PLAYBOOK, SwitchWorld, parent_zone, switch_world
from webworld import raw, web
from worlds import APEX, World

BY_HAND = NS_ONLY.replace("new: {use: rfc2136, server: 203.0.113.53, ", "new: {use: manual, panel: other, ").replace(
    "{use: parent-rfc2136, zone: example., server: 198.51.100.2}", "{use: manual-registrar}"
)
TURNED = (
    PLAYBOOK
    + """phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - {name: the name servers, steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]}
  - {name: the records, steps: [{kind: switch-records}]}
"""
)
SIGNED = (
    NS_ONLY
    + f"""phases:
  - {{name: copy, steps: [{{kind: copy-zone}}, {{kind: remove-ds}}]}}
  - {{name: the name servers, steps: [{{kind: switch-ns}}, {{kind: watch, for: all-caches}}]}}
  - {{name: keys, steps: [{{kind: add-ds, ds: ["2 13 2 {"B" * 64}"]}}]}}
"""
)
TOLD = """phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - {name: the name servers, steps: [{kind: switch-ns}, {kind: watch, for: 2m}]}
notify: [{webhook: {env: HOOK_URL}, on: [incident]}]
"""
DAY_S = 86_400


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "clients"
    (folder / "playbooks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")}
    with switch_world(tmp_path / "servers") as world:
        # The command needs no more of a world than its clock and its net, which this one has too.
        project = Project(folder, cast("World", world), environment)
        project.write(PLAYBOOK)
        yield project


def world_of(project: Project) -> SwitchWorld:
    return cast("SwitchWorld", project.world)


def applied(project: Project, *phases: int) -> None:
    for number in phases:
        done = project("apply", "--phase", str(number), "--yes")
        assert done.code == 0, done.all
        project.world.clock.advance(DAY_S + 3600)


def without(zone: str, owner: str) -> str:
    return "\n".join(line for line in zone.splitlines() if not line.startswith(f"{owner}.client.example.")) + "\n"


def test_plan_tells_what_moves_by_whom_and_how_long_caches_ask_whom(moving: Project) -> None:
    shown = moving("plan")
    assert shown.code == 0, shown.all
    assert "copies 8 record sets to new (8 new)        by API" in shown.out
    assert "  name servers   ns1.old.example, ns2.old.example\n" in shown.out
    assert "→ ns1.new.example, ns2.new.example        at registry, by API" in shown.out
    assert "First all 4 old and new name servers are asked for every record (parity): " in shown.out
    ttls = "(TTL of the name servers: 15 min at the parent, 10 min in the zone)"
    assert f"After it caches may ask the old name servers for 25 min {ttls}" in shown.out
    assert "leave both sides as they are for 58 min." in shown.out
    assert "back by itself, on both sides, last visitor well again after 10 min at most." in shown.out
    assert re.search(r'phase 5 "finish"   not before .*, in 24 h 58 min', shown.out)
    assert "a name that nobody knew waits until no cache goes by the new name servers, 1800 s at worst" in shown.out


def test_plan_foresees_each_side_by_itself(moving: Project) -> None:
    """What is copied to the new host must not pass for done at the old one."""
    shown = moving("plan").out
    assert "@, www   A   192.0.2.10 → 203.0.113.20        at old, by API" in shown
    assert shown.count("copies") == 1
    assert "shop                      CNAME   TTL 600 s → 1800 s        at new, by API" in shown


def test_plan_names_the_cheaper_way_only_where_there_is_one(moving: Project) -> None:
    assert "Cheaper: all `records` of this playbook can be changed at old" in moving("plan").out
    moving.write(NS_ONLY)
    assert "Cheaper" not in moving("plan").out


def test_plan_foresees_records_that_follow_the_name_servers(moving: Project) -> None:
    """The watch in between lasts until no cache asks the old host, so nobody gets mixed answers."""
    moving.write(TURNED)
    shown = moving("plan").out
    assert re.search(r"@, www   A   192\.0\.2\.10 → 203\.0\.113\.20 +at new, by API", shown)
    assert "mixed-answers" not in shown
    copied = moving("apply", "--phase", "copy", "--yes")
    assert "Next: `dnsrun apply client.example --phase 'the name servers'` (\"the name servers\")" in copied.out


def test_plan_says_what_becomes_of_the_ds_and_what_a_wrong_one_costs(moving: Project) -> None:
    world = world_of(moving)
    world.parent.set_zone(PARENT, f"{world.parent.zone_text(PARENT)}client.example. 3600 DS 1 13 2 {'a' * 64}\n")
    moving.write(SIGNED)
    shown = moving("plan").out
    assert f"DS 1 13 2 {'a' * 64} removed        at registry, by API\n  waits for 1 h 3 min" in shown
    assert f"DS 2 13 2 {'B' * 64} published        at registry, by API" in shown
    assert "resolvers that validate may refuse the domain until they forget the DS" in shown


def test_going_back_by_hand_says_which_servers_the_parent_still_names(moving: Project) -> None:
    moving.write(BY_HAND)
    world = world_of(moving)
    world.new.set_zone(APEX, _typed(world.old.zone_text(APEX)))
    applied(moving, 1, 3)
    asked = moving("apply", "--phase", "4", "--yes", "--accept", "manual-rollback=fine")
    assert "every parent server still serves the old name servers" in asked.err
    assert "sheets/phase-4-undo/undo.txt" in asked.err
    assert "ns1.old.example" in (moving.state / "sheets" / "phase-4-undo" / "undo.txt").read_text()
    status = moving("status").out
    assert "you must act: " in status
    assert 'phase 4 "switch NS" waits for registry' in status
    text = world.parent.zone_text(PARENT)
    world.parent.set_zone(PARENT, text.replace("NS ns1.old", "NS ns1.new").replace("NS ns2.old", "NS ns2.new"))
    switched = moving("resume", "client.example")
    assert switched.code == 0, switched.all
    assert "every server of the parent delegates to ns1.new.example, ns2.new.example" in switched.err
    assert "Name servers switched " in switched.out
    back = moving("rollback", "--yes")
    assert back.code == 4, back.all
    assert "every parent server still serves the new name servers" in back.err


def test_a_placeholder_at_the_parent_is_told_while_it_is_there(moving: Project) -> None:
    """Fault 54: between two looks at the parent, not when the switch is over."""
    world = world_of(moving)
    world.clock = clock = TellingClock(world.clock.now())
    with web({"/hook": (204, {}, b"")}) as hook:
        world.places[hook.place] = hook.place
        moving.environment["HOOK_URL"] = f"http://localhost:{hook.port}/hook"
        moving.write(NS_ONLY + TOLD)
        assert moving("apply", "--phase", "copy", "--yes").code == 0
        heard: list[int] = []

        def shows(*servers: str) -> None:
            heard.append(len(hook.posted))
            world.parent.faults = Faults()
            world.parent.set_zone(PARENT, parent_zone(*servers))

        world.parent.faults = Faults(stale=True)  # the update is taken, and shows later
        clock.at(clock.now() + timedelta(seconds=60), lambda: shows("park.registrar.example"))
        clock.at(clock.now() + timedelta(seconds=200), lambda: shows(*NEW_SERVERS))
        assert moving("apply", "--phase", "the name servers", "--yes").code == 0
    first, over = (json.loads(body) for body in hook.posted)
    assert heard == [0, 1]
    assert (first["event"], first["exit"], over["event"], over["exit"]) == ("incident", 7, "incident", 0)
    assert "ns.example (198.51.100.2) of the parent zone gives park.registrar.example" in first["text"]
    assert "the incident is over" in over["text"]


def test_a_check_that_is_switched_off_is_not_announced(moving: Project) -> None:
    announced = "old and new name servers are asked for every record (parity)"
    assert announced in moving("plan").out
    moving.write(PLAYBOOK + '  - {kind: parity, off: "compared by hand"}\n')
    assert announced not in moving("plan").out


def test_the_rate_decides_how_long_the_check_takes(moving: Project) -> None:
    assert "questions, about 3 s each time." in moving("plan").out
    assert "questions, about 114 s each time." in moving("plan", "--rate", "2").out
    moving.environment["DNSRUN_RATE"] = "2"
    assert "questions, about 114 s each time." in moving("plan").out
    moving.environment["DNSRUN_RATE"] = "fast"
    refused = moving("plan")
    assert refused.code == 2
    assert "DNSRUN_RATE is to be a number of questions a second from 1 to 10000" in refused.err


def test_status_says_how_far_the_move_is_and_which_side_stays_until_when(moving: Project) -> None:
    assert "not begun" in moving("status").out
    applied(moving, 1)
    assert "the zone is copied to new; the name servers are those of old" in moving("status").out
    applied(moving, 2, 3, 4)
    done = moving("status").out
    assert "name servers switched 2026-03-05 " in done
    assert "no cache asks old any more" in done
    back = moving("rollback", "--yes")
    assert back.code == 3, back.all
    assert "name servers → ns1.old.example, ns2.old.example, once both sides hold the right records" in back.err
    assert "A name that only old holds and that nobody knew of may be missing for 30 min at most." in back.err
    assert "ROLLING BACK  name servers → ns1.old.example, ns2.old.example" in back.err
    assert "Leave the zone at new in place until " in back.out
    assert "some visitors may still see what the new name servers said" in back.out
    rolled_back = moving("status").out
    assert "name servers rolled back" in rolled_back
    assert ": leave the zone at new in place" in rolled_back
    moving.world.clock.advance(7200)
    assert "no cache asks new any more" in moving("status").out


def test_taking_back_everything_leaves_the_copied_zone_in_place(moving: Project) -> None:
    """D10: caches may still ask the new host; a record that is gone there would be an outage."""
    applied(moving, 1, 2)
    assert moving("rollback", "--all", "--yes").code == 3
    world = world_of(moving)
    assert world.held(world.new, "mail.client.example.", "A") == ["600 192.0.2.25"]
    assert world.held(world.new, "shop.client.example.", "CNAME") == ["600 www.client.example."]


def test_what_is_typed_by_hand_comes_with_sheets_and_their_paths(moving: Project) -> None:
    world = world_of(moving)
    more = "".join(f"n{number}.client.example. 3600 A 192.0.2.{number}\n" for number in range(6))
    world.old.set_zone(APEX, world.old.zone_text(APEX) + more)
    moving.write(BY_HAND)
    asked = moving("apply", "--phase", "1", "--yes", "--accept", "manual-rollback=fine")
    assert asked.code == 6, asked.all
    sheet = ".dnsrun/client.example/sheets/phase-1-new/client.example.csv"
    assert sheet in asked.err
    path = moving.folder / sheet
    assert "n5.client.example.,A,600,192.0.2.5\n" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert asked.all.count("n5 ") == 1, "the table is printed once"
    assert "(see above)" in asked.out
    told_again = moving("resume", "client.example")
    assert told_again.code == 6
    assert sheet in told_again.all
    assert "To go back by hand" not in asked.err, "what is only copied stays where it is"


def test_differences_are_a_list_that_is_read_at_100_columns(moving: Project) -> None:
    moving.write(BY_HAND)
    world = world_of(moving)
    moving("apply", "--phase", "1", "--yes", "--accept", "manual-rollback=fine")
    world.new.set_zone(APEX, _typed(world.old.zone_text(APEX)))
    assert moving("resume", "client.example").code == 0
    moving.world.clock.advance(2 * DAY_S)
    wrong = without(without(_typed(world.old.zone_text(APEX)), "imap-7f3a"), "mail").replace("p=abc", "p=abd")
    world.new.set_zone(APEX, wrong)
    paused = moving("apply", "--phase", "3", "--yes")
    assert paused.code == 6, paused.all
    assert "          imap-7f3a A should be 192.0.2.25, is no such name at all 2 servers\n" in paused.err
    assert '          k9q._domainkey TXT should be "v=DKIM1; p=abc", is "v=DKIM1; p=abd"' in paused.err
    assert "Paused:\n  " in paused.out
    assert max(len(line) for line in paused.all.splitlines() if "should be" in line) <= 100
    assert "more, `dnsrun verify` lists them" in moving("status").out


def test_capture_and_diff_show_what_the_other_host_holds(moving: Project) -> None:
    assert "  at new: 0 are the same, 0 differ, 8 are missing there\n" in moving("capture").out
    applied(moving, 1)
    assert "  at new: 6 are the same, 2 differ, 0 are missing there\n" in moving("capture").out
    shown = moving("diff").out
    assert shown.splitlines()[0].split() == ["captured", "expected", "live", "at", "new"]
    (www,) = (line for line in shown.splitlines() if line.startswith("www.client.example A"))
    assert www.split("  ")[-1].strip() == "203.0.113.20 (TTL 600)"
    assert "k9q._domainkey" not in shown, "the same on both sides"
    world = world_of(moving)
    world.new.set_zone(APEX, without(world.new.zone_text(APEX), "k9q._domainkey"))
    (lost,) = (line for line in moving("diff").out.splitlines() if line.startswith("k9q._domainkey"))
    assert lost.endswith("  -")


def test_export_gives_what_the_new_host_is_to_hold(moving: Project) -> None:
    text = moving("export", "--new").out
    assert "www.client.example. 600 IN A 203.0.113.20\n" in text
    assert "client.example. 600 IN NS ns1.new.example.\n" in text
    assert "ns1.old.example.\n" not in text
    assert " IN SOA " in text, "name servers load no zone without one"
    assert "imap-7f3a.client.example. 600 IN A 192.0.2.25\n" in text
    assert moving("export", "--new", "--captured").code == 2


def test_export_for_a_new_host_needs_one(project: Project) -> None:
    refused = project("export", "--new")
    assert refused.code == 2
    assert "the zone stays where it is, so there is no new host" in refused.err


def _typed(zone: str) -> str:
    """Return the old zone as a person types it at the new host."""
    lines = [line.split(None, 4) for line in zone.splitlines() if line]
    for line in lines:
        line[1] = "600" if line[3] != "SOA" else line[1]
        line[4] = line[4].replace(".old.example.", ".new.example.")
    return "\n".join(" ".join(line) for line in lines) + "\n"


def test_a_watch_after_the_switch_lasts_until_no_cache_asks_the_old_name_servers(moving: Project) -> None:
    moving.write(TURNED.replace(", {kind: watch, for: all-caches}", ""))
    assert moving("apply", "--phase", "copy", "--yes").code == 0
    assert moving("apply", "--phase", "the name servers", "--yes").code == 0
    began = moving.world.clock.now()

    shown = moving("watch", "client.example", "--once").out
    verified = moving("verify", "client.example")
    result = moving("watch")

    assert verified.code == 0, verified.all
    assert "no honest cache holds the old data after" in shown
    assert result.code == 0, result.all
    assert (moving.world.clock.now() - began).total_seconds() > 30 * 60, "NS and records of the old side"


def test_mail_that_is_refused_for_postmaster_on_both_sides_does_not_stop_a_move(moving: Project) -> None:
    """Many hosts take no mail for postmaster; whoever moves the name servers changes nothing about that."""
    moving.write(NS_ONLY)
    with raw(smtp(RCPT="550 5.4.1 Recipient address rejected: Access denied")) as mail:
        moving.world.places["192.0.2.25", 25] = mail
        applied(moving, 1, 3)
        result = moving("apply", "--phase", "4", "--yes")

    assert result.code == 0, result.all
