"""Making a report: the four chapters, and the one sentence that stands above them. Pure."""

from __future__ import annotations

import dns.name
from dns.exception import DNSException
from dns.name import Name

from dnsrun import __version__
from dnsrun.journal.fold import PhaseState

from . import incidents, prevention, procedure
from .causes import causes
from .source import RunOf, Source
from .timeline import timeline
from .value import Cause, Report
from .words import Discretion, discretion, sentence

NO_PLAYBOOK = (
    "The playbook of this run cannot be read by this version of dnsrun: its goal, and when phases open, are not told."
)


def report(source: Source, *, others: tuple[RunOf, ...] = ()) -> Report:
    """Return the report on a run. `others` are the journal's other runs, which are named only."""
    discreet = discretion((record for record in source.run.own), source.plans.values(), is_internal=source.is_internal)
    found = causes(source, discreet)
    ran = prevention.checks(source)
    last = source.run.records[-1]
    return Report(
        domain=source.opened.domain,
        unicode=unicode_of(source.apex),
        goal=source.playbook.goal if source.playbook else "",
        run=source.run.run,
        playbook=source.opened.playbook,
        version=source.opened.version,
        made_with=__version__,
        made_at=source.now,
        records=last.seq,
        as_of=last.at,
        result=sentence(_result(source, discreet, found) + incidents.going_on(source.state)),
        timeline=timeline(source, discreet),
        causes=found,
        checks=ran,
        safeguards=prevention.safeguards(source, found, ran),
        locks=prevention.locks(source),
        gaps=prevention.gaps(source, discreet),
        phases=procedure.phases(source, discreet),
        commands=procedure.commands(source),
        way_back=procedure.way_back(source, discreet),
        by_hand=procedure.by_hand(source, discreet, found),
        other_runs=tuple(run.run for run in others),
        unclear=() if source.playbook else (NO_PLAYBOOK,),
    )


def unicode_of(name: Name) -> str:
    """Return a domain in U-labels (RFC 5890), without final dot; empty when it has none or they cannot be read."""
    if not any(label.lower().startswith(b"xn--") for label in name.labels):
        return ""
    try:
        return name.to_unicode(omit_final_dot=True, idna_codec=dns.name.IDNA_2008_Practical)
    except (DNSException, UnicodeError):
        return ""


def _result(source: Source, discreet: Discretion, found: tuple[Cause, ...]) -> str:
    state = source.state
    if state.ended:
        finished = state.ended.outcome == "finished"
        return "the run is finished" if finished else "everything was taken back, and the run is closed"
    if state.going_back or state.asked_back or (state.active and state.active.planned.direction == "back"):
        left = [phase.because for phase in state.phases.values() if phase.outcome == "rollback-incomplete"]
        return discreet(f"the rollback is not complete{f': {left[-1]}' if left else ''}")
    if state.active:
        paused = state.active.paused
        words = source.phase_words(state.active.planned.phase)
        return discreet(f"{words} is paused: {paused}" if paused is not None else f"{words} is under way")
    return discreet(_idle(source, found))


def _idle(source: Source, found: tuple[Cause, ...]) -> str:
    over = {number: phase for number, phase in source.state.phases.items() if phase.ended_at}
    number = max(over, key=lambda each: (over[each].ended_at, each), default=None)
    if number is None:
        return "the run has begun; no phase is over yet"
    words, following = source.phase_words(number), procedure.next_phase(source)
    phase: PhaseState = over[number]
    if phase.outcome == "done":
        rest = f"next is {source.phase_words(following)}" if following is not None else "no phase is left"
        return f"{words} is done; {rest}"
    if phase.outcome == "refused":
        return f"{words} was refused, and what users get was not changed: {phase.because}"
    cause = next((each for each in reversed(found) if each.phase == number), None)
    left = f", except: {phase.because}" if phase.because else ""
    by = ", as a person asked" if cause and cause.came_from == "person" else " by dnsrun itself"
    why = f", because {cause.says}" if cause and cause.came_from in {"check", "call"} else ""
    return f"{words} was taken back{by}{why}. Its records are as they were before it{left}"
