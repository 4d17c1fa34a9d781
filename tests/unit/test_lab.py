"""A lab: the world that plays it, the line to the world, lab time, and users who count what they meet."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.name
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.dnsio import wire
from dnsrun.errors import OutsideError, UsageError
from dnsrun.model.observation import Answer, Endpoint, Question
from dnsrun.model.rrset import Change, RRsetKey, rrset
from dnsrun.rehearse.lab import LAB_FILE, Lab, open_lab, tell_world
from dnsrun.rehearse.scenery import (
    APEX,
    IMAP,
    MAIL,
    NEW_PRIMARY,
    NEW_SITE_PAGES,
    NS_TTL_S,
    OLD_TTL_S,
    OUTDATED,
    PARENT,
    PARENT_SERVER,
    PRIMARY,
    SECONDARY,
    WEB_NEW,
    WEB_OLD,
    WWW,
)
from dnsrun.rehearse.trial.population import USERS_SIT_BEHIND
from dnsrun.rehearse.users import _broke_at
from dnsrun.rehearse.website import Site
from dnsrun.rehearse.world import World
from servers.waiting import eventually

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WWW_A = RRsetKey(WWW, RdataType.A)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A running world in a folder of its own."""
    world = World(tmp_path)
    with world.running():
        yield world


@pytest.fixture
def lab(world: World) -> Lab:
    """The lab as commands see it."""
    return opened(world.folder)


def opened(folder: Path) -> Lab:
    lab = open_lab(folder)
    assert lab is not None
    return lab


def server(address: str) -> Endpoint:
    return Endpoint(dns.name.root, address)


def addresses_at(lab: Lab, address: str) -> tuple[str, ...]:
    (seen,) = lab.net.ask([Question(WWW_A, server(address))])
    assert isinstance(seen.got, Answer)
    assert seen.got.rrset is not None
    return seen.got.rrset.texts()


def point_www_at(lab: Lab, address: str, ttl_s: int, *, was: str, was_ttl_s: int) -> None:
    change = Change(WWW_A, rrset(WWW, was_ttl_s, "A", was), rrset(WWW, ttl_s, "A", address))
    wire.update(lab.net, server(PRIMARY), APEX, (change,))


def page(lab: Lab, address: str) -> str:
    with lab.net.connect(address, 80, timeout_s=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: www.client.example\r\n\r\n")
        with connection.makefile("rb") as stream:
            return stream.read().decode()


# The folder


def test_an_ordinary_project_folder_is_no_lab(tmp_path: Path) -> None:
    assert open_lab(tmp_path) is None


def test_the_file_of_a_lab_is_readable_by_nobody_else(world: World) -> None:
    assert (world.folder / LAB_FILE).stat().st_mode & 0o777 == 0o600
    assert (world.folder / LAB_FILE).parent.stat().st_mode & 0o777 == 0o700


def test_a_lab_that_would_lead_off_this_machine_is_refused(world: World) -> None:
    path = world.folder / LAB_FILE
    data = json.loads(path.read_text())
    data["places"][f"{PRIMARY}:53"] = "9.9.9.9:53"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"9\.9\.9\.9 is not on this machine"):
        open_lab(world.folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lab": 99}', '{"lab": 1, "places": {"x": "y"}}', "\0"])
def test_a_broken_lab_file_is_refused_and_never_taken_for_an_ordinary_project(tmp_path: Path, text: str) -> None:
    (tmp_path / LAB_FILE).parent.mkdir()
    (tmp_path / LAB_FILE).write_text(text)
    with pytest.raises(UsageError, match=r"lab\.json"):
        open_lab(tmp_path)


# The map


def test_places_are_asked_by_their_real_addresses(lab: Lab) -> None:
    assert addresses_at(lab, PRIMARY) == addresses_at(lab, SECONDARY) == (WEB_OLD,)
    assert "200 OK" in page(lab, WEB_OLD)


def test_nothing_that_is_not_listed_can_be_reached(lab: Lab) -> None:
    (seen,) = lab.net.ask([Question(WWW_A, server("9.9.9.9"))])
    assert not isinstance(seen.got, Answer)
    with pytest.raises(OSError, match="no route"):
        lab.net.connect("127.0.0.1", lab.file.control[1], timeout_s=1)


def test_the_secondary_follows_the_primary(lab: Lab) -> None:
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    eventually(lambda: addresses_at(lab, SECONDARY) == (WEB_NEW,), what="the secondary")


def test_a_jump_lets_the_secondary_catch_up_first(lab: Lab) -> None:
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=5))
    assert addresses_at(lab, SECONDARY) == (WEB_NEW,)


