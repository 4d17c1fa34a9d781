"""`dnsrun demo`: a migration and its automatic rollback on this machine, and the lab that it leaves behind."""

from __future__ import annotations

import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from dnsrun.errors import Exit, UsageError
from dnsrun.model.times import duration, full_time

from .session import Session, common, pass_session

if TYPE_CHECKING:
    from dnsrun.rehearse.lab import Lab
    from dnsrun.rehearse.world import World

LOWEST_TTL_S, HIGHEST_TTL_S = 60, 1800
_LONGEST_JUMP_S = 31 * 86_400
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
    default=600,
    show_default=True,
    help="The TTL in seconds that the demo's playbook lowers to; see how the count changes.",
)
@click.option("--world", type=_FOLDER, help="Play the servers and visitors of a demo's folder until Ctrl-C.")
@click.option("--jump", type=Span(), help="In a demo's folder: jump over some time, such as 25h.")
@click.option("--visitors", is_flag=True, help="In a demo's folder: say what its visitors have met so far.")
@click.option("--repair", is_flag=True, help="In a demo's folder: repair the new web server.")
@click.option("--until-eof", is_flag=True, hidden=True, help="With --world: end with the standard input.")
@common
@pass_session
def command(session: Session, /, **given: Any) -> Exit:
    """See a migration and its automatic rollback on this machine.

    Without options it plays a move of a web site to a server that breaks down under its visitors. Servers and
    visitors are on 127.0.0.1; nothing leaves this machine. The options below go on in the folder that it leaves.
    """
    asked = [mode for mode in ("world", "jump", "visitors", "repair") if given[mode] not in (None, False)]
    if len(asked) > 1 or (asked and given["folder"]):
        raise UsageError(f"--{asked[0]} stands alone; run one after the other")
    if given["world"]:
        return play_world(session, given["world"].absolute(), until_eof=given["until_eof"])
    if given["jump"] is not None:
        return jump(session, _lab(session), given["jump"])
    if given["visitors"]:
        return tell_visitors(session, _lab(session))
    if given["repair"]:
        return repair(session, _lab(session))
    if session.as_json:
        raise UsageError("the demo is made for reading; --json goes with --jump, --visitors and --repair")
    from .demoscript import play

    return play(session, given["folder"], ttl_s=given["ttl"])


demo = command


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


def tell_visitors(session: Session, lab: Lab) -> Exit:
    """Print what the visitors of a lab have met, as counted."""
    met = lab.tell("visits")
    if session.as_json:
        session.console.json({name: value for name, value in met.items() if name != "token"})
        return Exit.DONE
    since = full_time(datetime.fromisoformat(met["since"]))
    session.console.out(
        f"Visitors opened http://{met['host']}/ once in every second since {since}: {met['visits']:,} visits,"
    )
    session.console.out("each at the address that one caching resolver gave them.")
    for outage in met["outages"]:
        session.console.out(_outage(outage))
    total = f"{met['broken']:,} visits failed: {exact(met['broken'])} without the page."
    session.console.out((total, "failed" if met["broken"] else "ok"))
    session.console.out(f"Now the resolver leads them to {met['address'] or 'nowhere'}.")
    return Exit.DONE


def _outage(outage: dict[str, Any]) -> str:
    first, last = (datetime.fromisoformat(outage[key]).astimezone() for key in ("first_at", "last_at"))
    what = f"error pages from {outage['address']}" if outage["address"] else "no answer from any name server"
    return f"  {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S}   {what}"


def exact(seconds: int) -> str:
    """Return a count of seconds as minutes and seconds, not rounded."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
