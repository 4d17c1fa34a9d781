"""Gate `delegation`: the new servers are fit to be delegated to, and the parent serves what it is to serve.

Before the switch the new set is tested as if it were delegated already (D7, D8, D9 and what blocks in Zonemaster's
table), and the parent must serve what it did (D2). After it every server of the parent must serve the new set.
Rows of the table that other gates hold: BASIC01 (without a parent no gate is asked), ZONE08 and ZONE09 (`parity`),
ZONE11 (`spf`), DNSSEC01 to 18 (`dnssec`).
"""

from __future__ import annotations

from collections.abc import Iterable

from dnsrun.gates.findings import conclude
from dnsrun.gates.outside import Outside
from dnsrun.gates.silence import NOT_CHECKED, answered, ask_controls, not_asked, unchecked
from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .parent import at_parent, judge_parent
from .probe import RESOLVES, ask_names, ask_parent, ask_zone
from .set import judge_set
from .zone import by_server, judge_servers


class DelegationGate:
    """The parent delegates to servers that serve the zone, every one of them."""

    kind = "delegation"
    fragment = Fragment(
        "the parent delegates as it should, to name servers that answer for the zone", defaults=DNS_TIMING
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - the gate has no options
        """Ask the parent's servers for the delegation, and every new server how it serves the zone."""
        if case.move is None:
            return ()
        seen = [*ask_parent(net, case.apex, view.controls), *ask_zone(net, case.apex, view.servers, case.move)]
        if seen and not case.move.switched:
            seen += ask_names(Outside(view, net), case.move.target.ns, case.apex, seen[0].at, seen[0].server)
        seen += ask_controls(view, net, case.apex, _from_servers(seen))
        return (*seen, *not_asked(view, seen))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the same
        """Judge one round; pure."""
        move = case.move
        if move is None:
            return Verdict("unknown", "the zone does not move, so that there is no delegation to test")
        alive = answered(_from_servers(seen))
        hidden: list[Endpoint] = [one.server for one in seen if one.of == NOT_CHECKED]
        found = judge_parent(seen, move, alive)
        if by_server(seen) and not move.switched:
            found += judge_set(case.apex, move, seen, hidden)
        found += judge_servers(case.apex, move, seen, alive)
        parents, servers = len(at_parent(seen).served), len(by_server(seen))
        which = "to the new name servers" if move.switched else "as before"
        good = f"the parent delegates {which} (asked {parents}), the new servers answer for the zone ({servers})"
        return conclude(found, seen, good, not_checked=unchecked(seen))


def _from_servers(seen: Iterable[Observation]) -> list[Observation]:
    """Leave out addresses that were found elsewhere: they are no sign of life of anybody asked here."""
    return [one for one in seen if not str(one.of).startswith(RESOLVES)]
