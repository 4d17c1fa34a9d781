"""`dnsrun export`: the zone as a zone file that name servers load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from dnsrun.engine.checkpoint import read_checkpoint
from dnsrun.engine.moving import read_moving
from dnsrun.errors import Exit, Refused, UsageError
from dnsrun.model.text import escape
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import to_text
from dnsrun.plan.planner import content_of
from dnsrun.plan.situation import Situation

from .drive import Work, open_work
from .session import Session, asking, common, pass_session
from .targets import named, playbook_of


@click.command(name="export")
@click.argument("playbook", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option("--captured", is_flag=True, help="The newest capture that is kept, in place of the live zone.")
@click.option("--new", is_flag=True, help="What the new host of a zone that moves is to hold, to be imported there.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this new file.")
@asking
@common
@pass_session
def command(session: Session, playbook: str | None, output: Path | None, *, captured: bool, new: bool) -> Exit:
    """Print the zone as a zone file (master file): sorted, one record a line; named-checkzone loads it."""
    targets = named(session, (playbook,) if playbook else ())
    if len(targets) != 1:
        listed = "\n".join(f"  {target.shown}" for target in targets)
        raise UsageError(f"one zone at a time; name it:\n{listed}")
    work = open_work(session, playbook_of(session, targets[0]))
    if captured and new:
        raise UsageError("--captured and --new exclude each other")
    zone = _kept(work) if captured else _to_hold(work) if new else read_checkpoint(work.run).zone
    text = to_text(zone)
    if output is not None:
        _write(output, text)
        session.console.err(f"{len(zone.rrsets)} record sets written to {output}")
    elif session.as_json:
        session.console.json({"domain": work.domain, "completeness": zone.completeness, "zone": text})
    else:
        for line in text.splitlines():
            session.console.out(line)
    return Exit.DONE


def _kept(work: Work) -> ZoneSnapshot:
    captures = [entry for entry in work.run.state.captures if entry.zone]
    if not captures:
        raise UsageError(f"{work.domain}: nothing was captured yet; run `dnsrun capture {work.domain}` first")
    return work.run.zone(captures[-1].zone)


def _to_hold(work: Work) -> ZoneSnapshot:
    """Return what the new host is to hold (N0); the SOA is the old one, since a zone file needs one."""
    run = work.run
    checkpoint = read_checkpoint(run)
    moving = read_moving(run, checkpoint.view, checkpoint.zone)
    now, able = run.ports.clock.now(), run.ports.capabilities
    content, unclear = content_of(Situation("", run.playbook, checkpoint.zone, "", able, now, moving=moving))
    if content is None:
        raise UsageError(f"{work.domain}: the zone stays where it is, so there is no new host")
    if unclear:
        raise Refused("\n".join(unclear))
    soa = checkpoint.zone.soa
    return replace(content, rrsets={**content.rrsets, **({soa.key: soa} if soa else {})})


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as err:
        raise UsageError(f"{escape(str(path))} cannot be written: {err.strerror}") from err
