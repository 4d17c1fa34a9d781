"""The ready-made playbooks: they are good once their questions are answered, and an editor finds their schema."""

from __future__ import annotations

import re

import pytest

from answers import answered
from dnsrun.errors import PlaybookError, UsageError
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.defaults import phase_named
from dnsrun.playbook.examples import about, example, examples
from dnsrun.playbook.read import read_playbook
from dnsrun.wiring.plugins import kinds
from playbook_words import TODAY

NAMES = ("mail-switch", "microsoft-365", "web-move", "zone-move", "zone-move-by-hand")
_SHOWN = re.compile(r"^( *)# (?=( *- \{)|(window|resolvers|notify|front):)", re.MULTILINE)


def read(text: str) -> Playbook:
    """Read a playbook with the words of what is shipped."""
    return read_playbook(text, "client.yaml", kinds(), today=TODAY)


def test_there_are_ready_made_playbooks() -> None:
    assert examples() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_made_playbook_begins_with_the_line_for_editors_and_what_it_is_for(name: str) -> None:
    first, _, third = example(name).splitlines()[:3]
    assert first == "# yaml-language-server: $schema=../.dnsrun/schema.json"
    assert third == f"# {about(name)}"
    assert about(name).endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_questions_is_open_and_they_are_told_in_words(name: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        read(example(name))
    told = [problem.text for problem in caught.value.problems]
    assert all(re.fullmatch(r"not answered: .{20,}; ask the client", text) for text in told), told


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_made_playbook_is_good_once_its_questions_are_answered(name: str) -> None:
    assert read(answered(name)).warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_behind_a_number_sign_is_good_when_the_sign_is_taken_away(name: str) -> None:
    text = _SHOWN.sub(r"\1", answered(name))
    playbook = read(text)
    assert (len(playbook.notify), playbook.resolvers) == (2, ("192.0.2.1",))
    assert [phase for phase in playbook.phases if phase.window]


def test_a_name_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no ready-made playbook 'web-mov'; did you mean 'web-move'"):
        example("web-mov")


@pytest.mark.parametrize("name", ["../pyproject", "__init__", ""])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(UsageError, match=r"known here|did you mean"):
        example(name)


@pytest.mark.parametrize(("name", "words"), [("web-move", "1235"), ("zone-move", "12345")])
def test_phases_with_the_usual_numbers_are_called_by_them(name: str, words: str) -> None:
    assert called(name) == list(words)


@pytest.mark.parametrize("name", NAMES)
def test_phases_are_called_as_the_ready_made_playbook_says(name: str) -> None:
    playbook = read(answered(name))
    found = [phase_named(playbook, word).number for word in called(name)]
    assert found == [phase.number for phase in playbook.phases if phase.number in found]
    assert {phase.number for phase in playbook.phases if phase.name != "switch NS"} <= set(found)


def called(name: str) -> list[str]:
    """Return the phases that the comments of a playbook call, in order."""
    lines = [line.partition("--phase ")[2] for line in example(name).splitlines() if "dnsrun apply --phase" in line]
    return [line.split("   ")[0].strip('"') for line in lines]
