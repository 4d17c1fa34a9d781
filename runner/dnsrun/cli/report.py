"""`dnsrun report`: what happened, why, how it is kept from happening again, what comes next. From the journal alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from dnsrun.errors import DnsrunError, Exit, UsageError
from dnsrun.model.codec import decode
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import Playbook
from dnsrun.model.text import escape
from dnsrun.model.times import full_time
from dnsrun.model.zonetext import from_text
from dnsrun.ports.journal import Journal
from dnsrun.report.data import as_data
from dnsrun.report.make import report
from dnsrun.report.markdown import as_markdown
from dnsrun.report.source import RunOf, Source, plans_named, runs_of, zones_named
from dnsrun.report.text import as_text
from dnsrun.report.value import Report
from dnsrun.wiring.project import JOURNAL, state_folder
from dnsrun.wiring.runs import reread
from dnsrun.wiring.world import journal_of

from .batch import each
from .session import Session, common, pass_session
from .targets import Target, everything, named

Format = Literal["text", "markdown", "json"]


@click.command(name="report")
@click.argument("domain", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option(
    "--format", "format_", type=click.Choice(["text", "markdown", "json"]), help="How to write it; text unless said."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it to a file.")
@click.option("--run", "run_id", metavar="ID", help="An earlier run of this journal; its first characters will do.")
@click.option("--internal", is_flag=True, help="Name logins, paths, programs and hosts' error texts, too.")
@common
@pass_session
def command(
    session: Session,
    domain: str | None,
    format_: Format | None,
    output: Path | None,
    run_id: str | None,
    *,
    internal: bool,
) -> Exit:
    """Report on a run: what happened when, why, what keeps it from happening again, the procedure from here.

    Made for the meeting with the client, from the journal alone; asks nobody, changes nothing.
    """
    if session.as_json and format_ in {"text", "markdown"}:
        raise UsageError(f"--json and --format {format_} exclude each other")
    session.as_json = session.as_json or format_ == "json"
    target = named(session, (domain,))[0] if domain else _only(session)

    def tell(target: Target) -> Exit:
        made = _report(session, target, run_id, internal=internal)
        _give(session, made, "json" if session.as_json else format_ or "text", output)
        return Exit.DONE

    return each(session, (target,), tell)


def _only(session: Session) -> Target:
    """Return the one domain that has a journal."""
    targets = [target for target in everything(session) if _journal_path(session, target).exists()]
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise UsageError("no phase of any domain has begun here, so there is nothing to report")
    listed = "\n".join(f"  {target.shown}" for target in targets)
    raise UsageError(f"which domain? Name it:\n{listed}")


def _journal_path(session: Session, target: Target) -> Path:
    return state_folder(session.project, target.domain) / JOURNAL


def _report(session: Session, target: Target, run_id: str | None, *, internal: bool) -> Report:
    """Return the report on a run of a domain; raises `JournalError` when journal or captures cannot be trusted."""
    journal = journal_of(session.world, state_folder(session.project, target.domain))
    runs = runs_of(journal.read())
    if not runs:
        raise UsageError(f"{target.shown}: no phase has begun, so there is nothing to report")
    run = _chosen(target, runs, run_id)
    plans: dict[str, Plan] = {digest: decode(Plan, json.loads(journal.get(digest))) for digest in plans_named(run)}
    zones = {digest: from_text(journal.get(digest)) for digest in zones_named(run, plans.values())}
    now, playbook = session.world.clock.now(), _playbook(session, journal, run)
    source = Source(run, plans, playbook, now, is_internal=internal, zones=zones)
    return report(source, others=tuple(other for other in runs if other != run))


def _chosen(target: Target, runs: tuple[RunOf, ...], run_id: str | None) -> RunOf:
    if run_id is None:
        return runs[-1]
    found = [run for run in runs if run_id and run.run.startswith(run_id)]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(f"  {run.run}  begun {full_time(run.began)}" for run in runs)
    raise UsageError(
        f"{target.shown}: --run {escape(run_id)} means no run, or several; the journal's runs are:\n{listed}"
    )


def _playbook(session: Session, journal: Journal, run: RunOf) -> Playbook | None:
    """Return the playbook that the run rests on, None when this version of dnsrun cannot read it any more."""
    opened = Source(run, {}, None, run.began).opened
    text = journal.get(opened.playbook)
    try:
        return reread(session.world, text, opened.path)
    except DnsrunError:
        return None


def _give(session: Session, made: Report, format_: Format, output: Path | None) -> None:
    text = _text(session, made, format_)
    if output is None:
        if format_ == "json":
            session.console.json(as_data(made))
        else:
            for line in text.splitlines():
                session.console.out(line)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as err:
        raise UsageError(f"{escape(str(output))}: the report cannot be written: {err.strerror}") from err
    session.console.err(f"The report is in {output}.")


def _text(session: Session, made: Report, format_: Format) -> str:
    match format_:
        case "json":
            text = json.dumps(as_data(made), indent=2, ensure_ascii=True) + "\n"
        case "markdown":
            text = as_markdown(made)
        case "text":
            text = as_text(made)
    return session.redactor.redact(text)
