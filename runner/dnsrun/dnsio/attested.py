"""A zone that a named person hands over: a zone file, or CSV with the columns name, type, ttl, value.

Pure: it is given the text. `$ORIGIN` and `$TTL` are followed; `$INCLUDE`, `$GENERATE` and others are errors, and
size and number of records are capped (threat 13). All problems are reported at once, by line.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.tokenizer import Token, Tokenizer

from dnsrun.errors import PlaybookError, Problem
from dnsrun.model.rrset import IN, RRset, RRsetKey, rdata_from_text
from dnsrun.model.text import escape
from dnsrun.model.zone import ZoneSnapshot

from .zonewords import EXTRA, NAME, ORIGIN, TTL, TYPE, data_of, not_closed, wrong_at

MOST_RECORDS = 100_000
MOST_CHARACTERS = 16 * 1024 * 1024
_COLUMNS = ["name", "type", "ttl", "value"]
_ENOUGH = 50  # problems of one file


@dataclass(frozen=True, slots=True)
class Handed:
    """Who gave which file when. `file` is its name as shown in problems; `on` is the day it was given."""

    file: str
    given_by: str
    on: date


def read_attested(text: str, apex: Name, handed: Handed, *, taken_at: datetime) -> ZoneSnapshot:
    """Return the zone in `text`, graded `attested`.

    It is CSV when the file's name ends in `.csv` or the first line is `name,type,ttl,value`; in CSV host names in
    values are absolute with or without the final dot, and an unquoted text is one text. The lowest TTL
    counts where records of one RRset have several (RFC 2181 section 5.2). Raises `PlaybookError`.
    """
    taker = _Taker(apex, handed.file)
    if len(text) > MOST_CHARACTERS:
        taker.problem(1, f"the file has {len(text)} characters, at most {MOST_CHARACTERS} are read")
    elif _is_csv(text, handed.file):
        _read_csv(text, taker)
    else:
        _ZoneFile(text, taker).read()
    source = f"{handed.file}, given by {handed.given_by} on {handed.on.isoformat()}"
    return ZoneSnapshot(apex, taker.rrsets(), source, taken_at, "attested")


def _is_csv(text: str, file: str) -> bool:
    first = text.partition("\n")[0].strip().lower().removeprefix("\ufeff")
    return file.lower().endswith(".csv") or [cell.strip() for cell in first.split(",")] == _COLUMNS


class _EnoughError(Exception):
    """More is not worth reading."""


class _ForbiddenError(Exception):
    """What can be read, but means nothing here; the message says all."""


class _Taker:
    """Takes records and problems of one file."""

    def __init__(self, apex: Name, file: str) -> None:
        self.apex = apex
        self._file = file
        self._problems: list[Problem] = []
        self._records = 0
        self._held: dict[RRsetKey, tuple[int, set[Rdata]]] = {}

    def problem(self, line: int, text: str, *, column: int = 1) -> None:
        """Note a problem; raises `_EnoughError` after many."""
        self._problems.append(Problem(self._file, line, column, text))
        if len(self._problems) >= _ENOUGH:
            raise _EnoughError

    def record(self, line: int, owner: Name, ttl_s: int, rdata: Rdata) -> None:
        """Take one record."""
        self._records += 1
        if self._records > MOST_RECORDS:
            self.problem(line, f"the file has more than {MOST_RECORDS} records")
            raise _EnoughError
        if not owner.is_subdomain(self.apex):
            self.problem(
                line, f"{owner} is not within {self.apex}; take the record out, or check $ORIGIN and final dots"
            )
            return
        key = RRsetKey(owner, rdata.rdtype)
        known_ttl_s, rdatas = self._held.setdefault(key, (ttl_s, set()))
        rdatas.add(rdata)
        self._held[key] = (min(known_ttl_s, ttl_s), rdatas)

    def rrsets(self) -> dict[RRsetKey, RRset]:
        """Return what was taken; raises `PlaybookError` when there was a problem."""
        if self._problems:
            undone = (
                f"None of {self._file} was taken, and nothing was changed. Correct the file, or have it exported "
                "again, and run the same command"
            )
            raise PlaybookError(self._problems, undone=undone)
        return {key: RRset(key, ttl_s, frozenset(rdatas)) for key, (ttl_s, rdatas) in self._held.items()}


def _read_csv(text: str, taker: _Taker) -> None:
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        for number, row in enumerate(rows):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 0 and [cell.lower() for cell in cells] == _COLUMNS):
                continue
            _take_row(rows.line_num, cells, taker)
    except csv.Error as err:
        taker.problem(rows.line_num, f"this is not CSV: {err}")
    except _EnoughError:
        return


def _take_row(line: int, cells: list[str], taker: _Taker) -> None:
    if len(cells) != len(_COLUMNS):
        taker.problem(line, f"expected {len(_COLUMNS)} cells ({','.join(_COLUMNS)}), found {len(cells)}")
        return
    name, kind, ttl, value = cells
    place, cell = NAME, name
    try:
        owner = _csv_owner(name, taker.apex)
        place, cell = TYPE, kind
        rdtype = dns.rdatatype.from_text(kind)
        place, cell = data_of(rdtype), value
        rdata = _csv_rdata(rdtype, value)
        place, cell = TTL, ttl
        ttl_s = dns.ttl.from_text(ttl)
    except (DNSException, ValueError) as err:
        taker.problem(line, wrong_at(place, cell, err))
        return
    taker.record(line, owner, ttl_s, rdata)


def _csv_owner(name: str, apex: Name) -> Name:
    if name in ("@", ""):
        return apex
    owner = dns.name.from_text(name, origin=apex)
    if not name.endswith(".") and dns.name.from_text(name).is_subdomain(apex):
        relative = dns.name.from_text(name).relativize(apex)
        raise ValueError(f"the name would become {owner}; write {name}. or {relative}")
    return owner


def _csv_rdata(rdtype: RdataType, value: str) -> Rdata:
    if rdtype in (RdataType.TXT, RdataType.SPF) and not value.startswith('"'):
        octets = value.encode()
        chunks = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
        return TXT(IN, rdtype, chunks)
    return rdata_from_text(rdtype, value)


class _Tokens(Tokenizer):
    """Knows whether the line has been read to its end, and the last token, also of an RDATA reader that failed.

    `last` is None when what stands there is no token.
    """

    at_end = False
    last: Token | None = None

    def get(self, want_leading: bool = False, want_comment: bool = False) -> Token:  # noqa: FBT001, FBT002 - dnspython's signature
        """Return the next token."""
        self.last = None
        token = super().get(want_leading, want_comment)
        self.last, self.at_end = token, token.is_eol_or_eof()
        return token

    def unget(self, token: Token) -> None:
        """Give a token back."""
        super().unget(token)
        self.at_end = False

    @property
    def line(self) -> int:
        """The line of the last token; the end of a line, also one read to tell a token's end, counts as the next."""
        ended = self.ungotten_char == "\n" or (self.last is not None and self.last.is_eol())
        return int(self.line_number) - int(ended)


