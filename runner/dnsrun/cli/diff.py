"""`dnsrun diff`: captured, expected and live records side by side."""

from __future__ import annotations

from dataclasses import dataclass

import click

from dnsrun.engine.checkpoint import expected_zone, read_checkpoint
from dnsrun.engine.start import DERIVED
from dnsrun.errors import Exit, UsageError
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
    """One RRset in the three zones; `note` says what the difference is."""

    key: RRsetKey
    captured: RRset | None
    expected: RRset | None
    live: RRset | None

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
    """Show captured, expected and live records in three columns; exit 7 when live is not what is expected."""
    return each(session, named(session, playbooks), lambda target: _diff(session, target, verbose=verbose))


def _diff(session: Session, target: Target, *, verbose: bool) -> Exit:
    work = open_work(session, playbook_of(session, target))
    first = next((entry for entry in work.run.state.captures if entry.zone), None)
    expected = expected_zone(work.run)
    if first is None or expected is None:
        raise UsageError(f"{work.domain}: nothing was captured yet; run `dnsrun capture {work.domain}` first")
    session.console.passing(f"{work.domain}: asking the servers")
    found = rows(work.run.zone(first.zone), expected, read_checkpoint(work.run).zone)
    differing = [row for row in found if row.note]
    if session.as_json:
        session.console.json({"domain": work.domain, "rrsets": [_as_data(row) for row in differing]})
    else:
        _tell(work, found if verbose else differing)
    return Exit.FINDINGS if any(row.note == "foreign" for row in found) else Exit.DONE


def rows(captured: ZoneSnapshot, expected: ZoneSnapshot, live: ZoneSnapshot) -> list[Row]:
    """Return every RRset of the three zones in canonical order; what hosts derive by themselves is left out. Pure."""
    keys = captured.rrsets.keys() | expected.rrsets.keys() | live.rrsets.keys()
    return [
        Row(key, captured.rrsets.get(key), expected.rrsets.get(key), live.rrsets.get(key))
        for key in sorted(keys, key=RRsetKey.order)
        if key.rdtype.name not in DERIVED
    ]


def _tell(work: Work, found: list[Row]) -> None:
    console = work.session.console
    if not found:
        console.out(f"{work.domain}: captured, expected and live are the same")
        return
    width = max(len(str(row.key)) for row in found)
    column = max(COLUMN, *(len(_text(rrset)) for row in found for rrset in (row.captured, row.expected)))
    console.out((f"{'':<{width}}  {'captured':<{column}}  {'expected':<{column}}  live", "strong"))
    for row in found:
        cells = "  ".join(f"{_text(rrset):<{column}}" for rrset in (row.captured, row.expected, row.live))
        note = "  not by this run" if row.note == "foreign" else ""
        console.out((f"{row.key!s:<{width}}  {cells}".rstrip() + note, _STYLES[row.note]))


def _text(rrset: RRset | None) -> str:
    return shorten(f"{', '.join(rrset.texts())} (TTL {rrset.ttl_s})", 80) if rrset else "-"


def _as_data(row: Row) -> dict[str, object]:
    return {
        "rrset": str(row.key),
        "captured": _text(row.captured),
        "expected": _text(row.expected),
        "live": _text(row.live),
        "note": row.note,
    }
