"""What the servers of the parent zone serve, against what they are to serve (D2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dns.name
from dns.name import Name
from dns.rdtypes.ANY.NS import NS

from dnsrun.gates.findings import Found, failing, late, unsure, warning
from dnsrun.gates.silence import Path, is_silence, path
from dnsrun.model.handover import handover
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Words
from dnsrun.model.rrset import RRset
from dnsrun.model.zone import Delegation
from dnsrun.ports.gate import ZoneMove

from .probe import PARENT_DS, PARENT_GLUE, PARENT_NS


@dataclass(frozen=True, slots=True)
class AtParent:
    """What each parent server serves; `silent` did not say, `odd` are those that do not delegate, in words."""

    served: Mapping[Endpoint, Delegation]
    silent: Mapping[Endpoint, Observation]
    odd: Mapping[Endpoint, str]


def at_parent(seen: Iterable[Observation]) -> AtParent:
    """Read what the parent's servers said."""
    by_words: dict[str, dict[Endpoint, Observation]] = {PARENT_NS: {}, PARENT_DS: {}, PARENT_GLUE: {}}
    for one in seen:
        if one.of in by_words:
            by_words[str(one.of)][one.server] = one
    # A server of both zones answers for the child; another parent server is better evidence.
    kind = "referral" if any(_kind(one) == "referral" for one in by_words[PARENT_NS].values()) else "data"
    served: dict[Endpoint, Delegation] = {}
    silent: dict[Endpoint, Observation] = {}
    odd: dict[Endpoint, str] = {}
    for server, ns in by_words[PARENT_NS].items():
        others = [by_words[words].get(server) for words in (PARENT_DS, PARENT_GLUE)]
        mute = next((one for one in (ns, *others) if one is not None and isinstance(one.got, NoReply)), None)
        if mute is not None:
            silent[server] = mute
        elif isinstance(ns.got, Answer) and ns.got.kind == kind and ns.got.rrset is not None:
            served[server] = _delegation(ns.got.rrset, *others)
        elif _kind(ns) != "data":
            odd[server] = _kind(ns)
    return AtParent(served, silent, odd)


def judge_parent(seen: Sequence[Observation], move: ZoneMove, alive: frozenset[Path]) -> list[Found]:
    """Return what is wrong at the parent: before the switch it serves what it did, after it what it is to serve."""
    parent = at_parent(seen)
    if not parent.served:
        return [unsure("no server of the parent zone says what it delegates")]
    found = [
        failing(f"{server} does not delegate the domain ({says}), others do", server)
        for server, says in parent.odd.items()
    ]
    found += _silent(parent.silent, alive)
    wanted, other = (move.target, move.delegation) if move.switched else (move.delegation, move.target)
    state = handover(parent.served, (), move.delegation, move.target)
    if state.state == "wrong":
        return [*found, failing(f"INCIDENT: {state}", next(iter(state.odd)))]
    wrong = [server for server, one in parent.served.items() if not one.same(wanted)]
    if not wrong:
        return found
    if state.state == "partial":
        server = next(iter(state.odd))
        return [
            *found,
            (late if move.switched else failing)(f"at the parent {_other(state.odd[server], wanted, server)}", server),
        ]
    count = f"{len(wrong)} of {len(parent.served)} parent servers"
    if move.switched:
        return [*found, late(f"{count} still serve the old name servers", wrong[0])]
    if parent.served[wrong[0]].same(other):
        return [*found, failing(f"INCIDENT: {count} serve the new name servers already", wrong[0])]
    return found


def _silent(silent: Mapping[Endpoint, Observation], alive: frozenset[Path]) -> list[Found]:
    """A parent server that is down hands out nothing; one that may only be out of reach from here is unknown."""
    return [
        warning(f"{server} of the parent zone does not answer")
        if not is_silence(one) or path(one) in alive
        else unsure(f"{server} of the parent zone does not answer", server)
        for server, one in silent.items()
        if one.got != NoReply("unreachable")
    ]


def _kind(seen: Observation) -> str:
    return seen.got.kind if isinstance(seen.got, Answer) else "no answer"


def _delegation(ns: RRset, ds: Observation | None, glue: Observation | None) -> Delegation:
    names = frozenset(rdata.target for rdata in ns.rdatas if isinstance(rdata, NS))
    signer = ds.got.rrset if ds and isinstance(ds.got, Answer) and ds.got.kind == "data" else None
    texts = frozenset(signer.texts()) if signer else frozenset[str]()
    return Delegation(names, _glue(glue), texts, ns.ttl_s, signer.ttl_s if signer else 0)


def _glue(seen: Observation | None) -> dict[Name, tuple[str, ...]]:
    text = seen.got.text if seen is not None and isinstance(seen.got, Words) else ""
    found = (part.split() for part in text.split("; ") if part)
    return {dns.name.from_text(name): tuple(addresses) for name, *addresses in found}


def _other(served: Delegation, wanted: Delegation, server: Endpoint) -> str:
    """Say in which part a delegation is not the wanted one."""
    if served.ns != wanted.ns:
        return f"{server} serves {_names(served.ns)}, not {_names(wanted.ns)}"
    if served.ds != wanted.ds:
        return (
            f"{server} serves DS {', '.join(sorted(served.ds)) or 'none'}, not {', '.join(sorted(wanted.ds)) or 'none'}"
        )
    return f"{server} serves glue {_addresses(served)}, not {_addresses(wanted)}"


def _names(names: Iterable[Name]) -> str:
    return ", ".join(sorted(name.to_text(omit_final_dot=True) for name in names))


def _addresses(one: Delegation) -> str:
    shown = (f"{name.to_text(omit_final_dot=True)} {' '.join(found)}" for name, found in sorted(one.glue.items()))
    return ", ".join(shown) or "none"
