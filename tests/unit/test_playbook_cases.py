"""Every case under tests/cases/playbooks: a playbook in, exactly these messages out. A new case needs no Python."""

from __future__ import annotations

import pytest

from playbook_words import cases, problems


@pytest.mark.parametrize(("text", "messages"), list(cases()))
def test_a_playbook_gives_exactly_these_messages(text: str, messages: list[str]) -> None:
    assert problems(text) == messages


def test_no_message_repeats_a_secret() -> None:
    """Threat 1: the literal of the secrets cases is in no message at all."""
    told = [message for case in cases() if case.id.startswith("secrets") for message in case.values[1]]
    assert len(told) > 10
    assert not [message for message in told if "hunter" in message or "12345678" in message]


def test_every_message_says_where_what_and_what_to_do() -> None:
    for case in cases():
        for message in case.values[1]:
            line, column, text = message.split(":", 2)
            assert int(line) > 0
            assert int(column) > 0
            assert len(text) > 20
            assert text.isprintable()
