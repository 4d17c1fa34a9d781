"""`dnsrun watch`: who serves what, at name servers and at a real caching resolver, until caches are clean."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import dns.name
import pytest

import worlds
from cli.conftest import Project
from dnsrun.clock import VirtualClock
from dnsrun.model.observation import Endpoint
from servers import Starter, Unbound
from worlds import NEW, OLD

RESOLVER = "192.0.2.53"
LISTED = worlds.PLAYBOOK.replace("gates:\n", f"resolvers: [{RESOLVER}]\ngates:\n")


@pytest.fixture
def resolver(start: Starter, project: Project) -> Unbound:
    """Users' cache, which asks the domain's first name server."""
    zones = {".": project.world.root, "client.example": project.world.ns1}
    unbound = start(Unbound({zone: [Endpoint(dns.name.root, at.address, at.port)] for zone, at in zones.items()}))
    project.world.places[RESOLVER, 53] = (unbound.address, unbound.port)
    project.write(LISTED)
    return unbound


@pytest.fixture
def switched(resolver: Unbound, lowered: Project) -> Project:
    """A user asked just before the address was switched."""
    assert resolver.values("www.client.example", "A", recurse=True) == {OLD}
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    return lowered


def test_one_look_shows_every_server_and_what_a_cache_still_tells(switched: Project) -> None:
    seen = switched("watch", "client.example", "--once").out

    assert re.search(r"@ A +www A", seen)
    assert re.search(r"name server  ns1.client.example \S+ +new +new", seen)
    assert re.search(r"name server  ns2.client.example \S+ +new +new", seen)
    assert re.search(rf"resolver     {re.escape(RESOLVER)} +new, (9 min|10 min)\S* .*old, (9 min|10 min)", seen)
    assert "no honest cache holds the old data after" in seen


def test_one_look_as_data(switched: Project) -> None:
    seen = json.loads(switched("watch", "client.example", "--once", "--json").out)

    cache = next(one for one in seen["servers"] if one["kind"] == "resolver")
    assert cache["address"] == RESOLVER
    told = cache["told"]["www.client.example A"]
    assert told["told"] == "old"
    assert 500 < told["ttl"] <= 600
    assert {one["kind"] for one in seen["servers"]} == {"name server", "resolver"}


def test_a_watch_of_what_is_done_ends_when_no_cache_can_hold_the_old_data(switched: Project) -> None:
    began = switched.world.clock.now()
    result = switched("watch")

    assert (result.code, result.out) == (0, "client.example: everything answers as it was written\n")
    assert timedelta(seconds=600) <= switched.world.clock.now() - began < timedelta(seconds=1200)
    assert f"resolver {RESOLVER}: new and old" in result.err
    assert len(result.err.splitlines()) < 4, "a line only when something has changed"


def test_a_failure_after_the_phase_is_told_with_the_way_back(switched: Project) -> None:
    switched.world.web_new.status = 500
    result = switched("watch")

    assert result.code == 7
    assert "answers 500" in result.out
    assert "`dnsrun rollback client.example` goes back" in result.out


def test_a_single_failure_is_none(switched: Project) -> None:
    class Recovers(VirtualClock):
        def wait_until(self, when: object) -> None:
            switched.world.web_new.status = 200
            super().wait_until(when)  # type: ignore[arg-type] # the clock's own

    switched.world.web_new.status = 500
    switched.world.clock = Recovers(switched.world.clock.now())

    assert switched("watch").code == 0


def test_a_watch_ends_when_another_command_goes_on_with_the_run(switched: Project) -> None:
    """What a rollback at another terminal takes back is no failure of what was written."""

    class GoesBack(VirtualClock):
        def wait_until(self, when: datetime) -> None:
            switched.world.clock = VirtualClock(self.now())
            assert switched("rollback", "--yes").code in {3, 5}
            super().wait_until(when)

    switched.world.clock = GoesBack(switched.world.clock.now())
    result = switched("watch")

    assert result.code == 0, result.all
    assert "another command goes on" in result.out


def test_watching_an_open_phase_goes_on_with_it_and_goes_back_by_itself(switched: Project) -> None:
    class Breaks(VirtualClock):
        def wait_until(self, when: object) -> None:
            switched.world.web_new.status = 500
            super().wait_until(when)  # type: ignore[arg-type] # the clock's own

    class Interrupts(VirtualClock):
        def wait_until(self, when: object) -> None:
            raise KeyboardInterrupt

    now = switched.world.clock.now()
    switched.world.clock = Interrupts(now)
    assert switched("apply", "--phase", "3", "--yes").code == 130
    switched.world.clock = Breaks(now)
    result = switched("watch", terminal=True)

    assert result.code == 3, result.all
    assert "ROLLING BACK" in result.err
    assert "name server" in result.err
    assert switched.world.values(switched.world.ns1) == [f"600 {OLD}"]


def test_what_a_cache_tells_never_decides_a_watch(switched: Project) -> None:
    """T3: the resolver tells the old address to the end, and the phase is done all the same."""
    result = switched("apply", "--phase", "3", "--yes")

    assert result.code == 0, result.all
    assert f"{RESOLVER} tells the new @ A" in result.err or "tells the old" in result.err
    assert switched.world.values(switched.world.ns1) == [f"600 {NEW}"]


def test_a_paused_phase_is_watched_and_said_to_be_paused(resolver: Unbound, lowered: Project) -> None:
    lowered.write(LISTED.replace("status: 200}", "status: 200, on_fail: pause}"))

    class Breaks(VirtualClock):
        def now(self) -> datetime:
            if NEW in str(lowered.world.values(lowered.world.ns1)):
                lowered.world.web_new.status = 500
            return super().now()

    now = lowered.world.clock.now()
    lowered.world.clock = Breaks(now)
    assert lowered("apply", "--phase", "2", "--yes", "--accept-changes").code == 6
    failing = lowered("watch")
    lowered.world.clock = VirtualClock(lowered.world.clock.now())
    lowered.world.web_new.status = 200
    well = lowered("watch")

    assert (failing.code, well.code) == (7, 6)
    for seen in (failing, well):
        assert "The phase is paused: `dnsrun resume client.example` goes on" in seen.out
        assert "is over" not in seen.out


def test_lowered_ttls_replace_nothing_that_caches_could_tell(lowered: Project) -> None:
    assert lowered("watch").out == "client.example: everything answers as it was written\n"
    assert "no data was replaced" in lowered("watch", "--once").out


def test_what_was_taken_back_is_not_watched_and_not_denied(project: Project) -> None:
    assert project("apply", "--phase", "1", "--yes").code == 0
    assert project("rollback", "--all", "--yes").code == 3

    assert "nothing that was written stands" in project("watch", "client.example").out
    assert json.loads(project("watch", "client.example", "--json").out)["servers"] == []


def test_there_is_nothing_to_watch_before_something_was_written(project: Project) -> None:
    assert (
        project("watch", "client.example").out == "client.example: nothing was written, so there is nothing to watch\n"
    )
    assert project("watch").code == 2
