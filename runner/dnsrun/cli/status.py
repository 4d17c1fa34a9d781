"""`dnsrun status`: where every domain stands, from the journals alone; what needs a person comes first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import click

from dnsrun.errors import DnsrunError, Exit
from dnsrun.journal.fold import Active, RunState, fold_all
from dnsrun.model.codec import decode, encode
from dnsrun.model.plan import Plan
from dnsrun.plan.ttl import caches_clean_at
from dnsrun.ports.journal import Journal
from dnsrun.wiring.project import state_folder
from dnsrun.wiring.world import journal_of

from .console import Style
from .ending import tell_error
from .session import Session, common, pass_session
from .targets import Target, is_unchanged, named
from .times import full_time

Urgency = Literal["act", "runs", "idle"]
_ORDER: tuple[Urgency, ...] = ("act", "runs", "idle")
_STYLES: dict[Urgency, Style] = {"act": "failed", "runs": "changed", "idle": "ok"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one domain stands: a sentence, and what to type next."""

    domain: str
    urgency: Urgency
    says: str
    next: str = ""
    caches_clean: datetime | None = None
    edited: bool = False


@click.command(name="status")
@click.argument("domains", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@common
@pass_session
def command(session: Session, domains: tuple[str, ...]) -> Exit:
    """Say where every domain stands; first what you must do. Reads the journals only, asks nobody."""
    found: list[Standing] = []
    codes: list[Exit] = []
    for target in named(session, domains):
        try:
            found.append(_standing(session, target))
        except DnsrunError as err:
            codes.append(tell_error(session, err, of=target.shown))
    found.sort(key=lambda standing: _ORDER.index(standing.urgency))
    if session.as_json:
        session.console.json([_as_data(standing) for standing in found])
    else:
        _show(session, found)
    codes += [Exit.FINDINGS for standing in found if standing.urgency == "act"]
    return Exit.worst(codes)


def _show(session: Session, found: list[Standing]) -> None:
    console = session.console
    if not found:
        console.out("no playbook and no journal here; begin with: dnsrun schema --example web-move")
    width = max((len(standing.domain) for standing in found), default=0)
    for standing in found:
        must = "you must act: " if standing.urgency == "act" else ""
        says = must + standing.says
        console.out((f"{standing.domain:<{width}}", _STYLES[standing.urgency]), f"  {says}")
        if standing.next:
            console.out(f"{'':<{width}}  next: {standing.next}")
        if standing.caches_clean:
            console.out(f"{'':<{width}}  no cache holds the old records after {full_time(standing.caches_clean)}")
        if standing.edited:
            console.out((f"{'':<{width}}  the playbook was edited since the run began", "changed"))


def _as_data(standing: Standing) -> dict[str, Any]:
    return {
        "domain": standing.domain,
        "urgency": standing.urgency,
        "says": standing.says,
        "next": standing.next,
        "caches_clean": encode(standing.caches_clean),
        "edited": standing.edited,
    }


def _standing(session: Session, target: Target) -> Standing:
    journal = journal_of(session.world, state_folder(session.project, target.domain))
    state = fold_all(journal.read())
    domain = target.shown
    if state.opened is None:
        return Standing(domain, "idle", "not begun", f"dnsrun plan {domain}")
    urgency, says, following = _says(state, domain)
    edited = target.path is not None and not is_unchanged(target.path, state.opened.playbook)
    clean = _caches_clean(journal, state)
    clean = clean if clean and clean > session.world.clock.now() else None
    return Standing(domain, urgency, says, following, clean, edited and not state.ended)


def _says(state: RunState, domain: str) -> tuple[Urgency, str, str]:
    """Return the urgency, the sentence and the next command. Pure."""
    resume = f"dnsrun resume {domain}"
    if state.ended:
        return "idle", "finished" if state.ended.outcome == "finished" else "rolled back, closed", ""
    incomplete = [phase for phase in state.phases.values() if phase.outcome == "rollback-incomplete"]
    if state.going_back and state.active is None and incomplete:
        return "act", f"the rollback is not complete: {incomplete[-1].because}", resume
    if state.asked_back or (state.going_back and state.active is None):
        return "act", "a rollback has been asked for and is not done", resume
    if state.active:
        return _says_open(state, state.active, resume, domain)
    return _says_idle(state, domain)


def _says_open(state: RunState, active: Active, resume: str, domain: str) -> tuple[Urgency, str, str]:
    what = phase_words(state, active.planned.phase)
    if active.planned.direction == "back":
        what = f"rolling back {what}"
    if active.paused is not None:
        return "act", f"{what} is paused: {active.paused}", f"{resume}, or dnsrun rollback {domain}"
    asked = [m.asked for m in active.moves.values() if m.asked and not m.done and not m.answer]
    if asked:
        return "act", f"{what} waits for {asked[0].operator}: {asked[0].text.splitlines()[0]}", resume
    due = [move.due for move in active.moves.values() if move.due and not move.done]
    if due:
        return "runs", f"{what} goes on until {full_time(due[-1].until)} ({due[-1].because})", resume
    return "runs", f"{what} is open", resume


def _says_idle(state: RunState, domain: str) -> tuple[Urgency, str, str]:
    numbers = [number for number, _ in state.opened.phases] if state.opened else []
    over = {number: phase for number, phase in state.phases.items() if phase.ended_at}
    last = max(over, key=lambda number: encode(over[number].ended_at), default=None)
    if last is None:
        return "idle", "begun; no phase is over yet", f"dnsrun plan {domain}"
    phase = over[last]
    words = {"done": "done", "rolled-back": "rolled back", "refused": "refused", "paused": "paused"}
    says = f"{phase_words(state, last)} {words.get(phase.outcome or '', phase.outcome or '')}"
    if phase.outcome != "done" and phase.because:
        says += f": {phase.because}"
    following = next((number for number in numbers if state.phase(number).outcome != "done"), None)
    return "idle", says, f"dnsrun apply {domain} --phase next" if following is not None else ""


def phase_words(state: RunState, number: int) -> str:
    """Return a phase as people say it, such as `phase 2 "switch A"`. Pure."""
    names = dict(state.opened.phases) if state.opened else {}
    return f'phase {number} "{names[number]}"' if number in names else f"phase {number}"


def _caches_clean(journal: Journal, state: RunState) -> datetime | None:
    """Return when no honest cache holds what the newest phase replaced (T5); None when no data was replaced."""
    wrote = state.wrote()
    phase = state.phase(wrote[0]) if wrote else None
    if phase is None or phase.ended_at is None:
        return None
    plan: Plan = decode(Plan, json.loads(journal.get(phase.plan)))
    ttls = [change.before.ttl_s for change in plan.changes() if change.before and not change.ttl_only]
    return caches_clean_at(phase.ended_at, ttls) if ttls else None
