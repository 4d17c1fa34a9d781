"""What a failed phase looks like: line by line as README shows it, times aside."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from dnsrun.clock import VirtualClock
from worlds import APEX, PLAYBOOK

from .conftest import Project

README = Path(__file__).parents[2] / "README.md"
COMMAND = "$ dnsrun apply client.example --phase 2\n"


def timeless(text: str) -> str:
    return re.sub(r"Until \d\d:\d\d", "Until HH:MM", re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", text))


def shown_in_readme() -> str:
    """Return the failed phase that README shows; what a person types stands in it, and is not printed."""
    shown = README.read_text(encoding="utf-8").split(COMMAND)[1].split("```")[0]
    return timeless(shown).replace("[y/N] y\n", "[y/N] ")


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
    told = timeless(result.err + result.out)
    assert result.code == 3
    assert told.splitlines() == shown_in_readme().splitlines(), told
