"""A domain's run in a world: the playbook read, and the engine's ports built for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dnsrun.engine.progress import Listener
from dnsrun.engine.run import Ports, Run
from dnsrun.errors import UsageError
from dnsrun.gates.all import built_in
from dnsrun.journal.lock import FileHolds
from dnsrun.model.playbook import Playbook, WebhookSpec
from dnsrun.model.text import escape
from dnsrun.playbook.read import load_playbook, read_playbook
from dnsrun.ports.provider import Context

from . import consent
from .machine import settle_machine
from .plugins import kinds, open_providers, open_registrars
from .project import claim, refuse_other_project, state_folder
from .secrets import SecretStore, config_folder, with_dotenv
from .world import World, journal_of

if TYPE_CHECKING:  # mail and web are spoken only where somebody is told
    from dnsrun.notify.notifier import Notifier

LARGEST_CAPTURE_OCTETS = 32 * 1024 * 1024


def load(world: World, path: Path) -> Playbook:
    """Read a playbook's file; raises `PlaybookError` or `UsageError`. Touches the disk."""
    return load_playbook(path, kinds(), today=world.clock.now().astimezone().date())


def reread(world: World, text: str, path: str) -> Playbook:
    """Read the text of a playbook that the journal has kept. Pure but for plugins."""
    return read_playbook(text, path, kinds(), today=world.clock.now().astimezone().date())


def open_run(
    world: World,
    playbook: Playbook,
    tell: Listener,
    *,
    writes: bool = False,
    allow_commands: bool = False,
    has_begun: bool = False,
    adopt: bool = False,
) -> Run:
    """Return a domain's run: journal, hold, providers, gates. Touches the disk, not the network.

    `writes`: the run is not only looked at; this project folder then has the domain. `allow_commands` is the
    person's consent, remembered for this very playbook. `has_begun`: the phase is planned already, so the file that
    the playbook gives as capture is not needed, and its loss never delays a rollback. `adopt`: the state folder was
    last used on another machine, and nothing runs there any more. Raises `Refused` when another
    project folder runs the domain, `UsageError` when a secret or a file is missing.
    """
    folder = state_folder(world.project, playbook.domain)
    if not world.is_lab:
        refuse_other_project(world.project, playbook.domain, world.environment)
    if writes and not world.is_lab:
        claim(world.project, playbook.domain, world.environment)
        settle_machine(folder, world.environment, adopt=adopt)
    if allow_commands:
        consent.allow(folder, playbook.digest)
    commands_allowed = consent.is_allowed(folder, playbook.digest)
    journal = journal_of(world, folder)
    context = _context(world, commands_allowed=commands_allowed)
    ports = Ports(
        net=world.network.net,
        clock=world.clock,
        holds=FileHolds(folder, journal, world.clock),
        providers=open_providers(playbook, context),
        registrars=open_registrars(playbook, context),
        gates=built_in(),
        roots=world.network.roots,
        tell=tell,
        commands_allowed=commands_allowed,
        files={} if has_begun else _captures(world, playbook),
        secrets=context.secrets,
    )
    run = Run(playbook, journal, ports)
    run.catch_up()
    return run


def open_notifier(world: World, playbook: Playbook) -> Notifier | None:
    """Return who tells people what the domain's journal says; None where nobody is to be told, and in a lab.

    Touches the disk, not the network; a missing secret is said when somebody is told.
    """
    if not playbook.notify or world.is_lab:
        return None
    from dnsrun.notify.notifier import Means, Notifier

    folder = state_folder(world.project, playbook.domain)
    context = _context(world, commands_allowed=consent.is_allowed(folder, playbook.digest))
    means = Means(
        journal_of(world, folder),
        folder,
        lambda: (world.network.net, world.network.roots),
        context.secrets,
        world.redactor.redact,
    )
    return Notifier(playbook, means)


def webhook_flaws(world: World, playbook: Playbook) -> list[tuple[WebhookSpec, str, str]]:
    """Return the webhooks of a playbook, each with why it must not be told, and why its URL cannot be seen here.

    Empty texts: it may be told. Touches the disk; runs no program.
    """
    from dnsrun.notify.webhook import flaw

    secrets = _context(world, commands_allowed=False).secrets
    found = []
    for spec in (each for each in playbook.notify if isinstance(each, WebhookSpec)):
        try:
            found.append((spec, flaw(secrets.reveal(spec.url), playbook.domain), ""))
        except UsageError as err:
            found.append((spec, "", str(err)))
    return found


def _context(world: World, *, commands_allowed: bool) -> Context:
    environment = with_dotenv(world.project, world.environment)
    secrets = SecretStore(
        world.redactor,
        environment=environment,
        folders=(world.project, config_folder(environment)),
        commands_allowed=commands_allowed,
    )
    return Context(world.network.net, world.clock, secrets, _language(environment))


def _language(environment: Mapping[str, str]) -> str:
    told = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return "ja" if told.startswith("ja") else "en"


def _captures(world: World, playbook: Playbook) -> Mapping[str, str]:
    """Return the text of the file that the playbook gives as capture, if it is there."""
    spec = playbook.zone.capture
    if spec is None or spec.file is None:
        return {}
    path = (Path(playbook.path).absolute().parent / spec.file).resolve()
    if not path.is_relative_to(world.project.resolve()):
        raise UsageError(f"{playbook.path}: the captured zone {escape(spec.file)} lies outside the project folder")
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_CAPTURE_OCTETS + 1)
    except OSError:
        return {}
    if len(octets) > LARGEST_CAPTURE_OCTETS:
        raise UsageError(f"{escape(spec.file)}: the captured zone is larger than 32 MiB")
    return {spec.file: octets.decode("utf-8", errors="replace")}
