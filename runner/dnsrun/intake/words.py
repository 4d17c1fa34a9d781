"""The sentences of the written playbook and of the questions, in English and Japanese (`words.yaml`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Literal

Language = Literal["en", "ja"]
Say = Callable[..., str]


def speaking(language: Language) -> Say:
    """Return what makes a sentence of a word of `words.yaml` and what is filled in."""
    sentences = _sentences()

    def say(word: str, **facts: object) -> str:
        return sentences[word][language].format_map({name: str(fact) for name, fact in facts.items()})

    return say


@cache
def _sentences() -> Mapping[str, Mapping[str, str]]:
    import yaml

    text = resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8")
    read: Mapping[str, Mapping[str, str]] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - every scalar stays a text
    return read
