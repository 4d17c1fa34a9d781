"""`dnsrun rehearse`: the whole migration on this machine, before anything real is touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dnsrun.errors import Exit, OutsideError, Refused, UsageError
from dnsrun.model.text import escape

from .console import Console
from .session import Session, asking, common, pass_session
from .targets import Target, named, playbook_of

if TYPE_CHECKING:
    from dnsrun.model.playbook import Playbook
    from dnsrun.rehearse.trial.drive import Script
    from dnsrun.rehearse.trial.setting import Captured, Setting, Wishes
    from dnsrun.rehearse.trial.summary import Summary
    from dnsrun.rehearse.trial.telling import Line

_MODES = ("by_hand", "drill", "faults", "all_faults")
_SETTABLE = ("old_ttl", "ns_ttl", "ds_ttl", "registrar_delay", "person_delay", "secondary_delay", "copy_delay")
_YES_OR_NO = {"yes": True, "no": False}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="rehearse")
@click.argument("playbook", required=False, metavar="[PLAYBOOK|DOMAIN]")
@click.option(
    "--zone", type=_FILE, metavar="FILE", help="The zone, from a file; else the newest capture, else as it is now."
)
@click.option(
    "--new-zone", type=_FILE, metavar="FILE", help="With --zone: what the host that the zone moves to holds already."
)
@click.option(
    "--set",
    "wishes",
    multiple=True,
    metavar="NAME=DURATION",
    help=f"What if: {', '.join(_SETTABLE)}; signed=yes or no: the parent has a DS.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="When users begin to ask.")
@click.option(
    "--start",
    metavar="TIME",
    help="When it begins, as 2026-12-01T09:00Z; else now. Same seed and start: same journal.",
)
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Keep the journal there."
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it as a page for a client, too.",
)
@click.option("--by-hand", is_flag=True, help="The same without dnsrun: typed from look-ups, then switched.")
@click.option("--drill", is_flag=True, help="Have every gate fail in turn; see how long recovery takes, and by hand.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="Have something go wrong; an unknown name lists all."
)
@click.option("--faults", "all_faults", type=click.Choice(["all"]), help="Every fault, one after the other.")
@asking
@common
@pass_session
def command(session: Session, /, playbook: str | None, **given: Any) -> Exit:
    """Play the whole migration on this machine and tell what users would meet, second by second.

    The playbook's own steps and gates run against servers on 127.0.0.1, with caching resolvers and users, and a clock
    that jumps over waits. Nothing real is written; the zone is read first, unless it was captured or is given.
    """
    _require_sense(given)
    target = _only(session, playbook)
    read = playbook_of(session, target)
    wishes, begins = _wishes(given["wishes"]), _begins(session, given["start"])
    setting = _setting(session, read, (given["zone"], given["new_zone"]), wishes, begins)
    trial = _Trial(session, setting, given["seed"])
    if given["html"]:
        _require_place(given["html"])  # before the work, not after it
    if given["drill"]:
        return _drill(trial, given["html"])
    if given["faults"] or given["all_faults"]:
        return _fault(trial, given["faults"])
    found = trial.play(_by_hand if given["by_hand"] else None, keep=given["keep"])
    code = _tell(session, found)
    if given["html"]:
        _write_page(given["html"], found)
    return code


rehearse = command


def _require_sense(given: dict[str, Any]) -> None:
    asked = [name for name in _MODES if given[name]]
    if len(asked) > 1 or (asked and given["keep"]):
        raise UsageError("--by-hand, --drill, --fault and --faults stand alone, and keep no journal")
    if given["html"] and set(asked) - {"by_hand", "drill"}:
        raise UsageError("--html shows one play, or drills; faults have no page. Leave one of them out")


def _only(session: Session, word: str | None) -> Target:
    targets = named(session, (word,) if word else ())
    if len(targets) != 1:
        listed = "\n".join(f"  {target.shown}" for target in targets)
        raise UsageError(f"which domain is to be rehearsed? Name it:\n{listed}" if targets else "there is no playbook")
    return targets[0]


def _wishes(given: tuple[str, ...]) -> Wishes:
    """Return what `--set` says; raises `UsageError`."""
    from dnsrun.playbook.problems import Wrong
    from dnsrun.playbook.values import duration
    from dnsrun.rehearse.trial.setting import Delays, Wishes

    told: dict[str, int] = {}
    signed = None
    for text in given:
        name, equals, value = text.partition("=")
        if name == "signed" and value in _YES_OR_NO:
            signed = _YES_OR_NO[value]
            continue
        if not equals or name not in _SETTABLE:
            known = ", ".join(_SETTABLE)
            raise UsageError(f"--set {escape(text)}: say NAME=DURATION, NAME one of {known}; or signed=yes, signed=no")
        try:
            told[name] = int(value) if value.isdigit() else duration(value)
        except Wrong as err:
            raise UsageError(f"--set {escape(name)}: {err}") from err
    usual = Delays()
    delays = Delays(
        secondary_s=told.get("secondary_delay", usual.secondary_s),
        copy_s=told.get("copy_delay"),
        registrar_s=told.get("registrar_delay", usual.registrar_s),
        person_s=told.get("person_delay", usual.person_s),
    )
    return Wishes(told.get("old_ttl"), told.get("ns_ttl"), delays, told.get("ds_ttl"), signed)


def _begins(session: Session, text: str | None) -> datetime:
    """Return when the rehearsal begins; raises `UsageError`."""
    if text is None:
        return session.world.clock.now().replace(microsecond=0)
    try:
        begins = datetime.fromisoformat(text)
    except ValueError as err:
        raise UsageError(f"--start {escape(text)}: give a time as 2026-12-01T09:00Z; nothing was rehearsed") from err
    return begins.astimezone(UTC) if begins.tzinfo else begins.replace(tzinfo=UTC)


def _setting(
    session: Session, playbook: Playbook, files: tuple[Path | None, Path | None], wishes: Wishes, begins: datetime
) -> Setting:
    from dnsrun.rehearse.trial.setting import set_scene

    return set_scene(playbook, _captured(session, playbook, *files), begins, wishes)


def _captured(session: Session, playbook: Playbook, zone: Path | None, new_zone: Path | None) -> Captured:
    """Return the zone: from the file, else the newest capture, else read now."""
    from dnsrun.wiring.rehearsing import captured_before, captured_in_file, captured_now
    from dnsrun.wiring.runs import open_run

    if new_zone is not None and (zone is None or playbook.zone.to is None):
        raise UsageError("--new-zone goes with --zone, for a zone that moves to another host")
    if zone is not None:
        return captured_in_file(zone, new_zone, playbook, session.world.clock.now())
    run = open_run(session.world, playbook, lambda _at, _event: None)
    if (captured := captured_before(run)) is not None:
        return captured
    session.console.passing("asking the servers")
    try:
        return captured_now(run)
    except OutsideError as err:
        words = f"{err}; nothing was rehearsed. Give the zone with --zone FILE where it cannot be read from here"
        raise OutsideError(words, retryable=err.retryable, certainty="not-applied") from err


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is played, once or many times."""

    session: Session
    setting: Setting
    seed: int

    def play(self, script: Callable[[Script], Script] | None = None, *, keep: Path | None = None) -> Summary:
        """Play it once; `script` says what is different from the usual. Touches the disk and loopback."""
        from dnsrun.gates.all import built_in
        from dnsrun.rehearse.trial.drive import Play, Script
        from dnsrun.rehearse.trial.summary import summary
        from dnsrun.wiring.rehearsing import open_cast

        cast = open_cast(self.session.world, self.setting.playbook)
        plain = Script(seed=self.seed)
        with tempfile.TemporaryDirectory(prefix="dnsrun-rehearsal-") as folder:
            place = keep or Path(folder) / self.setting.apex.to_text(omit_final_dot=True)
            if (place / "journal.jsonl").exists():
                raise UsageError(f"{escape(str(place))} holds a journal already; name a new folder")
            return summary(Play(self.setting, cast, built_in(), place, script(plain) if script else plain).act())


