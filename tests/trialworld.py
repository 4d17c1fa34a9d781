"""Trials for tests: the demo's playbook and zones, or others, played in a folder of the test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from dnsrun.clock import VirtualClock
from dnsrun.gates.all import built_in
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import read_playbook
from dnsrun.rehearse import scenery
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.drive import Play, Script
from dnsrun.rehearse.trial.setting import Captured, Setting, Wishes, set_scene
from dnsrun.rehearse.trial.summary import Summary, summary
from dnsrun.wiring.plugins import kinds
from dnsrun.wiring.redaction import Redactor
from dnsrun.wiring.rehearsing import captured_in_file, open_cast
from dnsrun.wiring.world import Network, World

START = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
DAY_S = 86_400
A_DAY = Wishes(ns_ttl_s=DAY_S)
FEW = tuple(POPULATION[name] for name in ("bind", "parent-centric", "ttl-stretching"))
PLAIN = Script(kinds=FEW)
"""Few kinds of caches, where all are not needed."""
WEB_MOVE = """dnsrun: 1
domain: client.example
goal: The web site moves.
providers:
  panel: {use: manual, panel: other, name_servers: [ns1.old-host.example, ns2.old-host.example]}
zone: {from: panel, capture: {file: client.zone, given_by: the operator, on: 2026-11-20, covers: all}}
mail: {mailboxes: [imap-k7.client.example]}
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200, contains: "Client"}
"""
NS_MOVE = re.sub(
    r"(?s)\nrecords:.*",
    """
phases:
  - {name: copy, steps: [{kind: copy-zone}]}
  - {name: switch NS, steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]}
""",
    scenery.playbook_text(),
)
"""Nothing but the name servers move, as shortly as it can be played."""
TEN_MINUTES = Wishes(ns_ttl_s=600)


def nobody() -> Network:
    """Stand for a network that must not be used."""
    raise AssertionError("a rehearsal asked the network")


@dataclass(frozen=True)
class Trials:
    """Plays of one playbook and zone, each in a folder of its own."""

    folder: Path
    text: str = scenery.playbook_text()
    zone: str = scenery.FIRST_ZONE
    wishes: Wishes = A_DAY

    def playbook(self) -> Playbook:
        return read_playbook(self.text, "client.yaml", kinds(), today=date(2026, 12, 2))

    def captured(self) -> Captured:
        file = self.folder / "client.zone"
        file.write_text(self.zone, encoding="ascii")
        return captured_in_file(file, None, self.playbook(), START)

    def setting(self) -> Setting:
        return set_scene(self.playbook(), self.captured(), START, self.wishes)

    def play(self, script: Script = PLAIN, name: str = "run") -> Play:
        setting = self.setting()
        world = World(self.folder, clock=VirtualClock(START), open_network=nobody, redactor=Redactor())
        return Play(setting, open_cast(world, setting.playbook), built_in(), self.folder / name, script)

    def found(self, script: Script = PLAIN, name: str = "run") -> Summary:
        return summary(self.play(script, name).act())

    def journal(self, name: str = "run") -> bytes:
        return (self.folder / name / "journal.jsonl").read_bytes()


def broken(found: Summary, service: str) -> int:
    """Return the broken user-seconds of a service."""
    return sum(span.user_seconds for span in found.spans if span.want.service == service)
