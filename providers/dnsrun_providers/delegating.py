"""What a person is told to type where name servers are set, in English or Japanese. As `instructions` otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS

from dnsrun.model.rrset import rdata_from_text
from dnsrun.model.zone import Delegation

from .instructions import Words, shown, warning
from .panels import Panel, shared_words

_JP = dns.name.from_text("jp.")


def delegating(panel: Panel, language: str, domain: Name, *, before: Delegation, after: Delegation) -> str:
    """Return the instruction to change the delegation from `before` to `after` at the panel.

    Hosts come first: registrars refuse a name server inside the domain whose addresses they do not know. `language`
    is `en` or `ja`. Reads files of the package.
    """
    words, own = shared_words()["delegate"][language], panel.words["delegate"][language]
    zone = shown(domain)
    lines = [words["begin"].format(zone=zone, panel=panel.title[language]), "", *warning(words, own, zone)]
    if domain.is_subdomain(_JP):
        lines += [words["jp"], ""]
    name_servers = [_ns(words, before, after)]
    if before.ns != after.ns:
        name_servers = [[own["open"].format(zone=zone)], *name_servers, [own["save"].format(zone=zone)]]
    steps = [*_glue(words, before, after), *name_servers]
    if before.ds or after.ds:
        steps.append(_ds(words, before, after))
    for number, (title, *rest) in enumerate(steps, start=1):
        lines += [f"{number}. {title}", *(f"   {line}" for line in rest), ""]
    return "\n".join([*lines, words["end"], "", words["not_now"]])


def _glue(words: Words, before: Delegation, after: Delegation) -> Iterator[list[str]]:
    for name, addresses in sorted(after.glue.items()):
        held = before.glue.get(name, ())
        if set(held) != set(addresses):
            yield [words["glue"].format(name=shown(name)), *_sides(words, sorted(held), sorted(addresses))]
    # A registrar that rewrote every domain on a host that was taken out: incident 17 of 2022. Nobody needs it gone.
    if unused := sorted(before.glue.keys() - after.glue.keys()):
        yield [words["glue_stays"].format(names=", ".join(map(shown, unused)))]


def _ns(words: Words, before: Delegation, after: Delegation) -> list[str]:
    if before.ns == after.ns:
        return [words["ns_stay"], *map(shown, sorted(after.ns))]
    cleared = (f"{words['clear']}: {shown(name)}" for name in sorted(before.ns - after.ns))
    return [words["ns"], *_sides(words, map(shown, sorted(before.ns)), map(shown, sorted(after.ns))), *cleared]


def _ds(words: Words, before: Delegation, after: Delegation) -> list[str]:
    if before.ds == after.ds:
        return [words["ds_stay"], *sorted(after.ds)]
    fields = (_fields(words, text) for text in sorted(after.ds))
    return [words["ds"], *_sides(words, sorted(before.ds), sorted(after.ds)), *fields]


def _fields(words: Words, text: str) -> str:
    rdata = rdata_from_text(RdataType.DS, text)
    assert isinstance(rdata, DS)  # noqa: S101 - the type was asked for
    return words["ds_fields"].format(
        key_tag=rdata.key_tag,
        algorithm=int(rdata.algorithm),
        digest_type=int(rdata.digest_type),
        digest=rdata.digest.hex().upper(),
    )


def _sides(words: Words, before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    for title, values in ((words["now"], tuple(before)), (words["then"], tuple(after))):
        for value in values or (words["none"],):
            yield f"{title}: {value}"
