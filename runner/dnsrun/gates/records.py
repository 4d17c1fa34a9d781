"""Gate `records`: every changed RRset shows at every server, over UDP and TCP. Built in after each write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dns.rcode

from dnsrun.model.content import Content
from dnsrun.model.observation import Answer, NoReply, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options
from .silence import transport, unchecked
from .survey import AtServer, Expectations, Expected, Finding, decide, observe, survey

ONLY_THESE_SERVERS: Mapping[str, Mapping[str, Any]] = {
    "server": {
        "description": "only these name servers",
        "type": "array",
        "items": {"type": "string", "format": "host-name"},
    }
}


class Records:
    """The changed RRsets answer as written; an old value is not yet, anything else is a failure."""

    kind = "records"
    fragment = Fragment(
        "every name server answers with the records as they were written",
        ONLY_THESE_SERVERS,
        defaults=DNS_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every changed key at every server; a good round again over TCP."""
        expected, _ = expectations(case)
        if not expected:
            return ()
        return observe(expected, case, view, net, confirm=True, only=options.names(spec, "server"))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        expected, hidden = expectations(case)
        not_checked = (*unchecked(seen), *hidden)
        if not expected:
            return Verdict("pass", "no record to look at", not_checked=not_checked)
        surveyed = survey(expected, seen, case, options.names(spec, "server"))
        return decide(surveyed, seen, lambda at: says(at, case), not_checked=not_checked)


def expectations(case: GateCase) -> tuple[Expectations, tuple[str, ...]]:
    """Return what every changed key is to answer, and the changes that no server answers for itself (glue). Pure."""
    before, after = Content(case.checkpoint), Content(case.checkpoint.apply(case.changes))
    hidden = tuple(f"{change.key}: lies below a zone cut" for change in case.changes if after.is_hidden(change.key))
    # Several changes of one RRset: the first knows the old value, the last the new one.
    expected: dict[RRsetKey, Expected] = {}
    for change in case.changes:
        key = change.key
        if hidden and after.is_hidden(key):
            continue
        wanted = change.after or after.served(key)
        old = expected[key].before if key in expected else change.before or before.served(key)
        ttl_s = change.after.ttl_s if change.after else None
        referral = before.is_cut(key) or after.is_cut(key)
        expected[key] = Expected(wanted, old, may_lag=True, ttl_s=ttl_s, referral=referral)
    return expected, hidden


def says(at: AtServer, case: GateCase) -> str:
    """Return what one server came to, in words that follow its name."""
    hard = at.of("ttl", "other", "broken")
    if hard:
        return describe(hard[0], case) + _more(hard)
    if silent := at.of("silent"):
        return describe(silent[0], case)
    if old := at.of("old"):
        count = f" ({len(old)} of {at.asked})" if at.asked > 1 else ""
        return f"still old{count}" if at.judged else f"still old{count}, waits for its refresh"
    return "ok"


def describe(finding: Finding, case: GateCase) -> str:
    """Return what is wrong with one key at one server, in words that follow the server's name."""
    got = finding.seen.got if finding.seen else NoReply("timeout")
    shown = short_key(finding.key, case)
    if isinstance(got, NoReply):
        return _silence(finding, got)
    if not isinstance(got, Answer):
        return f"gives no DNS answer for {shown}"
    if finding.state == "ttl" and got.rrset:
        return f"{shown}: this host raises the TTL to {got.rrset.ttl_s}"
    if finding.state == "broken":
        return f"{_broken(got)} for {shown}"
    return f"answers {values(got.rrset)} for {shown}"


def short_key(key: RRsetKey, case: GateCase) -> str:
    """Return owner and type as people say them: the owner relative to the domain, `@` for the apex."""
    owner = key.owner.relativize(case.apex)
    return shorten(str(RRsetKey(owner, key.rdtype)))


def values(found: RRset | None) -> str:
    """Return the data of an RRset in one short line."""
    return shorten(", ".join(found.texts()), 100) if found else "nothing"


def _more(findings: Sequence[Finding]) -> str:
    return f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""


def _silence(finding: Finding, got: NoReply) -> str:
    over = f" over {transport(finding.seen).upper()}" if finding.seen else ""
    if got.why == "refused":
        return f"refuses the connection{over}"
    return f"sends what cannot be read{over}" if got.why == "malformed" else f"does not answer{over}"


def _broken(got: Answer) -> str:
    if got.kind == "error":
        return f"answers {dns.rcode.to_text(dns.rcode.Rcode.make(got.rcode))}"
    return "refers to other servers" if got.kind == "referral" else "answers without authority"
