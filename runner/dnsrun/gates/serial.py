"""Gate `serial`: every server has the newest version of the zone, told by the SOA serial."""

from __future__ import annotations

from collections.abc import Iterable

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA
from dns.serial import Serial

from dnsrun.model.observation import Answer, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options
from .records import ONLY_THESE_SERVERS, describe
from .silence import ask_controls, is_silence, not_asked, unchecked
from .survey import AtServer, Finding, State, decide


class SerialGate:
    """All serials are equal, and not below the primary's before the write (RFC 1982 arithmetic)."""

    kind = "serial"
    fragment = Fragment("every name server has the newest version of the zone", ONLY_THESE_SERVERS, defaults=DNS_TIMING)

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - all servers are asked: the others tell the newest serial
        """Ask every server for the SOA."""
        seen = list(view.ask([RRsetKey(case.apex, RdataType.SOA)]))
        seen += ask_controls(view, net, case.apex, seen)
        return (*seen, *not_asked(view, seen))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        only = options.names(spec, "server")
        soas = [one for one in seen if not one.control]
        if missing := only - {one.server.name for one in soas}:
            shown = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in missing))
            return Verdict("unknown", f"{shown} is not among the name servers that were asked")
        newest = _newest(soas, case)
        surveyed = sorted(
            (_at_server(one, newest, case, only) for one in soas), key=lambda at: (at.server.name, at.server.address)
        )
        serials = {one.server: _serial(one) for one in soas}
        return decide(
            surveyed, seen, lambda at: _says(at, serials[at.server], case, newest), not_checked=unchecked(seen)
        )


def _at_server(one: Observation, newest: Serial | None, case: GateCase, only: frozenset[Name]) -> AtServer:
    state = _state(one, newest)
    findings = () if state == "ok" else (Finding(state, RRsetKey(case.apex, RdataType.SOA), one),)
    judged = one.server.name in only if only else one.server.name not in case.waits_for
    return AtServer(one.server, 1, findings, judged)


def _state(one: Observation, newest: Serial | None) -> State:
    serial = _serial(one)
    if serial is None:
        return "silent" if is_silence(one) else "broken"
    if newest is None or serial == newest:
        return "ok"
    # RFC 1982 section 3.2: half the number space apart there is no order.
    return "old" if serial < newest else "other"


def _serial(one: Observation) -> Serial | None:
    got = one.got
    if not isinstance(got, Answer) or got.rrset is None or got.kind != "data" or not got.aa:
        return None
    return next((Serial(rdata.serial) for rdata in got.rrset.rdatas if isinstance(rdata, SOA)), None)


def _newest(soas: Iterable[Observation], case: GateCase) -> Serial | None:
    """Return the highest serial that any server gives, and not less than the one before the write."""
    newest = Serial(case.checkpoint.serial) if case.checkpoint.serial is not None else None
    for serial in map(_serial, soas):
        if serial is not None and (newest is None or serial > newest):
            newest = serial
    return newest


def _says(at: AtServer, serial: Serial | None, case: GateCase, newest: Serial | None) -> str:
    """Return what one server came to, in words that follow its name."""
    if serial is None:
        return describe(at.findings[0], case)
    if at.of("other"):
        return f"has serial {serial.value}, which is neither before nor after {newest.value if newest else 0}"
    if at.of("old"):
        return f"still has serial {serial.value}" + ("" if at.judged else ", waits for its refresh")
    return f"has serial {serial.value}"
