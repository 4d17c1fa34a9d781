"""`dnsrun status`: where every domain stands, from the journals alone; what needs a person comes first."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dnsrun import __version__
from dnsrun.errors import DnsrunError, Exit
from dnsrun.model.times import full_time
from dnsrun.wiring.project import JOURNAL, state_folder

from .console import Style
from .ending import tell_error
from .incident import Misled, incident_data, incident_of, incident_words
from .session import Session, common, pass_session
from .stage import Moved, stage_words
from .targets import Target, is_unchanged, named

if TYPE_CHECKING:  # the journal is only folded when it has changed since the last look
    from .standing import Standing

KEPT = "status.json"
_KEYS = {
    "journal",
    "version",
    "urgency",
    "says",
    "next",
    "until",
    "caches_clean",
    "opens",
    "window",
    "playbook",
    "move",
    "incident",
}
_ORDER = ("act", "runs", "idle")
_STYLES: dict[str, Style] = {"act": "failed", "runs": "changed", "idle": "ok"}


@dataclass(frozen=True, slots=True)
class Shown:
    """Where one domain stands, as it is shown. Times are UTC."""

    domain: str
    urgency: str
    says: str
    next: str
    until: datetime | None
    caches_clean: datetime | None
    opens: datetime | None
    edited: bool
    move: Moved | None = None
    incident: Misled | None = None


@click.command(name="status")
@click.argument("domains", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@common
@pass_session
def command(session: Session, domains: tuple[str, ...]) -> Exit:
    """Say where every domain stands; first what you must do. Reads the journals only, asks nobody."""
    found: list[Shown] = []
    codes: list[Exit] = []
    for target in named(session, domains):
        try:
            found.append(_shown(session, target))
        except DnsrunError as err:
            codes.append(tell_error(session, err, of=target.shown))
    found.sort(key=lambda standing: _ORDER.index(standing.urgency))
    if session.as_json:
        session.console.json([_as_data(standing) for standing in found])
    else:
        _show(session, found)
    codes += [Exit.FINDINGS for standing in found if standing.urgency == "act"]
    return Exit.worst(codes)


def _show(session: Session, found: list[Shown]) -> None:
    console = session.console
    if not found:
        console.out("no playbook and no journal here; begin with: dnsrun init DOMAIN")
    width = max((len(standing.domain) for standing in found), default=0)
    for standing in found:
        must = "you must act: " if standing.urgency == "act" else ""
        until = f", until {full_time(standing.until)}" if standing.until else ""
        console.out((f"{standing.domain:<{width}}", _STYLES[standing.urgency]), f"  {must}{standing.says}{until}")
        if standing.incident:
            console.out(f"{'':<{width}}  ", (incident_words(standing.incident), "failed"))
        if standing.move:
            console.out(f"{'':<{width}}  {stage_words(standing.move, session.world.clock.now())}")
        if standing.next:
            opens = f"  (not before {full_time(standing.opens)})" if standing.opens else ""
            console.out(f"{'':<{width}}  next: {standing.next}{opens}")
        if standing.caches_clean:
            console.out(f"{'':<{width}}  no cache holds the old records after {full_time(standing.caches_clean)}")
        if standing.edited:
            console.out((f"{'':<{width}}  the playbook was edited since the run began", "changed"))


def _as_data(standing: Shown) -> dict[str, Any]:
    return {
        "domain": standing.domain,
        "urgency": standing.urgency,
        "says": standing.says,
        "next": standing.next,
        "until": _time_text(standing.until),
        "caches_clean": _time_text(standing.caches_clean),
        "opens": _time_text(standing.opens),
        "edited": standing.edited,
        "move": _move_data(standing.move),
        "incident": incident_data(standing.incident),
    }


def _time_text(when: datetime | None) -> str | None:
    return when.isoformat().replace("+00:00", "Z") if when else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _shown(session: Session, target: Target) -> Shown:
    facts = _facts(session, target)
    now = session.world.clock.now()
    clean, opens = _time(facts["caches_clean"]), _opens(facts, now)
    edited = bool(facts["playbook"] and target.path and not is_unchanged(target.path, facts["playbook"]))
    return Shown(
        domain=target.shown,
        urgency=facts["urgency"],
        says=facts["says"],
        next=facts["next"],
        until=_time(facts["until"]),
        caches_clean=clean if clean and clean > now else None,
        opens=opens if opens and opens > now else None,
        edited=edited,
        move=_move(facts["move"]),
        incident=_incident(facts, now),
    )


def _incident(facts: dict[str, Any], now: datetime) -> Misled | None:
    """Return what nobody planned at the parent, until no honest cache holds it."""
    known = incident_of(facts["incident"])
    return None if known is None or (known.forgotten_at and known.forgotten_at <= now) else known


def _opens(facts: dict[str, Any], now: datetime) -> datetime | None:
    """Return when the next phase may start: its window counts from now on, or from when the caches allow it."""
    opens = _time(facts["opens"])
    if not facts["window"]:
        return opens
    from dnsrun.model.codec import decode
    from dnsrun.model.window import Window

    return decode(Window, facts["window"]).opens(max(now, opens or now))


def _facts(session: Session, target: Target) -> dict[str, Any]:
    """Return the standing as plain data: kept from the last look while the journal's octets are the same."""
    folder = state_folder(session.project, target.domain)
    digest = _digest(folder / JOURNAL)
    kept = _kept(folder / KEPT)
    if digest and kept.get("journal") == digest and kept.get("version") == __version__:
        return kept
    from dnsrun.wiring.world import journal_of

    from .standing import standing_of

    facts = _plain(standing_of(session.world, journal_of(session.world, folder), target.shown))
    if digest:
        _keep(folder / KEPT, {"journal": digest, "version": __version__, **facts})
    return facts


def _plain(standing: Standing) -> dict[str, Any]:
    from dnsrun.model.codec import encode

    return {
        "urgency": standing.urgency,
        "says": standing.says,
        "next": standing.next,
        "until": _time_text(standing.until),
        "caches_clean": _time_text(standing.caches_clean),
        "opens": _time_text(standing.opens),
        "window": encode(standing.window),
        "playbook": standing.playbook,
        "move": _move_data(standing.move),
        "incident": incident_data(standing.incident),
    }


def _move_data(move: Moved | None) -> dict[str, str | None] | None:
    if move is None:
        return None
    times = {"at": move.at, "unknown_until": move.unknown_until, "clean_at": move.clean_at}
    return {"stage": move.stage, "old": move.old, "new": move.new} | {
        name: _time_text(when) for name, when in times.items()
    }


def _move(facts: dict[str, Any] | None) -> Moved | None:
    if not facts:
        return None
    times = {name: _time(facts[name]) for name in ("at", "unknown_until", "clean_at")}
    return Moved(facts["stage"], facts["old"], facts["new"], **times)


def _digest(path: Path) -> str:
    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _kept(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and found.keys() == _KEYS else {}
    return {}


def _keep(path: Path, facts: dict[str, Any]) -> None:
    """Keep the standing for the next look; it is worth nothing when it cannot be kept, and never more than a hint."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(facts, file)
        beside.replace(path)
