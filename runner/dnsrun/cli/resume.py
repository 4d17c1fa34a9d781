"""`dnsrun resume`: go on with what waits, was interrupted or is paused; with `--all` made for cron."""

from __future__ import annotations

from functools import partial

import click

from dnsrun.engine.start import resume
from dnsrun.errors import Exit, UsageError
from dnsrun.journal.fold import RunState
from dnsrun.notify.told import is_left
from dnsrun.wiring.project import state_folder
from dnsrun.wiring.runs import open_notifier

from .batch import each
from .drive import drive, open_work, tell_people, tell_result
from .session import Session, adopting, asking, common, pass_session
from .targets import Target, everything, matching, named, state_of, stored_playbook


@click.command(name="resume")
@click.argument("domains", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@click.option("--all", "all_", is_flag=True, help="Every domain: do what is due now, do not stay. For cron.")
@click.option("--limit", metavar="GLOB", help="With --all: only domains that match.")
@adopting
@asking
@common
@pass_session
def command(session: Session, domains: tuple[str, ...], limit: str | None, *, all_: bool) -> Exit:
    """Go on with an open phase or an unfinished rollback. A named domain that is paused tries again.

    With --all nothing that is paused is touched, and nobody is waited for.
    """
    if all_ and domains:
        raise UsageError("name domains, or say --all; not both")
    if all_:
        work = partial(_visit, session)
        return each(session, matching(everything(session), limit), work)
    targets = named(session, domains)
    open_ones = [target for target in targets if domains or is_open(state_of(session, target))]
    if not domains and len(open_ones) > 1:
        listed = "\n".join(f"  {target.shown}" for target in open_ones)
        raise UsageError(f"several domains can go on; name one, or say --all:\n{listed}")
    if not open_ones:
        session.console.out("nothing waits and nothing was interrupted")
    return each(session, open_ones, partial(_resume, session))


def is_open(state: RunState) -> bool:
    """Tell whether a phase or a rollback has begun and is not over. Pure."""
    return bool(state.active or state.asked_back or state.going_back)


def _resume(session: Session, target: Target) -> Exit:
    """Go on to the end."""
    state = state_of(session, target)
    if not is_open(state):
        session.console.out(f"{target.shown}: nothing waits and nothing was interrupted")
        return Exit.DONE
    work = open_work(session, stored_playbook(session, target), writes=True, has_begun=True)
    resume(work.run)
    plan = work.run.active_plan()
    result = drive(work)
    tell_result(work, result, plan)
    return result.code


def _visit(session: Session, target: Target) -> Exit:
    """Do what is due now; leave what is paused for a person. Whoever could not be told before is told again."""
    state = state_of(session, target)
    is_paused = bool(state.active and state.active.paused is not None)
    if not is_open(state) or is_paused:
        _tell_left(session, target)
    if not is_open(state):
        return Exit.DONE
    if state.active and state.active.paused is not None:
        session.console.err((f"{target.shown}: paused: {state.active.paused}", "changed"))
        return Exit.PAUSED
    work = open_work(session, stored_playbook(session, target), writes=True, has_begun=True)
    plan = work.run.active_plan()
    result = drive(work, patient=False)
    if result.outcome != "waiting" or session.as_json or session.console.is_interactive:
        tell_result(work, result, plan)  # cron sends a mail for every line: none while all goes well
    else:
        tell_people(work)
    return result.code


def _tell_left(session: Session, target: Target) -> None:
    """Try again to tell whoever could not be told when the run came to where it stands."""
    if is_left(state_folder(session.project, target.domain)):
        notifier = open_notifier(session.world, stored_playbook(session, target))
        for line in notifier.tell(session.world.clock.now()) if notifier else ():
            session.console.err((line, "failed"))
