"""PowerDNS behind a proxy that fails as a seed says: every run ends in the target, the checkpoint or a clean hold.

Faults 21 to 33, 36, 37, 55, 56; promises P2, P3, P4. The zone is compared as PowerDNS itself holds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import dns.name
import pytest

from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare, resume
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.entry import RollbackAsked
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import read_playbook
from dnsrun.rehearse.authority import Authority, TransferSource
from faultproxy import FaultProxy, Weather
from servers import PowerDns, Primary
from worlds import APEX, CLIENT_ZONE, NEW, OLD, PARENT_ZONE, ROOT_ZONE, START, Web, Workshop, kinds

ORIGIN = "client.example."
FOREIGN = "192.0.2.99"
QUICK, ALL = 24, 300

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
        """Let the second name server copy the zone when it is time."""
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


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
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


@dataclass
class Story:
    """One run through phases 1 and 2, with whatever the seed brings."""

    place: Place
    disturb: Callable[[Run], None] = lambda _run: None
    steps: int = 0

    @property
    def clock(self) -> VirtualClock:
        return self.place.shop.clock

    def phase(self, number: int) -> str:
        """Run a phase as a person would: again after a refusal, on after a pause; return how it ended."""
        if not self._begun(number):
            return "not begun"
        run = self.place.shop.open()
        for _ in range(6):
            ended = self._driven(run)
            if ended.outcome not in ("paused", "rollback-incomplete"):
                return ended.outcome or "nothing"
            assert ended.because, "a hold says why"
            self.pause()
            run = self.place.shop.open()
            resume(run)
        return ended.outcome or "nothing"

    def pause(self) -> None:
        """A person renews the key and comes back later."""
        self.place.proxy.weather.denied_from = None
        self.clock.advance(900)
        self.place.follow()

    def _begun(self, number: int) -> bool:
        for _ in range(8):
            run = self.place.shop.open()
            before = self.place.held()
            try:
                prepared = prepare(run, number)
                if prepared.plan.earliest and prepared.plan.earliest > self.clock.now():
                    self.clock.wait_until(prepared.plan.earliest)
                    continue
                begin(run, prepared, {})
            except (Refused, OutsideError):
                assert self.place.held() == before, "a refusal changes nothing"
                self.pause()
                continue
            return True
        return False

    def _driven(self, run: Run) -> Ended:
        for _ in range(400):
            self.place.follow()
            after = advance(run)
            self.steps += 1
            self.disturb(run)
            if isinstance(after, Ended):
                return after
            assert isinstance(after, DueAt), after
            self.clock.wait_until(after.when)
        raise AssertionError(f"the phase does not end: {after}")


def data(held: Held, key: tuple[str, str]) -> Data:
    """Return the served data of an RRset, None when there is none."""
    found = held.get(key)
    served = tuple(content for content, disabled in found[1] if not disabled) if found else ()
    return served or None


def journal(place: Place) -> str:
    path = place.shop.folder / "client.example" / "journal.jsonl"
    return path.read_text() if path.exists() else "no journal"


def foreign_edit(rng: Random, place: Place) -> tuple[str, str]:
    """Change something as somebody else would; return what."""
    key = rng.choice(((f"www.{ORIGIN}", "A"), (f"foreign.{ORIGIN}", "A"), (f"mail.{ORIGIN}", "A")))
    place.edit(*key, [{"content": FOREIGN, "disabled": False}])
    return key


def run_seed(place: Place, seed: int) -> str:
    """Run one seed and check it; return how it ended."""
    weather = Weather.of_seed(seed)
    rng = Random(seed * 7919)
    # What is served late is hidden from everybody: an edit made meanwhile could not be told from our old value.
    event = rng.choice(("none", "web fails", "rollback", "foreign" if not weather.serves_late_s else "none"))
    when = rng.randrange(1, 14)
    edited: list[tuple[str, str]] = []
    story = Story(place)

    def disturb(run: Run) -> None:
        nonlocal event
        if run.state.active is None or run.state.active.planned.phase != 2 or story.steps - begun_at < when:
            return
        if event == "web fails":
            place.web_new.status = 503
        elif event == "rollback":
            run.append(RollbackAsked("newest", None, "second terminal"))
        elif event == "foreign":
            edited.append(foreign_edit(rng, place))
        event = "none"

    start = place.history[0]
    first = story.phase(1)
    begun_at = story.steps
    story.disturb = disturb
    ending = story.phase(2) if first == "done" else f"phase 1 {first}"
    check(place, start, place.history, edited, ending)
    return ending + (" after a foreign edit" if edited else "")


def check(place: Place, start: Held, history: list[Held], edited: list[tuple[str, str]], ending: str) -> None:
    end = place.held()
    for key, value in start.items():
        if key not in LOWERED and key not in edited:
            assert end.get(key) == value, f"{key} was not to be touched"
        if key in LOWERED and key in end:
            assert end[key][2] == value[2]
            assert [each for each in end[key][1] if each[1]] == [each for each in value[1] if each[1]], "disabled stays"
    assert end.keys() <= start.keys() | OURS.keys() | set(edited), "nothing appears that nobody named"
    for key, (before, after) in OURS.items():
        values = list(collapsed(data(held, key) for held in history))
        ours = values[: values.index((FOREIGN,))] if key in edited else values
        assert ours in ([before], [before, after], [before, after, before]), f"{key}: one effect for each change"
    for key in edited:
        assert data(end, key) == (FOREIGN,), f"{key} was somebody else's"
    not_edited = [key for key in OURS if key not in edited]
    if ending == "done":
        assert all(data(end, key) == OURS[key][1] for key in not_edited)
    elif ending in ("rolled-back", "refused") or ending.startswith("phase 1"):
        assert all(data(end, key) == OURS[key][0] for key in not_edited)
    else:
        assert ending in ("paused", "rollback-incomplete", "not begun"), ending


def collapsed(values: Any) -> Iterator[Data]:
    """Yield each value that differs from the one before it."""
    last: Any = object()
    for value in values:
        if value != last:
            yield value
        last = value


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed < QUICK else pytest.mark.long) for seed in range(ALL)]
)
def test_every_seed_ends_in_target_checkpoint_or_a_clean_hold(
    seed: int, place: Place, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    place.reset(Weather.of_seed(seed), tmp_path)
    try:
        record_property("ending", run_seed(place, seed))
    except (Exception, AssertionError) as err:
        err.add_note(f"troubles: {place.proxy.happened}\nweather: {place.proxy.weather}\n{journal(place)}")
        raise
