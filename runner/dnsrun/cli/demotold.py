"""What users of a demo have met, in words: in all, and behind each kind of cache. Pure; lines with a style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from dnsrun.model.times import duration, full_time

if TYPE_CHECKING:
    from .console import Style

Line = tuple[str, "Style"]
_WIDE = 98


def visits(met: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what visitors and mail programs have met since the servers were started."""
    web, mail, kinds = met["web"], met["mail"], met["caches"]
    since = full_time(datetime.fromisoformat(met["since"]))
    yield f"Since {since}, once a second, behind {web['users']} caches of {len(kinds)} kinds:", "plain"
    yield f"{web['calls']:,} visits of http://{web['host']}/ and {mail['calls']:,} calls at {mail['host']}.", "plain"
    yield from _causes(web, "visits")
    yield from _causes(mail, "mail")
    yield from _kinds(kinds, web, mail)
    yield _total(web, "visits", "without the page")
    yield _total(mail, "calls for mail", "without mail")
    yield f"Now visitors are led to {_places(web)}, and mail programs to {_places(mail)}.", "plain"


def _causes(met: Mapping[str, Any], what: str) -> Iterator[Line]:
    """Yield each thing that went wrong, with the first and the last second of it."""
    seen: dict[str, tuple[datetime, datetime]] = {}
    for outage in met["outages"]:
        since, until = _time(outage["since"]), _time(outage["until"])
        for cause in outage["causes"]:
            first, last = seen.get(cause, (since, until))
            seen[cause] = (min(first, since), max(last, until))
    for cause, (first, last) in seen.items():
        yield f"  {first:%Y-%m-%d %H:%M:%S} to {last:%m-%d %H:%M:%S}   {what + ':':<8}{cause}", "plain"


def _kinds(kinds: Sequence[str], web: Mapping[str, Any], mail: Mapping[str, Any]) -> Iterator[Line]:
    """Yield a line for each kind of cache: the longest time in one piece for which somebody behind it was failed."""
    longest = {kind: (_longest_s(web, kind), _longest_s(mail, kind)) for kind in kinds}
    if not any(map(any, longest.values())):
        return
    yield f"  {'at worst, in one piece, behind':<32}{'without the page':<20}without mail", "plain"
    for kind, (page_s, mail_s) in longest.items():
        yield f"  {kind:<32}{_or_never(page_s):<20}{_or_never(mail_s)}", "failed" if page_s or mail_s else "ok"


def _longest_s(met: Mapping[str, Any], kind: str) -> int:
    return max((outage["worst_s"] for outage in met["outages"] if outage["cache"] == kind), default=0)


def _or_never(seconds: int) -> str:
    return exact(seconds) if seconds else "never"


def _total(met: Mapping[str, Any], what: str, meaning: str) -> Line:
    if not met["broken"]:
        return f"No {what} failed.", "ok"
    worst = met["worst_s"]
    kinds = dict.fromkeys(outage["cache"] for outage in met["outages"] if outage["worst_s"] == worst)
    return f"{met['broken']:,} {what} failed: at worst {exact(worst)} {meaning}, behind {_or(kinds)}.", "failed"


def _places(met: Mapping[str, Any]) -> str:
    places = met["addresses"]
    if len(places) == 1:
        return next(iter(places)) or "nowhere"
    return ", ".join(f"{address or 'nowhere'} ({users})" for address, users in places.items())


def by_hand(met: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what happened on the copy, event by event, in local time, and what it came to."""
    web, mail, kinds = met["web"], met["mail"], met["caches"]
    yield (
        f"On a copy of these servers, with a delegation that caches keep for {duration(met['ns_ttl_s'])}, learned",
        "plain",
    )
    yield (
        f"at different times; {mail['users']} mail programs and visitors are behind {len(kinds)} kinds of them:",
        "plain",
    )
    for at, what in sorted(_events(met), key=lambda event: _time(event[0])):
        yield f"  {_time(at):%Y-%m-%d %H:%M:%S}  {what}", "plain"
    hurt = {outage["cache"] for outage in mail["outages"]}
    if spared := [kind for kind in kinds if hurt and kind not in hurt]:
        yield from _wrapped(f"Put back before they forgot the old ones: {', '.join(spared)}.")
    yield _total(web, "visits", "without the page")
    if hurt:
        worst = exact(mail["worst_s"])
        yield f"Behind the worst of these caches your client's mail would have been down for {worst}:", "failed"
        yield f"{mail['broken']:,} calls for mail failed, one a second from each mail program.", "failed"
    else:
        yield "No call for mail failed.", "ok"


def _events(met: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield times (ISO 8601) with what happened."""
    mail, keeps = met["mail"], duration(met["ns_ttl_s"])
    yield met["switched_at"], "by hand: the registry delegates to the new name servers; all is well"
    if not mail["outages"]:
        return
    first = mail["outages"][0]
    yield first["since"], f"mail fails behind {first['cache']}: no such name {mail['host']}"
    for outage in mail["outages"][1:]:
        yield outage["since"], f"mail fails behind {outage['cache']}, too"
    yield met["put_back_at"], "the client has called; the old name servers are put back; it does not help"
    last = max(mail["outages"], key=lambda outage: str(outage["until"]))
    yield last["until"], f"well again, the last: {last['cache']} has held on to the new name servers for {keeps}"


def _wrapped(text: str) -> Iterator[Line]:
    for line in wrap(text, _WIDE, break_on_hyphens=False):
        yield line, "plain"


def _or(kinds: Mapping[str, None]) -> str:
    names = list(kinds)
    return " or ".join(names) if len(names) <= 2 else f"{len(names)} kinds of caches"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def exact(seconds: int) -> str:
    """Return a count of seconds in hours, minutes and seconds, not rounded."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    words = ((hours, "h"), (minutes, "min"), (rest, "s"))
    first = next((place for place, (number, _) in enumerate(words) if number), 2)
    return " ".join(f"{number} {unit}" for number, unit in words[first:])
