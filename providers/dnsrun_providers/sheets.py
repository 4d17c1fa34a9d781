"""Records as files for a person: a table that spreadsheets open, and a zone file that panels import. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRset

_FORMULA = ("=", "+", "-", "@")
_UNFIT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]")


def sheets(apex: Name, changes: Iterable[Change]) -> tuple[tuple[str, str], ...]:
    """Return file names and contents: what must stand there after the changes, as CSV and as a zone file.

    Both can be handed back as a capture. None when nothing is to stand there.
    """
    rrsets = sorted((change.after for change in changes if change.after), key=lambda rrset: rrset.key.order())
    if not rrsets:
        return ()
    stem = _UNFIT_IN_FILE_NAMES.sub("_", apex.to_text(omit_final_dot=True)) or "root"
    return ((f"{stem}.csv", _csv(rrsets)), (f"{stem}.zone", _zone_file(rrsets)))


def _csv(rrsets: Iterable[RRset]) -> str:
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(("name", "type", "ttl", "value"))
    for owner, ttl, rdtype, value in _lines(rrsets):
        writer.writerow((_inert(owner), rdtype, ttl, _inert(value)))
    return held.getvalue()


def _zone_file(rrsets: Iterable[RRset]) -> str:
    return "".join(f"{owner} {ttl} IN {rdtype} {value}\n" for owner, ttl, rdtype, value in _lines(rrsets))


def _lines(rrsets: Iterable[RRset]) -> Iterator[tuple[str, str, str, str]]:
    for rrset in rrsets:
        for text in rrset.texts():
            yield rrset.key.owner.to_text(), str(rrset.ttl_s), RdataType.to_text(rrset.key.rdtype), text


def _inert(cell: str) -> str:
    r"""Return the cell so that no spreadsheet takes it for a formula (threat 17): the first octet as `\DDD`.

    Every reader of master files takes that for the same octet (RFC 1035 section 5.1).
    """
    return f"\\{ord(cell[0]):03d}{cell[1:]}" if cell.startswith(_FORMULA) else cell
