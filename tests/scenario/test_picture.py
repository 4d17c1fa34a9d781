"""The picture of the README: it shows what a rehearsal shows today, and a browser draws it as it is meant."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from browser import Scheme, browser
from picture import FILE, picture, played

MIDDLE = "document.querySelector('.ground').getBoundingClientRect().top + 60"
TEXTS = """[...document.querySelectorAll('text')].map(one => {
    const box = one.getBBox(); return [one.textContent, box.x, box.x + box.width, box.y, box.y + box.height]; })"""
Box = tuple[str, float, float, float, float]


def overlap(one: Box, other: Box) -> bool:
    """Tell whether two texts are drawn over each other; lines may touch."""
    _, left, right, top, bottom = one
    _, other_left, other_right, other_top, other_bottom = other
    return left < other_right and other_left < right and top + 2 < other_bottom and other_top + 2 < bottom


@pytest.mark.long
def test_the_picture_shows_what_a_rehearsal_shows_today() -> None:
    by_hand, with_dnsrun = played()
    assert (with_dnsrun.broken_user_seconds, with_dnsrun.played.ending) == (0, "target")
    assert {span.want.service for span in by_hand.spans} == {"mail", "mail policy"}
    assert picture(by_hand, with_dnsrun) == FILE.read_text(encoding="utf-8"), "draw it anew: make picture"


def test_the_picture_stands_on_its_own() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).find("{http://www.w3.org/2000/svg}title") is not None
    assert not re.search(r"<script|\bon\w+=|href|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.long
@pytest.mark.parametrize(("scheme", "ground"), [("light", (255, 255, 255)), ("dark", (15, 19, 24))])
def test_the_picture_has_its_own_ground_and_no_words_over_words(scheme: Scheme, ground: tuple[int, int, int]) -> None:
    with browser() as chromium:
        chromium.open(FILE, width=700, scheme=scheme)
        assert chromium.requested == [FILE.as_uri()]
        assert chromium.pixel(2, chromium.seen(MIDDLE)) == ground
        texts = chromium.seen(TEXTS)
    assert max(right for _, _, right, _, _ in texts) < 680
    assert not [(one[0], other[0]) for one, other in combinations(texts, 2) if overlap(one, other)]
