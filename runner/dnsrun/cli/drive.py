"""Driving a run: advance, wait, ask a person, until it is over; and what it came to."""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dnsrun.engine.advance import Busy, DueAt, Ended, NeedsPerson, advance
from dnsrun.engine.run import Run
from dnsrun.engine.strays import strays
from dnsrun.errors import Exit, Lost, OutsideError, Refused, UsageError
from dnsrun.journal.fold import Outcome
from dnsrun.model.entry import PersonAnswered
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Phase, Playbook
from dnsrun.model.times import full_time, short_time
from dnsrun.playbook.defaults import phase_named
from dnsrun.ports.net import Rate
from dnsrun.wiring.runs import open_notifier, open_run

from .findings import listed
from .handing import switch_of
from .moved import moved
from .progress import Progress
from .session import Session
from .show import changed_things
from .signals import Stopper, stopping
from .stage import stage_words

if TYPE_CHECKING:
    from dnsrun.notify.notifier import Notifier

POLLED = timedelta(seconds=10)  # as long as telling may take: an incident is told between two looks at the parent
QUIET = timedelta(seconds=30)  # a wait that outlasts telling people (`notifier.WITHIN_S`): nothing comes later by it
PATIENCE = timedelta(seconds=30)  # a visit of cron waits this long for the next round; those of a watch are rarer
EXITS: dict[Outcome | None, Exit] = {
    None: Exit.DONE,
    "done": Exit.DONE,
    "rolled-back": Exit.ROLLED_BACK,
    "rollback-incomplete": Exit.ROLLBACK_INCOMPLETE,
    "refused": Exit.REFUSED,
    "paused": Exit.PAUSED,
}
Meanwhile = Callable[[Stopper, datetime], None]


@dataclass(slots=True)
class Work:
    """A run, and the listener that prints what happens in it."""

    session: Session
    run: Run
    progress: Progress
    notifier: Notifier | None = None
    asked_back: bool = False

    @property
    def polite(self) -> Rate:
        """How hard a server that is not ours is asked."""
        return self.session.world.polite

    @property
    def domain(self) -> str:
        """The domain without final dot."""
        return self.run.apex.to_text(omit_final_dot=True)


@dataclass(frozen=True, slots=True)
class Result:
    """What driving came to: the exit code, and the sentence."""

    code: Exit
    outcome: str
    because: str
    when: str | None = None


def cron_line(session: Session) -> str:
    """Return the line for crontab that goes on with everything that waits."""
    return f"*/5 * * * * cd {shlex.quote(str(session.project))} && dnsrun resume --all"


def open_work(
    session: Session,
    playbook: Playbook,
    *,
    writes: bool = False,
    allow_commands: bool = False,
    has_begun: bool = False,
) -> Work:
    """Return the run of a playbook with its listener. Touches the disk."""
    progress = Progress(session.console, playbook.domain, cron=cron_line(session))
    run = open_run(
        session.world,
        playbook,
        progress.tell,
        writes=writes,
        allow_commands=allow_commands,
        has_begun=has_begun,
        adopt=session.adopt,
    )
    return Work(session, run, progress, open_notifier(session.world, playbook) if writes else None)


def drive(work: Work, *, patient: bool = True, shares: bool = False, meanwhile: Meanwhile | None = None) -> Result:
    """Advance until it is over; not `patient`: only as long as there is something to do now.

    `shares`: another process may be at work already, and does what we asked for. `meanwhile` waits until a time (UTC)
    in its own way. Touches the network, the disk and the outside. Raises `Interrupted` after a signal.
    """
    wait = meanwhile or (lambda stopper, when: stopper.wait(work.run.ports.clock, when))
    domain = work.domain
    words = (
        f"interrupted; everything is in the journal. Go on with `dnsrun resume {domain}`, "
        f"or back with `dnsrun rollback {domain}`"
    )
    with stopping(work.session.console, words) as stopper:
        try:
            result = _loop(work, stopper, wait, patient=patient, began=shares)
        finally:
            work.progress.finish()
    return result


