"""What a person is told to do: words from `panels/*.yaml`, one file a panel, in English and Japanese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import dns.exception
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRset
from dnsrun.model.text import escape

_FOLDER = resources.files(__package__).joinpath("panels")
_SUFFIX = ".yaml"


def names() -> tuple[str, ...]:
    """Return the names of the panels that ship, sorted. Lists a folder of the package."""
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX)))


def writing(panel: str, language: str, apex: Name, changes: tuple[Change, ...]) -> str:
    """Return the instruction to type `changes` at the panel: what stands there now, and what is to stand there.

    `language` is `en` or `ja`. Reads a file of the package.
    """
    words: Mapping[str, str] = _words(panel)["write"][language]
    zone = shown(apex)
    lines = [words["begin"].format(zone=zone), "", f"1. {words['open'].format(zone=zone)}"]
    for number, change in enumerate(_removals_first(changes), start=2):
        lines += ["", f"{number}. {RdataType.to_text(change.key.rdtype)}   {_named(words, apex, change.key.owner)}"]
        lines += [f"   {line}" for line in _before_and_after(words, change)]
    return "\n".join([*lines, "", f"{len(changes) + 2}. {words['end']}", "", words["not_now"]])


def refreshing(panel: str, language: str, apex: Name) -> str:
    """Return the instruction to have a secondary fetch the zone. Reads a file of the package."""
    return "\n".join(line.format(zone=shown(apex)) for line in _words(panel)["refresh"][language])


def shown(name: Name) -> str:
    """Return a name as it is typed, with the readable form beside it when it is an internationalised one."""
    typed = name.to_text(omit_final_dot=True)
    try:
        readable = escape(name.to_unicode(omit_final_dot=True))
    except (dns.exception.DNSException, UnicodeError):
        return typed
    return typed if readable == typed else f"{typed} ({readable})"


def _words(panel: str) -> Any:
    import yaml

    return yaml.safe_load(_FOLDER.joinpath(panel + _SUFFIX).read_text(encoding="utf-8"))


def _removals_first(changes: tuple[Change, ...]) -> list[Change]:
    # Panels refuse an alias beside other data, as servers do.
    return sorted(changes, key=lambda change: change.after is not None)


def _named(words: Mapping[str, str], apex: Name, owner: Name) -> str:
    label = "@" if owner == apex else owner.relativize(apex).to_text()
    return words["name"].format(label=label, owner=shown(owner))


def _before_and_after(words: Mapping[str, str], change: Change) -> Iterator[str]:
    yield from _side(words, words["now"], change.before)
    yield from _side(words, words["then"], change.after)
    if change.ttl_only:
        yield words["ttl_only"]


def _side(words: Mapping[str, str], title: str, rrset: RRset | None) -> Iterator[str]:
    if rrset is None:
        yield f"{title}: {words['absent']}"
        return
    for text in rrset.texts():
        yield f"{title}: {escape(text)}   {words['ttl'].format(ttl=rrset.ttl_s)}"
