"""Windows as they are written, to `Window`: hours, time zone, holidays, freezes."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Iterable

from dnsrun.model.window import DAY_MIN, HOLIDAY, WEEKDAYS, Freeze, Window

from .problems import Problems, Wrong
from .walk import Value
from .wording import quoted

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_WHOLE_DAY = (0, DAY_MIN)
_OF_THIS_MACHINE = "localtime"  # a name that systems have for whatever zone is set there


def hours(text: str) -> tuple[int, int]:
    """Return when a window opens and closes, in minutes from midnight, of `09:00-15:00`; `22:00-02:00` crosses it."""
    found = _HOURS.fullmatch(text)
    if not found:
        raise Wrong(f"must be hours, not {quoted(text)}; write them as 09:00-15:00")
    opens = int(found[1]) * 60 + int(found[2])
    closes = int(found[3]) * 60 + int(found[4]) if found[3] else DAY_MIN
    if opens == closes:
        raise Wrong(f"must begin and end at different times, not {quoted(text)}; for the whole day write 00:00-24:00")
    return opens, closes


def timezone(text: str) -> str:
    """Return the name of a time zone of the IANA database. Reads the system's copy of it."""
    known = zoneinfo.available_timezones() - {_OF_THIS_MACHINE}
    if not known:
        raise Wrong("cannot be looked up: this machine has no time zones; install the package tzdata")
    if text not in known:
        raise Wrong(f"must be a time zone, not {quoted(text)}{_near(text, known) or '; write it as Asia/Tokyo'}")
    return text


def holidays(text: str) -> str:
    """Return the code of a country, or of a part of one (`DE-BY`), whose public holidays are known."""
    from holidays import list_supported_countries

    known = list_supported_countries()
    country, hyphen, part = text.partition("-")
    if country not in known or (hyphen and part not in known[country]):
        codes = [f"{country}-{each}" for each in known[country]] if country in known else known
        near = _near(text, codes) or "; write it as JP, or DE-BY"
        raise Wrong(f"must be a country or a part of one, not {quoted(text)}{near}")
    return text


def _near(text: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` when something known is near, in whatever case it was typed."""
    spelled = {word.casefold(): word for word in sorted(known)}
    near = difflib.get_close_matches(text[:100].casefold(), spelled, n=1, cutoff=0.6)
    return f"; did you mean {quoted(spelled[near[0]])}?" if near else ""


def window(value: Value | None, problems: Problems) -> Window | None:
    """Return a window; None where there is none, or where it is not whole and was reported."""
    if value is None or not value.whole:
        return None
    days = frozenset(value.leaves("days")) or frozenset(WEEKDAYS)
    code = value.leaf("holidays", "")
    if HOLIDAY in days and not code:
        problems.add(value.mark, "'days' names holidays, and nobody says whose; add holidays: JP, or another country")
    opens, closes = value.leaf("hours", _WHOLE_DAY)
    return Window(days, opens, closes, value.leaf("timezone"), code, _freezes(value.get("freezes"), problems))


def _freezes(value: Value | None, problems: Problems) -> tuple[Freeze, ...]:
    return tuple(_freeze(item, problems) for item in value.data) if value else ()


def _freeze(value: Value, problems: Problems) -> Freeze:
    freeze = Freeze(value.leaf("from"), value.leaf("to", value.leaf("from")), value.leaf("why", ""))
    if freeze.last < freeze.first:
        problems.add(value.mark, "'to' is before 'from': no day lies in between; exchange them")
    return freeze
