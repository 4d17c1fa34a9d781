"""The entry point: commands are loaded when they are called, so that `dnsrun --help` stays quick."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

from dnsrun import __version__
from dnsrun.errors import DnsrunError, Exit

from .console import Console
from .ending import Interrupted, tell_bug, tell_error
from .session import Session

# Each command lives in the module of its name, `help` in `words`.
COMMANDS: Mapping[str, str] = {
    "init": "Find out about a domain and write a playbook with questions for the client.",
    "check": "Read playbooks and say everything that is wrong with them.",
    "rehearse": "Play the whole migration on this machine; see what users would meet.",
    "plan": "Show what would happen, when, and how to get back. Reads only.",
    "apply": "Run one phase: show, ask, do, verify, roll back by itself.",
    "status": "Say where every domain stands; first what you must do.",
    "resume": "Go on with what waits or was interrupted; made for cron.",
    "watch": "Show who serves what, until no cache can hold the old data.",
    "rollback": "Go back to how it was before the newest phase, or further.",
    "report": "Tell what happened, why, and what comes next; for the client.",
    "verify": "Run the gates only; writes nothing.",
    "capture": "Capture the zone as it is now.",
    "diff": "Show captured, expected and live records side by side.",
    "export": "Print the zone as a zone file.",
    "providers": "List the DNS hosts that dnsrun can work with.",
    "schema": "Print the JSON Schema of playbooks, or a ready-made playbook.",
    "demo": "See a migration and its automatic rollback on this machine.",
    "help": "Explain the words that dnsrun uses.",
}
_MODULES: Mapping[str, str] = {"help": "words"}
EXIT_CODES = """\b
Exit codes:
    0  done, or nothing to do
    1  a bug in dnsrun
    2  the command or the playbook is wrong
    3  rolled back and verified
    4  the rollback is not complete; the rest is listed
    5  refused: nothing was changed
    6  paused: a person must decide
    7  findings of a command that only reads
   75  not yet: run the same command again, it says when
  130  interrupted; `dnsrun resume` goes on
With several domains: the first of 4 1 3 6 5 7 2 130 75 0 that occurred."""


class Commands(click.Group):
    """The commands, each imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dnsrun.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name near misses of an unknown command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="dnsrun")
def dnsrun() -> None:
    """Move a domain from one DNS setup to another in phases that are verified and roll back by themselves.

    One playbook for each domain, in the folder playbooks/. Begin with: dnsrun init DOMAIN
    """


def main() -> None:
    """Run the command and end the process with its exit code."""
    if sys.platform == "win32":
        sys.exit("dnsrun does not run on Windows itself: use it inside WSL (Windows Subsystem for Linux).")
    sys.exit(int(run(sys.argv[1:])))


def run(arguments: Sequence[str], session: Session | None = None) -> Exit:
    """Run one command and return its exit code; the only place where any exception is caught."""
    session = session or Session(Console(os.environ), os.environ)
    try:
        code = dnsrun.main(list(arguments), prog_name="dnsrun", obj=session, standalone_mode=False)
        return Exit(code) if isinstance(code, int) else Exit.DONE
    except click.ClickException as err:
        _tell_usage(session, err)
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt, Interrupted) as err:
        session.console.err(str(err) or "interrupted; nothing was left half done: `dnsrun status` says where it stands")
        return Exit.INTERRUPTED
    except DnsrunError as err:
        return tell_error(session, err)
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has gone, which click ends with 1; the interpreter must not complain about it either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.INTERRUPTED
    except Exception:  # noqa: BLE001 - the last handler: whatever comes here is a bug
        return tell_bug(session)


def _tell_usage(session: Session, err: click.ClickException) -> None:
    if isinstance(err, click.UsageError) and err.ctx:
        for line in err.ctx.get_usage().splitlines():
            session.console.err(line)
    for line in err.format_message().splitlines():
        session.console.err((line, "failed"))
