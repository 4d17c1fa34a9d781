"""Compare changes with what is live: what is left to write, and what somebody else has put there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dnsrun.errors import OutsideError
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.text import shorten

Live = Mapping[RRsetKey, RRset]


def not_there(changes: Iterable[Change], live: Live) -> tuple[Change, ...]:
    """Return the changes whose `after`, TTL included, is not live yet."""
    return tuple(change for change in changes if not _is(live.get(change.key), change.after))


def foreign(changes: Iterable[Change], live: Live) -> str:
    """Say which RRsets have other data than `before`, in words; empty when none has. TTLs do not count."""
    found = (change for change in changes if not _same_data(live.get(change.key), change.before))
    return "; ".join(f"{change.key} is now {_words(live.get(change.key))}" for change in found)


def impossible(text: str) -> OutsideError:
    """Return the error for what this host cannot do, whoever asks and however often."""
    return OutsideError(f"{text}; nothing was changed", retryable=False, certainty="not-applied")


def _is(found: RRset | None, wanted: RRset | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return found.same_data(wanted) and found.ttl_s == wanted.ttl_s


def _same_data(found: RRset | None, before: RRset | None) -> bool:
    return found is None if before is None else before.same_data(found)


def _words(found: RRset | None) -> str:
    return shorten(", ".join(found.texts())) if found else "absent"
