"""What a person is told to type at a panel, in English or Japanese: what stands there now, and what is to stand there.

The labels of the panel come from `panels`. The undo is the same text with before and after exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dns.exception
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRset
from dnsrun.model.text import escape

from .panels import Panel, shared_words

MANY = 10  # more changes than these are a table
Words = Mapping[str, str]


def writing(panel: Panel, language: str, apex: Name, changes: tuple[Change, ...], files: tuple[str, ...] = ()) -> str:
    """Return the instruction to type `changes` at the panel; `files` are the names of the sheets that go with it.

    `language` is `en` or `ja`. Reads files of the package.
    """
    words, own = shared_words()["write"][language], panel.words["write"][language]
    zone = shown(apex)
    lines = [words["begin"].format(zone=zone), "", *warning(words, own, zone)]
    if panel.one_ttl_for_the_zone:
        lines += [words["one_ttl"], ""]
    lines.append(f"1. {own['open'].format(zone=zone)}")
    is_table = len(changes) > MANY
    parts = [_table(words, apex, changes)] if is_table else [_one(words, apex, change) for change in _ordered(changes)]
    for number, (title, *rest) in enumerate(parts, start=2):
        lines += ["", f"{number}. {title}", *(f"   {line}" for line in rest)]
    if files:
        lines += ["", words["files"].format(files=", ".join(files))]
    end = words["end"].format(save=own["save"].format(zone=zone))
    last = words["not_table" if is_table else "not_now"]
    return "\n".join([*lines, "", f"{len(parts) + 2}. {end}", "", last])


def refreshing(panel: Panel, language: str, apex: Name) -> str:
    """Return the instruction to have a secondary fetch the zone. Reads a file of the package."""
    return "\n".join(line.format(zone=shown(apex)) for line in panel.words["refresh"][language])


def switching_mail(panel: Panel, language: str, domain: Name, *, on: bool) -> str:
    """Return the instruction to switch the mail service of the domain on or off. Reads a file of the package."""
    lines = panel.words["mail"][language]["on" if on else "off"]
    return "\n".join(line.format(zone=shown(domain)) for line in lines)


def shown(name: Name) -> str:
    """Return a name as it is typed, with the readable form beside it when it is an internationalised one."""
    typed = name.to_text(omit_final_dot=True)
    try:
        readable = escape(name.to_unicode(omit_final_dot=True))
    except (dns.exception.DNSException, UnicodeError):
        return typed
    return typed if readable == typed else f"{typed} ({readable})"


def warning(words: Words, own: Mapping[str, Any], zone: str) -> Iterator[str]:
    """Yield the panel's warning with an empty line after it, if it has one."""
    if "warn" in own:
        yield words["warn"].format(text=own["warn"].format(zone=zone))
        yield ""


def _ordered(changes: tuple[Change, ...]) -> list[Change]:
    # Removals first: panels refuse an alias beside other data, as servers do.
    return sorted(changes, key=lambda change: change.after is not None)


def _label(apex: Name, owner: Name) -> str:
    return "@" if owner == apex else owner.relativize(apex).to_text()


def _one(words: Words, apex: Name, change: Change) -> Iterator[str]:
    owner = change.key.owner
    named = words["name"].format(label=_label(apex, owner), owner=shown(owner))
    yield f"{RdataType.to_text(change.key.rdtype)}   {named}"
    yield from _side(words, words["now"], change.before)
    yield from _side(words, words["then"], change.after)
    if change.ttl_only:
        yield words["ttl_only"]


def _side(words: Words, title: str, rrset: RRset | None) -> Iterator[str]:
    if rrset is None:
        yield f"{title}: {words['absent']}"
        return
    for text in rrset.texts():
        yield f"{title}: {escape(text)}   {words['ttl'].format(ttl=rrset.ttl_s)}"


def _table(words: Words, apex: Name, changes: tuple[Change, ...]) -> Iterator[str]:
    yield words["table"].format(count=len(changes), zone=shown(apex))
    rows = [row for change in _ordered(changes) for row in _rows(apex, change)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for *cells, value in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), value])


def _rows(apex: Name, change: Change) -> Iterator[tuple[str, str, str, str, str]]:
    before, after = change.before, change.after
    old, new = (frozenset(side.texts()) if side else frozenset[str]() for side in (before, after))
    start = (RdataType.to_text(change.key.rdtype), _label(apex, change.key.owner))
    for text in sorted(old - new):
        yield "-", *start, str(before.ttl_s if before else ""), escape(text)
    for text in sorted(new - old):
        yield "+", *start, str(after.ttl_s if after else ""), escape(text)
    if before and after and before.ttl_s != after.ttl_s:
        for text in sorted(new & old):
            yield "=", *start, f"{before.ttl_s} → {after.ttl_s}", escape(text)
