"""What the host that a zone moves to does not hold yet, in the words of a refusal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import dns.rdatatype

from dnsrun.model.changetext import names_text, relative, values
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot

from .moving import to_write
from .situation import Situation

_MOST = 12


def lacking(situation: Situation, content: ZoneSnapshot | None) -> tuple[str, ...]:
    """Return as lines what the new host does not hold of `content`; TTLs, and its own NS RRset, aside."""
    moving, host = situation.moving, situation.playbook.zone.to
    if moving is None or content is None or moving.switched or moving.unreadable:
        return ()
    changes = [change for change in to_write(content, moving.other, apex_ns=False) if not change.ttl_only]
    missing = [change for change in changes if change.before is None]
    different = tuple(_key(change, content) for change in changes if change.before is not None)
    lines = list(_missing(missing, content, str(host)))
    if different:
        lines.append(f"  at {host} otherwise than planned: {names_text(different)}")
    return tuple(lines)


def _missing(missing: list[Change], content: ZoneSnapshot, host: str) -> Iterator[str]:
    if not missing:
        return
    yield f"  missing at {host}, so that nobody would find it after the switch:"
    shown = missing[:_MOST]
    width = max(len(_key(change, content)) for change in shown)
    for change in shown:
        yield f"    {_key(change, content):<{width}}   {values(change.after)}"
    if len(missing) > _MOST:
        yield f"    … and {len(missing) - _MOST} more"


def _key(change: Change, content: ZoneSnapshot) -> str:
    return f"{relative(change.key.owner, content.apex)} {dns.rdatatype.to_text(change.key.rdtype)}"
