"""SPF records as values: their terms, read by the grammar of RFC 7208 (sections 4.6.1, 5, 6 and 7). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from dns.rdata import Rdata
from dns.rdtypes.ANY.TXT import TXT

_VERSION = "v=spf1"
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.ASCII | re.DOTALL)
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)((?:[:/].*)?)", re.ASCII | re.DOTALL)
_MACRO = re.compile(r"%(?:([%_-])|\{([slodiphcrtv])([0-9]*)(r?)([.\-+,/_=]*)\})", re.ASCII | re.IGNORECASE)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", re.ASCII)
_CIDR_AT_END = re.compile(r"(/[0-9]+)?(//[0-9]+)?$", re.ASCII)
_TOP_LABEL = re.compile(r"(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])", re.ASCII | re.IGNORECASE)
_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}(?:/(?:0|[1-9][0-9]?))?", re.ASCII)
_V6 = re.compile(r"[0-9A-Fa-f:.]+(?:/(?:0|[1-9][0-9]{0,2}))?", re.ASCII)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_ONLY_IN_EXPLANATIONS = frozenset("crt")
_MOST_SHOWN = 60


class SpfSyntaxError(ValueError):
    """The text is no SPF record; the message says which term is wrong, and how."""


@dataclass(frozen=True, slots=True)
class Macro:
    """What is put in for `%{...}`: which value, how many parts from the right (0: all), in which order, split where.

    `escaped`: as in a URL (an upper-case letter was written).
    """

    letter: str
    keep: int
    is_reversed: bool
    delimiters: str
    escaped: bool


@dataclass(frozen=True, slots=True)
class MacroText:
    """A text with macros in it; `written` as it stands in the record."""

    written: str
    pieces: tuple[str | Macro, ...]

    @property
    def is_fixed(self) -> bool:
        """Tell whether it is the same for every sender."""
        return all(isinstance(piece, str) or piece.letter == "d" for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism; `qualifier` is one of `+ - ~ ?`, `name` in lower case, `written` as it stands in the record.

    `target` is None where the current domain is meant. `v4_bits` and `v6_bits` are the prefixes that `a` and `mx`
    compare. `network` belongs to `ip4` and `ip6`.
    """

    written: str
    qualifier: str
    name: str
    target: MacroText | None = None
    network: IPv4Network | IPv6Network | None = None
    v4_bits: int = 32
    v6_bits: int = 128


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record that can be read; unknown modifiers and `exp` are left out."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroText | None = None

    @property
    def goes_on(self) -> MacroText | None:
        """Where to go on when nothing matches; `all` always does (RFC 7208 section 6.1)."""
        return None if any(one.name == "all" for one in self.mechanisms) else self.redirect


def spf_texts(rdatas: Iterable[Rdata]) -> tuple[str, ...]:
    """Return those TXT records that are SPF records, sorted; strings of one record are joined (RFC 7208 section 3.3).

    What is not ASCII stays one character an octet.
    """
    texts = (b"".join(rdata.strings).decode("latin-1") for rdata in rdatas if isinstance(rdata, TXT))
    return tuple(sorted(text for text in texts if text[:6].lower() == _VERSION and text[6:7] in ("", " ")))


def read_spf(text: str) -> SpfRecord:
    """Return the record; raises `SpfSyntaxError`. Any error anywhere makes the whole record void (section 4.6)."""
    if text[:6].lower() != _VERSION or text[6:7] not in ("", " "):
        raise SpfSyntaxError(f"it does not begin with {_VERSION}")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroText] = {}
    for term in filter(None, text[6:].split(" ")):
        if (found := _MODIFIER.fullmatch(term)) is None:
            mechanisms.append(_mechanism(term))
            continue
        name = found[1].lower()
        if name in {"redirect", "exp"}:
            if name in modifiers:
                raise SpfSyntaxError(f"{name}= stands there twice")
            modifiers[name] = _domain_spec(found[2], term)
        else:
            _macro_text(found[2], term)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"))


