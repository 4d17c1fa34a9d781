"""YAML text to a tree of texts, lists and mappings that know their place.

Less than YAML on purpose: no tags, anchors, aliases, repeated keys, second documents; bounded size, depth and number
of nodes, all checked on the stream of parser events before anything is built (threats 4, 5 and 6). Scalars are never
resolved: `no`, `010` and `1:30` stay the text that was typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from dnsrun.model.playbook import Mark

from .problems import Problems
from .unanswered import is_open, told
from .wording import quoted

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 50_000

_TOO_DEEP = f"more than {MAX_DEPTH} levels deep; a playbook needs fewer than 10"
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_YAML = yaml.reader.Reader.NON_PRINTABLE


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A text; `plain` when it was written without quotes and not as a block."""

    text: str
    plain: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping, in the order of the file; no key twice."""

    pairs: tuple[tuple[ScalarNode, Node], ...]
    mark: Mark

    def get(self, key: str) -> Node | None:
        """Return what stands under a key, None when the key is not there."""
        return next((node for name, node in self.pairs if name.text == key), None)


@dataclass(frozen=True, slots=True)
class BrokenNode:
    """Something that cannot be read and has been reported."""

    mark: Mark


Node = ScalarNode | ListNode | MapNode | BrokenNode


def read_tree(text: str, problems: Problems, file: str) -> Node:
    """Return the tree of one YAML document; raises `PlaybookError` when the rest cannot be read."""
    start = Mark(file, 1, 1)
    _check_text(text, problems, start)
    composer = _Composer(_events(text, problems, start), problems, file)
    return composer.document()


def _check_text(text: str, problems: Problems, start: Mark) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        problems.add(start, "the file is larger than 1 MiB; a playbook is for one domain, split it")
        problems.raise_if_any()
    if found := _NOT_YAML.search(text):
        before = text[: found.start()]
        mark = Mark(start.file, before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1)
        code = f"U+{ord(found.group()):04X}"
        problems.add(
            mark, f"the character {code} may not stand in a file; remove it, or write it as an escape in double quotes"
        )
        problems.raise_if_any()


def _events(text: str, problems: Problems, start: Mark) -> Iterator[yaml.Event]:
    """Yield the parser's events; a syntax error ends the reading as a problem."""
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as err:
        at = err.problem_mark or err.context_mark
        mark = Mark(start.file, at.line + 1, at.column + 1) if at else start
        problems.add(mark, _syntax_message(err, text, mark))
        problems.raise_if_any()
    except (yaml.YAMLError, ValueError) as err:
        problems.add(start, f"this is not YAML ({type(err).__name__}); save the file as UTF-8 text")
        problems.raise_if_any()


_HINTS = (
    ("mapping values are not allowed", "a text that holds ': ' needs quotes, and keys must begin in the same column"),
    ("cannot start any token", 'a text that begins with @, %, ` or a tab needs quotes: "@"; indent with spaces'),
    ("alphabetic or numeric", 'a text that begins with * or & needs quotes: "*"'),
    ("could not find expected ':'", "write key: value, with a space after the colon"),
)


def _syntax_message(err: yaml.MarkedYAMLError, text: str, mark: Mark) -> str:
    lines = text.splitlines()
    if is_open(lines[mark.line - 1][mark.column - 1 :].partition("#")[0] if mark.line <= len(lines) else ""):
        return f"{told(lines, mark)} (without quotes this is not YAML: nothing below it was read)"
    said = f"{err.context or ''} {err.problem or ''}"
    if "nesting depth" in said:  # libyaml has a limit of its own, far beyond ours
        return _TOO_DEEP
    hint = next(
        (hint for word, hint in _HINTS if word in said), "look for a missing quote, bracket or indentation here"
    )
    if "flow" in said and any("${" in line for line in lines[max(mark.line - 2, 0) : mark.line]):
        hint = 'inside { } and [ ] a variable needs quotes: "${name}"'
    return f"this is not YAML: {err.problem or err.context}; {hint}"


class _Composer:
    """Builds nodes from events, one at a time, so that a limit stops it early."""

    def __init__(self, events: Iterator[yaml.Event], problems: Problems, file: str) -> None:
        self._events = events
        self._problems = problems
        self._file = file
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return MapNode((), Mark(self._file, 1, 1))
        root = self._node(next(self._events), depth=1)
        next(self._events)  # end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._problems.add(self._mark(after), "a second document begins here; a file holds one playbook")
        return root

    def _mark(self, event: yaml.Event) -> Mark:
        at = event.start_mark
        return Mark(self._file, at.line + 1, at.column + 1) if at else Mark(self._file, 1, 1)

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        mark = self._mark(event)
        self._count(mark, depth)
        if isinstance(event, yaml.AliasEvent):
            self._problems.add(
                mark,
                "aliases (*name) are not read; write the value out, or use vars. "
                'A text that begins with * needs quotes: "*.example"',
            )
            return BrokenNode(mark)
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_extras(event.anchor, event.tag, mark)
            return ScalarNode(event.value, not event.style, mark)
        if isinstance(event, yaml.CollectionStartEvent):
            self._refuse_extras(event.anchor, event.tag, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return ListNode(self._items(depth), mark)
        return MapNode(self._pairs(depth), mark)

    def _count(self, mark: Mark, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            self._problems.add(mark, _TOO_DEEP)
            self._problems.raise_if_any()
        if self._nodes > MAX_NODES:
            self._problems.add(mark, f"more than {MAX_NODES} values in one file; split it")
            self._problems.raise_if_any()

    def _refuse_extras(self, anchor: str | None, tag: str | None, mark: Mark) -> None:
        """Report tags and anchors without repeating them: what follows ! or & may be a secret typed without quotes."""
        if anchor is not None:
            self._problems.add(mark, "anchors (&name) are not read; use vars. A text that begins with & needs quotes")
        if tag is not None:
            self._problems.add(
                mark, "tags (!name) are not read; write the plain value. A text that begins with ! needs quotes"
            )

    def _items(self, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth=depth + 1))
        return tuple(items)

    def _pairs(self, depth: int) -> tuple[tuple[ScalarNode, Node], ...]:
        pairs: dict[str, tuple[ScalarNode, Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            value = self._node(next(self._events), depth=depth + 1)
            if isinstance(key, ScalarNode):
                self._keep(pairs, key, value)
            elif not isinstance(key, BrokenNode):
                self._problems.add(
                    key.mark, "a key must be a word, not a list or mapping; a text that begins with [ or { needs quotes"
                )
        return tuple(pairs.values())

    def _keep(self, pairs: dict[str, tuple[ScalarNode, Node]], key: ScalarNode, value: Node) -> None:
        if key.text in pairs:
            first = pairs[key.text][0].mark.line
            self._problems.add(
                key.mark, f"{quoted(key.text)} stands here a second time (first in line {first}); keep one"
            )
            return
        pairs[key.text] = (key, value)
