"""A change of the delegation: what the parent's servers show, and what the registrar says. Touches the network."""

from __future__ import annotations

from dnsrun.dnsio.parent import find_delegation
from dnsrun.errors import OutsideError, Refused
from dnsrun.model.act import SetDelegation, WriteZone
from dnsrun.model.handover import Handover, handover
from dnsrun.model.plan import Plan
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import Pending, Rejected, Settled

from .astray import astray
from .run import Run
from .shown import Stranger


def refuse_when_locked(run: Run, plan: Plan) -> None:
    """Raise `Refused` when a registrar that the plan needs does not let the domain be changed (fault 53).

    A registrar that cannot be asked now is no reason: it is tried again when its turn comes. Touches the network.
    """
    for act in plan.acts:
        if not isinstance(act, SetDelegation):
            continue
        try:
            run.ports.registrars[act.provider].read_delegation(act.domain)
        except OutsideError as err:
            if err.retryable:
                continue
            raise Refused(
                f"{act.provider} does not let the name servers be changed: {err}; nothing was changed"
            ) from err


def seen_at_parent(run: Run, act: SetDelegation, index: int) -> tuple[Handover, Delegation]:
    """Ask every server of the parent zone how far the change of a move has come; what they serve.

    What nobody planned is journaled, from when the change was asked for: before that it is somebody else's change, and
    refused. Raises `OutsideError`.
    """
    parent = find_delegation(run.ports.net, act.domain, run.ports.roots)
    found = handover(parent.served, parent.silent, act.before, act.after)
    known, active = run.state.incident, run.state.active
    asked_for = active is not None and active.move(index).attempts > 0
    news = astray(index, found, known) if known or asked_for else None
    if news is not None:
        run.append(news)
    return found, parent.delegation


def left_to_delegate(run: Run, act: SetDelegation, index: int) -> SetDelegation | None:
    """Return the act, None when every parent server shows it already.

    Raises `Stranger` when a parent server serves what is neither old nor new: somebody else has changed it.
    """
    found, _ = seen_at_parent(run, act, index)
    if found.state == "wrong":
        raise Stranger(f"{found}: somebody else has changed the delegation; it was left alone")
    return None if found.state == "done" else act


def switched_by_saving(run: Run, plan: Plan, act: WriteZone) -> OutsideError | None:
    """Return the incident that the name servers were switched while somebody typed records, None when they were not.

    Some panels do that when records are saved. Only these are watched. Raises `OutsideError` when nobody answers.
    """
    if (
        plan.direction == "back"
        or plan.delegation is None
        or not run.ports.capabilities[act.provider].saving_may_delegate
    ):
        return None
    now = find_delegation(run.ports.net, run.apex, run.ports.roots).delegation
    if now.ns == plan.delegation.ns:
        return None
    names = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in now.ns))
    domain = run.apex.to_text(omit_final_dot=True)
    return OutsideError(
        f"INCIDENT: the parent delegates to {names} now, and nobody planned that: saving records at {act.provider} can "
        f"switch the name servers. `dnsrun verify {domain}` tells what is broken, `dnsrun rollback {domain}` goes back",
        retryable=False,
        certainty="not-applied",
    )


def is_overtaking(run: Run, act: SetDelegation, index: int) -> bool:
    """Tell whether a registrar still works on taking back a request whose effect nobody has seen yet (fault 51).

    Until it is done the parent shows the old name servers either way. Touches the network; raises `OutsideError`.
    """
    return not run.switched and isinstance(_outcome(run, act, index), Pending)


def refused_by_registrar(run: Run, act: SetDelegation, index: int) -> OutsideError | None:
    """Return why the registrar, or the registry behind it, refused the change, None when it did not (fault 52)."""
    answer = _outcome(run, act, index)
    if isinstance(answer, Rejected):
        return OutsideError(f"refused: {answer.because}", retryable=False, certainty="not-applied")
    return None


def _outcome(run: Run, act: SetDelegation, index: int) -> Pending | Settled | Rejected | None:
    """Return what the registrar says of the request that it took, None when it gave it no name."""
    known = run.state.active.move(index) if run.state.active else None
    if known is None or known.accepted is None or not known.accepted.operation:
        return None
    return run.ports.registrars[act.provider].poll(known.accepted.operation)
