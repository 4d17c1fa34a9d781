"""A lab: the world that plays it, the line to the world, lab time, and users who count what they meet."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.name
import dns.rrset
import pytest
from dns.message import Message
from dns.rdatatype import RdataType

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
from dnsrun.rehearse.users import Users
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
    monotonic_s, visits = lab.clock.monotonic_s(), lab.tell("visits")["visits"]
    before = lab.clock.now()
    lab.clock.wait_until(before + timedelta(hours=25))
    assert timedelta(hours=25) <= lab.clock.now() - before < timedelta(hours=25, seconds=30)
    assert 90_000 <= lab.clock.monotonic_s() - monotonic_s < 90_030
    assert 90_000 <= lab.tell("visits")["visits"] - visits < 90_030


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


def test_users_follow_a_change_when_their_cache_lets_go_and_not_before(lab: Lab) -> None:
    met = lab.tell("visits")
    assert (met["address"], met["broken"], met["mail"]["broken"]) == (WEB_OLD, 0, 0)
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=OLD_TTL_S - 60))
    assert lab.tell("visits")["address"] == WEB_OLD
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=60))
    assert lab.tell("visits")["address"] == WEB_NEW


def test_the_new_server_survives_tests_and_breaks_down_under_visitors(lab: Lab) -> None:
    assert "200 OK" in page(lab, WEB_NEW)
    point_www_at(lab, WEB_NEW, 600, was=WEB_OLD, was_ttl_s=OLD_TTL_S)
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=OLD_TTL_S + 60))
    assert "503 Service Unavailable" in page(lab, WEB_NEW)
    (outage,) = lab.tell("visits")["outages"]
    assert outage["address"] == WEB_NEW
    lab.tell("repair")
    assert "200 OK" in page(lab, WEB_NEW)


def test_switching_by_hand_costs_mail_as_long_as_caches_keep_the_delegation(lab: Lab) -> None:
    counted = {ttl: lab.tell("by-hand", ns_ttl_s=ttl) for ttl in ("1800", "7200")}
    assert {ttl: met["broken"] for ttl, met in counted.items()} == {"1800": 1800, "7200": 7200}
    met = counted["7200"]
    assert met["switched_at"] < met["outages"][0]["first_at"] < met["put_back_at"] < met["outages"][-1]["last_at"]
    assert lab.tell("visits")["mail"]["broken"] == 0, "only on a copy"


def test_switching_by_hand_costs_nothing_once_the_new_host_holds_the_mail_host(lab: Lab) -> None:
    imap = RRsetKey(IMAP, RdataType.A)
    wire.update(lab.net, server(NEW_PRIMARY), APEX, (Change(imap, None, rrset(IMAP, 60, "A", MAIL)),))
    met = lab.tell("by-hand", ns_ttl_s="1800")
    assert (met["broken"], met["put_back_at"]) == (0, None)


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
    (outage,) = lab.tell("visits")["mail"]["outages"]
    assert outage["address"] == OUTDATED[MAIL]


def users_of(replies: dict[str, str | None], ttl_s: int, sites: dict[str, Site]) -> Users:
    """Users whose one server says what `replies` holds under `www` at the time."""

    def send(_: str, query: Message) -> Message | None:
        answer = dns.message.make_response(query)
        address = replies["www"]
        if address is None:
            return None
        answer.flags |= dns.flags.AA
        answer.answer.append(dns.rrset.from_text(WWW, ttl_s, "IN", "A", address))
        return answer

    return Users(WWW, sites, ("192.0.2.1",), send, NOON)


@pytest.mark.parametrize(("ttl_s", "broken_s"), [(600, 540), (60, 0), (300, 240)])
def test_how_long_users_suffer_is_counted_from_what_their_cache_gives_them(ttl_s: int, broken_s: int) -> None:
    replies: dict[str, str | None] = {"www": WEB_NEW}
    users = users_of(replies, ttl_s, {WEB_OLD: Site("old"), WEB_NEW: Site("new", pages=60)})
    users.live_until(NOON + timedelta(seconds=1))
    replies["www"] = WEB_OLD
    users.live_until(NOON + timedelta(hours=1))
    assert users.visits.broken == broken_s
    assert users.visits.total == 3600


def test_users_without_an_answer_count_as_broken_and_outages_are_told_apart(lab: Lab) -> None:
    replies: dict[str, str | None] = {"www": None}
    users = users_of(replies, 60, {WEB_OLD: Site("old"), WEB_NEW: Site("new", pages=0)})
    users.live_until(NOON + timedelta(seconds=10))
    replies["www"] = WEB_OLD
    users.live_until(NOON + timedelta(seconds=11))
    replies["www"] = WEB_NEW
    users.live_until(NOON + timedelta(seconds=75))
    assert [(each.address, each.seconds) for each in users.visits.outages] == [("", 10), (WEB_NEW, 5)]
    assert users.visits.outages[1].first_at == NOON + timedelta(seconds=70)


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
