"""Gate `old-side`: do the servers that a delegation would go back to still serve the zone as they did?

Built in before a rollback of the name servers: nothing goes back to a server that is dead or whose zone was purged
(fault 62). What somebody has edited there since is no reason to stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from dns.rdatatype import RdataType

from dnsrun.model.content import Content, is_content
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .silence import answered, ask_controls, not_asked, path, unchecked

SILENT = "does not answer"
EDITED_AT_MOST = 0.1  # a larger part that is gone is no edit: the zone was emptied


class OldSide:
    """Every server answers with authority, and what was captured is still there, a few edits aside."""

    kind = "old-side"
    fragment = Fragment("the old name servers still serve the zone as it was captured", defaults=DNS_TIMING)

    def observe(
        self,
        spec: GateSpec,  # noqa: ARG002 - it has no keys of its own
        case: GateCase,
        view: View,
        net: Net,
    ) -> tuple[Observation, ...]:
        """Ask every captured RRset, and the SOA, at every server; touches the network."""
        seen = tuple(view.ask(_keys(case)))
        return (*seen, *ask_controls(view, net, case.apex, seen), *not_asked(view, seen))

    def judge(
        self,
        spec: GateSpec,  # noqa: ARG002 - it has no keys of its own
        case: GateCase,  # noqa: ARG002 - what was asked says it all
        seen: tuple[Observation, ...],
    ) -> Verdict:
        """Judge one round; pure."""
        by_server: dict[Endpoint, list[Observation]] = {}
        for one in seen:
            if not one.control:
                by_server.setdefault(one.server, []).append(one)
        not_checked = unchecked(seen)
        if not by_server:
            return Verdict("unknown", "no old name server could be asked", not_checked=not_checked)
        found = {server: what for server, answers in by_server.items() if (what := _wrong(answers))}
        because = "; ".join(f"{server} {what}" for server, what in sorted(found.items(), key=str))
        if not found:
            return Verdict("pass", "the old name servers serve the zone", not_checked=not_checked)
        alive = answered(seen)
        proved = any(what != SILENT or path(by_server[server][0]) in alive for server, what in found.items())
        evidence = tuple(by_server[server][0] for server in found)
        return Verdict("fail" if proved else "unknown", because, evidence, not_checked=not_checked)


def _keys(case: GateCase) -> list[RRsetKey]:
    zone = case.move.content if case.move else case.checkpoint
    held = Content(zone)
    ours = (key for key in zone.rrsets if is_content(key.rdtype) and not held.is_hidden(key))
    return [RRsetKey(case.apex, RdataType.SOA), *(key for key in ours if not held.is_cut(key))]


def _wrong(seen: Sequence[Observation]) -> str:
    """Return why a delegation must not go back to a server, empty when it may."""
    if all(isinstance(one.got, NoReply) for one in seen):
        return SILENT
    lost = [one for one in seen if not (isinstance(one.got, Answer) and one.got.aa and one.got.kind == "data")]
    if any(isinstance(one.of, RRsetKey) and one.of.rdtype == RdataType.SOA for one in lost):
        return "does not answer for the zone any more"
    if len(lost) > max(1, EDITED_AT_MOST * len(seen)):
        return f"has lost {len(lost)} of {len(seen)} record sets"
    return ""
