"""Acts, gates and outcomes in the words of a report; and what is not for the client's eyes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

import dns.rdatatype
from dns.name import Name

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.changetext import change_words, names_text, relative
from dnsrun.model.entry import Failed, Opened, Record, RollbackAsked
from dnsrun.model.plan import Check, Hold, Move, Plan
from dnsrun.model.rrset import Change
from dnsrun.model.text import shorten
from dnsrun.model.zone import Delegation

MOST_ROWS = 40
MOST_NAMES = 12
BUILT_IN: Mapping[str, str] = {
    "records": "every name server answers as written",
    "untouched": "nothing else has changed",
    "parity": "the new name servers give the expected answers to everything",
    "old-side": "the name servers of before still serve the zone",
    "delegation": "the parent zone names the right name servers",
    "dnssec": "the chain of signatures holds, or there is none",
    "spf": "the rules for senders of mail still hold",
}
_GRADES: Mapping[str, str] = {
    "complete": "the whole zone",
    "listed": "what its host lists; record types that the host does not list are not in it",
    "attested": "a file that was handed over by whoever runs the zone",
    "probed": "only what public questions show; records that nobody asked for are not in it",
}
_OWN_WORDS = ("somebody else", "it does not show", "nobody saw it")  # dnsrun's own findings, not a host's error text


@dataclass(frozen=True, slots=True)
class Discretion:
    """Replaces texts that are not for the client: logins, paths, programs, hosts' own error texts (threat 27)."""

    hidden: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for private in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(private, self.hidden[private])
        return text


def discretion(records: Iterable[Record], plans: Iterable[Plan], *, is_internal: bool) -> Discretion:
    """Return what has to be replaced in the sentences of a run; nothing when `is_internal`."""
    if is_internal:
        return Discretion({})
    hidden: dict[str, str] = {}
    for record in records:
        match record.entry:
            case RollbackAsked(by=by):
                hidden[f"asked for by {by}"] = "asked for by a person"
            case Failed(because=because) if because and not any(words in because for words in _OWN_WORDS):
                conflict = record.entry.conflict
                hidden[because] = "a record was not what it had been" if conflict else "the host answered with an error"
            case Opened(path=path) if "/" in path:
                hidden[path] = "the playbook"
    programs = [argv for plan in plans for act in plan.acts if isinstance(act, RunCommand) for argv in _programs(act)]
    return Discretion(hidden | {" ".join(argv): "a program" for argv in programs})


def _programs(act: RunCommand) -> tuple[tuple[str, ...], ...]:
    return (act.argv, act.undo_argv) if act.undo_argv else (act.argv,)


def act_headline(act: Act) -> str:
    """Return where an act works and on what, as the beginning of a sentence."""
    match act:
        case WriteZone():
            return f'A change began at the host "{act.provider}"'
        case SetDelegation():
            return f'A change of the name servers began at "{act.provider}"'
        case Refresh():
            return f'The host "{act.provider}" was asked to fetch the zone'
        case SetService():
            return f'The {act.service} service at "{act.provider}" was to be switched {"on" if act.after else "off"}'
        case RunCommand():
            return "A program was run"
        case Instruct():
            return f'"{act.operator}" was asked to do something by hand'
        case _:
            assert_never(act)


def act_lines(act: Act, apex: Name) -> tuple[str, ...]:
    """Return what an act changes, before and after, a line each."""
    match act:
        case WriteZone():
            return change_lines(act.changes, apex)
        case SetDelegation():
            return delegation_lines(act.before, act.after)
        case Refresh() | SetService():
            return ()
        case RunCommand():
            return (" ".join(act.argv),)
        case Instruct():
            return tuple(act.text.splitlines())
        case _:
            assert_never(act)


def act_proof(act: Act) -> str:
    """Return what showed that an act had taken effect."""
    match act:
        case WriteZone():
            return f'the servers of "{act.provider}" answered with it'
        case SetDelegation():
            return "the parent's servers answered with it"
        case Refresh():
            return f'"{act.provider}" had fetched the zone'
        case SetService():
            return "it was seen from outside" if act.proof else "who switched it said so"
        case RunCommand():
            return "it ran to its end"
        case Instruct():
            return "what was asked for was seen" if act.proof else "a person said that it is done"
        case _:
            assert_never(act)


def act_back(act: Act, apex: Name) -> tuple[str, ...]:
    """Return what going back does about an act, a line each; empty where there is nothing to do."""
    match act:
        case WriteZone():
            return change_lines((change.reverse() for change in act.changes if not change.ttl_only), apex)
        case SetDelegation():
            return delegation_lines(act.after, act.before)
        case Refresh():
            return ()
        case SetService():
            return (f"{act.service} {'on' if act.before else 'off'} again at {act.provider}",)
        case RunCommand():
            return (f"runs {' '.join(act.undo_argv)}",) if act.undo_argv else ()
        case Instruct():
            return (f"{act.operator}: {shorten(act.undo_text)}",) if act.undo_text else ()
        case _:
            assert_never(act)


