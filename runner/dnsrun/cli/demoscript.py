"""The demo as a script: ordinary commands in a folder, echoed, with a remark before each."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dnsrun.errors import Exit, UsageError

from .console import Style
from .ending import Interrupted
from .session import LAB_IS_KNOWN, Session

_WORLD_ENDS_WITHIN_S = 10.0
_OPENING = (
    "Name servers, web servers, a caching resolver and visitors run on 127.0.0.1 for this demo; nothing leaves",
    "this machine. What follows are ordinary commands in an ordinary folder, except that waits are jumped over:",
    "caches and visitors live through every second of them.",
)
_MEANING = {
    Exit.NOT_YET: "not yet",
    Exit.ROLLED_BACK: "rolled back and verified",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One command of the show, what is said before it, and the exit code with which it must end."""

    remark: str
    arguments: str
    ends_with: Exit = Exit.DONE


def script(ttl_s: int) -> tuple[Line, ...]:
    """Return the show. Pure."""
    letting_go = f"{ttl_s // 60}m" if ttl_s % 60 == 0 else f"{ttl_s}s"
    return (
        Line("The playbook moves www to a new server, 203.0.113.20, and leaves the mail alone.", "check"),
        Line("What would happen, and when? This only reads.", "plan"),
        Line("First the TTLs, so that caches will follow quickly.", "apply --phase 1 --yes"),
        Line(
            "Now the switch? Too early: caches may still hold what they were told before.",
            "apply --phase 2 --yes",
            Exit.NOT_YET,
        ),
        Line("So a day is jumped over.", "demo --jump 25h"),
        Line(
            "The new server is fine when it is tested, and breaks down when visitors come. Nobody is watching.",
            "apply --phase 2 --yes",
            Exit.ROLLED_BACK,
        ),
        Line("It went back by itself.", "status"),
        Line(
            "A cache that holds the new address keeps it until its TTL is over. That is jumped over, too.",
            f"demo --jump {letting_go}",
        ),
        Line("How long did visitors suffer? Their visits were counted.", "demo --visitors"),
    )


def play(session: Session, folder: Path | None, *, ttl_s: int) -> Exit:
    """Make a lab, play the show in it and say how to go on. Touches the disk; starts processes on loopback.

    Returns `Exit.BUG` when a command does not end as it must. Raises `UsageError` when the folder is not new.
    """
    place = _new_folder(folder)
    _furnish(place, ttl_s)
    console = session.console
    for text in _OPENING:
        console.out(_remark(text))
    console.out((f"$ cd {quote(str(place))}", "strong"))
    try:
        with _world(place):
            if not all(_run(session, place, line) for line in script(ttl_s)):
                return Exit.BUG
    except KeyboardInterrupt as err:
        raise Interrupted(f"interrupted; the demo's servers have ended, everything else is in {place}") from err
    _say_how_to_go_on(session, place, ttl_s)
    return Exit.DONE


def _remark(text: str) -> tuple[str, Style]:
    return f"# {text}", "skipped"


def _new_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="dnsrun-demo-")).resolve()
    place = folder.absolute()
    if place.exists() and any(place.iterdir()):
        raise UsageError(f"{place} is not empty; nothing was changed. Name a new folder")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def _furnish(place: Path, ttl_s: int) -> None:
    from dnsrun.rehearse.scenery import DOMAIN, playbook_text

    (place / "lab").mkdir(mode=0o700)
    (place / "playbooks").mkdir()
    (place / "playbooks" / f"{DOMAIN}.yaml").write_text(playbook_text(ttl_s), encoding="utf-8")


def _run(session: Session, place: Path, line: Line) -> bool:
    """Say, echo and run one command; return whether it ended as it must, and say so when it did not."""
    session.console.out()
    session.console.out(_remark(line.remark))
    session.console.out((f"$ dnsrun {line.arguments}", "strong"))
    done = subprocess.run(  # noqa: S603 - our own command
        [*_dnsrun(), *line.arguments.split()],
        cwd=place,
        env=_environment(session),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != line.ends_with:
        text = f"The demo ends here: that was exit code {done.returncode}, not {int(line.ends_with)}."
        session.console.err((text, "failed"))
        session.console.err(f"Please report it with what is in {place}")
        return False
    if line.ends_with in _MEANING:
        session.console.out(_remark(f"exit code {int(line.ends_with)}: {_MEANING[line.ends_with]}"))
    return True


def _dnsrun() -> tuple[str, ...]:
    """Return how to call this very dnsrun: the command beside the interpreter, whatever else is on the PATH."""
    command = shutil.which("dnsrun", path=str(Path(sys.executable).parent))
    return (command,) if command else (sys.executable, "-c", "from dnsrun.cli.main import main; main()")


def _environment(session: Session) -> dict[str, str]:
    """Return the environment without what would lead the commands to another project.

    That the folder is a lab has been said: the commands need not say it each time.
    """
    kept = {name: value for name, value in session.environment.items() if name != "DNSRUN_PROJECT"}
    return {**kept, LAB_IS_KNOWN: "1"}


@contextmanager
def _world(place: Path) -> Iterator[None]:
    """Run the lab's world beside the block; it ends with it, and with us, however we end."""
    world = subprocess.Popen(  # noqa: S603 - our own command
        [*_dnsrun(), "demo", "--world", str(place), "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the commands; the world ends when its standard input does
    )
    try:
        if not (world.stdout and world.stdout.readline()):
            raise UsageError("the demo's servers do not start on 127.0.0.1; see above")
        yield
    finally:
        try:
            world.communicate(timeout=_WORLD_ENDS_WITHIN_S)  # closes its standard input
        except subprocess.TimeoutExpired:
            world.kill()
            world.communicate()


def _say_how_to_go_on(session: Session, place: Path, ttl_s: int) -> None:
    from .demo import LOWEST_TTL_S

    other_s = LOWEST_TTL_S if ttl_s != LOWEST_TTL_S else 600
    out = session.console.out
    out()
    out(_remark(f"That is a count of visits, no formula: `dnsrun demo --ttl {other_s}` counts another one."))
    out(_remark("Playbook, journal, captures and zone stay in that folder. To go on there, or to repeat a command:"))
    out(f"    cd {quote(str(place))}")
    out("    dnsrun demo --world . &            the servers run again, until `kill %1`")
    out("    dnsrun demo --repair               the new server is repaired")
    out("    dnsrun apply --phase 2 --yes       and the switch succeeds")
