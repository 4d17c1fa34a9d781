"""PowerDNS behind the fault proxy, a second name server that follows it, and the rest of a small world."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import dns.name
import pytest

from dnsrun.clock import VirtualClock
from dnsrun.engine.run import Run
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import read_playbook
from dnsrun.rehearse.authority import Authority, TransferSource
from dnsrun.wiring.plugins import kinds
from faultproxy import FaultProxy, Weather
from servers import PowerDns, Primary
from worlds import APEX, CLIENT_ZONE, NEW, OLD, PARENT_ZONE, ROOT_ZONE, START, Web, Workshop

ORIGIN = "client.example."
FOREIGN = "192.0.2.99"

ZONE = (
    CLIENT_ZONE
    + """
gone.client.example. 3600 A 192.0.2.77
*.wild.client.example. 3600 TXT "wild"
Mixed.client.example. 3600 MX 10 Mail.client.example.
"""
)
TEXT = """dnsrun: 1
domain: client.example
goal: The web site moves.
providers:
  pdns:
    use: powerdns
    api_url: http://198.51.100.80:8081
    api_key: {env: PDNS_KEY}
    name_servers: [ns1.client.example, ns2.client.example]
zone: {from: pdns}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
  - {names: [fresh], type: TXT, value: "made by the move"}
  - {names: [gone], type: A, was: 192.0.2.77, absent: true}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200}
"""

Held = dict[tuple[str, str], tuple[int, tuple[tuple[str, bool], ...], str]]
Data = tuple[str, ...] | None
# What the run changes: before and after. TTLs are lowered for these and for the alias that leads there.
OURS: dict[tuple[str, str], tuple[Data, Data]] = {
    (ORIGIN, "A"): ((OLD,), (NEW,)),
    (f"www.{ORIGIN}", "A"): ((OLD,), (NEW,)),
    (f"fresh.{ORIGIN}", "TXT"): (None, ('"made by the move"',)),
    (f"gone.{ORIGIN}", "A"): (("192.0.2.77",), None),
}
LOWERED = {*OURS, (f"shop.{ORIGIN}", "CNAME")}


class Shop(Workshop):
    """A workshop that reads its playbook once: hundreds of runs share it."""

    def playbook(self, text: str = TEXT) -> Playbook:
        return _read(text)

    def open(self, text: str = TEXT) -> Run:
        return super().open(text)


@cache
def _read(text: str) -> Playbook:
    return read_playbook(text, "client.yaml", kinds(), today=START.date())


@dataclass
class Place:
    """PowerDNS behind the proxy, a second name server that copies it when told, and the rest of the world."""

    powerdns: PowerDns
    proxy: FaultProxy
    second: Authority
    web_old: Web
    web_new: Web
    shop: Shop
    copy_due: datetime | None = None
    history: list[Held] = field(default_factory=list)

    def reset(self, weather: Weather, folder: Path) -> None:
        """Begin anew: the zone as it was, an empty journal."""
        self.shop.folder = folder
        self.proxy.reset(Weather(Random(0)))
        self.web_new.status = 200
        with_disabled = [{"content": "192.0.2.25", "disabled": False}, {"content": "192.0.2.66", "disabled": True}]
        remark = {"content": "do not touch", "account": "ops", "modified_at": 1700000000}
        self.powerdns.api("DELETE", self.powerdns.zone_path(ORIGIN))
        self.powerdns.add(Primary(ORIGIN, ZONE))
        self.edit(f"mail.{ORIGIN}", "A", with_disabled, comments=[remark])
        self.edit(ORIGIN, "A", [{"content": OLD, "disabled": False}, {"content": FOREIGN, "disabled": True}], 3600)
        self.second.set_zone(APEX, self._text())
        self.proxy.reset(weather)
        self.copy_due = None
        self.history = [self.held()]

    def _text(self) -> str:
        return str(self.powerdns.transfer(ORIGIN).to_text(relativize=False))

    def edit(self, name: str, rdtype: str, records: Any, ttl_s: int = 3600, **more: Any) -> None:
        """Change the zone as somebody else does, past the proxy."""
        entry = {"name": name, "type": rdtype, "ttl": ttl_s, "changetype": "REPLACE", "records": records}
        self.powerdns.patch(ORIGIN, entry | more)
        self.history.append(self.held())
        self.second.refresh(APEX)

    def written(self) -> None:
        """The second name server follows a write, at once or later."""
        self.history.append(self.held())
        lag_s = self.proxy.weather.serves_late_s
        self.copy_due = self.shop.clock.now() + timedelta(seconds=lag_s)
        self.follow()

    def follow(self) -> None:
        """Let through what is held up, and the second name server copy the zone, when it is time."""
        if self.proxy.held_up:
            self.proxy.let_through()
        if self.copy_due and self.shop.clock.now() >= self.copy_due:
            self.second.refresh(APEX)
            self.copy_due = None

    def held(self) -> Held:
        """Return the zone as PowerDNS holds it, disabled records and comments too; without the SOA."""
        rrsets = self.powerdns.api("GET", self.powerdns.zone_path(ORIGIN))["rrsets"]
        return {
            (each["name"].lower(), each["type"]): (
                each["ttl"],
                tuple(sorted((record["content"], record["disabled"]) for record in each["records"])),
                json.dumps(each["comments"]),
            )
            for each in rrsets
            if each["type"] != "SOA"
        }


@contextmanager
def started() -> Iterator[Place]:
    """Start everything; ends what it started."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        enter = stack.enter_context
        clock = VirtualClock(START)
        powerdns = enter(PowerDns([Primary(ORIGIN, ZONE)]))
        patch.setenv("PDNS_KEY", powerdns.api_key)
        root = enter(Authority({dns.name.root: ROOT_ZONE}))
        parent = enter(Authority({dns.name.from_text("example"): PARENT_ZONE}))
        second = enter(Authority({APEX: ZONE}, secondaries={APEX: TransferSource(powerdns.endpoint)}))
        web_old, web_new = enter(Web()), enter(Web())
        proxy = enter(FaultProxy((powerdns.address, powerdns.api_port), clock))
        places = {
            ("198.51.100.1", 53): (root.address, root.port),
            ("198.51.100.2", 53): (parent.address, parent.port),
            ("198.51.100.53", 53): (powerdns.address, powerdns.port),
            ("198.51.100.54", 53): (second.address, second.port),
            ("198.51.100.80", 8081): proxy.place,
            (OLD, 80): web_old.place,
            (NEW, 80): web_new.place,
        }
        shop = Shop(folder=Path(), places=places, clock=clock, text=TEXT)
        made = Place(powerdns, proxy, second, web_old, web_new, shop)
        proxy.on_write = made.written
        yield made


def data(held: Held, key: tuple[str, str]) -> Data:
    """Return the served data of an RRset, None when there is none."""
    found = held.get(key)
    served = tuple(content for content, disabled in found[1] if not disabled) if found else ()
    return served or None


def journal(place: Place) -> str:
    path = place.shop.folder / "client.example" / "journal.jsonl"
    return path.read_text() if path.exists() else "no journal"
