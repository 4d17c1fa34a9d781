"""The demo as a script: ordinary commands in a folder, echoed, with a remark before each."""

from __future__ import annotations

import shutil
import signal
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
    "A client's web site moves to a new server, and the domain to new name servers. Mail stays.",
    "",
    "The registry, the old and the new DNS host, web servers, visitors and mail programs behind all kinds",
    "of caching resolvers are played on 127.0.0.1; nothing leaves this machine. What follows are ordinary",
    "commands in an ordinary folder, except that waits are jumped over: the caches and the people live",
    "through every second of them, and what they meet is counted.",
)
_MEANING = {
    Exit.REFUSED: "refused, nothing was changed",
    Exit.NOT_YET: "not yet",
    Exit.ROLLED_BACK: "rolled back and verified",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One command of the show, what is said before it, and the exit code with which it must end."""

    remark: tuple[str, ...]
    arguments: str
    ends_with: Exit = Exit.DONE


@dataclass(frozen=True, slots=True)
class Scene:
    """An act of the show."""

    title: str
    lines: tuple[Line, ...]


def script(ttl_s: int) -> tuple[Scene, ...]:
    """Return the show. Pure."""
    letting_go = f"{ttl_s // 60}m" if ttl_s % 60 == 0 else f"{ttl_s}s"
    return (
        Scene("ACT 1   By hand", _by_hand()),
        Scene("ACT 2   The web site moves", _web(letting_go)),
        Scene("ACT 3   The name servers move", _name_servers(letting_go)),
    )


def _by_hand() -> tuple[Line, ...]:
    return (
        Line(
            (
                "At the new DNS host somebody has typed what everybody can look up: A, MX, NS and TXT.",
                "The playbook says where everything is to go, in five phases.",
            ),
            "check",
        ),
        Line(
            ("Phase 4 switches the name servers. Why not now? Every record that one sees is there.",),
            "apply --phase 4 --yes",
            Exit.REFUSED,
        ),
        Line(
            (
                "Six are missing, and no dictionary has imap-k7 or s2026b._domainkey: public look-ups would never",
                "have shown them. dnsrun took the whole zone from the old host (zone transfer) and compared.",
                "By hand nobody compares. What would that have cost? Played on a copy of these servers, with a",
                "delegation that lives for a day, as under .jp (in this lab 10 minutes, to make the demo short):",
            ),
            "demo --by-hand",
        ),
    )


def _web(letting_go: str) -> tuple[Line, ...]:
    return (
        Line(("And now with dnsrun. What will happen, and when? This only reads.",), "plan"),
        Line(
            ("TTLs go down, so that caches will follow quickly, and the zone is copied: all of it.",),
            "apply --phase 1 --yes",
        ),
        Line(
            ("The web site next? Too early: caches may still hold what they were told before.",),
            "apply --phase 2 --yes",
            Exit.NOT_YET,
        ),
        Line(("So a day is jumped over.",), "demo --jump 25h"),
        Line(
            ("First accident: the new web server is fine when tested, and breaks down when visitors come.",),
            "apply --phase 2 --yes",
            Exit.ROLLED_BACK,
        ),
        Line(
            ("It went back by itself; nobody had to watch. Caches let go of the new address after its TTL.",),
            f"demo --jump {letting_go}",
        ),
        Line(("The web server is repaired ...",), "demo --repair"),
        Line(("... and the same command goes through.",), "apply --phase 2 --yes"),
        Line(("Phase 3 writes nothing. It watches until no cache holds the old address.",), "apply --phase 3 --yes"),
    )


def _name_servers(letting_go: str) -> tuple[Line, ...]:
    return (
        Line(("The second accident is arranged beforehand.",), "demo --meddle"),
        Line(
            (
                "All old and new name servers are asked for every name and type; only then the registry is told.",
                "Then somebody imports that file at the new host. For all who ask now, web site and mail are gone.",
            ),
            "apply --phase 4 --yes",
            Exit.ROLLED_BACK,
        ),
        Line(
            (
                "Most caches ask the NEW name servers for some time yet, whatever the registry says. So the right",
                "data went there at once, and the delegation back: whose cache keeps to TTLs is well after a record's.",
            ),
            f"demo --jump {letting_go}",
        ),
        Line(("For how long were people affected by both accidents? Every call was counted.",), "demo --visitors"),
        Line(
            ("Minutes, instead of a day in act 1. That file is locked away now; once more.",),
            "apply --phase 4 --yes",
        ),
        Line(("Nothing is closed while a cache could hold old records.",), "demo --jump 1h"),
        Line(("The last phase raises the TTLs again, and says what may be switched off.",), "apply --phase 5 --yes"),
    )


def play(session: Session, folder: Path | None, *, ttl_s: int) -> Exit:
    """Make a lab, play the show in it and say how to go on. Touches the disk; starts processes on loopback.

    Returns `Exit.BUG` when a command does not end as it must. Raises `UsageError` when the folder is not new.
    """
    place = _new_folder(folder)
    _furnish(place, ttl_s)
    console = session.console
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us in the background
    for text in _OPENING:
        console.out(_remark(text))
    console.out((f"$ cd {quote(str(place))}", "strong"))
    try:
        with _world(place):
            if not all(_play(session, place, scene) for scene in script(ttl_s)):
                return Exit.BUG
    except KeyboardInterrupt as err:
        raise Interrupted(f"interrupted; the demo's servers have ended, everything else is in {place}") from err
    _say_how_to_go_on(session, place, ttl_s)
    return Exit.DONE


def _play(session: Session, place: Path, scene: Scene) -> bool:
    session.console.out()
    session.console.out((f"# {scene.title}", "strong"))
    return all(_run(session, place, line) for line in scene.lines)


def _remark(text: str) -> tuple[str, Style]:
    return f"# {text}".rstrip(), "skipped"


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
    for text in line.remark:
        session.console.out(_remark(text))
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
    from .demo import USUAL_TTL_S

    other_s = 300 if ttl_s == USUAL_TTL_S else USUAL_TTL_S
    out = session.console.out
    out()
    out(_remark(f"These are counts of calls, no formulas: `dnsrun demo --ttl {other_s}` gives other numbers."))
    out(_remark("Playbook, journal, captures and zones stay in that folder. To look around:"))
    out(f"    cd {quote(str(place))}")
    out("    dnsrun report                        the whole story, in the words for the client")
    out("    dnsrun demo --world . &              the servers run again, until `kill %1`")
    out(_remark("To play it yourself: end them, `rm -r .dnsrun lab/*`, start them; each command above works again."))
    out(_remark("Act 1 with another lifetime of the delegation is then: dnsrun demo --by-hand --ns-ttl 6h"))
