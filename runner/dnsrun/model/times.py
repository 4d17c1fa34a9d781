"""Times and durations as people read them: local time first, then UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def clock_time(when: datetime) -> str:
    """Return local hours, minutes and seconds, such as `14:02:07`."""
    return f"{when.astimezone():%H:%M:%S}"


def short_time(when: datetime, now: datetime) -> str:
    """Return local hours and minutes, with the date when it is another day than `now`."""
    local = when.astimezone()
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"


def full_time(when: datetime) -> str:
    """Return local time and UTC, such as `2026-03-02 10:15 JST (01:15 UTC)`."""
    local, utc = when.astimezone(), when.astimezone(UTC)
    if local.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    shown = f"{utc:%H:%M}" if local.date() == utc.date() else f"{utc:%Y-%m-%d %H:%M}"
    return f"{local:%Y-%m-%d %H:%M %Z} ({shown} UTC)"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, rounded up to the smaller, such as `5 h 12 min`."""
    whole = max(0, -int(-seconds // 1))
    if whole < 120:
        return f"{whole} s"
    minutes = -(-whole // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _pair(minutes // 60, "h", minutes % 60, "min")
    hours = -(-minutes // 60)
    return _pair(hours // 24, "days", hours % 24, "h")


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
