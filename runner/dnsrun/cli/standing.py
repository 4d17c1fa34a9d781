"""Where one domain stands, folded from its journal. Reads the disk, asks nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dnsrun.errors import DnsrunError
from dnsrun.journal.fold import Active, RunState, fold_all
from dnsrun.model.codec import decode, encode
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Phase, Playbook
from dnsrun.model.window import Window
from dnsrun.ports.journal import Journal
from dnsrun.report.opening import clean_at, opens_at
from dnsrun.wiring.runs import reread
from dnsrun.wiring.world import World

from .findings import summed_up
from .incident import Misled
from .moved import moved
from .stage import Moved

_LATE = frozenset({"restore-ttl", "finish"})  # what waits until no cache asks the old name servers

Urgency = Literal["act", "runs", "idle"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one domain stands: a sentence, and what to type next.

    `until`: what goes on ends then. `caches_clean`: no honest cache holds the old records after it. `opens`: the next
    phase may start then, as far as the journal tells, and only while its `window` is open. All UTC. `move` is how far
    a zone is that moves, `incident` what the parent gave last though nobody planned it. `playbook` is the digest of
    the playbook that the run rests on; empty before it begins and after it ends.
    """

    urgency: Urgency
    says: str
    next: str = ""
    until: datetime | None = None
    caches_clean: datetime | None = None
    opens: datetime | None = None
    window: Window | None = None
    playbook: str = ""
    move: Moved | None = None
    incident: Misled | None = None


def standing_of(world: World, journal: Journal, domain: str) -> Standing:
    """Return where a domain stands; raises `JournalError`. Touches the disk."""
    state = fold_all(journal.read())
    if state.opened is None:
        return Standing("idle", "not begun", f"dnsrun plan {domain}")
    urgency, says, following = _says(state, domain)
    playbook = _playbook(world, journal, state)
    move = moved(journal, state, playbook) if playbook else None
    return Standing(
        urgency,
        says,
        following,
        until=_until(state.active) if state.active and urgency == "runs" else None,
        caches_clean=_caches_clean(journal, state),
        opens=_opens(playbook, state, move) if playbook and urgency == "idle" and following else None,
        window=_window(playbook, state) if playbook and urgency == "idle" and following else None,
        playbook="" if state.ended else state.opened.playbook,
        move=move,
        incident=_incident(state),
    )


def _incident(state: RunState) -> Misled | None:
    """Return the incident that goes on, else the one that caches hold longest. Pure."""
    found = state.incident or max(state.incidents, key=lambda each: each.forgotten_at or each.since, default=None)
    if found is None:
        return None
    last = found.last
    return Misled(found.since, found.until, found.forgotten_at, dict(last.served), last.servers, found.ttl_s)


def _playbook(world: World, journal: Journal, state: RunState) -> Playbook | None:
    try:
        return reread(world, journal.get(state.opened.playbook if state.opened else ""), "")
    except DnsrunError:
        return None


def _opens(playbook: Playbook, state: RunState, move: Moved | None) -> datetime | None:
    """Return when the next phase may start: T1 for records, D1 for what closes a move, as far as the journal tells."""
    left = _left(playbook, state)
    if left and move and move.stage == "switched" and any(step.kind in _LATE for step in left[0].steps):
        return move.clean_at
    return opens_at(playbook, state)


def _window(playbook: Playbook, state: RunState) -> Window | None:
    left = _left(playbook, state)
    return left[0].window if left else None


def _left(playbook: Playbook, state: RunState) -> list[Phase]:
    return [phase for phase in playbook.phases if phase.steps and state.phase(phase.number).outcome != "done"]


def _until(active: Active) -> datetime | None:
    due = [move.due.until for move in active.moves.values() if move.due and not move.done]
    return due[-1] if due else None


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
        return "act", f"{what} is paused: {summed_up(active.paused)}", f"{resume}, or dnsrun rollback {domain}"
    asked = [m.asked for m in active.moves.values() if m.asked and not m.done and not m.answer]
    if asked:
        return "act", f"{what} waits for {asked[0].operator}: {asked[0].text.splitlines()[0]}", resume
    due = [move.due for move in active.moves.values() if move.due and not move.done]
    if due:
        return "runs", f"{what} goes on: {due[-1].because}", resume
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
        says += f": {summed_up(phase.because)}"
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
    return clean_at(phase, plan)
