"""What comes from outside cannot steer the terminal, and what is secret does not come out."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.conftest import Project
from dnsrun.cli.console import Console
from dnsrun.clock import VirtualClock
from dnsrun.errors import UsageError
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Astray, Failed, Judged
from dnsrun.model.playbook import SecretRef
from dnsrun.wiring.redaction import RedactedJournal, Redactor
from dnsrun.wiring.secrets import SecretStore, with_dotenv
from worlds import PLAYBOOK, START

CANARY = 'c4n4ry/+= "ß%7'
KEYED = PLAYBOOK.replace(
    "old: {use: rfc2136, server: 198.51.100.53,",
    "old: {use: rfc2136, server: 198.51.100.53, key_name: key.example, key_secret: {SECRET},",
)


def forms(secret: str) -> list[str]:
    return [
        secret,
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        repr(secret)[1:-1],
    ]


@pytest.mark.parametrize("around", ["", "user:", "ab"])
def test_a_secret_is_taken_out_in_every_form_in_which_it_travels(around: str) -> None:
    """Threat 2: also inside the base64 of a longer text, as HTTP basic authentication sends it."""
    redactor = Redactor()
    redactor.register(CANARY, SecretRef("env", ("TOKEN",)))
    whole = base64.b64encode(f"{around}{CANARY}".encode()).decode()
    said = redactor.redact(f"401 for {CANARY}, {quote(CANARY, safe='')}, Basic {whole}")
    assert said.count("[env: TOKEN]") == 3
    assert base64.b64encode(CANARY.encode()).decode()[4:12] not in said


@pytest.mark.parametrize("secret", ["not-base64-c4n4ry!", "YzRuNHJ5LWM0bjRyeQ=="])
def test_no_command_shows_or_keeps_a_secret(project: Project, secret: str) -> None:
    """Threats 1, 2: refused keys, refused transfers, and everything that is left on the disk."""
    project.write(KEYED.replace("{SECRET}", "{env: TSIG}"))
    project.environment["TSIG"] = secret
    more = {"apply": ["--phase", "1", "--yes"], "rollback": ["client.example", "--yes"]}
    said = "".join(
        project(command, *more.get(command, []), "--json").all
        for command in ("plan", "apply", "verify", "status", "capture", "rollback", "export", "diff")
    )
    left = [path.read_text(errors="replace") for path in project.folder.rglob("*") if path.is_file()]
    for form in forms(secret):
        assert form not in said
        assert not any(form in text for text in left)


def test_a_bug_leaves_a_trace_without_secrets(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(KEYED.replace("{SECRET}", "{env: TSIG}"))
    secret = project.environment["TSIG"] = "Yzc0bjRyeS1jNG40cnk="

    class Broken:
        def exchange(self, *_: object, **__: object) -> object:
            raise ZeroDivisionError(f"a bug that saw {secret}")

        ask = connect = exchange

    monkeypatch.setattr(type(project.world), "net", property(lambda _self: Broken()))
    (project.folder / ".dnsrun").mkdir()
    result = project("plan")
    assert result.code == 1
    (trace,) = (project.folder / ".dnsrun").glob("bug-*.txt")
    text = trace.read_text()
    assert "ZeroDivisionError: a bug that saw [env: TSIG]" in text
    assert trace.stat().st_mode & 0o777 == 0o600
    assert secret not in text + result.all
    assert str(trace) in result.err


def test_a_literal_secret_is_refused_and_not_repeated(project: Project) -> None:
    """Threat 1."""
    project.write(KEYED.replace("{SECRET}", "c4n4ry-literal"))
    result = project("check")
    assert result.code == 2
    assert "must not hold the secret itself" in result.err
    assert "c4n4ry" not in result.all


def test_secret_files_are_ours_alone(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    token = project / "token"
    token.write_text("c4n4ry-file\n")
    store = SecretStore(Redactor(), environment={}, folders=(project,), commands_allowed=False)

    def said(where: str) -> str:
        with pytest.raises(UsageError) as refused:
            store.reveal(SecretRef("file", (where,)))
        return str(refused.value)

    token.chmod(0o644)
    assert "others may read this file" in said("token")
    token.chmod(0o600)
    assert store.reveal(SecretRef("file", ("token",))) == "c4n4ry-file"
    (project / "link").symlink_to(token)
    assert "cannot be read" in said("link")
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o600)
    assert "not there" in said("../outside")
    assert "not there" in said(str(outside))
    (project / "sub").symlink_to(tmp_path)
    assert "not there" in said("sub/outside")


def test_a_command_secret_needs_consent_and_sees_little(tmp_path: Path) -> None:
    """Threats 3 and 9."""
    reference = SecretRef("command", ("/bin/sh", "-c", "echo ${TOKEN-none}-${PATH+path}"))
    environment = {"TOKEN": "c4n4ry", "PATH": os.environ["PATH"]}
    refused = SecretStore(Redactor(), environment=environment, folders=(tmp_path,), commands_allowed=False)
    with pytest.raises(UsageError, match="--allow-commands"):
        refused.reveal(reference)
    allowed = SecretStore(Redactor(), environment=environment, folders=(tmp_path,), commands_allowed=True)
    assert allowed.reveal(reference) == "none-path"


def test_dotenv_is_read_when_it_is_ours_and_not_tracked(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# keys\nTOKEN='007 x'\nexport OTHER=1\nSET=file\n")
    dotenv.chmod(0o640)
    with pytest.raises(UsageError, match="others may read"):
        with_dotenv(tmp_path, {})
    dotenv.chmod(0o600)
    found = with_dotenv(tmp_path, {"SET": "shell"})
    assert dict(found) == {"TOKEN": "007 x", "OTHER": "1", "SET": "shell"}


def test_dotenv_tracked_by_git_is_refused(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / ".env").write_text("TOKEN=c4n4ry\n")
    (tmp_path / ".env").chmod(0o600)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert with_dotenv(tmp_path, {})["TOKEN"] == "c4n4ry"
    subprocess.run(["git", "add", ".env"], cwd=tmp_path, check=True)
    with pytest.raises(UsageError, match="tracked by git"):
        with_dotenv(tmp_path, {})


def test_records_cannot_steer_the_terminal(project: Project) -> None:
    """Threat 16: OSC, CSI, C1, right-to-left override and newlines in live records and in the playbook."""
    evil = '"\x1b]0;pwned\x07 \x1b[2J \u009b31m \u202eevil"'.encode().decode("latin-1")
    escaped = "".join(f"\\{ord(c):03d}" if ord(c) < 32 or ord(c) > 126 else c for c in evil)
    zone = project.world.ns1.zone_text(project.world.playbook().domain) + f"evil.client.example. 60 IN TXT {escaped}\n"
    for server in (project.world.ns1, project.world.ns2):
        server.set_zone(project.world.playbook().domain, zone)
    project.write(PLAYBOOK.replace("The web site moves.", '"line\\nother \\e[31m \\u202E \\x9b"'))
    for arguments in (
        ["plan", "-v"],
        ["capture"],
        ["diff", "-v"],
        ["export"],
        ["apply", "--phase", "1", "--yes"],
        ["status"],
    ):
        result = project(*arguments, terminal=True)
        shown = re.sub(r"\x1b\[(\d+m|K)", "", result.all).replace("\r", "")
        assert not [char for char in shown if ord(char) < 0x20 and char not in "\n\t"]
        assert not [char for char in shown if 0x7F <= ord(char) <= 0x9F or char in "\u202e\u2028"]
    assert "  line other \\x1b[31m" in project("plan").out


@pytest.mark.parametrize("word", ["\x1b[2J.example", "a\u202eb.example", "x\ny"])
def test_words_of_the_command_line_are_escaped_too(project: Project, word: str) -> None:
    result = project("plan", word)
    assert result.code == 2
    assert word not in result.all


def test_colours_only_on_a_terminal_and_never_with_no_color(project: Project) -> None:
    assert "\x1b[31m" in project("plan", "nobody.example", terminal=True).err
    assert "\x1b" not in project("plan", "nobody.example").err
    project.environment["NO_COLOR"] = "1"
    assert "\x1b[3" not in project("plan", "nobody.example", terminal=True).err


def test_a_console_that_cannot_show_a_character_does_not_fail() -> None:
    octets = io.BytesIO()
    console = Console({}, out=io.TextIOWrapper(octets, encoding="ascii"))
    console.out("192.0.2.10 → 203.0.113.20")
    assert octets.getvalue() == b"192.0.2.10 \\u2192 203.0.113.20\n"


def test_a_tampered_journal_stops_everything_and_says_where(project: Project) -> None:
    """Fault 58."""
    project("apply", "--phase", "1", "--yes")
    journal = project.state / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"client.example", b"client.exempla", 1))
    for arguments in (["status"], ["apply", "--phase", "2", "--yes"], ["rollback", "client.example", "--yes"]):
        result = project(*arguments)
        assert result.code == 6, arguments
        assert "line 1 is damaged or was changed" in result.err


def test_a_state_folder_of_somebody_else_or_a_link_is_refused(project: Project, tmp_path: Path) -> None:
    """Threat 14."""
    (tmp_path / "elsewhere").mkdir()
    (project.folder / ".dnsrun").mkdir()
    project.state.symlink_to(tmp_path / "elsewhere")
    result = project("apply", "--phase", "1", "--yes")
    assert result.code == 6
    assert "is not a folder of yours" in result.err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_state_is_private_whatever_the_umask_is(project: Project) -> None:
    """Threat 14."""
    before = os.umask(0)
    try:
        project("apply", "--phase", "1", "--yes")
        project("status")
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in project.state.rglob("*")}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items()), modes


def test_no_secret_goes_into_the_journal(tmp_path: Path) -> None:
    """Threat 2: what a provider echoed, in every text of an entry; what is stored folds back."""
    clock = VirtualClock(START)
    redactor = Redactor()
    redactor.register(CANARY, SecretRef("env", ("TOKEN",)))
    journal = RedactedJournal(FileJournal(tmp_path / "state", clock), redactor)
    journal.append(Failed(1, 1, f"401: {CANARY}", retryable=False, in_doubt=False), head=journal.head())
    facts = (("192.0.2.1 banner", f"hello {quote(CANARY, safe='')}"),)
    journal.append(Judged(2, "web", "fail", CANARY, not_yet=False, asked=1, facts=facts), head=journal.head())
    journal.append(Astray(2, (("a.nic.example", f"{CANARY}.example"),), 1, 900), head=journal.head())
    text = (tmp_path / "state" / "journal.jsonl").read_text()
    for form in forms(CANARY):
        assert form not in text
    first, second, third = (record.entry for record in journal.read())
    assert isinstance(first, Failed)
    assert first.because == "401: [env: TOKEN]"
    assert isinstance(second, Judged)
    assert second.facts == (("192.0.2.1 banner", "hello [env: TOKEN]"),)
    assert isinstance(third, Astray)
    assert third.served == (("a.nic.example", "[env: TOKEN].example"),)
