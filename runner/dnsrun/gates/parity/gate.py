"""Gate `parity`: every new name server answers as the zone that moves, name by name (N1 to N4, M1).

Compared is with the expected content (N0), at every address of every new and old server. The new side must match; what
differs in the same way at both sides is a warning. The old side tells whether somebody has edited the zone since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dns.rdatatype import RdataType

from dnsrun.gates.findings import first
from dnsrun.gates.outside import Outside
from dnsrun.gates.silence import answered, ask_controls, is_silence, not_asked, path, unchecked
from dnsrun.gates.survey import label_servers
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import GateCase, ZoneMove
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .mail import ask_mail_hosts, defects
from .round import OF_TALLY, ParityRound, serves_zone
from .sides import Side, Sides, State, Tally, from_facts
from .words import Difference, in_lines, says_soa

ZONE_STAYS = "the zone does not move, so that there is nothing to compare"
_EVIDENCE = 50
_EDITS: frozenset[State] = frozenset({"data", "missing", "extra"})


class Parity:
    """The new name servers hold what the zone holds, no less and no more."""

    kind = "parity"
    fragment = Fragment(
        "the new name servers answer as the old ones for every record (parity)",
        defaults={**DNS_TIMING, "failures": 1},
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - the gate has no options
        """Ask every name and type at every server of both sides, what differs again over TCP."""
        if case.move is None:
            return ()
        sides = Sides(case, case.move)
        seen = ParityRound(sides, net, view.servers, case.move.old_servers).run()
        if seen:
            seen += ask_mail_hosts(Outside(view, net), case.move.content, seen[0].at, seen[0].server)
        seen += ask_controls(view, net, case.apex, _answers(seen))
        return (*seen, *not_asked(view, seen))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the same
        """Judge one round; pure."""
        if case.move is None:
            return Verdict("unknown", ZONE_STAYS)
        return _Judgement(case, case.move, seen).verdict()


def questions(case: GateCase, servers: Iterable[Endpoint]) -> Mapping[Endpoint, int]:
    """Return how many questions a round asks each of the new `servers` and each old one, for estimates. Pure."""
    if case.move is None:
        return {}
    sides = Sides(case, case.move)
    old = dict.fromkeys(case.move.old_servers, sides.planned("old"))
    return {**old, **dict.fromkeys(servers, sides.planned("new"))}


@dataclass(slots=True)
class _Heard:
    """What one server came to."""

    end: Endpoint
    side: Side
    soa: Observation
    tally: Tally
    differences: list[Difference]


class _Judgement:
    """One round, weighed."""

    def __init__(self, case: GateCase, move: ZoneMove, seen: Sequence[Observation]) -> None:
        self._case = case
        self._move = move
        self._seen = seen
        self._sides = Sides(case, move)
        self._changed = frozenset(change.key for change in case.changes)
        self._before = {change.key: change.before for change in case.changes}
        heard = self._heard()
        self._new = [one for one in heard if one.side == "new"]
        self._old = [one for one in heard if one.side == "old" and one.soa.got != NoReply("unreachable")]
        self._hidden = [one for one in heard if one.side == "old" and one.soa.got == NoReply("unreachable")]
        # What differs at each old server that serves the zone.
        self._at_old = [{each.key: each for each in one.differences} for one in self._old if serves_zone(one.soa)]
        self._labels = label_servers([one.end for one in heard])
        self._alive = answered(_answers(seen))

    def verdict(self) -> Verdict:
        """Return the verdict; evidence is what differs."""
        judged = [one for one in self._new if one.end.name not in self._case.waits_for]
        not_checked = (*unchecked(self._seen), *(str(one.end) for one in self._hidden))
        if not judged:
            return Verdict("unknown", "no new name server could be asked", not_checked=not_checked)
        failing, shared, softer, outdated = self._weighed(judged)
        moved = self._old_side_moved(failing)
        brought, known = self._defects()
        dead = [one for one in judged if not serves_zone(one.soa)]
        proved = [one for one in dead if self._is_proved(one.soa)]
        lost = [one for one in failing if one.state == "silent" and not self._is_proved(one.seen)]
        hard = [one for one in failing if one not in lost]
        unsure = [*self._uncounted(judged), *self._unheard_old()]
        lines = [
            *(says_soa(one.soa, self._labels[one.end]) for one in dead),
            *in_lines([*hard, *lost], self._case.apex, self._labels, servers=len(judged)),
            *brought,
            *in_lines(moved, self._case.apex, self._labels, servers=len(self._old), since=True),
            *unsure,
        ]
        warnings = (*self._warnings(judged, shared, softer, known), *self._outdated(outdated))
        evidence = tuple(one.seen for one in (*hard, *moved, *lost))[:_EVIDENCE]
        if proved or hard or brought or moved:
            not_yet = bool(hard) and not proved and not brought and not moved and all(map(self._is_late, hard))
            evidence = (*(one.soa for one in proved), *evidence)[:_EVIDENCE]
            return Verdict("fail", first(lines), evidence, not_yet=not_yet, not_checked=not_checked, warnings=warnings)
        if lines:
            return Verdict("unknown", first(lines), evidence, not_checked=not_checked, warnings=warnings)
        return Verdict("pass", self._good(judged), not_checked=not_checked, warnings=warnings)

    def _heard(self) -> list[_Heard]:
        soa = RRsetKey(self._case.apex, RdataType.SOA)
        mine = [one for one in self._seen if not one.control]
        found: dict[Endpoint, _Heard] = {}
        for one in mine:
            if one.of == soa:
                found[one.server] = _Heard(one.server, "new", one, Tally(), [])
            elif one.of == OF_TALLY and isinstance(one.got, Words) and one.server in found:
                found[one.server].side = "old" if one.got.text == "old" else "new"
                found[one.server].tally = from_facts(one.got.facts)
        for one in mine:
            heard = found.get(one.server)
            if heard is not None and one.of != soa and isinstance(one.of, RRsetKey):
                state = self._sides.state(heard.side, one)
                if state != "ok":
                    wanted = self._sides.served(heard.side).answer(one.of)
                    heard.differences.append(Difference(one, one.of, state, wanted))
        return sorted(found.values(), key=lambda one: (one.end.name, one.end.is_v6, one.end.address))

    def _weighed(self, judged: Iterable[_Heard]) -> tuple[list[Difference], ...]:
        """Return what fails, what both sides share, what only exists without holding anything, what is outdated."""
        failing: list[Difference] = []
        shared: list[Difference] = []
        softer: list[Difference] = []
        outdated: list[Difference] = []
        for one in judged:
            full = {each.key.owner for each in one.differences if each.state == "extra"}
            for each in one.differences:
                if self._sides.is_as_copied(each.seen):
                    outdated.append(each)
                elif each.state == "empty":
                    if each.key.owner not in full:
                        softer.append(each)
                elif each.state not in {"silent", "broken"} and self._is_shared(each):
                    shared.append(each)
                else:
                    failing.append(each)
        return failing, shared, softer, outdated

    def _is_shared(self, difference: Difference) -> bool:
        """Tell whether every old server that answers gives the same answer, and the playbook wants no other."""
        if difference.key in self._changed or difference.state == "ttl" or not self._at_old:
            return False
        others = [held.get(difference.key) for held in self._at_old]
        return all(other is not None and _same(other.seen, difference.seen) for other in others)

    def _old_side_moved(self, failing: Iterable[Difference]) -> list[Difference]:
        """Return what every old server answers otherwise than at the checkpoint: the new side is stale then."""
        answering = [one for one in self._old if serves_zone(one.soa)]
        if self._move.switched or not answering:
            return []
        edits = [self._edits(one) for one in answering]
        known = {one.key for one in failing}
        everywhere = set(edits[0]).intersection(*edits[1:]) - known
        shared = {each.key for one in self._new for each in one.differences if self._is_shared(each)}
        return [each for one in edits for key, each in one.items() if key in everywhere - shared]

    def _edits(self, old: _Heard) -> dict[RRsetKey, Difference]:
        """Return what somebody has set at an old server: also of what the playbook changes, neither old nor new."""
        own = self._move.target.glue  # where the new name servers are only the new side must know
        found = (one for one in old.differences if one.state in _EDITS and one.key.owner not in own)
        return {one.key: one for one in found if one.key not in self._changed or not self._is_ours(one)}

    def _is_ours(self, difference: Difference) -> bool:
        """Tell whether an answer is what was there before one of our changes, or after it; silence tells nothing."""
        got = difference.seen.got
        if not isinstance(got, Answer):
            return True
        ours = [
            one
            for change in self._case.changes
            if change.key == difference.key
            for one in (change.before, change.after)
        ]
        return any(one.same_data(got.rrset) if one and got.rrset else one is got.rrset for one in ours)

    def _defects(self) -> tuple[list[str], list[str]]:
        found = list(defects(self._move.content, self._sides.new, self._seen, self._changed))
        return [text for brought, text in found if brought], [text for brought, text in found if not brought]

    def _is_proved(self, seen: Observation) -> bool:
        return not is_silence(seen) or path(seen) in self._alive

    def _is_late(self, difference: Difference) -> bool:
        """Tell whether a server still gives what was there before a change: time alone heals that."""
        if difference.key not in self._before or not isinstance(difference.seen.got, Answer):
            return False
        before, now = self._before[difference.key], difference.seen.got.rrset
        return before is now if before is None or now is None else before.same_data(now)

    def _uncounted(self, judged: Iterable[_Heard]) -> list[str]:
        """Name each server of which not every answer is accounted for: that is no pass."""
        planned = self._sides.planned("new")
        return [
            f"{self._labels[one.end]} was asked {one.tally.asked} of {planned} questions, "
            f"{one.tally.matched} answers are as expected"
            for one in judged
            if serves_zone(one.soa) and not _is_accounted_for(one, planned)
        ]

    def _unheard_old(self) -> list[str]:
        """Before the switch somebody must say what the zone holds now."""
        if self._move.switched or any(not is_silence(one.soa) for one in self._old):
            return []
        return ["no old name server answers, so that nobody tells whether the zone was edited since"]

    def _warnings(
        self, judged: Iterable[_Heard], shared: list[Difference], softer: list[Difference], known: list[str]
    ) -> tuple[str, ...]:
        apex, labels = self._case.apex, self._labels
        flapping = [one for one in judged if one.tally.healed]
        lines = [
            *(f"{labels[one.end]} answers only without EDNS" for one in judged if one.tally.without_edns),
            *(f"{labels[one.end]} had to be asked again for {one.tally.healed} answers" for one in flapping),
            *(f"at both sides: {line}" for line in in_lines(shared, apex, labels, servers=0)),
            *in_lines(softer, apex, labels, servers=0),
            *known,
            *self._old_warnings(),
        ]
        return tuple(lines)

    def _outdated(self, outdated: list[Difference]) -> list[str]:
        """Say what was edited at the old side since it was copied: the switch copies that before anything else."""
        lines = in_lines(outdated, self._case.apex, self._labels, servers=len(self._new))
        return [f"edited at the old side since the copy, to be copied again before the switch: {one}" for one in lines]

    def _old_warnings(self) -> list[str]:
        """Say what is odd at the old side; after the switch this is where somebody edits the wrong zone."""
        lines = [
            f"old side: {says_soa(one.soa, self._labels[one.end])}" for one in self._old if not serves_zone(one.soa)
        ]
        edits = [each for one in self._old for each in self._edits(one).values() if not self._is_shared_now(each)]
        opening = "edited at the old side" if self._move.switched else "old side"
        if self._move.switched or not self._is_moved_everywhere():
            lines += [f"{opening}: {line}" for line in in_lines(edits, self._case.apex, self._labels, servers=0)]
        return lines

    def _is_moved_everywhere(self) -> bool:
        return bool(self._old_side_moved(()))

    def _is_shared_now(self, old: Difference) -> bool:
        return any(each.key == old.key and _same(each.seen, old.seen) for one in self._new for each in one.differences)

    def _good(self, judged: Sequence[_Heard]) -> str:
        counts = Counter(one.tally.matched for one in judged)
        (most, _), *_ = counts.most_common(1)
        label = f"{len(judged)} new name servers answer" if len(judged) > 1 else "the new name server answers"
        return f"{label} as expected, {most} questions each"


def _same(one: Observation, other: Observation) -> bool:
    mine, theirs = one.got, other.got
    if not isinstance(mine, Answer) or not isinstance(theirs, Answer) or mine.kind != theirs.kind:
        return False
    if mine.rrset is None or theirs.rrset is None:
        return mine.rrset is theirs.rrset
    return mine.rrset.same_data(theirs.rrset)


def _answers(seen: Iterable[Observation]) -> list[Observation]:
    """Return what came over the network: counts and addresses found elsewhere are no sign of life."""
    return [one for one in seen if not isinstance(one.got, Words)]


def _is_accounted_for(one: _Heard, planned: int) -> bool:
    tally = one.tally
    known = len([each for each in one.differences if each.state != "empty"])
    return planned == tally.asked == tally.matched + tally.differing + tally.empty and tally.differing <= known
