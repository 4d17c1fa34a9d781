"""`dnsrun apply`: one phase. Shows, asks, runs, verifies, rolls back by itself."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import click

from dnsrun.engine.run import Run
from dnsrun.engine.sheets import undo_folder
from dnsrun.engine.start import Prepared, begin, prepare, remember
from dnsrun.errors import DnsrunError, Exit, Refused, TooEarly, UsageError
from dnsrun.journal.fold import RunState
from dnsrun.model.act import RunCommand
from dnsrun.model.plan import Check
from dnsrun.model.playbook import Phase, Playbook
from dnsrun.model.text import shorten
from dnsrun.model.times import full_time
from dnsrun.plan.earliest import OUTSIDE_WINDOW
from dnsrun.plan.steps.kind import words_of
from dnsrun.playbook.defaults import phase_named

from .batch import each
from .drive import Work, drive, open_work, tell_result
from .handing import handing
from .plan import show_plan
from .session import Session, adopting, asking, common, pass_session
from .show import details, refusal
from .targets import Target, everything, matching, named, playbook_of, state_of


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says about how to apply."""

    phase: str
    yes: bool
    accepted: Mapping[str, str]
    accept_changes: bool
    allow_commands: bool
    confirm_choice: bool = False


@click.command(name="apply")
@click.argument("playbook", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option("--phase", default="next", metavar="N|NAME|next", help="Which phase; the next one when left out.")
@click.option("--yes", is_flag=True, help="Do not ask before the phase. Never chooses a playbook or accepts a risk.")
@click.option("--accept", multiple=True, metavar='NAME="reason"', help="Accept one named risk, and say why.")
@click.option("--accept-changes", is_flag=True, help="Go on although the playbook was edited since the run began.")
@click.option("--allow-commands", is_flag=True, help="Let this very playbook run programs; kept until it changes.")
@click.option("--check", is_flag=True, help="Only show the plan, as `dnsrun plan` does.")
@click.option("--diff", is_flag=True, help="With --check: every change.")
@click.option("--all", "all_", is_flag=True, help="Every domain of the project, one after the other.")
@click.option("--limit", metavar="GLOB", help="Only domains that match, such as '*.example'.")
@adopting
@asking
@common
@pass_session
def command(
    session: Session,
    playbook: str | None,
    phase: str,
    accept: tuple[str, ...],
    limit: str | None,
    *,
    yes: bool,
    accept_changes: bool,
    allow_commands: bool,
    check: bool,
    diff: bool,
    all_: bool,
) -> Exit:
    """Run one phase: show it, ask, do it, verify it, and roll it back when a gate fails."""
    wishes = Wishes(phase, yes, _reasons(accept), accept_changes, allow_commands)
    if all_ or limit is not None:
        targets = matching(everything(session), limit)
        if not targets:
            raise UsageError("no domain of this project matches")
    else:
        targets = named(session, (playbook,)) if playbook else (_only(session, wishes),)
    if check:
        return each(session, targets, lambda target: show_plan(session, target, verbose=diff))
    return each(session, targets, lambda target: _apply(session, target, wishes), stop_at_first=True)


def _reasons(accept: Sequence[str]) -> dict[str, str]:
    """Return name to reason; raises `UsageError` for one without a reason."""
    reasons = {}
    for text in accept:
        name, equals, reason = text.partition("=")
        if not equals or not reason.strip():
            raise UsageError(f'--accept needs a reason: --accept {name.strip() or "NAME"}="why this is fine"')
        reasons[name.strip()] = reason.strip()
    return reasons


def _only(session: Session, wishes: Wishes) -> Target:
    """Return the one domain that can be meant; raises `UsageError` with a list when several can."""
    targets = everything(session)
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise UsageError("this project has no playbook yet; begin with: dnsrun init DOMAIN")
    due = [target for target in targets if _could_be_next(session, target, wishes)]
    if len(due) > 1:
        due = [target for target in due if _may_start_now(session, target, wishes)]
    if len(due) == 1 and session.console.is_interactive and not wishes.yes:
        question = f"{due[0].shown} is the only domain whose next phase is this one and may start now. Take it?"
        if session.console.ask_yes(question):
            return due[0]
        raise Refused("declined; nothing was changed")
    listed = "\n".join(f"  {target.shown}" for target in targets)
    raise UsageError(f"which domain? Name it, or say --all:\n{listed}")


def _could_be_next(session: Session, target: Target, wishes: Wishes) -> bool:
    try:
        playbook = playbook_of(session, target)
        phase = next_phase(playbook, state_of(session, target))
        return phase is not None and (wishes.phase == "next" or phase_named(playbook, wishes.phase) == phase)
    except DnsrunError:
        return False


def _may_start_now(session: Session, target: Target, wishes: Wishes) -> bool:
    try:
        work = open_work(session, playbook_of(session, target))
        _, prepared = _prepared(work, wishes)
    except DnsrunError:
        return False
    earliest = prepared.plan.earliest
    return not prepared.nothing_to_do and (earliest is None or earliest <= work.run.ports.clock.now())


def next_phase(playbook: Playbook, state: RunState) -> Phase | None:
    """Return the first phase that has steps and has not been done. Pure."""
    return next(
        (phase for phase in playbook.phases if phase.steps and state.phase(phase.number).outcome != "done"), None
    )


def _prepared(work: Work, wishes: Wishes) -> tuple[Phase, Prepared]:
    """Return the phase that is meant, planned."""
    if wishes.phase != "next":
        phase = phase_named(work.run.playbook, wishes.phase)
        return phase, prepare(work.run, phase.number)
    return prepare_next(work.run)


def prepare_next(run: Run) -> tuple[Phase, Prepared]:
    """Plan the first phase that is not done and has something to do; the last one when none has.

    Reads the network and the disk, writes nothing; raises what `prepare` does.
    """
    playbook, state = run.playbook, run.state
    left = [phase for phase in playbook.phases if phase.steps and state.phase(phase.number).outcome != "done"]
    for phase in left:
        prepared = prepare(run, phase.number)
        if not prepared.nothing_to_do:
            return phase, prepared
    last = left[-1] if left else playbook.phases[-1]
    return last, prepare(run, last.number)


def _apply(session: Session, target: Target, wishes: Wishes) -> Exit:
    work = open_work(session, playbook_of(session, target), writes=True, allow_commands=wishes.allow_commands)
    _show_edits(work, accepted=wishes.accept_changes)
    session.console.passing(f"{target.shown}: asking the servers")
    phase, prepared = _prepared(work, wishes)
    if prepared.nothing_to_do:
        return _nothing(work, phase, prepared)
    now = work.run.ports.clock.now()
    plan = prepared.plan
    if plan.earliest is not None and plan.earliest > now:
        remember(work.run, prepared)
        raise TooEarly(refusal(plan, now), plan.earliest)
    _refuse_programs(work, prepared)
    _show(work, phase, prepared)
    _show_undo_sheet(work, prepared)
    accepted = _accept(session, prepared, wishes)
    if not wishes.yes and not session.console.ask_yes("Run it now?"):
        raise Refused("declined; nothing was changed")
    _refuse_after_window(phase, work.run.ports.clock.now())
    plan = begin(work.run, prepared, accepted, accept_changes=wishes.accept_changes)
    result = drive(work)
    tell_result(work, result, plan)
    return result.code


def _refuse_after_window(phase: Phase, now: datetime) -> None:
    """Raise `TooEarly` when the window has closed while a person was being asked."""
    opens = phase.window.opens(now) if phase.window else None
    if phase.window and opens and opens > now:
        raise TooEarly(
            f"phase {phase.number} refused: {OUTSIDE_WINDOW}, which has closed meanwhile: {phase.window.words(now)}; "
            f"next: {full_time(opens)}. Nothing was changed",
            opens,
        )


def _refuse_programs(work: Work, prepared: Prepared) -> None:
    """Raise `Refused` when the phase runs programs that nobody has allowed for this very playbook (threat 9)."""
    if work.run.ports.commands_allowed:
        return
    plan = prepared.plan
    programs = [act.argv for act in plan.acts if isinstance(act, RunCommand)]
    gates = [move.gate for move in plan.moves if isinstance(move, Check) and move.gate.kind == "command"]
    programs += [words_of(gate.options, "run") or (gate.name,) for gate in gates]
    if programs:
        listed = "\n".join(f"  {shorten(' '.join(argv))}" for argv in dict.fromkeys(programs))
        raise Refused(
            "this phase runs programs; nothing was changed. "
            f"Look at them, then allow them for this very playbook with --allow-commands:\n{listed}"
        )


def _nothing(work: Work, phase: Phase, prepared: Prepared) -> Exit:
    why = "; ".join(prepared.plan.notes) or "it has no work for this domain"
    if work.session.as_json:
        work.session.console.json({"domain": work.domain, "phase": phase.number, "outcome": "nothing", "because": why})
    else:
        work.session.console.out(f'{work.domain} · phase {phase.number} "{phase.name}": nothing to do: {why}')
    return Exit.DONE


def _show(work: Work, phase: Phase, prepared: Prepared) -> None:
    console, playbook = work.session.console, work.run.playbook
    console.err((f'{work.domain} · phase {phase.number} of {playbook.phases[-1].number} "{phase.name}"', "strong"))
    known = handing(work.run, prepared.plan, prepared.situation, work.polite)
    work.progress.questions = known.questions if known else 0
    for line in details(prepared.plan, work.run.apex, work.run.ports.capabilities, known=known):
        console.err(line)
    for edit in prepared.foreign:
        console.err((f"  Changed by somebody else since the last capture, and kept: {edit}", "changed"))
    for warning in prepared.warnings:
        console.err((f"  Warning: {warning}", "changed"))


def _show_undo_sheet(work: Work, prepared: Prepared) -> None:
    """Print what a person must do to go back, before the first write; it is kept beside the journal, too."""
    if prepared.undo_sheet:
        console, place = work.session.console, f".dnsrun/{work.domain}/sheets/{undo_folder(prepared.plan.phase)}"
        console.err(f"  To go back by hand (print this; it is kept as {place}/undo.txt):")
        for line in prepared.undo_sheet.splitlines():
            console.err(f"    {line}")


def _show_edits(work: Work, *, accepted: bool) -> None:
    """Show how the playbook was edited since the run began; raise `Refused` unless that is accepted (fault 57)."""
    run, playbook = work.run, work.run.playbook
    opened = run.state.opened
    if opened is None or opened.playbook == playbook.digest:
        return
    before, now = run.journal.get(opened.playbook).splitlines(), playbook.text.splitlines()
    for line in difflib.unified_diff(before, now, "when the run began", playbook.path, lineterm="", n=1):
        work.session.console.err((line, "changed" if line[:1] in "+-" else "plain"))
    if not accepted:
        raise Refused(
            f"{playbook.path} has been edited since this run began; nothing was changed. "
            "Look at `dnsrun plan`, then run again with --accept-changes"
        )


def _accept(session: Session, prepared: Prepared, wishes: Wishes) -> dict[str, str]:
    """Return the accepted risks with their reasons; ask for each on a terminal, never with one answer for all."""
    accepted = dict(wishes.accepted)
    for hazard in prepared.plan.hazards:
        if hazard.name in accepted or not session.console.is_interactive:
            continue
        session.console.err((f"Risk {hazard.name}: {hazard.text}", "changed"))
        reason = session.console.ask("Why is that acceptable? (empty: stop)")
        if not reason.strip():
            raise Refused(f"the risk {hazard.name} was not accepted; nothing was changed")
        accepted[hazard.name] = reason.strip()
    return accepted
