"""When a phase may start: on which days, in which hours of which time zone, and not while a registry is closed.

What is open is what the clock on the wall there says, so that summer time needs no rule of its own: an hour that is
skipped is never open, an hour that comes twice is open twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKDAY, HOLIDAY = "workday", "holiday"
DAYS = (*WEEKDAYS, WORKDAY, HOLIDAY)
DAY_MIN = 24 * 60
LOOKAHEAD = timedelta(days=366)
_SATURDAY = 5
_MINUTE = timedelta(minutes=1)
_QUARTER_MIN = 15  # every offset from UTC that is in use is a multiple of it, so that days begin on one
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days on which nothing starts, both ends included, and why."""

    first: date
    last: date
    why: str = ""

    def __str__(self) -> str:
        until = f" to {self.last.isoformat()}" if self.last != self.first else ""
        return f"{self.first.isoformat()}{until}{f' ({self.why})' if self.why else ''}"


@dataclass(frozen=True, slots=True)
class Window:
    """When a phase may start; it never holds what has begun, nor a rollback.

    `days` are words of `DAYS`. `opens_min` and `closes_min` count minutes from local midnight, 0 to 1440; where the
    window closes at or before it opens it crosses midnight, and its day is the one on which it opened. `timezone` is
    an IANA name. `holidays` is a country, or country and subdivision (`DE-BY`); empty: no day is a holiday.
    """

    days: frozenset[str]
    opens_min: int
    closes_min: int
    timezone: str
    holidays: str = ""
    freezes: tuple[Freeze, ...] = ()

    def opens(self, now: datetime) -> datetime | None:
        """Return the first moment (UTC) from `now` (aware) at which a phase may start, `now` itself when it may now.

        None: not within a year. Windows open on whole minutes.
        """
        at = now.astimezone(UTC)
        end = at + LOOKAHEAD
        while not self.is_open(at):
            at = self._next(at)
            if at > end:
                return None
        return at

    def is_open(self, at: datetime) -> bool:
        """Tell whether a phase may start at a moment (aware)."""
        local = at.astimezone(ZoneInfo(self.timezone))
        today, minute = local.date(), local.hour * 60 + local.minute
        if self.freeze_on(today):
            return False
        if self.opens_min < self.closes_min:
            return self.opens_min <= minute < self.closes_min and self._is_day(today)
        if minute >= self.opens_min:
            return self._is_day(today)
        return minute < self.closes_min and self._is_day(today - _ONE_DAY)

    def freeze_on(self, day: date) -> Freeze | None:
        """Return the freeze that a local day falls into."""
        return next((freeze for freeze in self.freezes if freeze.first <= day <= freeze.last), None)

    def words(self, at: datetime) -> str:
        """Return in words when the window is open, with the freeze that a moment (aware) falls into."""
        freeze = self.freeze_on(at.astimezone(ZoneInfo(self.timezone)).date())
        return f"{self}; closed {freeze}" if freeze else str(self)

    def __str__(self) -> str:
        hours = f", {_clock(self.opens_min)}\N{EN DASH}{_clock(self.closes_min)}" if not self._is_all_day() else ""
        return f"{_day_words(self.days)}{hours} {self.timezone}"

    def _is_all_day(self) -> bool:
        return (self.opens_min, self.closes_min) == (0, DAY_MIN)

    def _is_day(self, day: date) -> bool:
        return bool(self.days & _words_for(day, self.holidays))

    def _next(self, at: datetime) -> datetime:
        """Return the next moment to look at: whole minutes of a day that may open, else where a day may begin."""
        today = at.astimezone(ZoneInfo(self.timezone)).date()
        whole = at.replace(second=0, microsecond=0)
        if not self.freeze_on(today) and (self._is_day(today) or self._is_day(today - _ONE_DAY)):
            return whole + _MINUTE
        return whole + timedelta(minutes=_QUARTER_MIN - at.minute % _QUARTER_MIN)


@cache
def _words_for(day: date, holidays: str) -> frozenset[str]:
    is_holiday = bool(holidays) and day in national_holidays(holidays, day.year)
    kind = {HOLIDAY} if is_holiday else {WORKDAY} if day.weekday() < _SATURDAY else set()
    return frozenset({WEEKDAYS[day.weekday()], *kind})


@cache
def national_holidays(code: str, year: int) -> frozenset[date]:
    """Return the public holidays of a country (`JP`) or subdivision (`DE-BY`), days observed in their place included.

    None where the package `holidays` does not know the year. Pure.
    """
    from holidays import country_holidays

    country, _, subdivision = code.partition("-")
    return frozenset(country_holidays(country, subdiv=subdivision or None, years=year))


def _day_words(days: frozenset[str]) -> str:
    if days >= set(WEEKDAYS):
        return "every day"
    said = {WORKDAY: "a workday", HOLIDAY: "a holiday"}
    words = [said.get(day, day) for day in DAYS if day in days]
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
