"""The ready-made playbooks: they are good, and an editor finds their schema."""

from __future__ import annotations

import pytest

from dnsrun.errors import UsageError
from dnsrun.playbook.defaults import phase_named
from dnsrun.playbook.examples import example, examples
from dnsrun.playbook.read import read_playbook
from dnsrun.wiring.plugins import kinds
from playbook_words import TODAY, read

NAMES = ("mail-switch", "web-move", "zone-move", "zone-move-by-hand")


def test_there_are_ready_made_playbooks() -> None:
    assert examples() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_made_playbook_is_good_and_begins_with_the_line_for_editors(name: str) -> None:
    text = example(name)
    assert text.startswith("# yaml-language-server: $schema=../.dnsrun/schema.json\n")
    assert read(text).records
    assert read(text).warnings == ()


def test_a_name_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no ready-made playbook 'web-mov'; did you mean 'web-move'"):
        example("web-mov")


@pytest.mark.parametrize("name", ["../pyproject", "__init__", ""])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(UsageError, match=r"known here|did you mean"):
        example(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_made_playbook_is_good_with_what_is_shipped(name: str) -> None:
    """The words above are fixed for tests; these are the installed plugins' own."""
    assert read_playbook(example(name), "client.yaml", kinds(), today=TODAY).warnings == ()


@pytest.mark.parametrize(("name", "words"), [("zone-move", "12345"), ("zone-move-by-hand", "")])
def test_phases_are_called_as_the_ready_made_playbook_says(name: str, words: str) -> None:
    playbook = read(example(name))
    named = [line.partition("--phase ")[2] for line in example(name).splitlines() if "dnsrun apply --phase" in line]
    called = [word.split("   ")[0].strip('"') for word in named]
    assert [phase_named(playbook, word).number for word in called] == [phase.number for phase in playbook.phases]
    assert called == list(words) or not words
