"""Help, words, schema, providers, completion."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest

from answers import answered
from cli.conftest import Project
from dnsrun.cli.console import Console
from dnsrun.cli.main import COMMANDS, run
from dnsrun.cli.session import Session

_RUN = [sys.executable, "-c", "from dnsrun.cli.main import main; main()"]


def test_help_lists_every_command_and_exit_code_and_loads_little() -> None:
    probe = "import sys\nfrom dnsrun.cli.main import run\nrun(['--help'])\nprint(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "75  not yet" in done.stdout
    for heavy in ("dns.name", "yaml", "jsonschema", "urllib3", "rich", "octodns", "tenacity"):
        assert f"'{heavy}'" not in done.stderr


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert run([name, "--help"], Session(Console({}), {})) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Usage: dnsrun {name} ")
        assert "--json" in said


def test_an_unknown_command_and_option_are_2_with_a_near_miss(project: Project) -> None:
    assert "Did you mean 'rollback'?" in project("rolback").err
    assert project("rolback").code == 2
    assert project("plan", "--frobnicate").code == 2


def test_help_words_gives_the_term_beside_the_users_word(project: Project) -> None:
    result = project("help", "words")
    assert "same answers everywhere (parity):" in result.out
    assert "record, record set (RR, RRset):" in result.out
    assert "propagation" not in result.out.casefold()


def test_schema_is_a_json_schema(project: Project) -> None:
    schema = json.loads(project("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "rfc2136" in json.dumps(schema)


def test_every_example_is_a_good_playbook_once_its_questions_are_answered(project: Project) -> None:
    names = project("schema", "--list").out.split()
    assert "web-move" in names
    project.playbook.unlink()
    for name in names:
        text = project("schema", "--example", name).out
        project.write(text.replace("on: 2026-11-20", "on: 2026-03-01"), f"{name}.yaml")
    asked = project("check")
    assert asked.code == 2
    assert all(": not answered: " in line for line in asked.err.splitlines() if ".yaml:" in line), asked.err
    for name in names:
        project.write(answered(name).replace("on: 2026-11-20", "on: 2026-03-01"), f"{name}.yaml")
    result = project("check")
    assert result.code == 0, result.err
    assert result.out.count(": fine (") == len(names)


def test_example_without_a_name_says_what_there_is_a_line_each(project: Project) -> None:
    names = project("schema", "--list").out.split()
    lines = project("schema", "--example").out.splitlines()
    assert [line.split()[0] for line in lines] == names
    assert "web-move           A web site moves to a new server; mail and name servers stay where they are." in lines
    assert list(json.loads(project("schema", "--example", "--json").out)) == names


def test_an_example_that_is_not_there_names_a_near_one(project: Project) -> None:
    result = project("schema", "--example", "webmove")
    assert result.code == 2
    assert "web-move" in result.err


def test_providers_say_what_they_can_and_how_that_was_verified(project: Project) -> None:
    result = project("providers")
    for name in ("rfc2136", "powerdns", "manual", "public"):
        assert f"\n{name}  " in f"\n{result.out}"
    found = {plugin["name"]: plugin for plugin in json.loads(project("providers", "--json").out)}
    assert result.out.count("verified: ") == len(found) >= 6
    assert found["rfc2136"]["capabilities"]["compare_and_set"] is True


def test_shell_completion_completes_commands() -> None:
    environment = {"_DNSRUN_COMPLETE": "bash_complete", "COMP_WORDS": "dnsrun ro", "COMP_CWORD": "1"}
    done = subprocess.run(_RUN, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "plain,rollback"


def test_check_network_tells_what_is_closed(project: Project) -> None:
    result = project("check", "--network")
    assert "fine         root servers over UDP: 1 of 1 answer with authority" in result.out
    assert "stays silent, as it should" in result.out
    assert "wrong        port 993" in result.out
    assert result.code == 7


def test_check_network_notices_somebody_in_between(project: Project) -> None:
    """An address where nobody is must not answer."""
    project.world.places["192.0.2.53", 53] = (project.world.root.address, project.world.root.port)
    result = project("check", "--network")
    assert "somebody intercepts DNS here" in result.out
    assert result.code == 7


def test_without_a_project_folder_it_says_how_to_make_one(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    result = project("plan")
    assert result.code == 2
    assert "mkdir playbooks" in result.err


def test_whoever_stops_reading_ends_it_without_a_word_and_it_is_no_bug() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "dnsrun", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (130, b"")
