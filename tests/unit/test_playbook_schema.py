"""The JSON Schema for editors: valid, described, and of one mind with the reader."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dnsrun.playbook.problems import Problems
from dnsrun.playbook.schema import editor_schema
from dnsrun.playbook.tree import BrokenNode, ListNode, Node, ScalarNode, read_tree
from playbook_words import EXAMPLES, KINDS, cases, problems

SCHEMA = json.loads(json.dumps(editor_schema(KINDS)))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
STRUCTURE = re.compile(
    r"is not known(?! now)|is missing; (add|write)|must be (a list|a mapping|a single value|one of|'|true or false|"
    r"between|at least)|without quotes|is empty; write at least|can only be true|must not hold the secret"
)
# The schema does not know which types, names and texts exist; these wordings are the reader's own.
ONLY_READER = re.compile(r"the type '|there is no|plugin '.*' is not known|must be a list; .*not a text \(")


def as_an_editor_reads(node: Node) -> Any:
    """Return plain data with the scalars of YAML 1.2 resolved, as editors do."""
    if isinstance(node, ScalarNode):
        if node.plain and re.fullmatch(r"-?(0|[1-9][0-9]*)", node.text):
            return int(node.text)
        words = {"true": True, "false": False, "": None}
        return words[node.text] if node.plain and node.text in words else node.text
    if isinstance(node, ListNode):
        return [as_an_editor_reads(item) for item in node.items]
    if isinstance(node, BrokenNode):
        return None
    return {key.text: as_an_editor_reads(value) for key, value in node.pairs}


def documents() -> Iterator[Any]:
    yield from (
        pytest.param(file.read_text(encoding="utf-8"), id=file.stem) for file in sorted(EXAMPLES.glob("*.yaml"))
    )
    for case in cases():
        # What the tree refuses no schema ever sees.
        if not any(re.search("this is not YAML|are not read|a second|a key must be", said) for said in case.values[1]):
            yield pytest.param(case.values[0], id=case.id)


@pytest.mark.parametrize("text", list(documents()))
def test_editor_and_reader_are_of_one_mind(text: str) -> None:
    found = problems(text)
    errors = [error.message for error in VALIDATOR.iter_errors(as_an_editor_reads(read_tree(text, Problems("x"), "x")))]
    if not found:
        assert errors == []
    if any(STRUCTURE.search(problem) and not ONLY_READER.search(problem) for problem in found):
        assert errors


def test_it_is_a_schema_of_the_dialect_it_names() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def described(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", bool(inner.get("description"))
        yield from described(inner, f"{path}.{name}")
    for word in ("items", "then", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from described(schema[word], path)
    for word in ("anyOf", "allOf"):
        for inner in schema.get(word, ()):
            yield from described(inner, path)
    for name, inner in schema.get("$defs", {}).items():
        yield from described(inner, name)


def test_every_key_is_described() -> None:
    keys = dict(described(SCHEMA))
    assert len(keys) > 60
    assert [key for key, has in keys.items() if not has] == []


def test_a_key_of_another_kind_is_refused_by_the_schema_too() -> None:
    text = "dnsrun: 1\ndomain: a.example\nproviders: {h: {use: manual, api_key: {env: A}}}\nzone: {from: h}\n"
    assert "'api_key' is not known" in problems(text)[0]
    assert not VALIDATOR.is_valid(as_an_editor_reads(read_tree(text, Problems("x"), "x")))


def test_reading_needs_no_jsonschema() -> None:
    """It loads slowly, and the reader walks the same schema itself."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import playbook_words; print('jsonschema' in sys.modules)"
    argv = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "False\n"
