"""`dnsrun diff`: captured, expected and live records side by side."""

from __future__ import annotations

from dataclasses import dataclass

import click
from dns.rdatatype import RdataType

from dnsrun.engine.checkpoint import expected_zone, read_checkpoint
from dnsrun.engine.moving import read_other
from dnsrun.errors import Exit, UsageError
from dnsrun.model.content import HOSTS_OWN
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot

from .batch import each
from .console import Style
from .drive import Work, open_work
from .session import Session, asking, common, pass_session
from .targets import Target, named, playbook_of

COLUMN = 20
_STYLES: dict[str, Style] = {"": "plain", "ours": "changed", "foreign": "failed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One RRset in the three zones; `note` says what the difference is.

    `other` is what the other host holds, where the zone moves.
    """

    key: RRsetKey
    captured: RRset | None
    expected: RRset | None
    live: RRset | None
    other: RRset | None = None

    @property
    def differs_there(self) -> bool:
        """Tell whether the other host holds other data; TTLs aside."""
        return self.live is not self.other if not (self.live and self.other) else not self.live.same_data(self.other)

    @property
    def note(self) -> str:
        """`ours`: changed by this run; `foreign`: live is not what is expected; empty: the same everywhere."""
        if _text(self.live) != _text(self.expected):
            return "foreign"
        return "ours" if _text(self.captured) != _text(self.expected) else ""


@click.command(name="diff")
@click.argument("playbooks", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@click.option("-v", "--verbose", is_flag=True, help="Also the records that are the same everywhere.")
@asking
@common
@pass_session
def command(session: Session, playbooks: tuple[str, ...], *, verbose: bool) -> Exit:
    """Show captured, expected and live records in three columns; exit 7 when live is not what is expected.

    Where the zone moves, a fourth column shows what the other host holds.
    """
    return each(session, named(session, playbooks), lambda target: _diff(session, target, verbose=verbose))


def _diff(session: Session, target: Target, *, verbose: bool) -> Exit:
    work = open_work(session, playbook_of(session, target))
    first = next((entry for entry in work.run.state.captures if entry.zone), None)
    expected = expected_zone(work.run)
    if first is None or expected is None:
        raise UsageError(f"{work.domain}: nothing was captured yet; run `dnsrun capture {work.domain}` first")
    session.console.passing(f"{work.domain}: asking the servers")
    checkpoint = read_checkpoint(work.run)
    moves, other, host = work.run.playbook.zone.to is not None, None, ""
    if moves:
        zone = work.run.playbook.zone
        other, _, _ = read_other(work.run, checkpoint.view, checkpoint.zone)
        host = zone.provider if work.run.switched else zone.to or ""
    found = rows(work.run.zone(first.zone), expected, checkpoint.zone, other)
    apex_ns = RRsetKey(work.run.apex, RdataType.NS)  # each host has its own
    differing = [row for row in found if row.note or (moves and row.differs_there and row.key != apex_ns)]
    if session.as_json:
        session.console.json({"domain": work.domain, "rrsets": [_as_data(row) for row in differing]})
    else:
        _tell(work, found if verbose else differing, host)
    return Exit.FINDINGS if any(row.note == "foreign" for row in found) else Exit.DONE


def rows(
    captured: ZoneSnapshot, expected: ZoneSnapshot, live: ZoneSnapshot, other: ZoneSnapshot | None = None
) -> list[Row]:
    """Return every RRset of the zones in canonical order; what hosts derive by themselves is left out. Pure."""
    there = other.rrsets if other else {}
    keys = captured.rrsets.keys() | expected.rrsets.keys() | live.rrsets.keys() | there.keys()
    return [
        Row(key, captured.rrsets.get(key), expected.rrsets.get(key), live.rrsets.get(key), there.get(key))
        for key in sorted(keys, key=RRsetKey.order)
        if key.rdtype not in HOSTS_OWN
    ]


def _tell(work: Work, found: list[Row], host: str) -> None:
    console = work.session.console
    if not found:
        console.out(f"{work.domain}: captured, expected and live are the same")
        return
    table = [("", "captured", "expected", "live", *((f"at {host}",) if host else ()))]
    for row in found:
        held = (row.captured, row.expected, row.live, *((row.other,) if host else ()))
        table.append((str(row.key), *map(_text, held)))
    widths = [max(COLUMN if column else 0, *map(len, cells)) for column, cells in enumerate(zip(*table, strict=True))]
    for cells, style, note in zip(table, _styles(found), _notes(found), strict=True):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        console.out((line.rstrip() + note, style))


def _styles(found: list[Row]) -> list[Style]:
    return ["strong", *(_STYLES[row.note] for row in found)]


def _notes(found: list[Row]) -> list[str]:
    return ["", *("  not by this run" if row.note == "foreign" else "" for row in found)]


def _text(rrset: RRset | None) -> str:
    return shorten(f"{', '.join(rrset.texts())} (TTL {rrset.ttl_s})", 80) if rrset else "-"


def _as_data(row: Row) -> dict[str, object]:
    return {
        "rrset": str(row.key),
        "captured": _text(row.captured),
        "expected": _text(row.expected),
        "live": _text(row.live),
        "other": _text(row.other),
        "note": row.note,
    }
