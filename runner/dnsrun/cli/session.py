"""What one call of the command works with: console, project folder, world; and how a command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dnsrun.wiring.pace import HIGHEST_RATE, RATE

from .console import Console

if TYPE_CHECKING:  # loaded when a command needs it: `dnsrun --help` stays quick
    from dnsrun.wiring.redaction import Redactor
    from dnsrun.wiring.world import World

LAB_IS_KNOWN = "DNSRUN_LAB_IS_KNOWN"  # set by the demo, which says once what a lab is

F = TypeVar("F", bound=Callable[..., Any])
OpenWorld = Callable[[Path, "Redactor", Mapping[str, str]], "World"]


class Session:
    """One call of the command. `open_world` is how tests put it into a world of their own."""

    def __init__(
        self, console: Console, environment: Mapping[str, str], *, open_world: OpenWorld | None = None
    ) -> None:
        self.console = console
        self.environment = environment
        self.as_json = False
        self.adopt = False
        self.given_project: str | None = None
        self.start = Path()
        self._open_world = open_world

    @cached_property
    def redactor(self) -> Redactor:
        """What takes secrets out of everything that is shown."""
        from dnsrun.wiring.redaction import Redactor

        redactor = Redactor()
        self.console.redact = redactor.redact
        return redactor

    @cached_property
    def project(self) -> Path:
        """The project folder; raises `UsageError` when there is none."""
        from dnsrun.wiring.project import find_project

        return find_project(self.start, given=self.given_project, environment=self.environment)

    @cached_property
    def world(self) -> World:
        """The world of the project; says so when it is a lab."""
        from dnsrun.wiring.world import open_world

        world = (self._open_world or open_world)(self.project, self.redactor, self.environment)
        if world.is_lab and not self.environment.get(LAB_IS_KNOWN):
            self.console.err(
                "This folder is a lab: every server is on this machine, nothing leaves it, and waits are jumped over."
            )
        if world.clock_note:
            self.console.err(world.clock_note)
        return world


pass_session = click.make_pass_decorator(Session)


def _keep_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
    context.ensure_object(Session).as_json = value


def _keep_project(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    context.ensure_object(Session).given_project = value


def common(command: F) -> F:
    """Add the options that every command has."""
    for option in (
        click.option("--json", is_flag=True, expose_value=False, callback=_keep_json, help="Print the result as JSON."),
        click.option(
            "--project",
            metavar="FOLDER",
            expose_value=False,
            callback=_keep_project,
            help="The project folder; else DNSRUN_PROJECT, else the nearest one upward.",
        ),
    ):
        command = option(command)
    return command


def _keep_adopt(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
    context.ensure_object(Session).adopt = value


adopting = click.option(
    "--adopt",
    is_flag=True,
    expose_value=False,
    callback=_keep_adopt,
    help="Go on here although the state folder was last used on another machine.",
)


def _keep_rate(context: click.Context, _parameter: click.Parameter, value: int | None) -> None:
    session = context.ensure_object(Session)
    if value is not None:
        session.environment = {**session.environment, RATE: str(value)}


asking = click.option(
    "--rate",
    type=click.IntRange(1, HIGHEST_RATE),
    metavar="N",
    expose_value=False,
    callback=_keep_rate,
    help="Questions a second to each server that is not on this machine; else DNSRUN_RATE, else 100.",
)