def _loop(work: Work, stopper: Stopper, wait: Meanwhile, *, patient: bool, began: bool) -> Result:
    run, clock = work.run, work.run.ports.clock
    while True:
        stopper.check()
        step = advance(run)
        match step:
            case Ended():
                return _ended(step)
            case Busy() if not began:
                return Result(Exit.PAUSED, "busy", step.because)
            case NeedsPerson():
                tell_people(work)
                if result := _person(work, step, stopper, wait, patient=patient):
                    return result
            case DueAt() | Busy():
                if not patient and step.when > clock.now() + PATIENCE:
                    until = full_time(step.when)
                    return Result(Exit.NOT_YET, "waiting", f"{step.because}; next at {until}", until)
                work.session.console.passing(step.because)
                if step.when > clock.now() + (POLLED if run.state.incidents else QUIET):
                    tell_people(work)
                wait(stopper, step.when)
        began = True


def tell_people(work: Work) -> None:
    """Tell whoever the playbook names what is new, and say whom that failed with. Never raises, never takes long."""
    for line in work.notifier.tell(work.run.ports.clock.now()) if work.notifier else ():
        work.session.console.err((line, "failed"))


def _ended(step: Ended) -> Result:
    return Result(EXITS[step.outcome], step.outcome or "nothing", step.because)


def _person(work: Work, step: NeedsPerson, stopper: Stopper, wait: Meanwhile, *, patient: bool) -> Result | None:
    """Show what is to be done; wait until it shows, or take the answer. Without a person here, say so and end."""
    console = work.session.console
    if not console.is_interactive:
        return _needs_person(work, step)
    if not step.question:
        console.passing(f"{step.unshown or 'looking whether it shows'}; Ctrl-C stops, `dnsrun resume` goes on")
        if not patient:
            return _needs_person(work, step)
        wait(stopper, step.when)
        return None
    work.progress.finish()
    for line in (*step.text.splitlines(), *filter(None, (step.unshown,))):
        console.err(line)
    try:
        said = stopper.ask("Is it done, or yes? [yes/no]").strip().casefold()
    except Refused:
        return _needs_person(work, step)
    if said in {"yes", "y", "done", "no", "n"}:
        answer(work.run, step.move, done=said in {"yes", "y", "done"})
    return None


def _needs_person(work: Work, step: NeedsPerson) -> Result:
    text = "\n\n".join(filter(None, (step.text, step.unshown)))
    return Result(_code_without_person(work.run), "needs-person", text)


def answer(run: Run, move: int, *, done: bool) -> None:
    """Journal a person's answer; somebody else's record in between is no hindrance."""
    while True:
        run.catch_up()
        try:
            run.append(PersonAnswered(move, "done" if done else "declined", user()))
        except Lost:
            continue
        return


