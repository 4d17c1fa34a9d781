"""The ready-made playbooks: they are good, and an editor finds their schema."""

from __future__ import annotations

import pytest

from dnsrun.errors import UsageError
from dnsrun.playbook.examples import example, examples
from playbook_words import read


def test_there_are_ready_made_playbooks() -> None:
    assert examples() == ("mail-switch", "web-move")


@pytest.mark.parametrize("name", ["mail-switch", "web-move"])
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
