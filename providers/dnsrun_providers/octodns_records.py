"""RRsets to octoDNS records and back, with proof that nothing is lost on the way. Pure; loads octoDNS.

octoDNS keeps text, and each of its providers spells that text in its own way: some escape it, some take it for escaped,
some cut it after 255 characters with the escapes counted. So an RRset is fit only when every spelling of octoDNS's own
gives the same octets, and nothing in it needs an escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dns.exception import DNSException
from dns.rdata import Rdata
from dns.rdatatype import RdataType, UnknownRdatatype, is_metatype
from dns.rdtypes.txtbase import TXTBase
from octodns.idna import IdnaError  # type: ignore[import-untyped] # octoDNS has no types
from octodns.record import Record  # type: ignore[import-untyped] # octoDNS has no types
from octodns.record.exception import RecordException  # type: ignore[import-untyped] # octoDNS has no types
from octodns.record.rr import Rrset  # type: ignore[import-untyped] # octoDNS has no types

from dnsrun.model.rrset import TTL_MAX_S, RRset, RRsetKey, from_texts, rdata_text
from dnsrun.model.text import shorten
from dnsrun.model.zonetext import name_from_text

Json = Mapping[str, Any]

# What octoDNS's parsers and printers raise for a value that they do not understand.
_FAILURES = (RecordException, IdnaError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_TEXTUAL = frozenset({RdataType.TXT, RdataType.SPF})
# With these the host answers something else than the record says.
_ANSWERS_OTHERWISE = frozenset({"proxied", "auto-ttl"})


@dataclass(frozen=True, slots=True)
class Held:
    """A record as octoDNS tells it.

    `key` is None for a type that only the provider knows. `rrset` is what it surely means; it has no RDATA where that
    is not sure, and `raw` then says what octoDNS makes of it.
    """

    record: Any
    key: RRsetKey | None
    rrset: RRset | None
    raw: str = ""


class Unfit(Exception):
    """An RRset cannot pass through octoDNS unchanged; says why."""


def rdtype(word: str) -> RdataType | None:
    """Return the type that an octoDNS word stands for, None for one that is no type of DNS."""
    try:
        found = RdataType.from_text(word)
    except (UnknownRdatatype, ValueError):
        return None
    return None if is_metatype(found) else found


def held(record: Any) -> Held:
    """Read a record that a provider has populated.

    Raises `DNSException` when its name is none, `ValueError` when its TTL is none.
    """
    if not 0 <= record.ttl <= TTL_MAX_S:
        raise ValueError(f"{record.ttl} is no TTL")
    known = rdtype(record._type)  # noqa: SLF001 - the only place where octoDNS keeps the type
    if known is None:
        return Held(record, None, None, _raw(record))
    key = RRsetKey(name_from_text(record.fqdn), known)
    rrset = _rrset(key, record)
    return Held(record, key, rrset, "" if rrset.rdatas else _raw(record))


def _rrset(key: RRsetKey, record: Any) -> RRset:
    unsure = RRset(key, record.ttl, frozenset(), _extras(record))
    try:
        texts = record.to_rrset().rdatas
        rrset = from_texts(key, record.ttl, texts, unsure.extras)
        again = _record(record.zone, rrset).to_rrset().rdatas
    except (DNSException, *_FAILURES):
        return unsure
    is_sure = sorted(again) == sorted(texts) and not any(map(_needs_escape, texts))
    return rrset if is_sure else unsure


def to_record(zone: Any, rrset: RRset, octodns: Json) -> Any:
    """Return the octoDNS record for an RRset; raises `Unfit` when anything of it would be lost on the way."""
    try:
        record = _record(zone, rrset)
        for spelling in _spellings(record):
            if any(map(_needs_escape, spelling)):
                raise Unfit(f"{rrset.key} holds characters that octoDNS's providers spell in different ways")
            if not rrset.same_data(from_texts(rrset.key, rrset.ttl_s, spelling)):
                raise Unfit(f"octoDNS makes {shorten(', '.join(spelling))} of {rrset.key} {_words(rrset)}")
        if name_from_text(record.fqdn) != rrset.key.owner or record.ttl != rrset.ttl_s:
            raise Unfit(f"octoDNS makes {shorten(record.fqdn)} with TTL {record.ttl} of {rrset.key}")
    except (DNSException, *_FAILURES) as err:
        raise Unfit(f"octoDNS cannot hold {rrset.key} {_words(rrset)} ({type(err).__name__})") from err
    record.octodns = dict(octodns)
    return record


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two records of octoDNS say the same."""
    return (one.ttl, one.octodns, list(_spellings(one))) == (other.ttl, other.octodns, list(_spellings(other)))


def octodns_of(extras: tuple[tuple[str, str], ...]) -> Json:
    """Return the settings that octoDNS keeps beside a record, from an RRset's extras."""
    return next((json.loads(text) for name, text in extras if name == "octodns"), {})


def answers_otherwise(extras: tuple[tuple[str, str], ...]) -> str:
    """Say what makes the host answer something else than the RRset, in words; empty when nothing does."""
    names = [name.removeprefix("octodns-") for name, _ in extras if name != "octodns"]
    return ", ".join(names + sorted(_set_to_true(octodns_of(extras)) & _ANSWERS_OTHERWISE))


def _record(zone: Any, rrset: RRset) -> Any:
    owner = rrset.key.owner.canonicalize().to_text()
    word = RdataType.to_text(rrset.key.rdtype)
    texts = sorted(map(rdata_text, rrset.rdatas))
    if rrset.key.rdtype not in _TEXTUAL:
        return Record.from_rrset(zone, Rrset(owner, word, rrset.ttl_s, texts), lenient=True)
    # Without octoDNS's own escape for `;`: it counts where text is cut, and to some providers it is two characters.
    values = sorted(map(_joined, rrset.rdatas))
    data = {"type": word, "ttl": rrset.ttl_s, "values": values}
    return Record.new(zone, zone.hostname_from_fqdn(owner), data, lenient=True)


def _joined(rdata: Rdata) -> str:
    if not isinstance(rdata, TXTBase):
        raise TypeError("text that is none")
    return b"".join(rdata.strings).decode("ascii")


def _spellings(record: Any) -> Iterator[list[str]]:
    """Yield the RDATA as octoDNS spells them for its providers, old and new, and for a copy of the record."""
    yield sorted(record.to_rrset().rdatas)
    yield sorted(map(str, record.rrs[3]))
    yield sorted(record.copy().to_rrset().rdatas)


def _needs_escape(text: str) -> bool:
    return "\\" in text or not text.isascii()


def _extras(record: Any) -> tuple[tuple[str, str], ...]:
    found = {"octodns": record.octodns} if record.octodns else {}
    data = record.data
    found |= {f"octodns-{name}": data[name] for name in ("dynamic", "geo") if data.get(name)}
    return tuple((name, json.dumps(value, sort_keys=True, default=str)) for name, value in sorted(found.items()))


def _set_to_true(settings: Any) -> set[str]:
    if not isinstance(settings, Mapping):
        return set()
    inner = [_set_to_true(value) for value in settings.values()]
    return {name for name, value in settings.items() if value is True}.union(*inner)


def _raw(record: Any) -> str:
    values = json.dumps(record.data, sort_keys=True, default=str)
    return f"{record.fqdn} {record._type} {values}"  # noqa: SLF001 - the only place where octoDNS keeps the type


def _words(rrset: RRset) -> str:
    return shorten(", ".join(rrset.texts()))
