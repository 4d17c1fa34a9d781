"""Gate `untouched`: whatever was not to change answers as before. Built in after each write.

Compares RDATA with the zone straight before the write. A difference in the first round after it is ours and a
failure; a later one is somebody else's edit: named, never a reason to go back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dnsrun.model.content import Content, is_content
from dnsrun.model.observation import Answer, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .records import describe, short_key, values
from .silence import unchecked
from .survey import (
    AtServer,
    Expectations,
    Expected,
    Finding,
    decide,
    label_servers,
    observe,
    survey,
)

_LISTED = 20


class Untouched:
    """Everything in the checkpoint that was not to change still answers the same at every server."""

    kind = "untouched"
    fragment = Fragment("every other record answers as before", defaults=DNS_TIMING)

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - the gate has no options
        """Ask every RRset of the checkpoint that was not to change, at every server."""
        expected = expectations(case)
        return observe(expected, case, view, net, confirm=False) if expected else ()

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the same
        """Judge one round; pure."""
        expected = expectations(case)
        not_checked = unchecked(seen)
        if not expected:
            return Verdict("pass", "the zone holds nothing else", not_checked=not_checked)
        surveyed = survey(expected, seen, case)
        edits = [] if case.first_round else _differences(surveyed, expected, case)
        if edits:
            surveyed = tuple(_without_differences(at) for at in surveyed)
        verdict = decide(surveyed, seen, lambda at: _says(at, expected, case), not_checked=not_checked)
        return replace(verdict, warnings=(*verdict.warnings, *_listed(edits))) if edits else verdict


def expectations(case: GateCase) -> Expectations:
    """Return what every untouched key is to answer: the checkpoint's RRsets, and what a wildcard gave. Pure."""
    changed = frozenset(change.key for change in case.changes)
    before = Content(case.checkpoint)
    expected = {
        key: Expected(rrset if rrset.rdatas else None, referral=before.is_cut(key))
        for key, rrset in case.checkpoint.rrsets.items()
        if key not in changed and _is_compared(key, case, before)
    }
    for key in _beside_new_names(case, before):
        if key not in changed and _is_compared(key, case, before):
            expected.setdefault(key, Expected(before.served(key)))
    return expected


def _is_compared(key: RRsetKey, case: GateCase, before: Content) -> bool:
    return is_content(key.rdtype) and not (case.volatile and key.owner in case.volatile) and not before.is_hidden(key)


def _beside_new_names(case: GateCase, before: Content) -> Iterable[RRsetKey]:
    """Yield what a wildcard answered where names begin to exist, empty non-terminals too (RFC 4592 section 2.2)."""
    written = [change.key.owner for change in case.changes if change.after]
    for name, wildcard in before.uncovered_by(written):
        for rdtype in before.types_at(wildcard):
            yield RRsetKey(name, rdtype)


def _says(at: AtServer, expected: Expectations, case: GateCase) -> str:
    if not at.findings:
        return "ok" if at.judged else "ok, waits for its refresh"
    worst = at.of("broken") or at.of("other") or at.findings
    shown = _difference(worst[0], expected, case) if worst[0].state == "other" else describe(worst[0], case)
    return shown + (f" (and {len(worst) - 1} more)" if len(worst) > 1 else "")


def _difference(finding: Finding, expected: Expectations, case: GateCase) -> str:
    got = finding.seen.got if finding.seen else None
    now: RRset | None = got.rrset if isinstance(got, Answer) and got.kind != "nxdomain" else None
    was = values(expected[finding.key].wanted)
    return f"{short_key(finding.key, case)}: was {was}, is {values(now)}"


def _differences(surveyed: Sequence[AtServer], expected: Expectations, case: GateCase) -> list[str]:
    labels = label_servers([at.server for at in surveyed])
    return [
        f"edited by somebody else: {labels[at.server]} {_difference(one, expected, case)}"
        for at in surveyed
        if at.judged
        for one in at.of("other")
    ]


def _without_differences(at: AtServer) -> AtServer:
    return replace(at, findings=tuple(one for one in at.findings if one.state != "other"))


def _listed(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _LISTED:
        return tuple(lines)
    return (*lines[:_LISTED], f"and {len(lines) - _LISTED} more")