def test_a_lab_without_its_world_says_how_to_start_it(tmp_path: Path) -> None:
    with World(tmp_path).running():
        lab = opened(tmp_path)
    with pytest.raises(UsageError, match=f"dnsrun demo --world {tmp_path}"):
        list(lab.net.ask([Question(WWW_A, server(PRIMARY))]))
    with pytest.raises(UsageError, match="dnsrun demo --world"):
        lab.clock.wait_until(lab.clock.now() + timedelta(hours=1))


# The clock


def test_waiting_a_day_takes_seconds_and_every_second_of_it_is_lived_through(lab: Lab) -> None:
    monotonic_s, visits = lab.clock.monotonic_s(), visits_of_one(lab)
    before = lab.clock.now()
    lab.clock.wait_until(before + timedelta(hours=25))
    assert timedelta(hours=25) <= lab.clock.now() - before < timedelta(hours=25, seconds=30)
    assert 90_000 <= lab.clock.monotonic_s() - monotonic_s < 90_030
    assert 90_000 <= visits_of_one(lab) - visits < 90_030


def visits_of_one(lab: Lab) -> int:
    web = lab.tell("visits")["web"]
    return int(web["calls"]) // int(web["users"])


def test_a_jump_of_one_command_is_the_time_of_every_other(lab: Lab) -> None:
    other = opened(lab.folder)
    when = lab.clock.now() + timedelta(hours=2)
    other.clock.wait_until(when)
    assert lab.clock.now() >= when


def test_lab_time_never_goes_back(lab: Lab) -> None:
    before = lab.clock.now()
    lab.clock.wait_until(before - timedelta(days=3))
    lab.tell("jump", until=(before - timedelta(hours=3)).isoformat())
    assert lab.clock.now() >= before


def test_more_than_a_day_at_once_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="more than a day"):
        lab.tell("jump", until=(lab.clock.now() + timedelta(days=9)).isoformat())


def test_a_world_started_again_goes_on_with_its_zone_and_its_time(tmp_path: Path) -> None:
    with World(tmp_path).running():
        lab = opened(tmp_path)
        point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
        lab.clock.wait_until(lab.clock.now() + timedelta(hours=20))
        ended_at = lab.clock.now()
    with World(tmp_path).running():
        lab = opened(tmp_path)
        assert lab.clock.now() >= ended_at
        assert addresses_at(lab, PRIMARY) == addresses_at(lab, SECONDARY) == (WEB_NEW,)


# The line to the world


def test_who_does_not_know_the_token_can_do_nothing(lab: Lab) -> None:
    before = lab.clock.now()
    with pytest.raises((UsageError, OutsideError)):
        tell_world(
            lab.folder, replace(lab.file, token="guessed"), "jump", until=(before + timedelta(hours=5)).isoformat()
        )
    assert lab.clock.now() < before + timedelta(hours=1)


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'"' + b"x" * 9000 + b'"\n'])
def test_nonsense_on_the_line_does_no_harm(lab: Lab, line: bytes) -> None:
    with socket.create_connection(lab.file.control, timeout=5) as connection:
        connection.sendall(line)
        connection.recv(1000)
    assert lab.tell("nothing")["token"] == lab.file.token


def test_what_the_world_does_not_know_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="does not know 'dance'"):
        lab.tell("dance")
    with pytest.raises(UsageError, match="the lab refuses"):
        lab.tell("jump", until="tomorrow")


# The users


def led(lab: Lab) -> set[str]:
    """Return where visitors are led who are not behind a cache that stretches TTLs."""
    addresses: dict[str, int] = lab.tell("visits")["web"]["addresses"]
    return {address for address, users in addresses.items() if users > 1}


def test_users_sit_behind_every_kind_of_cache(lab: Lab) -> None:
    met = lab.tell("visits")
    assert met["caches"] == [kind.name for kind in USERS_SIT_BEHIND]
    assert met["web"]["users"] == met["mail"]["users"] == len(USERS_SIT_BEHIND)


def test_users_follow_a_change_when_their_cache_lets_go_and_not_before(lab: Lab) -> None:
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=60))
    assert led(lab) == {WEB_OLD}
    assert lab.tell("visits")["web"]["broken"] == lab.tell("visits")["mail"]["broken"] == 0
    lab.tell("repair")
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=OLD_TTL_S / 2))
    assert led(lab) == {WEB_OLD, WEB_NEW}, "each cache at its own time"
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=OLD_TTL_S / 2))
    assert led(lab) == {WEB_NEW}
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=3600))
    assert set(lab.tell("visits")["web"]["addresses"]) == {WEB_NEW}, "also where an hour is the least"


