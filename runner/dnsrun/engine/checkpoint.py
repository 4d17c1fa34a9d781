"""The checkpoint: the zone, the delegation and the servers, read straight before a phase. Touches the network.

Whatever its source, a zone is held against every delegated server, RRset by RRset, before anything rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.dnsio.capture import Capture, capture, capture_probed, transferred
from dnsrun.dnsio.views import ServerView
from dnsrun.errors import UsageError
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import CaptureSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot

from .eyes import current
from .moving import refuse_unplanned
from .run import Run, merged


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read: the zone with its grade, the live servers with what the parent serves, and what was noticed."""

    zone: ZoneSnapshot
    view: ServerView
    warnings: tuple[str, ...]

    @property
    def delegation(self) -> Delegation:
        """What the parent serves."""
        return self.view.parent.delegation

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """Every server of the live delegation that can be asked."""
        return self.view.servers

    @property
    def unobserved(self) -> tuple[Endpoint, ...]:
        """Servers that cannot be asked from here, by family."""
        return self.view.not_checked


def read_checkpoint(run: Run) -> Checkpoint:
    """Read zone and delegation; raises `Refused` with all findings when the zone is not what its servers serve."""
    view = current(run)
    refuse_unplanned(run, view)
    captured = read_capture(run, view).or_refuse()
    hidden = tuple(f"{server}: not asked, there is no IPv6 from here" for server in view.not_checked)
    return Checkpoint(captured.snapshot, view, (*captured.warnings, *hidden))


def read_capture(run: Run, view: ServerView) -> Capture:
    """Read the zone from its source and hold it against the servers; findings are for the caller to judge."""
    claimed = _claimed(run, view)
    names = frozenset(names_in_zone(run))
    if claimed is None:
        return capture_probed(view, run.apex, names=names, taken_at=run.ports.clock.now())
    found = capture(view, claimed, names=names, volatile=run.playbook.zone.volatile)
    spec = run.playbook.zone.capture
    if spec and spec.file and not spec.covers_all:
        warning = f"{spec.file} is not said to cover the whole zone (`covers: all`), so it counts as probed"
        snapshot = replace(found.snapshot, completeness="probed")
        return replace(found, snapshot=snapshot, warnings=(*found.warnings, warning))
    return found


def expected_zone(run: Run) -> ZoneSnapshot | None:
    """Return the last capture with everything this run has changed since, None before the first capture."""
    if run.switched:
        return _moved_zone(run)
    captures = [entry for entry in run.state.captures if entry.zone]
    return run.zone(captures[-1].zone).apply(merged(run.standing())) if captures else None


def _moved_zone(run: Run) -> ZoneSnapshot | None:
    """Return what the new host was to hold when the delegation moved, with everything changed there since."""
    for number in run.state.wrote():
        plan = run.plan(run.state.phase(number).plan)
        if plan.content and not plan.switched:
            later = (run.plan(run.state.phase(n).plan) for n in sorted(run.state.wrote()) if n > number)
            changes = tuple(change for each in later for change in each.changes(provider=run.live))
            return run.zone(plan.content).apply(merged(changes))
    return None


def _claimed(run: Run, view: ServerView) -> ZoneSnapshot | None:
    """Return the zone as its source tells it, None when only public questions are left.

    After a switch that is the new host; where it lists nothing, what was proved there before the switch.
    """
    spec = None if run.switched else run.playbook.zone.capture
    now = run.ports.clock.now()
    if spec and spec.transfer_from:
        return transferred(run.ports.net, spec.transfer_from, run.apex, view, taken_at=now)
    if spec and spec.file:
        return _attested(run, spec)
    provider = run.ports.providers[run.live]
    if provider.capabilities.reads:
        return provider.read_zone(run.apex)
    moved = _moved_zone(run) if run.switched else None
    return replace(moved, taken_at=now, completeness="attested", source="what was proved before") if moved else None


def _attested(run: Run, spec: CaptureSpec) -> ZoneSnapshot:
    """Return the file that was handed over, or what became of it since: its serial then says nothing any more."""
    known = expected_zone(run)
    if known is not None:
        soa = RRsetKey(run.apex, RdataType.SOA)
        return replace(known, rrsets={key: rrset for key, rrset in known.rrsets.items() if key != soa})
    if not (spec.file and spec.file in run.ports.files and spec.given_by and spec.on):
        raise UsageError(f"the file that `capture` names ({spec.file}) was not read; nothing was changed")
    handed = Handed(spec.file, spec.given_by, spec.on)
    return read_attested(run.ports.files[spec.file], run.apex, handed, taken_at=run.ports.clock.now())


def names_in_zone(run: Run) -> Iterable[Name]:
    """Yield the names of the zone that the playbook mentions."""
    mail = run.playbook.mail
    names = [name for spec in run.playbook.records for name in spec.names]
    names += [*mail.mailboxes, *mail.submission] if mail else []
    return (name for name in names if name.is_subdomain(run.apex) and not name.is_wild())
