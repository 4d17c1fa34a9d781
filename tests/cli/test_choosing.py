"""Which playbooks a command is about, which project folder, and the exit code of several domains."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Project
from dnsrun.errors import Exit
from dnsrun.wiring.project import JOURNAL, as_domain, find_project, state_name
from worlds import NEW, OLD, PLAYBOOK

OTHER = PLAYBOOK.replace("domain: client.example", "domain: other.example").replace("mail.client", "mail.other")


def test_check_says_every_problem_of_every_playbook(project: Project) -> None:
    project.write(PLAYBOOK.replace("kind: http", "kind: htp").replace("was:", "wass:"))
    project.write(OTHER, "other.yaml")
    result = project("check")
    assert result.code == 2
    lines = result.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["playbooks/client.yaml:11:34", "playbooks/client.yaml:13:12"]
    assert "did you mean 'http'" in lines[1]
    assert "playbooks/other.yaml: fine (other.example, 5 phases)" in result.out


def test_a_file_outside_of_any_project_folder_can_be_checked(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("nowhere")
    monkeypatch.chdir(elsewhere)
    (elsewhere / "client.yaml").write_text(PLAYBOOK)
    assert project("check", "client.yaml").out == "client.yaml: fine (client.example, 5 phases)\n"


def test_apply_without_a_playbook_takes_the_only_one(project: Project) -> None:
    assert project("apply", "--phase", "1", "--yes").code == 0


def test_apply_without_a_playbook_lists_several_and_is_2(project: Project) -> None:
    project.write(OTHER, "other.yaml")
    result = project("apply", "--phase", "1", "--yes")
    assert result.code == 2
    assert result.err.splitlines()[-2:] == ["  client.example", "  other.example"]
    assert project.world.values(project.world.ns1) == [f"3600 {OLD}"]


def test_the_only_domain_whose_phase_is_next_is_named_in_the_question(lowered: Project) -> None:
    lowered.write(OTHER, "other.yaml")
    result = lowered("apply", "--phase", "2", typed="y\ny\n")
    assert "client.example is the only domain whose next phase is this one" in result.err
    assert result.code == 0
    assert lowered.world.values(lowered.world.ns1) == [f"600 {NEW}"]


def test_yes_never_chooses(lowered: Project) -> None:
    lowered.write(OTHER, "other.yaml")
    result = lowered("apply", "--phase", "2", "--yes", typed="y\n")
    assert result.code == 2
    assert lowered.world.values(lowered.world.ns1) == [f"600 {OLD}"]


@pytest.mark.parametrize("word", ["client.example", "CLIENT.example.", "playbooks/client.yaml"])
def test_a_domain_is_found_however_it_is_written(project: Project, word: str) -> None:
    """Fault 60."""
    assert project("plan", word).code == 0


def test_all_stops_starting_new_ones_at_the_first_that_fails(project: Project) -> None:
    broken = OTHER.replace("domain: other.example", "domain: b.example").replace("mail.other", "mail.b")
    project.write(broken, "b.yaml")
    result = project("apply", "--all", "--phase", "1", "--yes")
    assert result.code != 0
    assert "not begun after that: client.example" in result.err
    assert project.world.values(project.world.ns1) == [f"3600 {OLD}"]


def test_limit_takes_only_domains_that_match(project: Project) -> None:
    project.write(OTHER, "other.yaml")
    assert project("apply", "--limit", "client.*", "--phase", "1", "--yes").code == 0


def test_an_unknown_domain_is_2(project: Project) -> None:
    result = project("plan", "nobody.example")
    assert result.code == 2
    assert "nobody.example: no playbook in" in result.err


def test_a_broken_playbook_is_not_in_the_way_of_another_domain(project: Project) -> None:
    project.write("dnsrun: 1\ndomain: [\n", "broken.yaml")
    assert project("plan", "client.example").code == 0


def test_the_same_domain_in_two_project_folders_is_refused(
    lowered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    (second / "playbooks").mkdir(parents=True)
    (second / "playbooks" / "client.yaml").write_text(PLAYBOOK)
    monkeypatch.chdir(second)
    result = lowered("apply", "--phase", "2", "--yes")
    assert result.code == 5
    assert f"is run from another project folder of yours, {lowered.folder}" in result.err
    claims = list((tmp_path / "state" / "dnsrun" / "projects").iterdir())
    assert [path.stat().st_mode & 0o777 for path in claims] == [0o600]


def test_a_journal_left_behind_is_asked_for(lowered: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lowered("apply", "--phase", "2", "--yes").code == 0
    (lowered.folder / ".dnsrun").rename(lowered.folder / "elsewhere")
    result = lowered("apply", "--phase", "1", "--yes")
    assert result.code == 5
    assert "this looks begun" in result.err


def test_the_project_folder_is_the_nearest_upward(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "playbooks").mkdir()
    assert find_project(deep, given=None, environment={}) == tmp_path
    (tmp_path / "a" / ".dnsrun").mkdir()
    assert find_project(deep, given=None, environment={}) == tmp_path / "a"
    assert find_project(deep, given=None, environment={"DNSRUN_PROJECT": str(tmp_path)}) == tmp_path
    assert find_project(deep, given=str(deep), environment={"DNSRUN_PROJECT": str(tmp_path)}) == deep


def test_state_folder_names_stay_inside_and_are_one_per_domain() -> None:
    r"""Threat 12: `a\047..\047b` is a/../b inside a label; NUL; options; 255 octets; fault 60."""
    import dns.name

    hostile = [r"a\047\046\046\047b.example", r"\000.example", "-rf.example", r"\046\046.example", "con.example"]
    hostile += [
        ".".join(["x" * 61, r"\255" * 61, "y" * 61, "z" * 61]),
        ".".join(["x" * 61, r"\254" * 61, "y" * 61, "z" * 61]),
    ]
    names = [state_name(dns.name.from_text(text)) for text in hostile]
    assert len(set(names)) == len(names)
    for name in names:
        assert Path(name).name == name
        assert name not in {"", ".", ".."}
        assert name[0] not in "-."
        assert name.isascii()
        assert name.isprintable()
        assert len(name) <= 255 - len(".new-12345678")
    assert state_name(dns.name.from_text("XN--FA-HIA.Example")) == "xn--fa-hia.example"
    written = ["xn--fa-hia.example", "XN--FA-HIA.Example.", "faß.example"]
    assert {state_name(domain) for text in written if (domain := as_domain(text))} == {"xn--fa-hia.example"}


def test_several_domains_end_with_the_gravest_code() -> None:
    order = [4, 1, 3, 6, 5, 7, 2, 130, 75, 0]
    for place, code in enumerate(order):
        assert Exit.worst([Exit(other) for other in order[place:]]) == code
    assert JOURNAL == "journal.jsonl"


def test_a_state_folder_of_another_machine_is_adopted_only_when_said(lowered: Project) -> None:
    """Fault 13."""
    (lowered.state / "machine").write_text("0123456789abcdef0123456789abcdef\n")
    refused = lowered("apply", "--phase", "2", "--yes")
    assert refused.code == 5
    assert "another machine" in refused.err
    assert lowered("rollback", "--all", "--yes").code == 5
    assert lowered("apply", "--phase", "2", "--yes", "--adopt").code == 0
