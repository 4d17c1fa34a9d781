"""`dnsrun watch`: who serves what by now, until no honest cache can hold the old data; goes on with an open phase."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click

from dnsrun.engine.picture import Cell, Picture, Row, look_around
from dnsrun.engine.verify import verify_written
from dnsrun.errors import Exit, OutsideError, Refused, UsageError
from dnsrun.journal.fold import Active, Rounds
from dnsrun.model.changetext import relative
from dnsrun.model.plan import Check, Hold, Plan
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.text import shorten
from dnsrun.model.times import clock_time, duration, full_time, short_time
from dnsrun.report.opening import clean_at

from .batch import each
from .console import Part, Style
from .drive import Work, drive, open_work, tell_result
from .findings import summed_up
from .resume import is_open
from .session import Session, adopting, asking, common, pass_session
from .signals import Stopper, stopping
from .targets import Target, everything, named, state_of, stored_playbook

_STYLES: dict[str, Style] = {"new": "ok", "old": "changed", "neither": "failed", "silent": "skipped"}
_WORDS = {"new": "new", "old": "old", "neither": "NEITHER", "silent": "silent"}
_SERVER_WIDTH, _CELL_WIDTH, _MOST_COLUMNS, _MOST_ROWS = 40, 15, 4, 24
_GATES_EVERY = timedelta(seconds=60)
_FAILURES = 2


@click.command(name="watch")
@click.argument("domain", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option("--every", type=click.IntRange(5, 600), default=15, metavar="SECONDS", help="Between two looks (15).")
@click.option("--once", is_flag=True, help="Look once and end.")
@adopting
@asking
@common
@pass_session
def command(session: Session, domain: str | None, every: int, *, once: bool) -> Exit:
    """Show who serves what: every name server, the playbook's resolvers, and until when caches hold the old data.

    An open phase goes on meanwhile, and goes back by itself when a gate fails. After it the gates are asked again and
    again, without writing: exit 7 when one fails twice. Ends when no honest cache can hold what was there before.
    """
    target = named(session, (domain,))[0] if domain else _only(session)
    state = state_of(session, target)
    if not (is_open(state) or state.wrote()):
        session.console.out(f"{target.shown}: nothing was written, so there is nothing to watch")
        return Exit.DONE
    if once or session.as_json:
        return each(session, (target,), partial(_look_once, session))
    return each(session, (target,), partial(_watch, session, every=timedelta(seconds=every)))


def _only(session: Session) -> Target:
    """Return the one domain where something goes on, or was written."""
    found = [target for target in everything(session) if state_of(session, target).active]
    found = found or [target for target in everything(session) if state_of(session, target).wrote()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("nothing goes on here and nothing was written, so there is nothing to watch")
    raise UsageError("several domains can be watched; name one:\n" + "\n".join(f"  {one.shown}" for one in found))


def _look_once(session: Session, target: Target) -> Exit:
    work = open_work(session, stored_playbook(session, target))
    plan = _watched(work)
    seen = look_around(work.run, plan)
    if session.as_json:
        session.console.json(_as_data(work, plan, seen))
    else:
        for line in _lines(work, plan, seen):
            session.console.out(*line)
    return Exit.DONE


def _watch(session: Session, target: Target, *, every: timedelta) -> Exit:
    state = state_of(session, target)
    goes_on = is_open(state) and not (state.active and state.active.paused is not None)
    work = open_work(session, stored_playbook(session, target), writes=goes_on, has_begun=goes_on)
    plan = _watched(work)
    window = _Window(work, every)
    if not goes_on:
        return _look_on(work, plan, window)
    result = drive(work, shares=True, meanwhile=window.wait)
    tell_result(work, result, plan)
    return result.code


def _watched(work: Work) -> Plan:
    """Return the plan under way, else the newest one that wrote; raises `Refused` when all was taken back."""
    run = work.run
    if plan := run.active_plan():
        return plan
    if wrote := run.state.wrote():
        return run.plan(run.state.phase(wrote[0]).plan)
    raise Refused(f"{work.domain}: nothing that was written stands; nothing to watch")


class _Window:
    """Shows the picture while somebody waits: anew on a terminal, elsewhere a line when something has changed."""

    def __init__(self, work: Work, every: timedelta) -> None:
        self._work = work
        self._every = every
        self._seen: Picture | None = None
        self._said = ""

    def wait(self, stopper: Stopper, when: datetime) -> None:
        """Wait until then, looking around in between."""
        clock = self._work.run.ports.clock
        while True:
            now = clock.now()
            self._show(now)
            if when <= now:
                return
            stopper.wait(clock, min(when, now + self._every))

    def _show(self, now: datetime) -> None:
        """Show what was seen, looking anew where that is too old."""
        work, plan, console = self._work, _watched(self._work), self._work.session.console
        if self._seen is None or now >= self._seen.at + self._every:
            try:
                self._seen = look_around(work.run, plan)
            except OutsideError as err:
                console.passing(f"who serves what could not be asked: {err}")
                return
        if console.is_live:
            console.passing(*_lines(work, plan, self._seen))
            return
        said = "; ".join(_plain(self._seen, plan, work))
        if said != self._said:
            self._said = said
            console.err(f"{clock_time(self._seen.at)}  {said}")


def _look_on(work: Work, plan: Plan, window: _Window) -> Exit:
    """Ask the gates of what was written until caches are clean; nobody writes anything."""
    clock, domain = work.run.ports.clock, work.domain
    phase = work.run.state.phase(plan.phase)
    until = (phase.ended_at and clean_at(phase, plan)) or clock.now()
    if until <= clock.now():
        work.session.console.out(f"{domain}: no honest cache holds the old data since {full_time(until)}")
    failures: dict[str, int] = {}
    with stopping(work.session.console, "stopped; nothing was written") as stopper:
        while True:
            for one in verify_written(work.run):
                failed = one.verdict.outcome == "fail" and not one.gate.advisory
                failures[one.gate.name] = failures.get(one.gate.name, 0) + 1 if failed else 0
                if failures[one.gate.name] >= _FAILURES:
                    return _found(work, one.gate.name, one.verdict.because)
            if clock.now() >= until:
                work.session.console.out(f"{domain}: everything answers as it was written")
                return Exit.DONE
            window.wait(stopper, min(until, clock.now() + _GATES_EVERY))


def _found(work: Work, gate: str, because: str) -> Exit:
    console = work.session.console
    console.out((f"{work.domain}: {gate} fails: {summed_up(because)}", "failed"))
    console.out(f"The phase is over, so nothing goes back by itself: `dnsrun rollback {work.domain}` goes back.")
    return Exit.FINDINGS


def _lines(work: Work, plan: Plan, seen: Picture) -> Iterator[tuple[Part, ...]]:
    """Yield the picture: where it stands, a table, the gates."""
    apex, keys = work.run.apex, seen.keys[:_MOST_COLUMNS]
    yield (*_head(work, plan, seen.at),)
    heads = "".join(f"{_column(key, apex):<{_CELL_WIDTH}}" for key in keys)
    more = f"and {len(seen.keys) - len(keys)} more" if len(seen.keys) > len(keys) else ""
    yield (f"{'':<{_SERVER_WIDTH + 13}}{heads}{more}",)
    for row in seen.rows[:_MOST_ROWS]:
        yield (f"{row.kind:<12} {shorten(str(row.server), _SERVER_WIDTH - 1):<{_SERVER_WIDTH}}", *_cells(row, keys))
    if len(seen.rows) > _MOST_ROWS:
        yield (f"… and {len(seen.rows) - _MOST_ROWS} more servers",)
    if gates := "  ".join(_gates(work.run.state.active, plan)):
        yield (shorten(f"gates        {gates}"),)


def _head(work: Work, plan: Plan, now: datetime) -> Iterator[Part]:
    going = "going back" if plan.direction == "back" else f'phase {plan.phase} "{plan.phase_name}"'
    yield (f"{work.domain} · {going}", "strong")
    yield f" · {clock_time(now)}"
    active, phase = work.run.state.active, work.run.state.phase(plan.phase)
    due = [move.due.until for move in active.moves.values() if move.due and not move.done] if active else []
    if due and due[-1] > now:
        yield f" · goes on until {short_time(due[-1], now)}, in {duration((due[-1] - now).total_seconds())}"
    clean = clean_at(phase, plan) if phase.ended_at else None
    if clean and clean > now:
        left = duration((clean - now).total_seconds())
        yield f" · no honest cache holds the old data after {short_time(clean, now)}, in {left}"


def _column(key: RRsetKey, apex: Any) -> str:
    return shorten(f"{relative(key.owner, apex)} {key.rdtype.name}", _CELL_WIDTH - 2)


def _cells(row: Row, keys: tuple[RRsetKey, ...]) -> Iterator[Part]:
    for key in keys:
        cell = row.cells.get(key)
        yield (f"{_words(cell):<{_CELL_WIDTH}}", _STYLES[cell.told]) if cell else f"{'':<{_CELL_WIDTH}}"


def _words(cell: Cell) -> str:
    left = f", {duration(cell.ttl_s)}" if cell.ttl_s else ""
    return f"{_WORDS[cell.told]}{left}"


def _gates(active: Active | None, plan: Plan) -> Iterator[str]:
    """Yield the newest word of each gate of the moves under way."""
    for index, move in enumerate(plan.moves):
        known = active.move(index) if active else None
        if known is None or known.done or not isinstance(move, (Check, Hold)):
            continue
        for name, rounds in known.rounds.items():
            yield f"{name} {_gate_word(rounds)} ({clock_time(rounds.last_at)})"


def _gate_word(rounds: Rounds) -> str:
    return {"pass": "ok", "fail": "not yet" if rounds.last.not_yet else "FAILS"}.get(rounds.last.outcome, "not known")


def _plain(seen: Picture, plan: Plan, work: Work) -> Iterator[str]:
    """Yield what would be a table, as words without times: equal while nothing changes."""
    going = "going back" if plan.direction == "back" else f"phase {plan.phase}"
    yield f"{work.domain}, {going}"
    for row in seen.rows:
        told = sorted({_WORDS[cell.told] for cell in row.cells.values()})
        yield f"{row.kind} {row.server}: {' and '.join(told)}"


def _as_data(work: Work, plan: Plan, seen: Picture) -> dict[str, Any]:
    return {
        "domain": work.domain,
        "phase": plan.phase,
        "direction": plan.direction,
        "at": seen.at.isoformat().replace("+00:00", "Z"),
        "servers": [
            {
                "kind": row.kind,
                "name": row.server.name.to_text(omit_final_dot=True),
                "address": row.server.address,
                "told": {str(key): {"told": cell.told, "ttl": cell.ttl_s} for key, cell in row.cells.items()},
            }
            for row in seen.rows
        ],
    }
