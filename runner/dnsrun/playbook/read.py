"""Text to a checked playbook, or all its problems at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import dns.name
from dns.name import Name

from dnsrun.errors import UsageError
from dnsrun.model.playbook import AskedSpec, Mark, Phase, Playbook, RecordSpec
from dnsrun.model.window import Window
from dnsrun.ports.kinds import Kinds

from . import zones
from .defaults import default_phases, holds_for, is_held
from .formats import formats
from .gates import Written, gates, name_all, step
from .names import domain_name
from .notices import notify
from .problems import Problems, Wrong
from .records import record
from .rules import RULES, asked
from .rules.facts import Facts
from .schema import LOW_TTL_S, playbook_schema
from .substitute import fill, has_variable, stays_literal
from .tree import MAX_BYTES, ListNode, MapNode, Node, ScalarNode, read_tree
from .unanswered import is_open, told
from .walk import Value, Walker
from .windows import window
from .wording import quoted


def load_playbook(path: Path, kinds: Kinds, *, today: date) -> Playbook:
    """Read a playbook's file, of 1 MiB at most.

    Raises `PlaybookError` with all its problems, `UsageError` when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise UsageError(f"cannot read the playbook {quoted(str(path))}: {err.strerror}") from err
    return read_playbook(_decoded(content, path), str(path), kinds, today=today)


def read_playbook(text: str, path: str, kinds: Kinds, *, today: date) -> Playbook:
    """Read a playbook's text.

    `path` is what messages call the file. `today` is the local day: attested facts do not come from the future.
    Pure. Raises `PlaybookError` with all problems.
    """
    problems = Problems(path)
    root = read_tree(text, problems, path)
    if not isinstance(root, MapNode):
        problems.add(root.mark, "a playbook is a mapping that begins with 'dnsrun: 1'")
        problems.raise_if_any()
    for mark in _open_questions(root):
        problems.add(mark, told(text.splitlines(), mark))
    variables = _variables(root, problems)
    domain = _domain(root, variables)
    known = formats(domain, _words(root, "providers"), _words(root, "mail", "accounts"))
    walker = Walker(playbook_schema(kinds), problems, variables, known)
    value = walker.document(root)
    builder = _Builder(value or Value({}, root.mark, root.mark), domain or dns.name.root, kinds, problems)
    playbook = builder.playbook(text, path, today)
    problems.raise_if_any()
    return replace(playbook, warnings=(*_warnings(root), *asked.warnings(playbook)))


