"""`dnsrun rollback`: back to how it was. Windows, waits and edited playbooks never delay it."""

from __future__ import annotations

from functools import partial
from typing import Literal

import click

from dnsrun.engine.run import Run, merged, settled
from dnsrun.errors import Exit, Lost, Refused, UsageError
from dnsrun.journal.fold import RunState
from dnsrun.model.act import Instruct, RunCommand, SetService
from dnsrun.model.changetext import names_text, relative, values
from dnsrun.model.entry import RollbackAsked
from dnsrun.model.plan import Do, Plan
from dnsrun.model.rrset import Change
from dnsrun.model.text import shorten
from dnsrun.model.times import duration

from .batch import each
from .drive import Work, drive, open_work, tell_result, user
from .handing import names_of, switch_of
from .moved import moved
from .session import Session, adopting, asking, common, pass_session
from .targets import Target, everything, named, state_of, stored_playbook

ONLY_TTLS = "Only TTLs were lowered"
Scope = Literal["newest", "to-phase", "all"]


@click.command(name="rollback")
@click.argument("domain", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option("--to-phase", type=int, metavar="N", help="Take back everything after phase N.")
@click.option("--all", "all_", is_flag=True, help="Take back everything, TTLs too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@adopting
@asking
@common
@pass_session
def command(session: Session, domain: str | None, to_phase: int | None, *, all_: bool, yes: bool) -> Exit:
    """Take back the newest phase that wrote; with --to-phase everything after N; with --all everything.

    Works while another process is at work (it is told), and without a readable playbook.
    """
    if all_ and to_phase is not None:
        raise UsageError("--to-phase and --all exclude each other")
    target = named(session, (domain,))[0] if domain else _only(session)
    scope: Scope = "all" if all_ else "newest" if to_phase is None else "to-phase"
    return each(session, (target,), partial(_rollback, session, scope=scope, to_phase=to_phase, yes=yes))


def _only(session: Session) -> Target:
    """Return the one domain of which something can be taken back."""
    targets = [target for target in everything(session) if _has_written(state_of(session, target))]
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise UsageError("nothing has been written here, so there is nothing to take back")
    listed = "\n".join(f"  {target.shown}" for target in targets)
    raise UsageError(f"which domain? Name it:\n{listed}")


def _has_written(state: RunState) -> bool:
    return bool((state.wrote() or state.active or state.going_back) and not state.ended)


def _rollback(session: Session, target: Target, *, scope: Scope, to_phase: int | None, yes: bool) -> Exit:
    work = open_work(session, stored_playbook(session, target), writes=True, has_begun=True)
    run = work.run
    if run.state.ended:
        raise Refused(f"{target.shown}: the run is finished, so nothing can be taken back; nothing was changed")
    phases = _phases(run.state, scope, to_phase)
    if not phases and not (run.state.active or run.state.going_back):
        session.console.out(f"{target.shown}: nothing has been written that could be taken back")
        return Exit.DONE
    newest = run.plan(run.state.phase(phases[0]).plan) if phases else None
    says = effect(run, phases, scope)
    if says.startswith(ONLY_TTLS) and not run.state.active:
        raise Refused(says)
    session.console.err(says)
    if not yes and not session.console.ask_yes("Go back now?"):
        raise Refused("declined; nothing was changed")
    if not (run.state.going_back and scope == "newest"):
        ask_back(run, scope, to_phase)
    result = drive(work, shares=True)
    tell_result(_asked(work), result, newest)
    return result.code


def _asked(work: Work) -> Work:
    work.asked_back = True
    return work


def _phases(state: RunState, scope: Scope, to_phase: int | None) -> tuple[int, ...]:
    """Return the phases that would be taken back, newest first. Pure."""
    wrote = state.wrote()
    if scope == "to-phase":
        return tuple(number for number in wrote if number > (to_phase or 0))
    return wrote if scope == "all" else wrote[:1]


def ask_back(run: Run, scope: Scope, to_phase: int | None) -> None:
    """Journal the request; whoever acts for the domain performs it. Touches the disk."""
    while True:
        run.catch_up()
        try:
            run.append(RollbackAsked(scope, to_phase, user()))
        except Lost:
            continue
        return


def effect(run: Run, phases: tuple[int, ...], scope: Scope) -> str:
    """Return in one sentence what going back does."""
    if not phases:
        return "This closes the open phase; nothing has been written yet."
    changes = _changes(run, phases)
    data = [change for change in changes if not change.ttl_only]
    names = dict(run.state.opened.phases) if run.state.opened else {}
    which = ", ".join(f'{number} "{names.get(number, "")}"' for number in phases)
    besides = [*_name_servers(run, phases), *_besides(run, phases)]
    if not data and not besides and scope != "all":
        domain = run.apex.to_text(omit_final_dot=True)
        return (
            f"{ONLY_TTLS} (phase {which}): going back would leave them low, and nothing was changed. "
            f"`dnsrun rollback {domain} --all` raises them again."
        )
    groups: dict[str, list[str]] = {}
    for change in reversed(merged(reversed(data))):
        groups.setdefault(values(change.before), []).append(relative(change.key.owner, run.apex))
    goals = [f"{names_text(tuple(dict.fromkeys(owners)))} → {value}" for value, owners in groups.items()]
    back = "; ".join((*goals, *besides))
    ttls = "; TTLs are raised again, last" if scope == "all" else ""
    plans = [run.plan(run.state.phase(number).plan) for number in phases]
    switched = [plan.worst_recovery_s for plan in plans if _has_switched(run, plan)]
    longest = max([*switched, *(change.after.ttl_s for change in data if change.after)], default=0)
    rest = f"; some visitors may see what is there now for {duration(longest)} at most" if longest else ""
    return f"This takes back phase {which}: {back or 'its TTLs'}{ttls}{rest}.{_for_unknown_names(run, switched)}"


def _has_switched(run: Run, plan: Plan) -> bool:
    act = switch_of(plan)
    moves = run.state.phase(plan.phase).moves
    done = (i for i, move in enumerate(plan.moves) if isinstance(move, Do) and plan.acts[move.act] is act)
    return act is not None and any(i in moves and moves[i].attempts for i in done)


def _for_unknown_names(run: Run, switched: list[int]) -> str:
    """D4: what nobody can write at the new side waits until caches drop the new name servers."""
    known = moved(run.journal, run.state, run.playbook) if switched else None
    if known is None or known.at is None or known.unknown_until is None:
        return ""
    longest = duration((known.unknown_until - known.at).total_seconds())
    return f" A name that only {known.old} holds and that nobody knew of may be missing for {longest} at most."


def _name_servers(run: Run, phases: tuple[int, ...]) -> list[str]:
    """Return whom the parent is to delegate to again, where a phase had it delegate to the new name servers."""
    plans = [run.plan(run.state.phase(number).plan) for number in sorted(phases)]
    acts = [switch_of(plan) for plan in plans if _has_switched(run, plan)]
    return [f"name servers → {names_of(act.before)}, once both sides hold the right records" for act in acts[:1] if act]


def _besides(run: Run, phases: tuple[int, ...]) -> list[str]:
    """Return what is taken back besides records: programs that undo, and what a person must do."""
    acts = [act for number in phases for act in run.plan(run.state.phase(number).plan).acts]
    programs = [
        f"runs {shorten(' '.join(act.undo_argv))}" for act in acts if isinstance(act, RunCommand) and act.undo_argv
    ]
    hands = [
        f"{shorten(act.operator)}: {shorten(act.undo_text)}"
        for act in acts
        if isinstance(act, Instruct) and act.undo_text
    ]
    services = [
        f"{act.service} {'on' if act.before else 'off'} again at {act.provider}"
        for act in acts
        if isinstance(act, SetService)
    ]
    return [*services, *programs, *hands]


def _changes(run: Run, phases: tuple[int, ...]) -> list[Change]:
    """Return what these phases changed for the world; a copy that nobody asked stays where it is."""
    plans = [run.plan(run.state.phase(number).plan) for number in sorted(phases)]
    return [
        change
        for plan in plans
        for change in settled(plan, run.state.phase(plan.phase).moves, provider=plan.live or None)
    ]