def _by_hand(plain: Script) -> Script:
    from dnsrun.rehearse.trial.byhand import switch_by_hand

    return replace(plain, instead=switch_by_hand)


def _drill(trial: _Trial, page: Path | None) -> Exit:
    from dnsrun.rehearse.trial.drillpage import as_drill_page
    from dnsrun.rehearse.trial.drills import Drilled, Rounds, drilled
    from dnsrun.rehearse.trial.tables import drill_lines, drills_as_data

    rounds, console = Rounds(), trial.session.console
    console.passing("playing it once, to see which gates are asked")
    trial.play(lambda plain: replace(plain, arrange=rounds.arrange))
    drills, found = rounds.drills(), list[Drilled]()
    for number, drill in enumerate(drills, 1):
        found += drilled([drill], trial.play, partial(_one_of, console, number, len(drills)))
    _show(trial.session, drills_as_data(found), drill_lines(found))
    if page:
        _write_text(page, as_drill_page(trial.setting.apex.to_text(omit_final_dot=True), found))
    return Exit.DONE if all(one.is_allowed for one in found) else Exit.FINDINGS


def _fault(trial: _Trial, names: tuple[str, ...]) -> Exit:
    from dnsrun.rehearse.trial.faults import faulted, faults
    from dnsrun.rehearse.trial.tables import fault_lines, faults_as_data

    known = faults()
    for name in names:
        if name not in known:
            listed = "\n".join(f"  {one.name:<20} {one.words}" for one in known.values())
            raise UsageError(f"--fault {escape(name)} is not known; known are:\n{listed}")
    console, chosen, found = trial.session.console, names or tuple(known), []
    console.passing("playing it once without a fault")
    last = trial.play().played.phases[-1:]
    if last and last[0].outcome not in {"done", "nothing"}:
        because = last[0].failed or last[0].because
        raise Refused(
            f"without any fault phase {last[0].number} ends {last[0].outcome}: {because}; no fault was played, for it "
            "would prove nothing. Look at the rehearsal without --fault first"
        )
    for number, name in enumerate(chosen, 1):
        _one_of(console, number, len(chosen), f"fault: {name}")
        found.append(faulted(known[name], trial.play))
    _show(trial.session, faults_as_data(found), fault_lines(found))
    return Exit.DONE if all(one.is_allowed for one in found) else Exit.FINDINGS


def _one_of(console: Console, number: int, many: int, text: str) -> None:
    """Say what is being played, also where a line that passes cannot be seen: all of it takes minutes."""
    (console.passing if console.is_live else console.err)(f"{number} of {many}: {text}")


def _show(session: Session, data: Any, lines: Iterable[Line]) -> None:
    if session.as_json:
        session.console.json(data)
        return
    for text, style in lines:
        session.console.out((text, style))


def _write_page(path: Path, found: Summary) -> None:
    from dnsrun.rehearse.trial.page import as_page

    _write_text(path, as_page(found))


def _require_place(path: Path) -> None:
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{escape(str(path))}: the page cannot be written there; nothing was rehearsed")


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise UsageError(f"{escape(str(path))}: the page cannot be written: {err.strerror}") from err


def _tell(session: Session, found: Summary) -> Exit:
    from dnsrun.rehearse.trial.summary import as_data
    from dnsrun.rehearse.trial.telling import lines

    _show(session, as_data(found), lines(found))
    played = found.played
    good = played.outcome in {"done", "nothing"} and played.ending != "between" and not found.honest_user_seconds
    return Exit.DONE if good else Exit.FINDINGS
