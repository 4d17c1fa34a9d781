"""Performing one act: look first, intend durably, check the hold, call once; and asking whether it shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, cast

from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.journal.fold import MoveState
from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.entry import Accepted, Done, Failed, Intended, PersonAsked
from dnsrun.model.observation import Answer, Endpoint, Observation
from dnsrun.model.plan import Do, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import Delegation
from dnsrun.ports.journal import Hold
from dnsrun.ports.provider import Receipt, SecondaryHost, ServiceProvider

from .cases import gate_case, held_before
from .delegation import is_overtaking, left_to_delegate, refused_by_registrar, seen_at_parent, switched_by_saving
from .eyes import ask_at, current, own_servers, recent
from .fresh import forget_when_changed
from .programs import run_program
from .progress import AskedPerson, AtParent, CallFailed, Calling, Shown
from .rounds import judge_once
from .run import Run
from .sheets import with_sheets
from .shown import Showing, Stranger, showing

FRESH_S = 10  # straight before acting, the delegation was seen this long ago at most
POLLED_S = 60  # while asking whether an act shows

How = Literal["applied", "already", "by-hand", "left"]


def call(run: Run, plan: Plan, index: int, attempt: int, hold: Hold) -> None:
    """Perform the act of a move, journaled around. Touches the network, the disk and the outside.

    Ends in a `Done` (it showed already), an accepted call, or a `Failed` entry. Raises `Lost` before the call when
    another process has acted; then nothing was done.
    """
    act = _act(plan, index)
    if _opens(plan, act) and forget_when_changed(run):
        return  # what the gates saw is not what is there now: they are asked again
    try:
        left = act if attempt == 1 and _just_read(run, plan, act) else _left_to_do(run, plan, index, act)
    except OutsideError as err:
        _journal_failure(run, index, act, attempt - 1, err)
        return
    if left is None:
        delegated = act.after if isinstance(act, SetDelegation) else None
        _journal_done(run, index, act, plan, "already", (), delegated)
        return
    run.append(Intended(index, attempt))
    hold.check(run.state.head)
    run.tell(Calling(act, attempt, back=plan.direction == "back"))
    try:
        receipt = _perform(run, left)
    except OutsideError as err:
        _journal_failure(run, index, act, attempt, err)
        return
    run.called.add(index)
    if isinstance(act, SetDelegation) and not receipt.ask_person:
        run.append(Accepted(index, receipt.operation or ""))
    if receipt.ask_person:
        operator = act.operator if isinstance(act, Instruct) else getattr(act, "provider", "")
        text = with_sheets(run, receipt, plan, operator)
        run.append(PersonAsked(index, operator, text))
        run.tell(AskedPerson(operator, text))
    if isinstance(act, RunCommand):
        _journal_done(run, index, act, plan, "applied", ())


def _act(plan: Plan, index: int) -> Act:
    return plan.acts[cast("Do", plan.moves[index]).act]


def _opens(plan: Plan, act: Act) -> bool:
    """Tell whether an act moves the delegation forward: the one that nothing but fresh gates may open."""
    return plan.direction == "forward" and isinstance(act, SetDelegation) and act.moves_servers


def _just_read(run: Run, plan: Plan, act: Act) -> bool:
    """Tell whether looking again tells nothing new: the RRsets were read just now, and the host itself compares."""
    if not isinstance(act, WriteZone) or not run.ports.capabilities[act.provider].compare_and_set:
        return False
    return (run.ports.clock.now() - run.zone(plan.checkpoint).taken_at).total_seconds() <= FRESH_S


def _left_to_do(run: Run, plan: Plan, index: int, act: Act) -> Act | None:
    """Return the act without what shows already, None when all of it does.

    Raises `Stranger` when an RRset is neither what it was nor what it is to be.
    """
    if isinstance(act, Refresh):
        return None if _has_followed(run, plan, index, act) else act
    if isinstance(act, SetDelegation):
        # Going back the registrar is always told: what it was asked for earlier may still be on its way (fault 51).
        return left_to_delegate(run, act, index) if plan.direction == "forward" else act
    if isinstance(act, SetService):
        return None if service_host(run, act).service_state(act.domain, act.service) is act.after else act
    if not isinstance(act, WriteZone):
        return act
    found = run.showing[index] = _look(run, plan, act, seen_s=FRESH_S)
    if found.strangers:
        raise Stranger("; ".join(found.strangers) + ": somebody else has changed it; it was left alone")
    if found.whole:
        return None
    missing = {change.key for change in found.missing}
    return WriteZone(act.provider, act.apex, tuple(change for change in act.changes if change.key in missing))


def _look(run: Run, plan: Plan, act: WriteZone, *, seen_s: float) -> Showing:
    keys = [change.key for change in act.changes]
    servers = own_servers(run, act.provider, recent(run, at_most_s=seen_s))
    if not servers:
        raise OutsideError(
            f"{act.provider}: none of its name servers serves the domain; nothing was written",
            retryable=False,
            certainty="not-applied",
        )
    return showing(act.changes, ask_at(run, keys, servers), run.zone(held_before(plan, act.provider)))


def service_host(run: Run, act: SetService) -> ServiceProvider:
    """Return the host whose service an act switches."""
    return cast("ServiceProvider", run.ports.providers[act.provider])


def _perform(run: Run, act: Act) -> Receipt:
    if isinstance(act, WriteZone):
        return run.ports.providers[act.provider].apply(act.apex, act.changes)
    if isinstance(act, Refresh):
        servers = own_servers(run, act.provider, current(run))
        return cast("SecondaryHost", run.ports.providers[act.provider]).refresh(act.apex, servers)
    if isinstance(act, SetDelegation):
        return run.ports.registrars[act.provider].replace_delegation(act.domain, before=act.before, after=act.after)
    if isinstance(act, SetService):
        return service_host(run, act).set_service(act.domain, act.service, on=act.after)
    if isinstance(act, Instruct):
        return Receipt(ask_person=act.text)
    return run_program(run, act.argv)


def _journal_failure(run: Run, index: int, act: Act, attempt: int, err: OutsideError) -> None:
    now = run.ports.clock.now()
    known = run.state.active.move(index) if run.state.active else None
    tries = known.tries if known else 0
    pause_s = err.retry_after_s if err.retry_after_s is not None else min(60.0, 2.0**tries)
    again = now + timedelta(seconds=pause_s) if err.retryable else None
    conflict = isinstance(err, WriteConflict)
    in_doubt = err.certainty == "in-doubt" and not conflict
    run.append(Failed(index, attempt, str(err), err.retryable, in_doubt, again, conflict))
    run.tell(CallFailed(act, str(err), again))


def _journal_done(
    run: Run,
    index: int,
    act: Act,
    plan: Plan,
    how: How,
    served: tuple[RRset, ...],
    delegated: Delegation | None = None,
) -> None:
    note = tuple(f"{rrset.key} is served with TTL {rrset.ttl_s}: this host raises it" for rrset in served)
    run.append(Done(index, how, note, served, delegated))
    if delegated:
        run.seen = None  # other servers are delegated to now
    run.tell(Shown(act, how, note, back=plan.direction == "back"))


def settle(run: Run, plan: Plan, index: int) -> bool:
    """Ask whether an act shows at the servers that it moves; journal `Done` and return True when it does.

    Raises `OutsideError` when the servers cannot be asked. Touches the network and the disk.
    """
    act = _act(plan, index)
    if isinstance(act, WriteZone):
        return _settle_write(run, plan, index, act)
    if isinstance(act, Refresh):
        return _settle_refresh(run, plan, index, act)
    if isinstance(act, SetDelegation):
        return _settle_delegation(run, plan, index, act)
    if isinstance(act, SetService):
        return _settle_service(run, plan, index, act)
    if isinstance(act, Instruct):
        return _settle_instruction(run, plan, index, act)
    return False


def _settle_write(run: Run, plan: Plan, index: int, act: WriteZone) -> bool:
    if incident := switched_by_saving(run, plan, act):
        _journal_failure(run, index, act, 0, incident)
        return False
    found = run.showing[index] = _look(run, plan, act, seen_s=POLLED_S)
    if found.strangers:
        _journal_failure(run, index, act, 0, Stranger("; ".join(found.strangers) + ": set by somebody else"))
        return False
    how = _how(run, index)
    # Who lags behind is a matter of the gates (fault 39); what is typed by hand may have to be saved once more.
    has_taken = found.is_late and plan.direction == "forward" and how != "by-hand"
    if found.whole or has_taken or (found.keeps_ttls and _keeps_for_good(run, index, act, found)):
        _journal_done(run, index, act, plan, how, (*found.served, *found.kept))
        return True
    _again_when_lost(run, index, act)
    return False


def _keeps_for_good(run: Run, index: int, act: WriteZone, found: Showing) -> bool:
    """Tell whether TTLs that nobody sees change are those that the host serves whatever is asked for (fault 32).

    A host that took the call itself has had its time. Where a person types, what else was typed shows how low the host
    goes; else only the person knows whether it was typed at all.
    """
    known = run.state.active.move(index) if run.state.active else None
    if known is None or known.failed:
        return False
    if not known.asked:
        return index in run.called and _had_its_time(run, known, act)
    lowest_s = max((rrset.ttl_s for rrset in found.served), default=0)
    return _said_done(run, index) or all(rrset.ttl_s <= lowest_s for rrset in found.kept)


def _had_its_time(run: Run, known: MoveState, act: WriteZone) -> bool:
    """Tell whether a host has had the time that it says it needs."""
    delay_s = max(run.ports.capabilities[act.provider].declared_delay_s, POLLED_S)
    return known.intended_at is not None and run.ports.clock.now() >= known.intended_at + timedelta(seconds=delay_s)


def unseen(run: Run, plan: Plan, index: int) -> tuple[str, bool]:
    """Return what servers do not show yet though a person has had the time for it, and whether to ask the person.

    The person is asked where nothing can be seen from outside, or where a host that keeps its TTLs would look just so.
    By the newest look; touches nothing.
    """
    act = _act(plan, index)
    known = run.state.active.move(index) if run.state.active else None
    found = run.showing.get(index)
    if not isinstance(act, WriteZone):
        return "", getattr(act, "proof", act) is None
    if known is None or found is None or not _had_its_time(run, known, act):
        return "", False
    if found.keeps_ttls:
        in_order = sorted(found.kept, key=lambda one: one.key.order())
        kept = ", ".join(f"{rrset.key} ({rrset.ttl_s} s)" for rrset in in_order)
        return (
            f"Still served with the TTLs of before: {kept}. A host that keeps them looks just so; was it typed?",
            True,
        )
    return f"Not shown yet by every server: {', '.join(map(str, found.unshown))}.", False


def _again_when_lost(run: Run, index: int, act: Act) -> None:
    """An intent of another process that does not show was not applied: say so, so that the call is made again."""
    known = run.state.active.move(index) if run.state.active else None
    if known and not (known.asked or known.accepted or known.failed) and index not in run.called:
        lost = OutsideError("begun and not finished; it does not show", retryable=True, certainty="not-applied")
        _journal_failure(run, index, act, known.attempts, lost)


def _how(run: Run, index: int) -> How:
    known = run.state.active.move(index) if run.state.active else None
    return "by-hand" if known and known.asked else "applied"


def _settle_refresh(run: Run, plan: Plan, index: int, act: Refresh) -> bool:
    if _has_followed(run, plan, index, act):
        _journal_done(run, index, act, plan, _how(run, index), ())
        return True
    _again_when_lost(run, index, act)
    return False


def _settle_delegation(run: Run, plan: Plan, index: int, act: SetDelegation) -> bool:
    found, delegation = seen_at_parent(run, act, index)
    if found.state == "done":
        if plan.direction == "back" and is_overtaking(run, act, index):
            return False
        _journal_done(run, index, act, plan, _how(run, index), (), delegation)
        return True
    if refused := refused_by_registrar(run, act, index):
        _journal_failure(run, index, act, 0, refused)
        return False
    run.tell(AtParent(found, back=plan.direction == "back"))
    if found.state == "not-started":
        _again_when_lost(run, index, act)
    return False


def _has_followed(run: Run, plan: Plan, index: int, act: Refresh) -> bool:
    """A refresh is proved by serial and content: the secondary's answers, and a serial not below the primary's."""
    view = recent(run, at_most_s=POLLED_S)
    servers = own_servers(run, act.provider, view)
    primary = own_servers(run, run.playbook.zone.provider, view)
    written = _written_before(plan, index)
    found = showing(written, ask_at(run, [change.key for change in written], servers), run.zone(plan.checkpoint))
    soa = RRsetKey(act.apex, RdataType.SOA)
    follows = found.whole and bool(servers)
    return follows and _serials_follow(ask_at(run, [soa], (*primary, *servers)), primary, servers)


def _written_before(plan: Plan, index: int) -> tuple[Change, ...]:
    acts = tuple(move.act for move in plan.moves[:index] if isinstance(move, Do))
    return tuple({change.key: change for change in plan.changes(acts)}.values())


def _serials_follow(
    seen: Iterable[Observation], primary: tuple[Endpoint, ...], secondary: tuple[Endpoint, ...]
) -> bool:
    """Compare by the serial arithmetic of RFC 1982."""
    serials = {each.server: _serial(each) for each in seen}
    newest = [serials.get(server) for server in primary]
    mine = [serials.get(server) for server in secondary]
    return all(own is not None and (other is None or (own - other) % 2**32 < 2**31) for own in mine for other in newest)


def _serial(each: Observation) -> int | None:
    rrset = each.got.rrset if isinstance(each.got, Answer) else None
    rdata = next(iter(rrset.rdatas), None) if rrset else None
    return rdata.serial if isinstance(rdata, SOA) else None


def _settle_instruction(run: Run, plan: Plan, index: int, act: Instruct) -> bool:
    done = _said_done(run, index) if act.proof is None else _proved(run, plan, index, act.proof)
    if done:
        _journal_done(run, index, act, plan, "by-hand", ())
    return done


def _settle_service(run: Run, plan: Plan, index: int, act: SetService) -> bool:
    """The service is asked from outside where it can be; else its host tells, or the person who did it."""
    if act.proof is not None:
        done = _proved(run, plan, index, act.proof)
    else:
        done = _said_done(run, index) or service_host(run, act).service_state(act.domain, act.service) is act.after
    if done:
        _journal_done(run, index, act, plan, _how(run, index), ())
    else:
        _again_when_lost(run, index, act)
    return done


def _proved(run: Run, plan: Plan, index: int, proof: GateSpec) -> bool:
    verdict, _ = judge_once(run, proof, gate_case(run, plan, index, proof), current(run))
    return verdict.outcome == "pass"


def _said_done(run: Run, index: int) -> bool:
    known = run.state.active.move(index) if run.state.active else None
    return known is not None and known.answer is not None and known.answer.answer == "done"