def change_lines(changes: Iterable[Change], apex: Name) -> tuple[str, ...]:
    """Return changes such as `@, www A: 192.0.2.10 → 203.0.113.20`, those of equal kind together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        kind = (dns.rdatatype.to_text(change.key.rdtype), change_words(change))
        groups.setdefault(kind, []).append(relative(change.key.owner, apex))
    lines = [f"{names_text(tuple(names), MOST_NAMES)} {rdtype}: {what}" for (rdtype, what), names in groups.items()]
    more = (f"and {len(lines) - MOST_ROWS} more lines",) if len(lines) > MOST_ROWS else ()
    return (*lines[:MOST_ROWS], *more)


def delegation_lines(before: Delegation, after: Delegation) -> tuple[str, ...]:
    """Return what changes in a delegation, a line for each part that does."""
    parts = (
        ("name servers", _names(before), _names(after)),
        ("addresses of name servers (glue)", _glue(before), _glue(after)),
        ("DNSSEC (DS)", ", ".join(sorted(before.ds)), ", ".join(sorted(after.ds))),
    )
    return tuple(f"{what}: {old or 'none'} → {new or 'none'}" for what, old, new in parts if old != new)


def delegation_changes(plan: Plan) -> tuple[str, ...]:
    """Return what a plan changes in the delegation, a line for each part."""
    acts = (act for act in plan.acts if isinstance(act, SetDelegation))
    return tuple(line for act in acts for line in delegation_lines(act.before, act.after))


def delegated_to(delegation: Delegation | None) -> str:
    """Return to whom a domain is delegated, as the end of a sentence; empty when nobody looked."""
    return f"; the domain is delegated to {_names(delegation)}" if delegation else ""


def _names(delegation: Delegation) -> str:
    return ", ".join(name.to_text(omit_final_dot=True) for name in sorted(delegation.ns))


def _glue(delegation: Delegation) -> str:
    shown = ((name.to_text(omit_final_dot=True), found) for name, found in sorted(delegation.glue.items()))
    return ", ".join(f"{name} {' '.join(sorted(addresses))}" for name, addresses in shown)


def grade(completeness: str) -> str:
    """Return how true a capture is."""
    return _GRADES.get(completeness, completeness)


def is_built_in(gate: str) -> bool:
    """Tell whether a gate is one that runs without being written; its name may say at which side."""
    return gate.partition(" (")[0] in BUILT_IN


def gate_words(gate: str) -> str:
    """Return a gate's name; for a built-in one what it asks, too."""
    kind = gate.partition(" (")[0]
    if kind in BUILT_IN:
        return f"the check {gate}: {BUILT_IN[kind]} (built in)"
    return f"the check {gate}, which the playbook asks for"


def outcome_words(gate: str, status: str) -> str:
    """Return what came out of a round; `status`: an outcome, `wait` (not yet), or `again` (a pass after a fail)."""
    kind, mark, side = gate.partition(" (")
    told = _OUTCOMES.get((kind, status))
    return f"{told}{mark}{side}" if told else f"the check {gate} {_OUTCOMES['', status]}"


def place_lead(move: Move | None) -> str:
    """Return when a gate of this move runs, as the beginning of a sentence."""
    return _LEADS.get(place_of(move), "")


_OUTCOMES: Mapping[tuple[str, str], str] = {
    ("records", "pass"): "every name server answered as written",
    ("records", "wait"): "not every name server showed it yet",
    ("untouched", "pass"): "nothing else had changed",
    ("", "pass"): "passed",
    ("", "again"): "passed again",
    ("", "wait"): "waited for every name server",
    ("", "fail"): "FAILED",
    ("", "unknown"): "could not be judged",
}
_LEADS: Mapping[str, str] = {
    "as it was": "as users met it until then, ",
    "before the change": "before the change was made, ",
    "before going back": "before going back, ",
    "after going back": "after going back, ",
    "while watching": "while watching, ",
    "while waiting": "while waiting, ",
}


def place_of(move: Move | None) -> str:
    """Return when a gate of this move runs, in words that stand in a table."""
    if isinstance(move, Check):
        return _PLACES[move.when]
    return _HOLDS[move.kind] if isinstance(move, Hold) else "at the step"


_PLACES: Mapping[str, str] = {
    "baseline": "as it was",
    "before": "before the change",
    "after": "after the change",
    "safe": "before going back",
    "back": "after going back",
}
_HOLDS: Mapping[str, str] = {"watch": "while watching", "wait": "while waiting"}


def sentence(text: str) -> str:
    """Return a text that begins and ends as a sentence does."""
    begun = text[:1].upper() + text[1:]
    return begun if not begun or begun.endswith((".", "!", "?", ":")) else f"{begun}."
