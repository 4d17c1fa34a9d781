"""When a phase may start: days, hours, zones with summer time, holidays, freezes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.errors import Refused
from dnsrun.model.act import SetDelegation
from dnsrun.model.codec import decode, encode
from dnsrun.model.plan import Do, Plan
from dnsrun.model.window import DAYS, LOOKAHEAD, WEEKDAYS, Freeze, Window, national_holidays
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.earliest import earliest
from planworld import NOON, playbook, situation

EVERY_DAY = frozenset(WEEKDAYS)
WEEKENDS = Window(frozenset({"sat", "sun", "holiday"}), 540, 900, "Asia/Tokyo", "JP")


def moment(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def opens(window: Window, now: datetime) -> str:
    found = window.opens(now)
    assert found is not None
    return found.astimezone(ZoneInfo(window.timezone)).strftime("%Y-%m-%d %H:%M %z")


def of_hours(hours: str, zone: str = "Asia/Tokyo", days: frozenset[str] = EVERY_DAY, *freezes: Freeze) -> Window:
    begin, _, end = hours.partition("-")
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (begin, end))
    return Window(days, first, last, zone, freezes=freezes)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-20T08:00", "2026-11-21 09:00 +0900"),  # Friday
        ("2026-11-21T09:00", "2026-11-21 09:00 +0900"),
        ("2026-11-21T14:59", "2026-11-21 14:59 +0900"),
        ("2026-11-21T15:00", "2026-11-22 09:00 +0900"),
        ("2026-11-22T15:00", "2026-11-23 09:00 +0900"),  # Labour Thanksgiving Day, a Monday
        ("2026-05-05T15:00", "2026-05-06 09:00 +0900"),  # a day observed in place of Sunday the 3rd
        ("2026-05-06T15:00", "2026-05-09 09:00 +0900"),
    ],
)
def test_weekends_and_holidays_of_japan(now: str, expected: str) -> None:
    assert opens(WEEKENDS, moment(now, "Asia/Tokyo")) == expected


def test_a_workday_is_no_holiday() -> None:
    window = Window(frozenset({"workday"}), 540, 900, "Asia/Tokyo", "JP")
    assert opens(window, moment("2026-11-20T16:00", "Asia/Tokyo")) == "2026-11-24 09:00 +0900"


def test_without_a_country_every_weekday_is_a_workday() -> None:
    window = of_hours("09:00-15:00", days=frozenset({"workday"}))
    assert opens(window, moment("2026-11-20T16:00", "Asia/Tokyo")) == "2026-11-23 09:00 +0900"


def test_holidays_of_a_part_of_a_country() -> None:
    epiphany = date(2027, 1, 6)
    assert epiphany in national_holidays("DE-BY", 2027)
    assert epiphany not in national_holidays("DE", 2027)


def test_hours_across_midnight_belong_to_the_day_on_which_they_begin() -> None:
    window = of_hours("22:00-02:00", days=frozenset({"sat"}))
    assert opens(window, moment("2026-11-21T01:00", "Asia/Tokyo")) == "2026-11-21 22:00 +0900"
    assert opens(window, moment("2026-11-22T01:59", "Asia/Tokyo")) == "2026-11-22 01:59 +0900"
    assert opens(window, moment("2026-11-22T02:00", "Asia/Tokyo")) == "2026-11-28 22:00 +0900"


def test_a_freeze_ends_a_night_at_midnight_and_another_opens_at_midnight() -> None:
    window = of_hours("22:00-02:00", "Asia/Tokyo", EVERY_DAY, Freeze(date(2026, 12, 28), date(2027, 1, 4), "closed"))
    assert opens(window, moment("2026-12-27T23:59", "Asia/Tokyo")) == "2026-12-27 23:59 +0900"
    assert opens(window, moment("2026-12-28T00:00", "Asia/Tokyo")) == "2027-01-05 00:00 +0900"


def test_the_hour_that_summer_time_skips_is_not_waited_for() -> None:
    night = moment("2026-03-29T01:00", "Europe/Berlin")  # at 02:00 it becomes 03:00
    assert opens(of_hours("02:30-04:00", "Europe/Berlin"), night) == "2026-03-29 03:00 +0200"
    assert opens(of_hours("02:10-02:50", "Europe/Berlin"), night) == "2026-03-30 02:10 +0200"


def test_the_hour_that_comes_twice_opens_twice() -> None:
    window = of_hours("02:15-02:45", "Europe/Berlin")
    night = moment("2026-10-25T01:00", "Europe/Berlin")  # at 03:00 it becomes 02:00
    assert opens(window, night) == "2026-10-25 02:15 +0200"
    assert opens(window, moment("2026-10-25T02:50", "Europe/Berlin")) == "2026-10-25 02:15 +0100"


def test_a_window_that_is_frozen_for_more_than_a_year_never_opens() -> None:
    window = of_hours("09:00-15:00", "UTC", EVERY_DAY, Freeze(date(2026, 1, 1), date(2027, 12, 31)))
    assert window.opens(moment("2026-06-01T00:00")) is None


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (WEEKENDS, "sat, sun or a holiday, 09:00\N{EN DASH}15:00 Asia/Tokyo"),
        (of_hours("22:00-02:00", days=frozenset({"workday"})), "a workday, 22:00\N{EN DASH}02:00 Asia/Tokyo"),
        (of_hours("00:00-24:00", "UTC"), "every day UTC"),
    ],
)
def test_words(window: Window, words: str) -> None:
    assert str(window) == words


ZONES = ("Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC")
windows = st.builds(
    Window,
    days=st.frozensets(st.sampled_from(DAYS), min_size=1),
    opens_min=st.integers(0, 1439),
    closes_min=st.integers(1, 1440),
    timezone=st.sampled_from(ZONES),
    holidays=st.just("JP"),
    freezes=st.lists(
        st.builds(
            lambda first, days: Freeze(first, first + timedelta(days=days)),
            st.dates(date(2026, 1, 1), date(2026, 12, 31)),
            st.integers(0, 10),
        ),
        max_size=2,
    ).map(tuple),
).filter(lambda window: window.opens_min != window.closes_min)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
nights = st.sampled_from([moment("2026-03-28T20:00"), moment("2026-10-24T20:00"), moment("2026-04-04T10:00")])


@settings(deadline=None)
@given(windows, moments | nights)
def test_it_opens_at_the_first_open_minute_and_not_before_now(window: Window, now: datetime) -> None:
    found = window.opens(now)
    end = min(found or now + LOOKAHEAD, now + timedelta(days=3))
    minute = now + timedelta(minutes=1)
    while minute < end:
        assert not window.is_open(minute.replace(second=0, microsecond=0))
        minute += timedelta(minutes=1)
    if found is not None:
        assert found >= now
        assert window.is_open(found)


@given(windows)
def test_a_window_comes_back_from_json(window: Window) -> None:
    assert decode(Window, encode(window)) == window


def test_the_window_and_the_hours_of_the_registry_are_taken_together() -> None:
    """JP DNS takes no changes from 03:00 to 05:00: a window that opens at 02:30 opens for a switch at 05:00."""
    window = "window: {hours: 02:30-06:00, timezone: Asia/Tokyo}"
    assert switch_starts(window) == ("2026-11-22 05:00 +0900", {"outside the window", "the registry"})


def test_a_window_that_lies_in_the_hours_of_the_registry_is_refused() -> None:
    with pytest.raises(Refused, match=r'phase 1 "switch" cannot start within a year: the window \(every day, 02:30'):
        switch_starts("window: {hours: 02:30-04:30, timezone: Asia/Tokyo}")


def switch_starts(window: str) -> tuple[str, set[str]]:
    """Return when a switch of name servers may start that is planned on Saturday noon, and what it waits for."""
    book = playbook(
        "dnsrun: 1\ndomain: client.jp\nproviders: {a: {use: manual}, r: {use: manual}}\nzone: {from: a}\n"
        f"phases: [{{name: switch, steps: [{{kind: wait, for: 1h}}], {window}}}]\n"
    )
    apex = book.domain
    held = ZoneSnapshot(apex, {}, "a test", NOON, "complete")
    act = SetDelegation(
        "r", apex, Delegation(frozenset(), {}, frozenset(), 1), Delegation(frozenset(), {}, frozenset(), 1)
    )
    plan = Plan("run1", 1, "switch", "forward", (act,), (Do(0),), "c")
    found = earliest(plan, situation(book, held, now=moment("2026-11-21T12:00", "Asia/Tokyo")))
    when = max(each.until for _, each in found)
    return when.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%d %H:%M %z"), {what for what, _ in found}
