"""PowerDNS behind a proxy that fails as a seed says: every run ends in the target, the checkpoint or a clean hold.

Faults 21 to 33, 36, 37, 55, 56; promises P2, P3, P4. The zone is compared as PowerDNS itself holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crash.pdnsplace import FOREIGN, LOWERED, ORIGIN, OURS, Data, Held, Place, data, journal, started
from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare, resume
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.entry import RollbackAsked
from faultproxy import Weather

QUICK, ALL = 16, 300


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with started() as made:
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
            if place.proxy.held_up:
                return  # a call on its way lands on whatever is there: only a host that compares could stop it
            edited.append(foreign_edit(rng, place))
        event = "none"

    start = place.history[0]
    first = story.phase(1)
    story.clock.advance(26 * 3600)
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
