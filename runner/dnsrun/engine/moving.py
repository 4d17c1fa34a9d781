"""Where a zone stands that moves: what the other host holds, and what the parent serves. Touches the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from dnsrun.dnsio.blind import fill, keys_to_fill
from dnsrun.dnsio.views import ServerView
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.act import SetDelegation
from dnsrun.model.observation import Answer
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.plan.moving import Moving, clean_at, kept_s, target_delegation

from .eyes import ask_at, side_view
from .run import Run


def read_moving(run: Run, view: ServerView, zone: ZoneSnapshot) -> Moving | None:
    """Return where the move stands, None where the zone stays. `zone` is that of the host delegated to.

    Raises `OutsideError`.
    """
    if run.playbook.zone.to is None:
        return None
    now = view.parent.delegation
    target = target_delegation(run.playbook, now)
    other, listed, unreadable = read_other(run, view, zone)
    captured = next((run.zone(entry.zone) for entry in run.state.captures if entry.zone), zone)
    return Moving(
        switched=run.switched,
        other=other,
        listed=listed,
        copied=_is_copied(run),
        captured=captured,
        delegation=now,
        target=target,
        clean_at=None if not run.state.delegated else _clean_at(run, now, (zone, other), captured),
        unreadable=unreadable,
        raised_ttls=run.raised_ttls(run.playbook.zone.to),
    )


def refuse_unplanned(run: Run, view: ServerView) -> None:
    """Raise `Refused` when the parent delegates to servers that this run does not expect there (D2). No network."""
    if run.playbook.zone.to is None:
        return
    now = view.parent.delegation
    target = target_delegation(run.playbook, now)
    expected = run.state.delegated[-1][1] if run.state.delegated else run.left_delegation
    if expected is not None and now.ns != expected.ns:
        raise Refused(
            f"INCIDENT: the parent delegates to {_names(now)}, and this run left it at {_names(expected)}; nothing was "
            "changed. Find out who switched the name servers; `dnsrun rollback` puts both sides right"
        )
    if expected is None and now.ns == target.ns:
        raise Refused(
            f"this looks begun: the parent delegates to {_names(now)} already. Where is its .dnsrun? "
            "Nothing was changed"
        )


def _names(delegation: Delegation) -> str:
    return ", ".join(sorted(name.to_text(omit_final_dot=True) for name in delegation.ns))


def read_other(run: Run, view: ServerView, zone: ZoneSnapshot) -> tuple[ZoneSnapshot, bool, str]:
    """Return what the host that is not delegated to holds, whether that is all, and why it could not be read.

    What cannot be listed is asked for: every RRset of `zone` and of the playbook, at the host's servers.
    """
    spec = run.playbook.zone
    name = spec.provider if run.switched else spec.to or ""
    provider = run.ports.providers[name]
    if provider.capabilities.reads:
        try:
            return _filled(run, provider.read_zone(run.apex), view), True, ""
        except OutsideError as err:
            return _empty(run), False, f"{name} cannot be read: {err}"
    keys = {*zone.rrsets, *(key for entry in run.playbook.records for key in entry.rrset_keys())}
    servers = side_view(run, "old" if run.switched else "new", base=view)
    return asked_zone(run, servers, keys), False, ""


def _filled(run: Run, zone: ZoneSnapshot, view: ServerView) -> ZoneSnapshot:
    """Return a listing of some types with what its servers answer for the others."""
    if zone.completeness != "listed":
        return zone
    servers = side_view(run, "old" if run.switched else "new", base=view)
    return fill(zone, servers.ask(keys_to_fill(zone))).snapshot


def asked_zone(run: Run, view: ServerView, keys: Iterable[RRsetKey]) -> ZoneSnapshot:
    """Return what a view's servers answer with authority for these keys. Touches the network."""
    found: dict[RRsetKey, RRset] = {}
    for each in ask_at(run, sorted(keys, key=RRsetKey.order), view.servers):
        got = each.got
        if isinstance(got, Answer) and got.aa and got.kind == "data" and got.rrset and got.rrset.key == each.of:
            found.setdefault(got.rrset.key, got.rrset)
    return ZoneSnapshot(run.apex, found, "asked at its servers", run.ports.clock.now(), "probed")


def _empty(run: Run) -> ZoneSnapshot:
    return ZoneSnapshot(run.apex, {}, "nothing could be read", run.ports.clock.now(), "probed")


def _is_copied(run: Run) -> bool:
    done = (phase for phase in run.playbook.phases if run.state.phase(phase.number).outcome == "done")
    return any(step.kind == "copy-zone" for phase in done for step in phase.steps)


def _clean_at(run: Run, now: Delegation, zones: tuple[ZoneSnapshot, ...], captured: ZoneSnapshot) -> datetime:
    """D1 after a switch, D10 after it was taken back, from when every parent server showed it."""
    known = (run.left_delegation or now, *(each for _, each in run.state.delegated))
    other = (each for each in reversed(known) if each.ns != now.ns)
    left = next(other, target_delegation(run.playbook, now))
    shown_at, _ = run.state.delegated[-1]
    return clean_at(shown_at, kept_s(left, (*zones, *_at_switch(run)), captured))


def _at_switch(run: Run) -> Iterator[ZoneSnapshot]:
    """Yield what both hosts were to serve when the name servers were changed last, as far as it is known."""
    plans = (run.plan(digest) for digest in reversed(run.state.written))
    moves = (plan for plan in plans if any(isinstance(act, SetDelegation) and act.moves_servers for act in plan.acts))
    if plan := next(moves, None):
        yield from (run.zone(digest) for digest in (plan.checkpoint, plan.content) if digest)
