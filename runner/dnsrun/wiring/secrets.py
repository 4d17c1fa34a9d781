"""Secrets: revealed where they are used, from where the playbook says; each value goes to the redactor first."""

from __future__ import annotations

import importlib
import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from dnsrun.errors import UsageError
from dnsrun.model.playbook import SecretRef
from dnsrun.model.text import escape

from .redaction import Redactor

COMMAND_TIMEOUT_S = 60
LARGEST_OCTETS = 64 * 1024
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "HOME", "TZ")  # what a program that prints a secret may see


class SecretStore:
    """Reveals secrets; see `dnsrun.ports.provider.Secrets`.

    `folders` are the places in which secret files may lie, the project folder first. `commands_allowed`: the person
    allowed programs for this very playbook.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        environment: Mapping[str, str],
        folders: tuple[Path, ...],
        commands_allowed: bool,
    ) -> None:
        self._redactor = redactor
        self._environment = environment
        self._folders = folders
        self._commands_allowed = commands_allowed

    def reveal(self, reference: SecretRef) -> str:
        """Return the secret; raises `UsageError` naming the reference. May touch the disk or run a program."""
        how: Mapping[str, Callable[[SecretRef], str]] = {
            "env": self._from_environment,
            "file": self._from_file,
            "keyring": _from_keyring,
            "command": self._from_command,
        }
        value = how[reference.kind](reference)
        self._redactor.register(value, reference)
        if not value:
            raise UsageError(f"the secret ({reference}) is empty; put it there")
        return value

    def _from_environment(self, reference: SecretRef) -> str:
        name = reference.where[0]
        if name not in self._environment:
            raise UsageError(f"the secret ({reference}) is not set; set the environment variable {name}, or use .env")
        return self._environment[name]

    def _from_file(self, reference: SecretRef) -> str:
        wanted = Path(reference.where[0]).expanduser()
        path = wanted if wanted.is_absolute() else self._folders[0] / wanted
        return read_secret_file(path, self._folders, str(reference)).removesuffix("\n").removesuffix("\r")

    def _from_command(self, reference: SecretRef) -> str:
        if not self._commands_allowed:
            raise UsageError(f"the secret ({reference}) comes from a program; allow it with --allow-commands")
        environment = {name: self._environment[name] for name in ENVIRONMENT if name in self._environment}
        try:
            done = subprocess.run(  # noqa: S603 - argv of the playbook, consent was asked for
                reference.where, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=COMMAND_TIMEOUT_S, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as err:
            why = f"status {err.returncode}" if isinstance(err, subprocess.CalledProcessError) else type(err).__name__
            raise UsageError(f"the secret ({reference}) cannot be had: the program failed ({why})") from None
        return done.stdout.decode(errors="replace").removesuffix("\n")


def read_secret_file(path: Path, folders: tuple[Path, ...], what: str) -> str:
    """Return a file's text when it is ours alone, is no link, and lies in one of the folders.

    Raises `UsageError`, without the content.
    """
    if not any(path.parent.resolve().is_relative_to(folder.resolve()) for folder in folders):
        raise UsageError(f"{escape(what)}: secret files lie in the project folder or in your config folder, not there")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as err:
        raise UsageError(f"{escape(what)}: the file cannot be read: {err.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise UsageError(f"{escape(what)}: this is not a plain file of yours")
        if status.st_mode & 0o077:
            raise UsageError(f"{escape(what)}: others may read this file; run `chmod 600` on it")
        return file.read(LARGEST_OCTETS).decode(errors="replace")


def _from_keyring(reference: SecretRef) -> str:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise UsageError(f"the secret ({reference}) needs the Python package keyring; install it") from None
    value = keyring.get_password("dnsrun", reference.where[0])
    if value is None:
        name = escape(reference.where[0])
        raise UsageError(f"the secret ({reference}) is not in the keyring; run `keyring set dnsrun {name}`")
    return str(value)


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's config folder for dnsrun. Pure."""
    base = environment.get("XDG_CONFIG_HOME")
    home = environment.get("HOME") or str(Path.home())
    return (Path(base) if base and Path(base).is_absolute() else Path(home) / ".config") / "dnsrun"


def with_dotenv(project: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with what `.env` in the project folder adds; what is set already wins.

    Raises `UsageError` when others may read the file or git tracks it. Touches the disk, and runs git if it is there.
    """
    path = project / ".env"
    if not path.exists() and not path.is_symlink():
        return environment
    text = read_secret_file(path, (project,), ".env")
    if _is_tracked(project):
        raise UsageError(".env is tracked by git; take it out with `git rm --cached .env`, and change what is in it")
    return {**dict(_pairs(text)), **environment}


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return NAME=value lines; the value is what follows, but for one pair of quotes around it."""
    pairs = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip().removeprefix("export ").strip()
        if not equals or not name.isidentifier():
            raise UsageError(f".env:{number}:1: this line is not NAME=value")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        pairs.append((name, value[1:-1] if quoted else value))
    return pairs


def _is_tracked(project: Path) -> bool:
    if not any((folder / ".git").exists() for folder in (project, *project.parents)):
        return False
    try:
        done = subprocess.run(
            ["git", "ls-files", "--error-unmatch", ".env"],  # noqa: S607 - the user's own git
            cwd=project, capture_output=True, check=False, timeout=COMMAND_TIMEOUT_S,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0
