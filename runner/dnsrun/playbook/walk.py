"""Reads a tree by the playbook's schema: values of the right type, each with its place, or problems with theirs.

Understood keywords: `type` (string, integer, boolean, array, object), `format`, `enum`, `const`, `pattern`,
`minLength`, `minimum`, `maximum`, `items`, `minItems`, `properties`, `required`, `additionalProperties`,
`propertyNames`, `anyOf` (alternatives told apart by the shape of what is written), `$ref` into `$defs`, and
`allOf` with `if`/`then` on the word of one key. Others are ignored here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dnsrun.model.playbook import Mark, SecretRef

from .problems import Problems, Unknowable, Wrong
from .secret import read_secret
from .substitute import fill, has_variable, variables_in
from .tree import BrokenNode, ListNode, MapNode, Node, ScalarNode
from .unanswered import is_open
from .values import boolean, integer
from .wording import listed, meant, quoted

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
Format = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Value:
    """Something that was read. `data` is a dict or tuple of values, or a leaf.

    `key` is where its key stands. `whole` is false when a part of it is wrong or missing, and was reported.
    """

    data: Any
    mark: Mark
    key: Mark
    whole: bool = True

    def get(self, name: str) -> Value | None:
        """Return the value under a key of a mapping, None when it is not there."""
        found: Value | None = self.data.get(name)
        return found

    def leaf(self, name: str, default: Any = None) -> Any:
        """Return the data of the leaf under a key."""
        found = self.get(name)
        return default if found is None else found.data

    def leaves(self, name: str) -> tuple[Any, ...]:
        """Return the data of the leaves in the list under a key; none when it is not there."""
        found = self.get(name)
        return () if found is None else tuple(item.data for item in found.data)


_NODES: Mapping[type[Node], tuple[str, str]] = {
    ScalarNode: ("scalar", "a text"),
    ListNode: ("array", "a list"),
    MapNode: ("object", "a mapping"),
}
_WANTED = {
    "array": "a list; begin each entry with '- '",
    "object": "a mapping; write 'key: value' lines below it",
    "scalar": "a single value",
}


class Walker:
    """Reads nodes by a schema; everything that is wrong goes to `problems`."""

    def __init__(
        self, schema: Schema, problems: Problems, variables: Mapping[str, str], formats: Mapping[str, Format]
    ) -> None:
        self._schema = schema
        self._problems = problems
        self._variables = variables
        self._formats = formats

    def document(self, root: Node) -> Value | None:
        """Read the whole tree; None when nothing of it can be used."""
        return self._read(root, self._schema, (), root.mark)

    def _read(self, node: Node, schema: Schema, path: Path, key: Mark) -> Value | None:
        schema = self._alternative(node, self._resolved(schema))
        if isinstance(node, BrokenNode) or (isinstance(node, ScalarNode) and self._waits(node.text)):
            return None  # reported already
        if schema.get("format") == "secret":
            return self._leaf(node, path, key, lambda: self._secret(node))
        wanted = schema.get("type", "string")
        shape = wanted if wanted in ("array", "object") else "scalar"
        if _NODES[type(node)][0] != shape:
            self._misshapen(node, shape, path)
            return None
        if isinstance(node, MapNode):
            return self._mapping(node, schema, path, key)
        if isinstance(node, ListNode):
            return self._list(node, schema, path, key)
        return self._leaf(node, path, key, lambda: self._scalar(node, schema))

    def _resolved(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        if not reference:
            return schema
        target: Schema = self._schema["$defs"][reference.rpartition("/")[2]]
        return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}

    def _alternative(self, node: Node, schema: Schema) -> Schema:
        """Return the alternative of `anyOf` that fits what is written."""
        choices = [self._resolved(choice) for choice in schema.get("anyOf", ())]
        if not choices:
            return schema
        shape = _NODES[type(node)][0] if not isinstance(node, BrokenNode) else ""
        fitting = [c for c in choices if shape == c.get("type") or (shape == "scalar" and _is_scalar(c))] or choices
        if isinstance(node, ScalarNode):
            exact = [c for c in fitting if node.text in _words(c)]
            open_ones = [c for c in fitting if not _words(c)]
            words = [word for c in fitting for word in _words(c)]
            return exact[0] if exact else {**open_ones[0], "or": words} if open_ones else fitting[0]
        return fitting[0]

    def _misshapen(self, node: ListNode | MapNode | ScalarNode, shape: str, path: Path) -> None:
        if isinstance(node, ScalarNode) and node.plain and not node.text:
            self._wrong(node.mark, path, f"{_label(path)} has no value; write one, or leave the key out")
            return
        written = _NODES[type(node)][1]
        self._wrong(node.mark, path, f"{_label(path)} must be {_WANTED[shape]}, not {written}")

    def _wrong(self, mark: Mark, path: Path, text: str) -> None:
        phase = f"phase {int(path[1]) + 1}: " if path[:1] == ("phases",) and len(path) > 1 else ""
        self._problems.add(mark, phase + text)

    # lists and mappings

    def _list(self, node: ListNode, schema: Schema, path: Path, key: Mark) -> Value:
        items = [
            self._read(item, schema.get("items", {}), (*path, at), item.mark) for at, item in enumerate(node.items)
        ]
        good = tuple(item for item in items if item is not None)
        enough = len(items) >= schema.get("minItems", 0)
        if not enough:
            self._wrong(node.mark, path, f"{_label(path)} is empty; write at least one entry, or leave the key out")
        return Value(good, node.mark, key, enough and len(good) == len(items) and all(item.whole for item in good))

    def _mapping(self, node: MapNode, schema: Schema, path: Path, key: Mark) -> Value:
        chosen = self._chosen(node, schema, path)
        if chosen is None:
            return Value({}, node.mark, key, whole=False)
        found: dict[str, Value] = {}
        whole = True
        for name, child in node.pairs:
            read = self._member(name, child, chosen, path)
            whole = whole and read is not None and read[1].whole
            if read:
                found[read[0]] = read[1]
        written = {name.text for name, _ in node.pairs}
        for missing in [name for name in chosen.get("required", ()) if name not in written]:
            whole = False
            self._wrong(node.mark, path, f"{quoted(missing)} is missing{_purpose(chosen, missing)}")
        return Value(found, node.mark, key, whole)

    def _member(self, name: ScalarNode, child: Node, schema: Schema, path: Path) -> tuple[str, Value] | None:
        known: Mapping[str, Schema] = schema.get("properties", {})
        if name.text in known:
            read = self._read(child, known[name.text], (*path, name.text), name.mark)
            return (name.text, read) if read else None
        others = schema.get("additionalProperties", False)
        if others is False:
            self._wrong(name.mark, path, f"{quoted(name.text)} is not known{_place(path)}{meant(name.text, known)}")
            return None
        key = self._leaf(
            name, (*path, name.text), name.mark, lambda: self._scalar(name, schema.get("propertyNames", {}))
        )
        read = self._read(child, others, (*path, name.text), name.mark)
        return (str(key.data), read) if key and read else None

    def _chosen(self, node: MapNode, schema: Schema, path: Path) -> Schema | None:
        """Return the `then` for the word of `kind` or `use`; the schema itself when it has no such choice."""
        rules = schema.get("allOf")
        if not rules:
            return schema
        word = next(iter(rules[0]["if"]["properties"]))
        written = node.get(word)
        if not isinstance(written, ScalarNode):
            self._without_word(node, written, schema, word, path)
            return None
        text = self._filled(written.text)
        if is_open(text):
            return None
        for rule in rules:
            if rule["if"]["properties"][word]["const"] == text:
                then: Schema = rule["then"]
                return then
        known = schema["properties"][word]["enum"]
        what = schema.get("title", word)
        self._wrong(written.mark, path, f"{what} {quoted(text)} is not known{meant(text, known)}")
        return None

    def _without_word(self, node: MapNode, written: Node | None, schema: Schema, word: str, path: Path) -> None:
        if written is None:
            known = ", ".join(sorted(schema["properties"][word]["enum"]))
            self._wrong(node.mark, path, f"{quoted(word)} is missing; write one of: {known}")
        elif not isinstance(written, BrokenNode):
            self._misshapen(written, "scalar", (*path, word))

    # scalars

    def _waits(self, text: str) -> bool:
        """Tell whether a text, or a variable in it, is an open question."""
        used = (self._variables.get(name, "") for name in variables_in(text))
        return is_open(self._filled(text)) or any(map(is_open, used))

    def _filled(self, text: str) -> str:
        try:
            return fill(text, self._variables)
        except Wrong:
            return text

    def _leaf(self, node: Node, path: Path, key: Mark, convert: Callable[[], object]) -> Value | None:
        try:
            return Value(convert(), node.mark, key)
        except Wrong as wrong:
            text = str(wrong)
            starts_bare = text.startswith(("must ", "is ", "has ", "holds ", "needs ", "can "))
            self._wrong(node.mark, path, f"{_label(path)} {text}" if starts_bare else text)
        except Unknowable:
            pass
        return None

    def _secret(self, node: ListNode | MapNode | ScalarNode) -> SecretRef:
        return read_secret(node, self._variables)

    def _scalar(self, node: ScalarNode, schema: Schema) -> object:
        if node.plain and not node.text:
            raise Wrong("has no value; write one, or leave the key out")
        text = fill(node.text, self._variables)
        wanted = schema.get("type", "string")
        if wanted != "string" and not node.plain and not has_variable(node.text):
            kind = "a number" if wanted == "integer" else "true or false"
            raise Wrong(f"must be {kind} without quotes")
        if wanted == "integer":
            return _in_range(integer(text), schema)
        if wanted == "boolean":
            return _expected(boolean(text), schema)
        return self._text(text, schema)

    def _text(self, text: str, schema: Schema) -> object:
        words = _words(schema)
        if words and text not in words:
            raise Wrong(f"must be {listed(words)}, not {quoted(text)}" if len(words) == 1 else _not_among(text, words))
        if len(text) < schema.get("minLength", 0):
            raise Wrong("must not be empty")
        if "pattern" in schema and not re.search(schema["pattern"], text):
            raise Wrong(f"must be {schema.get('x-says', 'written differently')}, not {quoted(text)}")
        convert = self._formats.get(schema.get("format", ""))
        if convert is None:
            return text
        try:
            return convert(text)
        except Wrong as wrong:
            extra = f", or {listed(schema['or'])}" if schema.get("or") else ""
            raise Wrong(f"{wrong}{extra}") from wrong


def at_key(value: Value) -> Value:
    """Return the value with the place of its key as its own."""
    return replace(value, mark=value.key)


def _is_scalar(schema: Schema) -> bool:
    return schema.get("type", "string") not in ("array", "object")


def _words(schema: Schema) -> list[str]:
    if "const" in schema:
        return [str(schema["const"])]
    return list(map(str, schema.get("enum", ())))


def _not_among(text: str, words: list[str]) -> str:
    return f"must be one of {', '.join(words)}, not {quoted(text)}{meant(text, words) if _near(text, words) else ''}"


def _near(text: str, words: list[str]) -> bool:
    return "did you mean" in meant(text, words)


def _in_range(number: int, schema: Schema) -> int:
    if "const" in schema and number != schema["const"]:
        raise Wrong(f"must be {schema['const']}, the version that this dnsrun reads, not {number}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and number < low) or (high is not None and number > high):
        span = f"between {low} and {high}" if high is not None and low is not None else f"at least {low}"
        raise Wrong(f"must be {span}, not {number}")
    return number


def _expected(flag: bool, schema: Schema) -> bool:  # noqa: FBT001 - the value that was read, not a switch
    if "const" in schema and flag is not schema["const"]:
        raise Wrong("can only be true; leave the key out otherwise")
    return flag


def _purpose(schema: Schema, name: str) -> str:
    described = schema.get("properties", {}).get(name, {}).get("description")
    return f"; add it: {described}" if described else ""


def _label(path: Path) -> str:
    words = [part for part in path if isinstance(part, str)]
    if not words:
        return "the playbook"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {quoted(words[-1])}"
    return quoted(words[-1])


def _place(path: Path) -> str:
    words = [part for part in path if isinstance(part, str)]
    return f" in {quoted(words[-1])}" if words else ""
