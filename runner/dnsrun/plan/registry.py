"""When a registry changes no delegations. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import dns.name
from dns.name import Name

# JPDirect's help: JP DNS is not updated between 03:00 and 05:00 Japan time, which has no summer time.
_JP = dns.name.from_text("jp.")
_JST = timezone(timedelta(hours=9))
_STOPS, _GOES_ON = time(3), time(5)

FIRST_HOUR = timedelta(hours=1)  # in which a change of delegation shows that it must be taken back


def registry_freeze(domain: Name, at: datetime) -> datetime | None:
    """Return until when (UTC) no name-server phase of `domain` starts, None when it may start `at` (aware).

    Its first hour may not reach into the time in which the registry takes no changes, a way back among them.
    """
    if not domain.is_subdomain(_JP):
        return None
    local = at.astimezone(_JST)
    stops = datetime.combine(local.date(), _STOPS, _JST)
    goes_on = datetime.combine(local.date(), _GOES_ON, _JST)
    return goes_on.astimezone(UTC) if stops - FIRST_HOUR < local < goes_on else None
