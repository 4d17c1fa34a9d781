"""Ask many RRsets at every server of a view and sort the answers: the common part of `records` and `untouched`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from dns.name import Name

from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Verdict
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import Net, View

from .silence import answered, ask_controls, is_silence, not_asked, path, transport

# Over TCP a large batch is confirmed at this many keys, spread evenly; all keys were asked over UDP.
CONFIRMED_OVER_TCP = 200

T = TypeVar("T")
State = Literal["ok", "old", "ttl", "other", "broken", "silent"]
_HARD: frozenset[State] = frozenset({"ttl", "other", "broken"})
_FROM_BEST: tuple[State, ...] = ("ok", "old", "ttl", "other", "broken", "silent")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a key is to answer: `wanted`, or for a while still `before` (both may be absent: None).

    `may_lag` False: an answer like `before` is not old, it is wrong. `ttl_s`: served TTLs may not be above it.
    `referral`: a delegated child's NS RRset, which servers of the parent give without authority.
    """

    wanted: RRset | None
    before: RRset | None = None
    may_lag: bool = False
    ttl_s: int | None = None
    referral: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A key at a server that is not as it should be; `seen` None: it was not asked."""

    state: State
    key: RRsetKey
    seen: Observation | None


@dataclass(frozen=True, slots=True)
class AtServer:
    """What one server came to: how many keys it was asked, and what was found; nothing found is good."""

    server: Endpoint
    asked: int
    findings: tuple[Finding, ...]
    judged: bool = True

    def of(self, *states: State) -> tuple[Finding, ...]:
        """Return the findings in one of these states."""
        return tuple(one for one in self.findings if one.state in states)


Expectations = Mapping[RRsetKey, Expected]


def state_of(key: RRsetKey, expected: Expected, got: object) -> State:
    """Sort one answer; pure."""
    if isinstance(got, NoReply):
        return "broken" if got.why == "refused" else "silent"
    if not isinstance(got, Answer) or _is_broken(key, expected, got):
        return "broken"
    if expected.referral and got.kind == "data" and not expected.may_lag:
        return "ok"  # a child zone at the same server answers for itself: not the data of this zone
    found = got.rrset if got.kind in ("data", "referral") else None
    if _is(expected.wanted, found):
        return _by_ttl(expected, found)
    return "old" if expected.may_lag and _is(expected.before, found) else "other"


def survey(
    expected: Expectations, seen: Sequence[Observation], case: GateCase, only: frozenset[Name] = frozenset()
) -> tuple[AtServer, ...]:
    """Return what each server came to, in the order of their names. `only` limits it to some host names; pure."""
    tables = _by_server(seen)
    servers = sorted(tables, key=lambda server: (server.name, server.is_v6, server.address, server.port))
    chosen = [server for server in servers if not only or server.name in only]
    return tuple(_at_server(server, tables[server], expected, case, named=bool(only)) for server in chosen)


def observe(
    expected: Expectations, case: GateCase, view: View, net: Net, *, confirm: bool, only: frozenset[Name] = frozenset()
) -> tuple[Observation, ...]:
    """Ask every key at every server over UDP, and what decides over TCP as well; add controls. Touches the network.

    `confirm`: a good round is confirmed over TCP. What looks wrong always is (threats 18, 19), and a server's error a
    few times more: one that fails now and then has not failed the round (fault 46).
    """
    seen = list(view.ask(expected))
    doubted = _found(expected, seen, case, only)
    if confirm and not doubted:
        expected = {key: expected[key] for key in _spread(list(expected))}  # the others are good by now
        seen += view.ask(expected, transport="tcp")
        doubted = _broken_ones(expected, seen, case, only)
    for _ in range(_TRIES_OVER_TCP):
        doubtful = _doubtful(doubted, seen)
        if not doubtful:
            break
        seen += net.ask(doubtful)
        doubted = _broken_ones(expected, seen, case, only)
    seen += ask_controls(view, net, case.apex, seen)
    return (*seen, *not_asked(view, seen))


def _found(expected: Expectations, seen: Sequence[Observation], case: GateCase, only: frozenset[Name]) -> list[Finding]:
    return [one for at in survey(expected, seen, case, only) if at.judged for one in at.findings]


def _broken_ones(
    expected: Expectations, seen: Sequence[Observation], case: GateCase, only: frozenset[Name]
) -> list[Finding]:
    return [one for one in _found(expected, seen, case, only) if one.state == "broken"]


def decide(
    surveyed: Sequence[AtServer],
    seen: Sequence[Observation],
    says: Callable[[AtServer], str],
    *,
    not_checked: tuple[str, ...],
) -> Verdict:
    """Judge a survey: hard findings and silence with a control fail, old values are not yet, else unknown; pure."""
    judged = [at for at in surveyed if at.judged]
    if not judged:
        return Verdict("unknown", "no server of the view could be asked", not_checked=not_checked)
    alive = answered(seen)
    findings = [one for at in judged for one in at.findings]
    proved = [one for one in findings if one.state in _HARD or _is_proved_silence(one, alive)]
    old = [one for one in findings if one.state == "old"]
    because = in_words(surveyed, says)
    evidence = tuple(one.seen for one in proved or old or findings if one.seen)[:_EVIDENCE]
    warnings = _without_edns(judged, seen)
    if proved or old:
        return Verdict("fail", because, evidence, not_yet=not proved, not_checked=not_checked, warnings=warnings)
    outcome: Literal["unknown", "pass"] = "unknown" if findings else "pass"
    return Verdict(outcome, because, evidence, not_checked=not_checked, warnings=warnings)


_EVIDENCE = 50
_TRIES_OVER_TCP = 3


def in_words(surveyed: Sequence[AtServer], says: Callable[[AtServer], str]) -> str:
    """Return one line: what each server says, addresses only where those of one server differ."""
    said: dict[str, dict[str, list[str]]] = {}
    labels = label_servers([at.server for at in surveyed])
    for at in surveyed:
        said.setdefault(labels[at.server], {}).setdefault(says(at), []).append(at.server.address)
    return ", ".join(
        f"{label} {words}" if len(by_words) == 1 else f"{label} ({', '.join(addresses)}) {words}"
        for label, by_words in said.items()
        for words, addresses in by_words.items()
    )


def label_servers(servers: Iterable[Endpoint]) -> dict[Endpoint, str]:
    """Return a short label for each server: the first label of its name where that is unique, else the name."""
    names = {server: server.name for server in servers}
    first: dict[bytes, set[Name]] = {}
    for name in names.values():
        first.setdefault(name[0].lower(), set()).add(name)
    return {server: _label(server, unique=len(first[name[0].lower()]) == 1) for server, name in names.items()}


def _without_edns(judged: Iterable[AtServer], seen: Iterable[Observation]) -> tuple[str, ...]:
    """Return a warning for each server that answers only without EDNS (fault 44)."""
    plain = {one.server for one in seen if one.transport.endswith("without EDNS")}
    return tuple(f"{at.server} answers only without EDNS" for at in judged if at.server in plain)


def _label(server: Endpoint, *, unique: bool) -> str:
    if len(server.name) == 1:
        return server.address
    shown = server.name.to_text(omit_final_dot=True)
    return shown.split(".", 1)[0] if unique and b"." not in server.name[0] else shown


def _by_server(seen: Iterable[Observation]) -> dict[Endpoint, dict[RRsetKey, list[Observation]]]:
    tables: dict[Endpoint, dict[RRsetKey, list[Observation]]] = {}
    # Hashing a name costs more than all the rest, and a round of many thousand answers has few endpoint objects.
    known: dict[int, dict[RRsetKey, list[Observation]]] = {}
    for one in seen:
        if one.control or not isinstance(one.of, RRsetKey):
            continue
        table = known.get(id(one.server))
        if table is None:
            table = known[id(one.server)] = tables.setdefault(one.server, {})
        table.setdefault(one.of, []).append(one)
    return tables


def _at_server(
    server: Endpoint,
    table: Mapping[RRsetKey, list[Observation]],
    expected: Expectations,
    case: GateCase,
    *,
    named: bool,
) -> AtServer:
    talks_udp = any(not is_silence(one) for seen in table.values() for one in seen if transport(one) == "udp")
    found = (
        _finding(key, wanted, seen, talks_udp=talks_udp)
        for key, wanted in expected.items()
        if not (seen := table.get(key, ())) or any(state_of(key, wanted, one.got) != "ok" for one in seen)
    )
    findings = tuple(one for one in found if one.state != "ok")
    return AtServer(server, len(expected), findings, judged=named or server.name not in case.waits_for)


def _finding(key: RRsetKey, expected: Expected, seen: Sequence[Observation], *, talks_udp: bool) -> Finding:
    """Return what a key came to over both transports.

    What looks wrong over UDP, or was lost there once, counts as TCP has it last: UDP can be forged (threats 18, 19).
    """
    if not seen:
        return Finding("silent", key, None)
    states: list[tuple[State, Observation]] = [(state_of(key, expected, one.got), one) for one in seen]
    over_tcp = [pair for pair in states if transport(pair[1]) == "tcp" and pair[0] != "silent"]
    states = [pair for pair in states if pair not in over_tcp] + over_tcp[-1:]
    if over_tcp and all(transport(one) == "tcp" or _may_be_forged(state, talks_udp=talks_udp) for state, one in states):
        states = over_tcp[-1:]
    state, one = max(states, key=lambda pair: _FROM_BEST.index(pair[0]))
    return Finding(state, key, one)


def _may_be_forged(state: State, *, talks_udp: bool) -> bool:
    return state in _HARD or (state == "silent" and talks_udp)


def _doubtful(found: Iterable[Finding], seen: Iterable[Observation]) -> list[Question]:
    """Return what to ask again over TCP; a server that is wholly silent was asked over both by then."""
    talking = {one.server for one in seen if not is_silence(one)}
    wrong = [one.seen for one in found if one.seen and (one.state in _HARD or one.state == "silent")]
    again = _spread([one for one in wrong if one.server in talking])
    return [Question(one.of, one.server, "tcp") for one in again if isinstance(one.of, RRsetKey)]


def _is_broken(key: RRsetKey, expected: Expected, got: Answer) -> bool:
    if got.kind == "referral":
        return not (expected.referral and got.rrset and got.rrset.key.owner == key.owner)
    return got.kind == "error" or not got.aa


def _is(wanted: RRset | None, found: RRset | None) -> bool:
    if wanted is None or found is None:
        return wanted is found
    return wanted.same_data(found)


def _by_ttl(expected: Expected, found: RRset | None) -> State:
    """Sort an answer whose data is right (T7: a served TTL above the planned one is not what was written)."""
    if found is None or expected.ttl_s is None:
        return "ok"
    before = expected.before
    # Where only the TTL changes, the old RRset is told by its number.
    if before and _is(before, found) and before.ttl_s == found.ttl_s != expected.ttl_s:
        return "old"
    return "ok" if found.ttl_s <= expected.ttl_s else "ttl"


def _is_proved_silence(finding: Finding, alive: frozenset[object]) -> bool:
    return finding.state == "silent" and finding.seen is not None and path(finding.seen) in alive


def _spread(every: Sequence[T]) -> Sequence[T]:
    """Return at most `CONFIRMED_OVER_TCP` of these, spread evenly."""
    step = max(1, -(-len(every) // CONFIRMED_OVER_TCP))
    return every[::step]