def user() -> str:
    """Return who is at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def _code_without_person(run: Run) -> Exit:
    active = run.state.active
    if active is None:
        return Exit.PAUSED
    if active.planned.direction == "back":
        return Exit.ROLLBACK_INCOMPLETE
    return Exit.PAUSED if any(move.attempts for move in active.moves.values()) else Exit.REFUSED


def closing(work: Work, result: Result, plan: Plan | None) -> list[str]:
    """Return the last sentences: what it came to and what comes next."""
    domain = work.domain
    match result.outcome:
        case "rolled-back":
            return _after_rollback(work, result, plan)
        case "rollback-incomplete":
            return [
                f"The rollback is not complete: {result.because}.",
                f"Next: `dnsrun resume {domain}` tries again; `dnsrun status` lists what is left.",
            ]
        case "paused":
            return [
                *listed("Paused", result.because),
                f"Next: `dnsrun resume {domain}` goes on, `dnsrun rollback {domain}` goes back.",
            ]
        case "needs-person":
            return [
                *_instruction(work, result.because),
                f"Next: do it, then `dnsrun resume {domain}`; or `dnsrun rollback {domain}`.",
            ]
        case "refused":
            return _refused(result.because)
        case "busy" | "waiting":
            return [f"{domain}: {result.because}"]
        case "nothing":
            return [f"{domain}: nothing to do: {result.because}"]
    return _after_done(work, plan)


def _instruction(work: Work, text: str) -> list[str]:
    """Return what a person is to do; only how it begins where all of it was just printed."""
    known = work.progress.instructed
    first, *rest = f"A person is needed: {text}".splitlines()
    if not (known and rest and text.startswith(known)):
        return [first, *rest]
    return [f"{first} (see above)", *text.removeprefix(known).split("\n\n")[1:]]


def _refused(because: str) -> list[str]:
    end = "What visitors get was not changed."
    lines = listed("Refused", because)
    return [*lines, end] if len(lines) > 1 else [f"{lines[0]} {end}"]


def _after_rollback(work: Work, result: Result, plan: Plan | None) -> list[str]:
    lines = ["Rolled back and checked."]
    back = work.progress.back_changes
    now = work.run.ports.clock.now()
    if plan and plan.worst_recovery_s and work.progress.back_at:
        until = work.progress.back_at + timedelta(seconds=plan.worst_recovery_s)
        seen = "what the new name servers said" if switch_of(plan) else changed_things(back)
        lines[0] += f" Until {short_time(until, now)} some visitors may still see {seen}."
    lines[0] += f" Left as it is: {result.because}." if result.because else " Nothing else was touched."
    lines += [*_both_sides_after_rollback(work, now), *_strays(work, now)]
    if work.asked_back:
        return lines
    if plan and switch_of(plan):
        lines.append("Next: repair what failed, then run the same command again; it asks everything anew.")
        return lines
    thing = "the new server" if changed_things(back) == "the new server" else "what failed"
    lines.append(f"Next: repair {thing}, then run the same command again (no waiting needed).")
    return lines


def _strays(work: Work, now: datetime) -> list[str]:
    """Say where mail may lie that came while senders were led to the new server, and how much, where that is seen."""
    try:
        found = strays(work.run)
    except OutsideError:
        return []
    if found is None:
        return []
    period = f"Mail that came between {short_time(found.since, now)} and {short_time(found.until, now)}"
    there = f"may lie at {', '.join(found.addresses)}: have it copied from there afterwards."
    counted = (f"  {address}, counted now: {words}." for address, words in found.counts.items())
    return [f"{period}, when no honest cache leads there any more, {there}", *counted]


def _both_sides_after_rollback(work: Work, now: datetime) -> list[str]:
    """D4, D10: for whom it takes longer, and how long the new zone must stay."""
    known = moved(work.run.journal, work.run.state, work.run.playbook)
    if known is None or known.stage != "rolled back" or known.clean_at is None or known.clean_at <= now:
        return []
    lines = []
    if known.unknown_until and known.unknown_until > now:
        lines.append(
            f"A name that nobody knew of may be missing until {full_time(known.unknown_until)}, "
            "when no cache goes by the new name servers any more."
        )
    return [*lines, f"Leave the zone at {known.new} in place until {full_time(known.clean_at)}: caches still ask it."]


def _after_done(work: Work, plan: Plan | None) -> list[str]:
    known = moved(work.run.journal, work.run.state, work.run.playbook)
    if work.run.state.ended:
        thing = f"{known.old} may be switched off for this domain" if known else "the old server may be switched off"
        return [f"Done. The run is finished: rolling back is over, and {thing}."]
    number = plan.phase if plan else 0
    following = [phase for phase in work.run.playbook.phases if phase.number > number and phase.steps]
    lines = [f'Done: phase {number} "{plan.phase_name}".'] if plan else ["Done."]
    if known and plan and switch_of(plan):
        said = stage_words(known, work.run.ports.clock.now())
        lines.append(f"{said[0].upper()}{said[1:]}.")
    if following:
        word = _phase_word(work.run.playbook, following[0])
        command = f"dnsrun apply {work.domain} --phase {word}"
        lines.append(f'Next: `{command}` ("{following[0].name}"); it says when it may start.')
    return lines


def _phase_word(playbook: Playbook, phase: Phase) -> str:
    """Return how `--phase` takes a phase: by its number where that has its usual meaning, else by its name."""
    try:
        return str(phase_named(playbook, str(phase.number)).number)
    except UsageError:
        return shlex.quote(phase.name)


def tell_result(work: Work, result: Result, plan: Plan | None) -> None:
    """Print what it came to, and the recap; then tell whoever the playbook names."""
    _print_result(work, result, plan)
    tell_people(work)


def _print_result(work: Work, result: Result, plan: Plan | None) -> None:
    console, tally = work.session.console, work.progress.tally
    if work.session.as_json:
        numbers = asdict(tally)
        data: dict[str, Any] = {"domain": work.domain, "outcome": result.outcome, "because": result.because}
        console.json(data | {"phase": plan.phase if plan else None, "recap": numbers, "exit": int(result.code)})
        return
    for line in closing(work, result, plan):
        console.out(line)
    console.out(
        (work.domain, "ok" if result.code is Exit.DONE else "failed"),
        f"  ok={tally.ok} changed={tally.changed} failed={tally.failed} rolled-back={tally.rolled_back}",
    )
