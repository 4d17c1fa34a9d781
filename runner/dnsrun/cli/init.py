"""`dnsrun init`: from a domain's name to a playbook, by asking servers; what they cannot tell becomes a question."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
from dns.name import Name

from dnsrun.errors import DnsrunError, Exit, PlaybookError, Refused, UsageError
from dnsrun.intake.discover import discover
from dnsrun.intake.findings import Findings, Server
from dnsrun.intake.questions import Question, questions
from dnsrun.intake.telling import mx_told, summary
from dnsrun.intake.words import Language, speaking
from dnsrun.intake.writer import playbook_text
from dnsrun.model.text import escape
from dnsrun.playbook.names import domain_name, shown
from dnsrun.playbook.problems import Wrong
from dnsrun.playbook.read import read_playbook
from dnsrun.playbook.unanswered import NOT_ANSWERED, is_open
from dnsrun.wiring.plugins import kinds
from dnsrun.wiring.project import PLAYBOOKS, playbook_files, state_name

from .session import Session, asking, common, pass_session
from .targets import domain_of


@dataclass(frozen=True, slots=True)
class Draft:
    """A playbook before it is written: what was found, in which language, on which day, and where it will lie."""

    findings: Findings
    language: Language
    today: date
    path: Path

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels that the provider `manual` knows."""
        known: tuple[str, ...] = tuple(kinds().providers["manual"].properties["panel"]["enum"])
        return known

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the client must be asked."""
        return questions(self.findings, self.panels, self.today, speaking(self.language))

    def text(self, answers: Mapping[str, str]) -> str:
        """Return the playbook with these answers."""
        return playbook_text(
            self.findings, language=self.language, panels=self.panels, today=self.today, answers=answers
        )

    def wrong(self, answers: Mapping[str, str]) -> tuple[str, ...]:
        """Return what a check says about the playbook with these answers, open questions aside."""
        try:
            read_playbook(self.text(answers), str(self.path), kinds(), today=self.today)
        except PlaybookError as err:
            said = (problem.text for problem in err.problems)
            return tuple(text for text in said if not text.startswith(NOT_ANSWERED))
        return ()


@click.command(name="init")
@click.argument("domain")
@click.option(
    "--lang", "language", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Of the playbook."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this new file.")
@asking
@common
@pass_session
def command(session: Session, domain: str, language: Language, output: Path | None) -> Exit:
    """Find out what servers tell about DOMAIN and write a playbook with questions for the rest. Changes no record.

    On a terminal the questions are asked one by one; Enter leaves one open. Nothing is overwritten.
    """
    apex = _domain(domain)
    folder = _folder(session)
    path = output or folder / PLAYBOOKS / f"{state_name(apex)}.yaml"
    _refuse_existing(session, apex, path)
    session.console.passing(f"{shown(apex)}: asking the servers")
    network, now = session.world.network, session.world.clock.now()
    findings = discover(network.net, network.roots, apex, now=now)
    draft = Draft(findings, language, now.astimezone().date(), path)
    if not session.as_json:
        _tell(session, draft)
    answers = _ask(session, draft) if session.console.is_interactive and not session.as_json else {}
    _write(path, draft.text(answers))
    _tell_what_is_next(session, draft, answers)
    return Exit.DONE


def _domain(word: str) -> Name:
    try:
        return domain_name(word).canonicalize()
    except Wrong as err:
        raise UsageError(str(err)) from err


def _folder(session: Session) -> Path:
    """Return the project folder; without one the current folder becomes it."""
    try:
        return session.project
    except UsageError:
        if session.given_project or session.environment.get("DNSRUN_PROJECT"):
            raise
    session.given_project = os.fspath(session.start.absolute())
    return session.project


def _refuse_existing(session: Session, apex: Name, path: Path) -> None:
    """Raise `UsageError` when the file is there, or another one of the project is about this domain."""
    if path.exists():
        raise UsageError(f"{escape(str(path))} is there already and stays as it is; name a new file with --output")
    for other in playbook_files(session.project):
        try:
            same = domain_of(session, other) == apex
        except DnsrunError:
            continue
        if same and other.parent == path.absolute().parent:
            raise UsageError(
                f"{escape(str(other))} is about {shown(apex)} already and stays as it is; "
                "name a file outside of that folder with --output"
            )


def _tell(session: Session, draft: Draft) -> None:
    session.console.out((shown(draft.findings.apex), "strong"))
    for line in (*summary(draft.findings, draft.language), *mx_told(draft.findings, speaking(draft.language))):
        session.console.out(f"  {line}")


def _ask(session: Session, draft: Draft) -> dict[str, str]:
    """Ask the questions one by one; whoever stops answering leaves the rest open."""
    session.console.err(speaking(draft.language)("leave_open"))
    answers: dict[str, str] = {}
    with suppress(Refused):
        for question in draft.questions:
            if answer := _answer(session, draft, question, answers):
                answers[question.key] = answer
    return answers


def _answer(session: Session, draft: Draft, question: Question, before: Mapping[str, str]) -> str:
    """Ask one question until the answer fits or is left open; a true answer that is bad news is kept."""
    console, say = session.console, speaking(draft.language)
    known = draft.wrong(before)
    while answer := console.ask(question.text).strip():
        if is_open(answer):
            break
        wrong = [why for why in draft.wrong({**before, question.key: answer}) if why not in known]
        is_kept = question.is_answered_by(answer)
        for why in wrong:
            console.err((say("kept" if is_kept else "wrong", why=why), "changed"))
        if is_kept or not wrong:
            return answer
    return ""


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as err:
        raise UsageError(f"{escape(str(path))} is there already and stays as it is; nothing was written") from err
    except OSError as err:
        raise UsageError(f"{escape(str(path))} cannot be written: {err.strerror}") from err


def _tell_what_is_next(session: Session, draft: Draft, answers: Mapping[str, str]) -> None:
    still_open = [question for question in draft.questions if question.key not in answers]
    if session.as_json:
        session.console.json(_as_data(draft, still_open))
        return
    console, say, path = session.console, speaking(draft.language), _shown(draft.path)
    if still_open:
        console.out((say("open", count=len(still_open)), "changed"))
        for question in still_open:
            console.out(f"  {question.text}")
    word = "next_open" if still_open else "next_done"
    console.out((say(word, path=path, domain=_plain(draft.findings.apex)), "strong"))


def _shown(path: Path) -> str:
    """Return the path as people would type it here."""
    here = Path().absolute()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _as_data(draft: Draft, still_open: list[Question]) -> dict[str, Any]:
    found = draft.findings
    return {
        "domain": _plain(found.apex),
        "file": str(draft.path),
        "parent": found.parent.apex.to_text(),
        "name_servers": sorted(name.to_text() for name in found.parent.delegation.ns),
        "servers": [_server_data(server) for server in (*found.servers, *found.beside)],
        "not_checked": [str(endpoint) for endpoint in found.not_checked],
        "primary": found.primary.to_text() if found.primary else None,
        "completeness": found.zone.completeness,
        "source": found.zone.source,
        "rrsets": len(found.zone.rrsets),
        "differences": list(found.differences),
        "unknown": [{"what": limit.word, **limit.facts} for limit in found.limits],
        "questions": [{"key": question.key, "text": question.text} for question in still_open],
    }


def _server_data(server: Server) -> dict[str, Any]:
    return {
        "server": str(server.endpoint),
        "serial": server.serial,
        "says": server.says or None,
        "transfer": server.serial is not None and not server.transfer,
    }


def _plain(name: Name) -> str:
    return name.to_text(omit_final_dot=True)
