"""What a failed phase looks like: line by line, times aside."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from dnsrun.clock import VirtualClock
from worlds import APEX, PLAYBOOK

from .conftest import Project

TRANSCRIPT = """\
client.example · phase 2 of 5 "switch A"
  @, www   A   192.0.2.10 → 203.0.113.20        at server_a, by API
  Mail does not change: mailboxes are on mail.client.example (192.0.2.25), and that stays.
  If it fails: back by itself, last visitor well again after 10 min at most.
Run it now? [y/N] HH:MM:SS  www at 203.0.113.20, asked directly                          ok
HH:MM:SS  changed; ns1 ok, ns2 still old (2 of 3) … ns2 ok (HH:MM:SS)
HH:MM:SS  http://www.client.example/ answers 503 at 203.0.113.20       3 times
HH:MM:SS  ROLLING BACK  @, www → 192.0.2.10
HH:MM:SS  ns1 ok, ns2 still old (2 of 3) … ns2 ok (HH:MM:SS), web ok
Rolled back and checked. Until HH:MM some visitors may still see the new server. Nothing else was touched.
Next: repair the new server, then run the same command again (no waiting needed).
client.example  ok=7 changed=2 failed=1 rolled-back=2
"""


class Plot(VirtualClock):
    """A clock on which something happens after a number of waits."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.scenes: dict[int, Callable[[], object]] = {}
        self._waits = 0

    def wait_until(self, when: datetime) -> None:
        if when > self.now():
            self._waits += 1
            self.scenes.get(self._waits, lambda: None)()
        super().wait_until(when)

    def begin(self, scenes: dict[int, Callable[[], object]]) -> None:
        self._waits = 0
        self.scenes = scenes


def test_a_failed_phase_reads_as_it_should(project: Project) -> None:
    world = project.world
    clock = Plot(world.clock.now())
    world.clock = clock
    text = PLAYBOOK.replace("  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}\n", "")
    text = text.replace("from: old, secondaries: {old: [second]}", "from: server_a").replace("  old:", "  server_a:")
    project.write(text.replace("{kind: http,", "{kind: http, name: web,"))
    clock.begin({1: lambda: bool(world.ns2.refresh(APEX))})
    assert project("apply", "--phase", "1", "--yes").code == 0
    clock.advance(timedelta(hours=26).total_seconds())

    def follows_and_breaks() -> None:
        world.ns2.refresh(APEX)
        world.web_new.status = 503

    clock.begin({2: follows_and_breaks, 7: lambda: bool(world.ns2.refresh(APEX))})
    result = project("apply", "client.example", "--phase", "2", typed="y\n")
    told = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", result.err + result.out)
    told = re.sub(r"Until \d\d:\d\d", "Until HH:MM", told)
    assert result.code == 3
    assert told.splitlines() == TRANSCRIPT.splitlines(), told
