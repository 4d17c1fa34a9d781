"""Text from outside is fit to be shown (threat 16)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.model.text import escape, shorten

# What steers a terminal, ends a line or turns the direction of what follows.
STEERS = [*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left_and_escaping_twice_changes_nothing(text: str) -> None:
    shown = escape(text)
    assert not {ord(char) for char in shown} & set(STEERS)
    assert escape(shown) == shown
    shown.encode()


@pytest.mark.parametrize("code", STEERS)
def test_each_steering_character_is_shown_by_its_number(code: int) -> None:
    assert escape(f"a{chr(code)}b") == (f"a\\x{code:02x}b" if code < 0x100 else f"a\\u{code:04x}b")


@pytest.mark.parametrize("text", ["v=spf1 -all", "株式会社 クライアント", "naïve “quoted” \\; 100%", "🗾"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shortened_text_fits_and_is_escaped(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert escape(shown) == shown
    assert shown == escape(text) or shown.endswith("…")