def _decoded(content: bytes, path: Path) -> str:
    if len(content) > MAX_BYTES:
        return content.decode("utf-8", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        problems = Problems(str(path))
        problems.add(Mark(str(path), line, 1), "this line is not UTF-8; save the file as UTF-8")
        problems.raise_if_any()
        raise


def _variables(root: Node, problems: Problems) -> Mapping[str, str]:
    """Return the variables; a variable does not refer to another."""
    written = root.get("vars") if isinstance(root, MapNode) else None
    pairs = written.pairs if isinstance(written, MapNode) else ()
    for name, node in pairs:
        if isinstance(node, ScalarNode) and has_variable(node.text):
            problems.add(node.mark, f"the variable {quoted(name.text)} refers to a variable; write its text out")
    return {name.text: node.text for name, node in pairs if isinstance(node, ScalarNode)}


def _words(root: Node, *path: str) -> list[str]:
    """Return the keys of the mapping at a path, none when there is no such mapping."""
    node: Node | None = root
    for key in path:
        node = node.get(key) if isinstance(node, MapNode) else None
    return [name.text for name, _ in node.pairs] if isinstance(node, MapNode) else []


def _domain(root: Node, variables: Mapping[str, str]) -> Name | None:
    """Return the apex when it can be read; when not, the walk reports it."""
    node = root.get("domain") if isinstance(root, MapNode) else None
    try:
        return domain_name(fill(node.text, variables)) if isinstance(node, ScalarNode) else None
    except Wrong:
        return None


def _open_questions(node: Node) -> Iterator[Mark]:
    if isinstance(node, ScalarNode) and is_open(node.text):
        yield node.mark
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _open_questions(item)
    elif isinstance(node, MapNode):
        for _, child in node.pairs:
            yield from _open_questions(child)


def _warnings(node: Node) -> Iterator[str]:
    if isinstance(node, ScalarNode) and (part := stays_literal(node.text)):
        yield f"{node.mark}: {quoted(part)} is not a variable and stays as it is written"
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _warnings(item)
    elif isinstance(node, MapNode):
        for _, child in node.pairs:
            yield from _warnings(child)


_Bare = tuple[Phase, tuple[Written, ...], tuple[tuple[Written, ...], ...]]


class _Builder:
    """Makes the model's values of what was read; parts that are not whole are left out, they are reported already."""

    def __init__(self, value: Value, domain: Name, kinds: Kinds, problems: Problems) -> None:
        self._value = value
        self._domain = domain
        self._kinds = kinds
        self._problems = problems

    def playbook(self, text: str, path: str, today: date) -> Playbook:
        """Return the playbook; only good when there are no problems."""
        providers = zones.providers(self._value.get("providers"))
        zone = self._value.get("zone") or Value({}, self._value.mark, self._value.mark)
        mail = self._value.get("mail")
        if self._value.get("phases") is None:
            zones.refuse_public_defaults(zone, providers, self._problems)
        playbook = Playbook(
            path=path,
            text=text,
            digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            domain=self._domain,
            goal=self._value.leaf("goal", ""),
            providers=providers,
            zone=zones.zone(zone, self._problems, today),
            mail=zones.mail(mail) if mail else None,
            records=self._records(),
            phases=self._phases(),
            low_ttl_s=self._value.leaf("ttl", LOW_TTL_S),
            resolvers=self._value.leaves("resolvers"),
            notify=notify(self._value.get("notify"), self._problems),
            asked=self._asked(today),
        )
        self._check(playbook)
        return playbook

    def _check(self, playbook: Playbook) -> None:
        """Apply the rules where the parts they look at are whole."""
        records, phases = self._value.get("records"), self._value.get("phases")
        whole = not (records and len(records.data) != len(playbook.records)) and not (phases and not phases.whole)
        zone = self._value.get("zone")
        facts = Facts(
            playbook.domain,
            playbook.mail,
            playbook.records,
            playbook.phases if whole else (),
            playbook.zone,
            zone.mark if zone else self._value.mark,
            playbook.providers,
            self._kinds.registrars,
            playbook.notify,
            self._keeps_mail(),
        )
        for rule in RULES if self._value.get("domain") else ():
            for finding in rule(facts):
                self._problems.add(finding.mark, finding.text)

    def _keeps_mail(self) -> Mark | None:
        written = self._value.get("asked")
        local = written.get("local_mail") if written else None
        return local.mark if local and local.data == "yes" else None

    def _asked(self, today: date) -> AskedSpec | None:
        written = self._value.get("asked")
        return zones.asked(written, self._problems, today) if written else None

    def _records(self) -> tuple[RecordSpec, ...]:
        written = self._value.get("records")
        read = [record(item, self._domain, self._problems) for item in written.data] if written else []
        return tuple(spec for spec in read if spec is not None)

    def _phases(self) -> tuple[Phase, ...]:
        written = self._value.get("phases")
        if written is None:
            zone = self._value.get("zone")
            moves = zone is not None and zone.get("to") is not None
            bare: list[_Bare] = [(phase, (), ()) for phase in default_phases(self._value.mark, moves=moves)]
        else:
            self._check_phase_names(written)
            bare = [self._phase(number, item) for number, item in enumerate(written.data, start=1) if item.whole]
        everywhere = gates(self._value.get("gates"), self._kinds)
        usual = window(self._value.get("window"), self._problems)
        return tuple(
            _with_window(self._with_gates(phase, own, steps, _held(everywhere, phase, bare[:at])), usual)
            for at, (phase, own, steps) in enumerate(bare)
        )

    def _phase(self, number: int, value: Value) -> _Bare:
        steps = value.data["steps"].data
        own_window = window(value.get("window"), self._problems)
        phase = Phase(
            number, value.leaf("name"), tuple(step(s, self._kinds) for s in steps), (), value.mark, own_window
        )
        of_steps = tuple(gates(s.get("gates"), self._kinds) for s in steps)
        return phase, gates(value.get("gates"), self._kinds), of_steps

    def _with_gates(
        self,
        phase: Phase,
        own: tuple[Written, ...],
        of_steps: tuple[tuple[Written, ...], ...],
        held: tuple[Written, ...],
    ) -> Phase:
        named = name_all(((*held, *own), *of_steps), self._problems)
        steps = tuple(replace(s, gates=g) for s, g in zip(phase.steps, named[1:], strict=False))
        return replace(phase, gates=named[0], steps=steps or phase.steps)

    def _check_phase_names(self, phases: Value) -> None:
        seen: dict[str, int] = {}
        for item in phases.data:
            name = item.get("name")
            if name is None:
                continue
            if name.data.isdigit() or name.data == "next":
                self._problems.add(name.mark, f"{quoted(name.data)} means something else after --phase; use words")
            if name.data.casefold() in seen:
                line = seen[name.data.casefold()]
                self._problems.add(name.mark, f"the phase of line {line} has this name already; give each its own")
            seen.setdefault(name.data.casefold(), name.mark.line)


def _held(everywhere: tuple[Written, ...], phase: Phase, earlier: list[_Bare]) -> tuple[Written, ...]:
    before = tuple(other for other, _, _ in earlier)
    return tuple(gate for gate in everywhere if holds_for(phase, gate.spec, before))


def _with_window(phase: Phase, usual: Window | None) -> Phase:
    return replace(phase, window=usual) if phase.window is None and is_held(phase) else phase
