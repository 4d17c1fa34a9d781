"""A project folder in a small world on loopback, and the command run in it, in this process."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import worlds
from dnsrun.cli.console import Console
from dnsrun.cli.main import run
from dnsrun.cli.session import Session
from dnsrun.dnsio.walk import Roots
from dnsrun.wiring.redaction import Redactor
from dnsrun.wiring.world import Network, World


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@dataclass
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.err + self.out


@dataclass
class Project:
    """A project folder, and the command in it."""

    folder: Path
    world: worlds.World
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.folder / ".dnsrun" / "client.example"

    @property
    def playbook(self) -> Path:
        return self.folder / "playbooks" / "client.yaml"

    def write(self, text: str, name: str = "client.yaml") -> Path:
        path = self.folder / "playbooks" / name
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *arguments: str, typed: str | None = None, terminal: bool = False) -> Result:
        """Run the command; `typed` is what a person answers at a terminal."""
        out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
        console = Console(
            self.environment, out=out, err=err, stdin=io.StringIO(typed or ""), interactive=typed is not None
        )
        session = Session(console, self.environment, open_world=self._open)
        code = run(arguments, session)
        return Result(int(code), out.getvalue(), err.getvalue())

    def _open(self, project: Path, redactor: Redactor, environment: Mapping[str, str]) -> World:
        roots = Roots.of({"a.root.": ["198.51.100.1"]})
        return World(
            project,
            clock=self.world.clock,
            open_network=lambda: Network(self.world.net, roots),
            redactor=redactor,
            environment=environment,
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "clients"
    (folder / "playbooks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")}
    with worlds.world(tmp_path / "servers") as world:
        made = Project(folder, world, environment)
        made.write(worlds.PLAYBOOK)
        yield made


@pytest.fixture
def lowered(project: Project) -> Project:
    """The TTLs were lowered more than a day ago."""
    assert project("apply", "--phase", "1", "--yes").code == 0
    project.world.clock.advance(26 * 3600)
    return project


Command = Callable[..., Result]
