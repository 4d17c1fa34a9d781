"""Changes of records in the words of playbooks and messages. Pure."""

from __future__ import annotations

from dns.name import Name

from .rrset import Change, RRset
from .text import shorten


def relative(name: Name, apex: Name) -> str:
    """Return a name as playbooks write it: relative to the domain, `@` for the domain itself."""
    return name.relativize(apex).to_text() if name.is_subdomain(apex) else name.to_text()


def values(rrset: RRset | None) -> str:
    """Return the values of an RRset in one short text."""
    return shorten(", ".join(rrset.texts()), 160) if rrset else "nothing"


def change_words(change: Change) -> str:
    """Return what a change does, such as `192.0.2.10 → 203.0.113.20`."""
    before, after = change.before, change.after
    if change.ttl_only and before and after:
        return f"TTL {before.ttl_s} s → {after.ttl_s} s"
    if after is None:
        return f"{values(before)} → removed"
    if before is None:
        return f"new: {values(after)} (TTL {after.ttl_s} s)"
    ttl = f" (TTL {before.ttl_s} s → {after.ttl_s} s)" if before.ttl_s != after.ttl_s else ""
    return f"{values(before)} → {values(after)}{ttl}"


def names_text(names: tuple[str, ...], most: int = 6) -> str:
    """Return names in one short text."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return shorten(", ".join(names[:most])) + more
