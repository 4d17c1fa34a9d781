"""How long a gate's pass opens the delegation: in this process, for a while, while the servers stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.model.observation import Answer, Endpoint, Observation, Question
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.net import View

from .run import Fresh, Run

GOOD_FOR = timedelta(minutes=10)


def keep_fresh(run: Run, place: tuple[int, str], view: View, begun: datetime) -> None:
    """Remember that a gate passed, begun at a time (UTC): good for ten minutes, or twice as long as it took.

    Touches the network.
    """
    now = run.ports.clock.now()
    good_for = max(GOOD_FOR, 2 * (now - begun))
    run.fresh[place] = Fresh(now + good_for, serials_of(run, view.servers))


def still_fresh(run: Run) -> frozenset[tuple[int, str]]:
    """Return the gates, by move and name, whose passes are not too old."""
    now = run.ports.clock.now()
    return frozenset(place for place, fresh in run.fresh.items() if now < fresh.until)


def forget_when_changed(run: Run) -> bool:
    """Ask for the serials again; forget every pass and return True when one is not what it was at a pass.

    Touches the network.
    """
    servers = {server for fresh in run.fresh.values() for server in fresh.serials}
    now = serials_of(run, sorted(servers, key=str))
    changed = any(now.get(server) != serial for fresh in run.fresh.values() for server, serial in fresh.serials.items())
    if changed:
        run.fresh.clear()
    return changed


def serials_of(run: Run, servers: Iterable[Endpoint]) -> Mapping[Endpoint, int | None]:
    """Return the SOA serial that each server gives, None without an answer. Touches the network."""
    soa = RRsetKey(run.apex, RdataType.SOA)
    return {each.server: _serial(each) for each in run.ports.net.ask(Question(soa, server) for server in servers)}


def _serial(each: Observation) -> int | None:
    rrset = each.got.rrset if isinstance(each.got, Answer) else None
    rdata = next(iter(rrset.rdatas), None) if rrset else None
    return rdata.serial if isinstance(rdata, SOA) else None