class _ZoneFile:
    """Reads master-file text (RFC 1035 section 5)."""

    def __init__(self, text: str, taker: _Taker) -> None:
        self._text = text.removeprefix("\ufeff")
        self._tokens = _Tokens(io.StringIO(self._text))
        self._taker = taker
        self._place = NAME
        self._origin = taker.apex
        self._owner: Name | None = None
        self._default_ttl_s: int | None = None
        self._last_ttl_s: int | None = None

    def read(self) -> None:
        """Hand every record and every problem to the taker."""
        try:
            while self._line():
                pass
        except _EnoughError:
            return

    def _line(self) -> bool:
        """Read one entry; False at the end of the file."""
        line: int = self._tokens.where()[1]
        self._place = NAME
        try:
            token = self._tokens.get(want_leading=True)
            if token.is_eol_or_eof():
                return not token.is_eof()
            self._entry(token, line)
        except _ForbiddenError as err:
            self._taker.problem(line, escape(str(err)))
            return self._skip()
        except (DNSException, ValueError) as err:
            self._problem(line, err)
            return self._skip()
        return True

    def _problem(self, line: int, err: Exception) -> None:
        """Note what stands where something else is expected; quotes or parentheses that do not close have no token."""
        token = self._tokens.last
        if token is None:
            self._taker.problem(line, not_closed(self._line_text(line), err))
            return
        at, found = self._tokens.line, None if token.is_eol_or_eof() else token.value
        self._taker.problem(at, wrong_at(self._place, found, err), column=_column(found, self._line_text(at)))

    def _line_text(self, line: int) -> str:
        return next(islice(io.StringIO(self._text, newline=None), line - 1, None), "").rstrip("\r\n")

    def _entry(self, token: Token, line: int) -> None:
        if token.is_identifier() and token.value.startswith("$"):
            self._directive(token.value.upper())
            return
        if token.is_whitespace():
            token = self._tokens.get()
            if token.is_eol_or_eof():
                self._tokens.unget(token)
                self._end()
                return
            self._tokens.unget(token)
        else:
            self._owner = self._tokens.as_name(token, self._origin)
        if self._owner is None:
            raise _ForbiddenError(
                "the first record has no owner name; begin the line with a name, or with @ for the domain itself"
            )
        self._record(self._owner, line)

    def _directive(self, word: str) -> None:
        if word == "$TTL":
            self._place = TTL
            self._default_ttl_s = dns.ttl.from_text(self._word())
        elif word == "$ORIGIN":
            self._place = ORIGIN
            self._origin = self._tokens.get_name(self._origin)
        else:
            raise _ForbiddenError(f"{word} is not read; write the records out")
        self._end()

    def _record(self, owner: Name, line: int) -> None:
        self._place = TYPE
        explicit_ttl_s, rdtype = self._fields()
        self._place = data_of(rdtype)
        rdata = dns.rdata.from_text(IN, rdtype, self._tokens, self._origin, relativize=False)
        ttl_s = self._ttl_s(explicit_ttl_s, rdata)
        self._taker.record(line, owner, ttl_s, rdata)

    def _fields(self) -> tuple[int | None, RdataType]:
        """Read TTL and class, in any order and each at most once, and the type."""
        ttl_s: int | None = None
        has_class = False
        while True:
            word = self._word()
            if not has_class and word.upper() in ("IN", "CH", "HS", "CLASS1"):
                has_class = True
                if word.upper() not in ("IN", "CLASS1"):
                    raise _ForbiddenError(f"class {word}: only IN is read; take the record out")
            elif ttl_s is None and word[0].isdigit():
                self._place = TTL
                ttl_s = dns.ttl.from_text(word)
                self._place = TYPE
            else:
                return ttl_s, dns.rdatatype.from_text(word)

    def _ttl_s(self, explicit_ttl_s: int | None, rdata: Rdata) -> int:
        if explicit_ttl_s is not None:
            self._last_ttl_s = explicit_ttl_s
            return explicit_ttl_s
        for known_ttl_s in (self._default_ttl_s, self._last_ttl_s):  # RFC 2308 section 4
            if known_ttl_s is not None:
                return known_ttl_s
        if isinstance(rdata, SOA):
            self._last_ttl_s = rdata.minimum
            return rdata.minimum
        raise _ForbiddenError(
            "the record has no TTL, and no $TTL stands above it; write one before the type, or $TTL above all records"
        )

    def _word(self) -> str:
        token = self._tokens.get()
        if not token.is_identifier():
            raise ValueError("the record ends early")
        word: str = token.value
        return word

    def _end(self) -> None:
        token = self._tokens.get()
        if not token.is_eol_or_eof():
            raise ValueError(EXTRA)

    def _skip(self) -> bool:
        """Go to the next line; False when quotes or parentheses do not close: nothing can be told apart then."""
        try:
            while not self._tokens.at_end:
                self._tokens.get()
        except DNSException:
            return False
        return True


def _column(word: str | None, text: str) -> int:
    """Return where a word stands in its line, counted from 1; None is its end; 1 where that cannot be told."""
    if word is None:
        return len(text) + 1
    found = [match.start() for match in re.finditer(rf"(?<![^\s();\"]){re.escape(word)}(?![^\s();\"])", text)]
    return found[0] + 1 if len(found) == 1 else 1
