"""`dnsrun init`: a playbook is written, asks what no server knows, and passes check once that is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Project

ANSWERS = {
    "goal": "The web site moves to server B",
    "panel": "other",
    "mailboxes": "imap.client.example",
    "submission": "imap.client.example, smtp.client.example",
    "clients_by_address": "0",
    "web_new": "203.0.113.20",
    "contains": "Client",
    "sending_devices": "none",
    "local_mail": "no",
    "office_dns": "no",
    "dns_ends_with_hosting": "no",
    "logins": "registrar: the client",
    "by": "Ms Sato, client",
    "on": "2026-03-01",
}
TYPED = "".join(f"{answer}\n" for answer in ANSWERS.values())


@pytest.fixture
def written(project: Project) -> Path:
    """The playbook's place; the one that every project has is gone."""
    project.playbook.unlink()
    return project.folder / "playbooks" / "client.example.yaml"


def filled(text: str) -> str:
    """Answer every question as a person does in an editor."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if '"?"' in line and not line.lstrip().startswith("#"):
            key = line.strip().partition(":")[0]
            key = "web_new" if key == "value" else key
            lines[at] = line.replace(
                '"?"', ANSWERS[key] if key in ("mailboxes", "submission") else json.dumps(ANSWERS[key])
            )
            if key == "clients_by_address":
                lines[at] = line.replace('"?"', "0")
    return "\n".join(lines) + "\n"


def test_every_open_question_is_refused_by_check_and_the_answered_playbook_passes(
    project: Project, written: Path
) -> None:
    assert project("init", "client.example").code == 0
    refused = project("check")
    assert refused.code == 2
    asked = [line for line in refused.err.splitlines() if ": not answered: " in line]
    assert len(asked) == len(ANSWERS)
    assert "not answered: Where are the mailboxes" in refused.err
    assert all(line.endswith("; ask the client") for line in asked)
    written.write_text(filled(written.read_text("utf-8")), "utf-8")
    assert project("check").code == 0
    planned = project("plan")
    assert planned.code == 0
    assert "Told by Ms Sato, client on 2026-03-01:" in planned.out
    assert "203.0.113.20" in planned.out


def test_it_says_what_it_found_and_what_to_do_next(project: Project, written: Path) -> None:
    result = project("init", "client.example")
    assert "Delegated by example to ns1.client.example, ns2.client.example (TTL 86400 s)" in result.out
    assert "ns2.client.example (198.51.100.54): serial 7; gives us the whole zone (transfer)" in result.out
    assert "MX 10 mail.client.example., transferred from ns1.client.example" in result.out
    assert "a name of this domain, at 192.0.2.25" in result.out
    assert "Open questions: 14\n" in result.out
    assert result.out.endswith(
        "Ask the client, write the answers into playbooks/client.example.yaml, then: "
        "dnsrun check client.example, and dnsrun plan client.example\n"
    )
    assert written.exists()


def test_on_a_terminal_the_questions_are_asked_one_by_one(project: Project, written: Path) -> None:
    result = project("init", "client.example", typed=TYPED, terminal=True)
    assert result.code == 0
    assert "Every question is answered." in result.out
    assert project("check").code == 0
    assert "submission: [imap.client.example, smtp.client.example]" in written.read_text("utf-8")


def test_an_answer_that_does_not_fit_is_asked_for_again_and_enter_leaves_it_open(
    project: Project, written: Path
) -> None:
    typed = TYPED.replace("203.0.113.20\n", "the new one\n203.0.113.20\n").replace("other\n", "\n")
    result = project("init", "client.example", typed=typed, terminal=True)
    assert "That does not fit: " in result.err
    assert "'the new one'" in result.err
    assert "Open questions: 1\x1b" in result.out
    assert 'panel: "?"' in written.read_text("utf-8")


def test_a_true_answer_that_is_bad_news_is_kept_and_check_refuses(project: Project, written: Path) -> None:
    typed = TYPED.replace("none\nno\n", "none\nyes\n")
    result = project("init", "client.example", typed=typed, terminal=True)
    assert "Kept. As it stands, check will refuse: the new web host takes mail" in result.err
    assert "local_mail: yes" in written.read_text("utf-8")
    assert project("check").code == 2


def test_nothing_is_overwritten(project: Project, written: Path) -> None:
    written.write_text("mine\n", "utf-8")
    asked = len(project.world.ns1.log)
    result = project("init", "client.example")
    assert result.code == 2
    assert "is there already and stays as it is" in result.err
    assert written.read_text("utf-8") == "mine\n"
    assert len(project.world.ns1.log) == asked


def test_a_second_playbook_of_the_same_domain_is_refused(project: Project) -> None:
    result = project("init", "client.example")
    assert result.code == 2
    assert "client.yaml is about client.example already" in result.err
    assert [path.name for path in (project.folder / "playbooks").iterdir()] == ["client.yaml"]


def test_output_names_another_file(project: Project) -> None:
    result = project("init", "client.example", "--output", "draft.yaml")
    assert result.code == 0
    assert (project.folder / "draft.yaml").read_text("utf-8").startswith("# Playbook for client.example")


def test_without_a_project_the_folder_becomes_one(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert project("init", "client.example").code == 0
    assert (empty / "playbooks" / "client.example.yaml").exists()


def test_japanese_is_a_hearing_sheet(project: Project, written: Path) -> None:
    result = project("init", "client.example", "--lang", "ja")
    assert result.code == 0
    assert "未回答の質問が 14 件あります" in result.out
    assert "# ? メールボックスはどこですか。" in written.read_text("utf-8")
    assert "not answered: メールボックスはどこですか。" in project("check").err
    written.write_text(filled(written.read_text("utf-8")), "utf-8")
    assert project("check").code == 0


def test_json_gives_facts_and_questions(project: Project, written: Path) -> None:
    data = json.loads(project("init", "client.example", "--json").out)
    assert data["completeness"] == "complete"
    assert data["servers"][0] == {
        "server": "ns1.client.example (198.51.100.53)",
        "serial": 7,
        "says": None,
        "transfer": True,
    }
    assert [question["key"] for question in data["questions"]] == list(ANSWERS)
    assert written.exists()


@pytest.mark.parametrize("word", ["", "example", "a..b", "client example.jp", "-x-.example", "192.0.2.1"])
def test_what_is_no_domain_is_a_clear_error(project: Project, word: str) -> None:
    result = project("init", "--", word)
    assert result.code == 2
    assert "'" in result.err
    assert not list((project.folder / "playbooks").glob(f"{word}*.yaml")) or not word


def test_a_domain_that_is_not_delegated_is_said_to_be_so_and_nothing_is_written(project: Project) -> None:
    result = project("init", "nobody.example")
    assert result.code == 6
    assert "nobody.example" in result.err
    assert not (project.folder / "playbooks" / "nobody.example.yaml").exists()


def test_a_name_of_other_letters_is_taken_and_shown_in_both_forms(project: Project, written: Path) -> None:
    result = project("init", "例え.example")
    assert result.code == 6
    assert "xn--r8jz45g.example" in result.err
    assert not written.exists()