def _mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"{_shown(term)} is no term")
    qualifier, name, rest = found[1] or "+", found[2].lower(), found[3]
    if name == "all" and not rest:
        return Mechanism(term, qualifier, name)
    if name in {"ip4", "ip6"}:
        return Mechanism(term, qualifier, name, network=_network(name, rest, term))
    if name in {"a", "mx"}:
        return _with_prefixes(term, qualifier, name, rest)
    if name in {"include", "exists"} or (name == "ptr" and rest):
        return Mechanism(term, qualifier, name, _domain_spec(_after_colon(rest, term), term))
    if name == "ptr":
        return Mechanism(term, qualifier, name)
    raise SpfSyntaxError(f"{_shown(term)} is no known mechanism")


def _with_prefixes(term: str, qualifier: str, name: str, rest: str) -> Mechanism:
    at_end = _CIDR_AT_END.search(rest)
    domain, prefixes = (rest[: at_end.start()], at_end[0]) if at_end else (rest, "")
    found = _DUAL_CIDR.fullmatch(prefixes)
    v4_bits, v6_bits = (int(found[1] or 32), int(found[2] or 128)) if found else (33, 129)
    if v4_bits > 32 or v6_bits > 128:
        raise SpfSyntaxError(f"{_shown(term)} has a length of prefix that does not exist")
    target = _domain_spec(_after_colon(domain, term), term) if domain else None
    return Mechanism(term, qualifier, name, target, None, v4_bits, v6_bits)


def _network(name: str, rest: str, term: str) -> IPv4Network | IPv6Network:
    text = _after_colon(rest, term)
    spelled = (_QUAD if name == "ip4" else _V6).fullmatch(text)
    try:
        network = ip_network(text, strict=False) if spelled else None
    except ValueError:
        network = None
    if network is None or network.version != (4 if name == "ip4" else 6):
        raise SpfSyntaxError(f"{_shown(term)} is no address or network of {name}")
    return network


def _after_colon(rest: str, term: str) -> str:
    if rest[:1] != ":" or not rest[1:]:
        raise SpfSyntaxError(f"{_shown(term)} lacks what belongs after the colon")
    return rest[1:]


def _domain_spec(text: str, term: str) -> MacroText:
    """Read a domain with macros; it ends in a macro, or in a label that is no number (section 7.1)."""
    found = _macro_text(text, term)
    if any(isinstance(piece, Macro) and piece.letter in _ONLY_IN_EXPLANATIONS for piece in found.pieces):
        raise SpfSyntaxError(f"{_shown(term)} has a macro that only explanations may have")
    last = found.pieces[-1] if found.pieces else ""
    if isinstance(last, str):
        before, dot, top = last.removesuffix(".").rpartition(".")
        if not dot or not _TOP_LABEL.fullmatch(top) or (not before and len(found.pieces) == 1):
            raise SpfSyntaxError(f"{_shown(term)} has no domain that can be asked")
    return found


def _macro_text(text: str, term: str) -> MacroText:
    pieces: list[str | Macro] = []
    at = 0
    while at < len(text):
        if literal := _LITERAL.match(text, at):
            pieces.append(literal[0])
            at = literal.end()
        elif macro := _MACRO.match(text, at):
            pieces.append(_ESCAPES[macro[1]] if macro[1] else _macro(macro, term))
            at = macro.end()
        else:
            raise SpfSyntaxError(f"{_shown(term)} has a character or macro that cannot be read")
    return MacroText(text, _joined(pieces))


def _macro(found: re.Match[str], term: str) -> Macro:
    digits = found[3]
    if digits and not int(digits[:9]):
        raise SpfSyntaxError(f"{_shown(term)} has a macro that keeps no part")
    letter = found[2]
    return Macro(letter.lower(), min(int(digits[:9] or 0), 128), bool(found[4]), found[5] or ".", letter.isupper())


def _joined(pieces: Iterable[str | Macro]) -> tuple[str | Macro, ...]:
    """Join texts that follow each other, so that the end of a domain is one piece."""
    joined: list[str | Macro] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def _shown(term: str) -> str:
    return term if len(term) <= _MOST_SHOWN else f"{term[: _MOST_SHOWN - 1]}…"