def test_the_new_server_survives_tests_and_breaks_down_under_visitors(lab: Lab) -> None:
    assert "200 OK" in page(lab, WEB_NEW)
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=OLD_TTL_S + 60))
    assert "503 Service Unavailable" in page(lab, WEB_NEW)
    web = lab.tell("visits")["web"]
    causes = {cause for outage in web["outages"] for cause in outage["causes"]}
    assert causes == {f"error pages from {WEB_NEW}"}
    lab.tell("repair")
    assert "200 OK" in page(lab, WEB_NEW)
    lab.clock.wait_until(lab.clock.now() + timedelta(minutes=5))
    assert lab.tell("visits")["web"]["broken"] - web["broken"] < len(USERS_SIT_BEHIND), "well again within a second"


def test_switching_by_hand_costs_mail_as_long_as_caches_keep_the_delegation(lab: Lab) -> None:
    counted = {ttl: lab.tell("by-hand", ns_ttl_s=ttl) for ttl in ("7200", "21600")}
    assert {ttl: met["mail"]["worst_s"] for ttl, met in counted.items()} == {"7200": 7200, "21600": 21600}
    met = counted["21600"]
    first, last = met["mail"]["outages"][0], met["mail"]["outages"][-1]
    assert met["switched_at"] < first["since"] < last["since"] < met["put_back_at"] < last["until"]
    assert {tuple(outage["causes"]) for outage in met["mail"]["outages"]} == {("no such name",)}
    assert met["web"]["broken"] == 0, "the web site looks fine behind every cache"
    assert lab.tell("visits")["mail"]["broken"] == 0, "only on a copy"


def test_by_hand_caches_break_at_different_times_and_some_not_at_all_before_the_client_calls(lab: Lab) -> None:
    met = lab.tell("by-hand")
    since = {outage["cache"]: outage["since"] for outage in met["mail"]["outages"]}
    assert 2 <= len(since) < len(USERS_SIT_BEHIND)
    assert len(set(since.values())) == len(since)
    assert (met["mail"]["worst_s"], met["web"]["broken"]) == (86_400, 0)


def test_switching_by_hand_costs_nothing_once_the_new_host_holds_the_mail_host(lab: Lab) -> None:
    imap = RRsetKey(IMAP, RdataType.A)
    wire.update(lab.net, server(NEW_PRIMARY), APEX, (Change(imap, None, rrset(IMAP, 60, "A", MAIL)),))
    met = lab.tell("by-hand", ns_ttl_s="1800")
    assert (met["mail"]["broken"], met["put_back_at"]) == (0, None)


def test_somebody_meddles_once_when_the_name_servers_are_switched_and_caches_ask_the_new_ones(world: World) -> None:
    lab = opened(world.folder)
    imap, ns = RRsetKey(IMAP, RdataType.A), RRsetKey(APEX, RdataType.NS)
    wire.update(lab.net, server(NEW_PRIMARY), APEX, (Change(imap, None, rrset(IMAP, 60, "A", MAIL)),))
    lab.tell("meddle")
    lab.clock.wait_until(lab.clock.now() + timedelta(hours=3))
    assert lab.tell("visits")["mail"]["broken"] == 0, "not before the switch"
    sets = [[f"ns{n}.{host}-host.example." for n in (1, 2)] for host in ("old", "new")]
    before, after = (rrset(APEX, NS_TTL_S, "NS", *names) for names in sets)
    wire.update(lab.net, server(PARENT_SERVER), PARENT, (Change(ns, before, after),))
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=NS_TTL_S))
    assert lab.tell("visits")["mail"]["broken"] == 0
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=300))
    outages = lab.tell("visits")["mail"]["outages"]
    assert {tuple(outage["causes"]) for outage in outages} == {(f"no mail server at {OUTDATED[MAIL]}",)}


@given(
    stays=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), max_size=6),
    pages=st.integers(min_value=1, max_value=120),
)
def test_a_site_breaks_down_in_the_second_in_which_its_pages_are_used_up(
    stays: list[tuple[int, int]], pages: int
) -> None:
    served, breaks_in = 0, None
    for second in range(100):
        served += sum(since <= second < since + length for since, length in stays)
        if served >= pages:
            breaks_in = second
            break
    site = Site("new", pages=pages)
    times = [(NOON + timedelta(seconds=since), NOON + timedelta(seconds=since + length)) for since, length in stays]
    broke_at = _broke_at(times, site)
    assert (broke_at is None) == (breaks_in is None) == (not site.is_down)
    if broke_at is not None and breaks_in is not None:
        assert 0 < (broke_at - NOON).total_seconds() - breaks_in <= 1


def test_a_site_counts_the_pages_of_everybody(world: World) -> None:
    lab = opened(world.folder)
    statuses = [page(lab, WEB_NEW).split()[1] for _ in range(NEW_SITE_PAGES + 2)]
    assert statuses == ["200"] * NEW_SITE_PAGES + ["503"] * 2


def test_everything_has_ended_with_the_world(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lab_file = stack.enter_context(World(tmp_path).running())
    for address, port in {*lab_file.places.values(), lab_file.control}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=1)
