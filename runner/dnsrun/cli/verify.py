"""`dnsrun verify`: gates only. What was written must still show; what comes next must be ready. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from dnsrun.engine.verify import Verified, verify_next, verify_written
from dnsrun.errors import Exit

from .apply import prepare_next
from .batch import each
from .console import Style
from .drive import Work, open_work
from .findings import LONGEST, fitted, parts_of
from .session import Session, asking, common, pass_session
from .targets import Target, named, playbook_of

_STYLES: dict[str, Style] = {"pass": "ok", "fail": "failed", "unknown": "changed"}
_WORDS = {"pass": "ok", "fail": "failed", "unknown": "not known"}


@click.command(name="verify")
@click.argument("playbooks", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@asking
@common
@pass_session
def command(session: Session, playbooks: tuple[str, ...]) -> Exit:
    """Run the gates only: of what was written, and of the next phase before it runs. Writes nothing.

    Exit 7 when something that was written no longer passes, 6 when the next phase is not ready.
    """
    return each(session, named(session, playbooks), lambda target: _verify(session, target))


def _verify(session: Session, target: Target) -> Exit:
    work = open_work(session, playbook_of(session, target))
    found = []
    for one in _gates(work):
        found.append(one)
        if not session.as_json:
            _tell(work, one)
    if session.as_json:
        session.console.json({"domain": work.domain, "gates": [_as_data(one) for one in found]})
    elif not found:
        session.console.out(f"{work.domain}: no gate to ask: nothing was written, and the next phase has none")
    return Exit.worst([_code(one) for one in found])


def _gates(work: Work) -> Iterator[Verified]:
    work.session.console.passing(f"{work.domain}: asking")
    yield from verify_written(work.run)
    state = work.run.state
    if not (state.active or state.going_back or state.ended):
        yield from verify_next(work.run, prepare_next(work.run)[1])


def _code(one: Verified) -> Exit:
    if one.verdict.outcome == "pass" or one.gate.advisory or one.gate.kind == "confirm":
        return Exit.DONE
    return Exit.FINDINGS if one.side == "current" else Exit.PAUSED


def _tell(work: Work, one: Verified) -> None:
    console = work.session.console
    outcome = one.verdict.outcome
    side = f"phase {one.phase}" if one.side == "current" else f"phase {one.phase}, before it runs"
    findings = parts_of(one.verdict.because)
    said = f": {findings[0]}" if len(findings) == 1 else ""
    console.out(f"{work.domain}  {one.gate.name} ({side}){said}  ", (_WORDS[outcome], _STYLES[outcome]))
    for line in (line for finding in findings if not said for line in fitted(finding, LONGEST)):
        console.out(f"  {line}")
    for warning in (*one.verdict.warnings, *(f"not checked: {what}" for what in one.verdict.not_checked)):
        console.out((f"  {warning}", "skipped"))


def _as_data(one: Verified) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "phase": one.phase,
        "gate": one.gate.name,
        "side": one.side,
        "outcome": verdict.outcome,
        "because": verdict.because,
        "warnings": list(verdict.warnings),
        "not_checked": list(verdict.not_checked),
    }
