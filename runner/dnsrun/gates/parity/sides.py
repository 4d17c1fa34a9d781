"""The two sides that parity compares with the expected content, and what one answer comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from dns.name import Name

from dnsrun.model.expected import Expected
from dnsrun.model.observation import Answer, NoReply, Observation
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import GateCase, ZoneMove

from .names import Served, owners_to_ask

Side = Literal["new", "old"]
# ok; TTL above the planned one; other data; nothing where data is expected; data where nothing is expected; the name
# exists though it should not, and nothing is known to be there; an empty name that should exist does not; no authority,
# an error or a referral upward; no answer.
State = Literal["ok", "ttl", "data", "missing", "extra", "empty", "gone", "broken", "silent"]


class Sides:
    """What new and old servers are to answer; made from a case, the same for whoever asks and for whoever judges."""

    def __init__(self, case: GateCase, move: ZoneMove) -> None:
        self.apex = case.apex
        self.keep = move.keep
        self._volatile = case.volatile
        self._more = move.names
        self._content = move.content
        self.new = Served(move.content)
        self.old = Served(_at_old(move.content, case.checkpoint), apex_ns=False)
        self._copied = None if move.copied is None else Served(move.copied)

    def served(self, side: Side) -> Served:
        """Return what one side is to answer."""
        return self.new if side == "new" else self.old

    @cached_property
    def owners(self) -> tuple[Name, ...]:
        """Every owner name to ask."""
        return tuple(owners_to_ask(self.new, self._content, self._more, self._volatile))

    def planned(self, side: Side) -> int:
        """Return how many questions a server of this side is asked."""
        served = self.served(side)
        return sum(len(one.types) for owner in self.owners for one in served.at(owner))

    def state(self, side: Side, one: Observation) -> State:
        """Sort one answer of a server of one side."""
        if not isinstance(one.of, RRsetKey):
            return "silent"
        wanted = self.served(side).answer(one.of)
        found = state_of(one.of, wanted, one.got)
        if found == "ttl" and side == "old":
            return "ok"
        if found in {"extra", "empty"} and self._is_kept(one.of.owner):
            return "ok"
        return found

    def is_as_copied(self, one: Observation) -> bool:
        """Tell whether a new server answers what was copied, where something else has come to the old side since."""
        if self._copied is None or not isinstance(one.of, RRsetKey):
            return False
        return state_of(one.of, self._copied.answer(one.of), one.got) == "ok"

    def _is_kept(self, owner: Name) -> bool:
        """Tell whether the playbook lets the new host hold a name of its own, itself or by a wildcard."""
        if not self.keep:
            return False
        above = (owner.split(depth)[1] for depth in range(len(self.apex), len(owner)))
        return owner in self.keep or any(Name((b"*", *name.labels)) in self.keep for name in above)


def state_of(key: RRsetKey, wanted: Answer, got: object) -> State:
    """Sort one answer, TTLs above the expected one as `ttl`."""
    if isinstance(got, NoReply):
        return "broken" if got.why == "refused" else "silent"
    if not isinstance(got, Answer) or got.kind == "error":
        return "broken"
    if wanted.kind == "referral":
        return _at_cut(wanted, got)
    if got.kind == "referral":
        if got.rrset is None or got.rrset.key.owner != key.owner:
            return "broken"
        return "data" if wanted.kind == "data" else "extra"
    if not got.aa:
        return "broken"
    if wanted.kind == "data":
        return _data(wanted, got)
    if got.kind == "data":
        return "extra"
    if got.kind == wanted.kind:
        return "ok"
    return "empty" if wanted.kind == "nxdomain" else "gone"


def _data(wanted: Answer, got: Answer) -> State:
    if got.kind != "data" or got.rrset is None or wanted.rrset is None:
        return "missing"
    if not wanted.rrset.same_data(got.rrset):
        return "data"
    # An alias whose target does not exist comes with NXDOMAIN (RFC 6604 section 3): the data is what counts here.
    return "ttl" if got.rrset.ttl_s > wanted.rrset.ttl_s else "ok"


def _at_cut(wanted: Answer, got: Answer) -> State:
    """Sort the answer to NS at a zone cut; a server that holds the child as well answers for it itself."""
    if got.rrset is None or wanted.rrset is None:
        return "missing"
    if got.rrset.key != wanted.rrset.key:
        return "broken" if got.kind == "referral" else "data"
    if not wanted.rrset.same_data(got.rrset):
        return "data"
    return "ttl" if got.kind == "referral" and got.rrset.ttl_s > wanted.rrset.ttl_s else "ok"


def _at_old(content: ZoneSnapshot, checkpoint: ZoneSnapshot) -> ZoneSnapshot:
    """Return the content with the old side's TTLs where the data is the same: only data is compared there."""
    rrsets = dict(content.rrsets)
    for key, rrset in content.rrsets.items():
        there = checkpoint.rrsets.get(key)
        if there is not None and there is not rrset and there.same_data(rrset):
            rrsets[key] = there
    return replace(content, rrsets=rrsets)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many planned questions a server was asked, and what came of them.

    `matched` were answered as expected in the end, `healed` of them not at once. `empty` are names that exist though
    they should not, and seem to hold nothing. `differing` is the rest.
    """

    asked: int = 0
    matched: int = 0
    differing: int = 0
    empty: int = 0
    healed: int = 0
    without_edns: bool = False


_WORDS = ("asked", "matched", "differing", "empty", "healed", "without_edns")


def as_facts(tally: Tally) -> tuple[tuple[str, str], ...]:
    """Return a tally as facts of an observation."""
    return tuple((word, str(int(getattr(tally, word)))) for word in _WORDS)


def from_facts(facts: Iterable[tuple[str, str]]) -> Tally:
    """Return the tally that `as_facts` made facts of."""
    known = dict(facts)
    numbers = {word: int(known.get(word, "0")) for word in _WORDS}
    return Tally(
        asked=numbers["asked"],
        matched=numbers["matched"],
        differing=numbers["differing"],
        empty=numbers["empty"],
        healed=numbers["healed"],
        without_edns=bool(numbers["without_edns"]),
    )


def questions_of(expected: Iterable[Expected]) -> int:
    """Return how many questions these expectations ask."""
    return sum(len(one.types) for one in expected)
