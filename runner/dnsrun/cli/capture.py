"""`dnsrun capture`: read the zone as it is now and keep it; TTLs count from then on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click
from dns.rdatatype import RdataType

from dnsrun.engine.checkpoint import Checkpoint, read_checkpoint
from dnsrun.engine.eyes import ask_at
from dnsrun.engine.moving import read_other
from dnsrun.engine.run import Run
from dnsrun.engine.samples import new_samples
from dnsrun.errors import Exit
from dnsrun.model.content import is_content
from dnsrun.model.entry import Captured, Observed
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.steps.lower_ttl import lowered_keys
from dnsrun.wiring.project import state_folder

from .batch import each
from .drive import Work, open_work
from .session import Session, asking, common, pass_session
from .targets import Target, named, playbook_of


@click.command(name="capture")
@click.argument("playbooks", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@asking
@common
@pass_session
def command(session: Session, playbooks: tuple[str, ...]) -> Exit:
    """Capture the zone as it is now, with how true that is, and keep it in the state folder. Changes no record.

    What TTLs the servers give is remembered too, so an early capture can shorten the wait before a phase.
    """
    return each(session, named(session, playbooks), lambda target: _capture(session, target))


def _capture(session: Session, target: Target) -> Exit:
    work = open_work(session, playbook_of(session, target), writes=True)
    session.console.passing(f"{work.domain}: asking the servers")
    checkpoint = read_checkpoint(work.run)
    digest = _keep(work.run, checkpoint)
    other = other_side(work.run, checkpoint)
    zone, path = checkpoint.zone, state_folder(session.project, work.run.apex) / "captures" / f"{digest}.zone"
    if session.as_json:
        session.console.json(
            {
                "domain": work.domain,
                "completeness": zone.completeness,
                "source": zone.source,
                "rrsets": len(zone.rrsets),
                "serial": zone.serial,
                "name_servers": sorted(name.to_text() for name in checkpoint.delegation.ns),
                "warnings": list(checkpoint.warnings),
                "file": str(path),
                "other": asdict(other) if other else None,
            }
        )
        return Exit.DONE
    _tell(work, checkpoint, str(path), other)
    return Exit.DONE


@dataclass(frozen=True, slots=True)
class OtherSide:
    """What the host that is not delegated to holds of a zone that moves, compared with the one that is."""

    host: str
    same: int
    different: int
    missing: int
    more: int
    unreadable: str = ""


def other_side(run: Run, checkpoint: Checkpoint) -> OtherSide | None:
    """Return how the other host compares, None where the zone stays. Touches the network."""
    if run.playbook.zone.to is None:
        return None
    held, _, unreadable = read_other(run, checkpoint.view, checkpoint.zone)
    mine, theirs = (_records(zone) for zone in (checkpoint.zone, held))
    same = sum(key in theirs and theirs[key].same_data(rrset) for key, rrset in mine.items())
    missing = len(mine.keys() - theirs.keys())
    return OtherSide(
        run.playbook.zone.provider if run.switched else run.playbook.zone.to,
        same,
        len(mine) - same - missing,
        missing,
        len(theirs.keys() - mine.keys()),
        unreadable,
    )


def _records(zone: ZoneSnapshot) -> dict[RRsetKey, RRset]:
    """Return what both hosts are to hold alike; each has its own name servers at the apex."""
    apex_ns = RRsetKey(zone.apex, RdataType.NS)
    return {key: rrset for key, rrset in zone.rrsets.items() if is_content(key.rdtype) and key != apex_ns}


def _keep(run: Run, checkpoint: Checkpoint) -> str:
    """Journal the capture and the TTLs that the servers gave (H). Touches the network and the disk."""
    zone = checkpoint.zone
    wanted = {key for spec in run.playbook.records for key in spec.rrset_keys()} | lowered_keys(run.playbook, zone)
    samples = new_samples(ask_at(run, sorted(wanted, key=RRsetKey.order), checkpoint.servers), run.state.samples)
    digest = run.store_zone(zone)
    run.append(Captured(0, "capture", run.live, digest, zone.completeness, zone.serial, checkpoint.delegation))
    if samples:
        run.append(Observed(samples))
    return digest


def _tell(work: Work, checkpoint: Checkpoint, path: str, other: OtherSide | None) -> None:
    console, zone = work.session.console, checkpoint.zone
    serial = f", serial {zone.serial}" if zone.serial is not None else ""
    console.out(
        (work.domain, "strong"), f"  {len(zone.rrsets)} record sets, {zone.completeness}: {zone.source}{serial}"
    )
    servers = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in checkpoint.delegation.ns))
    console.out(f"  name servers: {servers} (delegation TTL {checkpoint.delegation.ttl_s} s)")
    for raw in zone.unmodelled:
        console.out((f"  kept as it came, not understood: {raw}", "changed"))
    for warning in checkpoint.warnings:
        console.out((f"  Warning: {warning}", "changed"))
    if other:
        numbers = f"{other.same} are the same, {other.different} differ, {other.missing} are missing there"
        more = f", {other.more} are only there" if other.more else ""
        console.out(f"  at {other.host}: {other.unreadable or numbers + more}")
    console.out(f"  kept in {path}")
