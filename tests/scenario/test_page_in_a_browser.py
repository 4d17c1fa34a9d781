"""The page of a rehearsal as a client sees it: in a real browser, by day and by night, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from browser import Browser, Scheme, browser
from dnsrun.rehearse.trial.byhand import switch_by_hand
from dnsrun.rehearse.trial.drive import Script
from dnsrun.rehearse.trial.page import as_page
from dnsrun.rehearse.trial.population import USERS_SIT_BEHIND
from dnsrun.rehearse.trial.summary import Summary
from trialworld import Trials

pytestmark = pytest.mark.long  # a trial behind every kind of cache, and a browser, take some seconds

DESK, PHONE, NARROW = 1100, 390, 320
GROUND = {"light": (255, 255, 255), "dark": (15, 19, 24)}
HOSTILE = "<script>document.title = 'mine'</script><img src=http://198.51.100.9/x onerror=\"document.title='mine'\">"
LABELS = "[...document.querySelectorAll('svg[role=img]')].map(one => one.getAttribute('aria-label'))"
# The contrast of WCAG 2.2: between the text of each element and the ground it stands on, at least 4.5.
PALEST = """(() => {
    const light = colour => { const part = colour.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2]; };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const texts = [...document.querySelectorAll('h1, h2, h3, p, li, span, b')].filter(one => one.innerText.trim());
    return Math.min(...texts.map(one => light(getComputedStyle(one).color)).map(
        text => (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05)));
})()"""


@dataclass(frozen=True)
class Shown:
    """The page in the browser, and what it tells of."""

    page: Path
    found: Summary
    chromium: Browser

    def open(self, width: int = DESK, scheme: Scheme = "light") -> Browser:
        self.chromium.open(self.page, width=width, scheme=scheme)
        return self.chromium


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("page")
    with browser() as chromium:
        found = Trials(folder).found(Script(instead=switch_by_hand))
        phases = (replace(found.played.phases[0], name=HOSTILE), *found.played.phases[1:])
        hostile = replace(found, played=replace(found.played, phases=phases))
        (folder / "page.html").write_text(as_page(hostile), encoding="utf-8")
        yield Shown(folder / "page.html", found, chromium)


def test_it_says_whom_it_is_about_what_was_done_and_what_failed(shown: Shown) -> None:
    page = shown.open()
    text = page.seen("document.body.innerText")
    assert page.seen("document.title") == "Rehearsal of client.example, as people do it by hand"
    assert all(phase.name in text for phase in shown.found.played.phases[1:])
    assert "at worst one user went without for 24 h in one piece" in text
    assert "no such name; asked for up to 24 h by whoever was told to" in text
    assert page.seen("document.querySelectorAll('svg .broken').length") >= len(shown.found.spans)


def test_every_kind_of_cache_is_named_on_the_page_and_in_the_pictures_of_each_name(shown: Shown) -> None:
    page = shown.open()
    kinds = {kind.name for kind in USERS_SIT_BEHIND}
    text = page.seen("document.body.innerText")
    assert not {kind for kind in kinds if kind not in text}
    told: dict[str, set[str]] = {}
    for want, _, behind in (label.partition(" behind ") for label in page.seen(LABELS)):
        told.setdefault(want, set()).update(behind.split(", "))
    assert told["imap-k7.client.example A"] == told["www.client.example A"] == kinds


def test_nothing_runs_and_nothing_is_asked_of_anybody_also_where_words_would_have_it(shown: Shown) -> None:
    page = shown.open()
    assert HOSTILE in page.seen("document.body.innerText")
    assert page.seen("document.scripts.length + document.images.length") == 0
    assert page.seen("document.title") == "Rehearsal of client.example, as people do it by hand"
    assert page.requested == [shown.page.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_in_the_colours_that_the_reader_prefers_and_every_word_is_legible(
    shown: Shown, scheme: Scheme
) -> None:
    page = shown.open(scheme=scheme)
    assert page.pixel(2, 2) == GROUND[scheme]
    assert page.seen(PALEST) >= 4.5


@pytest.mark.parametrize("width", [DESK, PHONE, NARROW])
def test_nothing_sticks_out_at_the_side(shown: Shown, width: int) -> None:
    page = shown.open(width)
    assert page.seen("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    right = "Math.max(...[...document.body.querySelectorAll('*')].map(one => one.getBoundingClientRect().right))"
    assert page.seen(right) <= width


def test_bars_are_as_wide_as_a_phone_lets_them_be(shown: Shown) -> None:
    widths = "[...document.querySelectorAll('.row svg')].map(one => one.getBoundingClientRect().width)"
    assert min(shown.open(PHONE).seen(widths)) > 0.9 * PHONE
