"""`dnsrun check`: everything that is wrong with playbooks, and with `--network` whether this machine can judge."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from dnsrun.clock import now_utc
from dnsrun.errors import Exit, PlaybookError, Problem, UsageError
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import load_playbook
from dnsrun.wiring.plugins import kinds
from dnsrun.wiring.project import playbook_files

from .ending import tell_error
from .session import Session, common, pass_session
from .targets import named


@click.command(name="check")
@click.argument("playbooks", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@click.option("--network", is_flag=True, help="Also check that this machine's network lets dnsrun judge at all.")
@common
@pass_session
def command(session: Session, playbooks: tuple[str, ...], *, network: bool) -> Exit:
    """Read playbooks and say everything that is wrong with them, as file:line:column. Asks nobody.

    --network asks: the root servers, a silent address, the mail ports, IPv6, and whoever is to be told (notify).
    """
    files = _files(session, playbooks)
    codes = [_check(session, path) for path in files]
    if network:
        from .network import check_network

        codes.append(check_network(session, files))
    elif not files:
        raise UsageError("this project has no playbook yet; begin with: dnsrun init DOMAIN")
    return Exit.worst(codes)


def _files(session: Session, words: tuple[str, ...]) -> list[Path]:
    """Return the files that are meant; a file that cannot be read is no reason not to check it."""
    if not words:
        return [_shown(path) for path in playbook_files(session.project)]
    files = []
    for word in words:
        path = Path(word)
        if path.is_file() or word.endswith((".yaml", ".yml")):
            session.start = path.absolute().parent
            files.append(path)
        else:
            files += [target.path for target in named(session, (word,)) if target.path]
    return files


def _shown(path: Path) -> Path:
    """Return the path as people would type it here."""
    here = Path().absolute()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _now(session: Session) -> datetime:
    """Return the time; a file outside of any project folder can be checked, too."""
    try:
        return session.world.clock.now()
    except UsageError:
        return now_utc()


def _refuse_never_open(playbook: Playbook, now: datetime) -> None:
    """Raise `PlaybookError` for windows that do not open within a year.

    Not a rule of the reader: a playbook that was fine when its run began is read again to go back.
    """
    problems = [
        Problem(
            playbook.path,
            phase.mark.line,
            phase.mark.column,
            f'phase {phase.number} "{phase.name}" can never start: its window ({phase.window}) does not open within a '
            "year; look at its freezes",
        )
        for phase in playbook.phases
        if phase.window and phase.window.opens(now) is None
    ]
    if problems:
        raise PlaybookError(problems)


def _webhooks(session: Session, playbook: Playbook) -> list[str]:
    """Return which webhooks cannot be looked at here, since their URLs are secrets of another place.

    Raises `PlaybookError` for those that must not be told. Touches the disk.
    """
    from dnsrun.wiring.runs import webhook_flaws

    problems, unseen = [], []
    try:
        found = webhook_flaws(session.world, playbook) if playbook.notify else []
    except UsageError:  # no project folder, so no secrets
        return []
    for spec, flaw, why_unseen in found:
        if flaw:
            mark = spec.mark
            problems.append(Problem(playbook.path, mark.line, mark.column, f"{spec} {flaw}"))
        elif why_unseen:
            unseen.append(f"{spec.mark}: the host of {spec} is not checked: {why_unseen}")
    if problems:
        raise PlaybookError(problems)
    return unseen


def _check(session: Session, path: Path) -> Exit:
    now = _now(session)
    try:
        playbook = load_playbook(path, kinds(), today=now.astimezone().date())
        _refuse_never_open(playbook, now)
        unseen = _webhooks(session, playbook)
    except (PlaybookError, UsageError) as err:
        return tell_error(session, err)
    domain = playbook.domain.to_text(omit_final_dot=True)
    if session.as_json:
        data = {"file": str(path), "domain": domain, "warnings": [*playbook.warnings, *unseen], "problems": []}
        session.console.json(data)
        return Exit.DONE
    for warning in (*playbook.warnings, *unseen):
        session.console.err((f"warning: {warning}", "changed"))
    session.console.out((f"{path}: ", "plain"), ("fine", "ok"), f" ({domain}, {len(playbook.phases)} phases)")
    return Exit.DONE
