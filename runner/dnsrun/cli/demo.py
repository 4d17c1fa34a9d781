"""`dnsrun demo`: a migration and its automatic rollback on this machine, and the lab that it leaves behind."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta
from pathlib import Path
from shlex import quote
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from dnsrun.errors import Exit, UsageError
from dnsrun.model.times import duration, full_time

from . import demotold
from .session import Session, common, pass_session

if TYPE_CHECKING:
    from dnsrun.rehearse.lab import Lab
    from dnsrun.rehearse.world import World

LOWEST_TTL_S, HIGHEST_TTL_S, USUAL_TTL_S = 60, 900, 60
_LONGEST_JUMP_S = 31 * 86_400
_CACHES_KEEP_S = 86_400
_MODES = ("world", "jump", "visitors", "by_hand", "repair", "meddle")
_FOLDER = click.Path(file_okay=False, path_type=Path)


class Span(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4 only
    """A duration such as `25h`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds; fails with a sentence for anything else."""
        from dnsrun.playbook.problems import Wrong
        from dnsrun.playbook.values import duration as read

        if isinstance(value, int):
            return value
        try:
            seconds = read(str(value))
        except Wrong as err:
            self.fail(str(err), param, ctx)
        if seconds > _LONGEST_JUMP_S:
            self.fail("at most 31d at once", param, ctx)
        return seconds


@click.command()
@click.option("--folder", type=_FOLDER, help="Where to keep it all; must be new or empty. Else a temporary folder.")
@click.option(
    "--ttl",
    type=click.IntRange(LOWEST_TTL_S, HIGHEST_TTL_S),
    default=USUAL_TTL_S,
    show_default=True,
    help="The TTL in seconds that the demo's playbook lowers to; see how the counts change.",
)
@click.option("--world", type=_FOLDER, help="Play the servers and visitors of a demo's folder until Ctrl-C.")
@click.option("--jump", type=Span(), help="In a demo's folder: jump over some time, such as 25h.")
@click.option("--visitors", is_flag=True, help="In a demo's folder: say what its visitors have met so far.")
@click.option("--by-hand", is_flag=True, help="In a demo's folder: switch the name servers of a copy by hand; count.")
@click.option("--ns-ttl", type=Span(), help="With --by-hand: how long caches keep a delegation; else 24h.")
@click.option("--repair", is_flag=True, help="In a demo's folder: repair the new web server.")
@click.option("--meddle", is_flag=True, help="In a demo's folder: somebody spoils the new host after the next switch.")
@click.option("--until-eof", is_flag=True, hidden=True, help="With --world: end with the standard input.")
@common
@pass_session
def command(session: Session, /, **given: Any) -> Exit:
    """See a migration and its automatic rollback on this machine.

    Without options it plays a move of a web site and its name servers, in three acts, with two accidents. Servers
    and visitors are on 127.0.0.1; nothing leaves this machine. The options below go on in the folder that it leaves.
    """
    _require_sense(given)
    if given["world"]:
        return play_world(session, given["world"].absolute(), until_eof=given["until_eof"])
    if given["jump"] is not None:
        return jump(session, _lab(session), given["jump"])
    if given["visitors"]:
        return tell_visitors(session, _lab(session))
    if given["by_hand"]:
        return tell_by_hand(session, _lab(session), given["ns_ttl"])
    if given["repair"]:
        return repair(session, _lab(session))
    if given["meddle"]:
        return meddle(session, _lab(session))
    if session.as_json:
        raise UsageError("the demo is made for reading; --json goes with the options for its folder")
    from .demoscript import play

    return play(session, given["folder"], ttl_s=given["ttl"])


demo = command


def _require_sense(given: dict[str, Any]) -> None:
    asked = [mode for mode in _MODES if given[mode] not in (None, False)]
    if len(asked) > 1 or (asked and given["folder"]):
        raise UsageError(f"--{asked[0].replace('_', '-')} stands alone; run one after the other")
    if given["ns_ttl"] is not None and not given["by_hand"]:
        raise UsageError("--ns-ttl goes with --by-hand")
    if (given["ns_ttl"] or 0) > _CACHES_KEEP_S:
        raise UsageError("--ns-ttl is 24h at most: many caches keep nothing longer")


def _lab(session: Session) -> Lab:
    from dnsrun.rehearse.lab import open_lab

    lab = open_lab(session.project)
    if lab is None:
        raise UsageError(f"{session.project} is not the folder of a demo; `dnsrun demo` makes one and says where it is")
    return lab


def play_world(session: Session, folder: Path, *, until_eof: bool) -> Exit:
    """Play the servers and visitors of a lab until Ctrl-C, SIGTERM or, when asked, the end of the standard input."""
    from dnsrun.rehearse.world import World

    if not (folder / "lab").is_dir():
        raise UsageError(f"{folder} is not the folder of a demo; `dnsrun demo --folder {quote(str(folder))}` makes one")
    world = World(folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with world.running():
            session.console.out(f"The lab in {folder} is running: name servers, web servers, visitors. Ctrl-C ends it.")
            if until_eof:
                Thread(target=_end_with_stdin, args=(world,), daemon=True).start()
            world.wait()
    except KeyboardInterrupt:
        session.console.err("The lab has ended; start it again with the same command.")
    except OSError as err:
        raise UsageError(f"the lab in {folder} cannot run: {err}") from err
    return Exit.DONE


def _end_with_stdin(world: World) -> None:
    while sys.stdin.buffer.read(1024):
        continue
    world.end()


def jump(session: Session, lab: Lab, seconds: int) -> Exit:
    """Jump over some time, which visitors and caches live through second by second."""
    lab.clock.wait_until(lab.clock.now() + timedelta(seconds=seconds))
    now = lab.clock.now()
    if session.as_json:
        session.console.json({"now": now.isoformat(), "jumped_s": seconds})
    else:
        session.console.out(f"Jumped over {duration(seconds)}; it is {full_time(now)} in the lab.")
    return Exit.DONE


def repair(session: Session, lab: Lab) -> Exit:
    """Repair the new web server for good."""
    lab.tell("repair")
    if session.as_json:
        session.console.json({"repaired": True})
    else:
        session.console.out("The new web server is repaired; it serves any number of visitors from now on.")
    return Exit.DONE


def meddle(session: Session, lab: Lab) -> Exit:
    """Have somebody import an outdated zone at the new host, some time after the next switch to it."""
    lab.tell("meddle")
    if session.as_json:
        session.console.json({"meddles": True})
    else:
        session.console.out("Somebody has found last year's zone file, with other addresses for www and the mail host.")
        session.console.out("He will import it at the new host, as soon as every cache asks the new name servers.")
    return Exit.DONE


def tell_visitors(session: Session, lab: Lab) -> Exit:
    """Print what visitors and mail programs of a lab have met, as counted."""
    met = lab.tell("visits")
    if session.as_json:
        session.console.json({name: value for name, value in met.items() if name != "token"})
        return Exit.DONE
    for part in demotold.visits(met):
        session.console.out(part)
    return Exit.DONE


def tell_by_hand(session: Session, lab: Lab, ns_ttl_s: int | None) -> Exit:
    """Have the name servers switched by hand on a copy of the lab and print what its users met, as counted."""
    met = lab.tell("by-hand", **({"ns_ttl_s": str(ns_ttl_s)} if ns_ttl_s else {}))
    if session.as_json:
        session.console.json({name: value for name, value in met.items() if name != "token"})
        return Exit.DONE
    for part in demotold.by_hand(met):
        session.console.out(part)
    return Exit.DONE
