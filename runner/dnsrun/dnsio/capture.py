"""Capture a zone: from where it is held, then held against what every delegated server answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

import dns.name
from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import RRset, RRsetKey, folded_labels
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.net import Net, View

from .agreement import Capture, Difference, judge_capture, keys_to_ask
from .blind import Filled, fill, keys_to_fill
from .patience import patiently
from .probing import Found, found, probe
from .wire import transfer

__all__ = ["Capture", "Difference", "capture", "capture_probed", "transferred"]

Transfer = Callable[[Net, Endpoint, Name], tuple[RRset, ...]]
_NOBODY: frozenset[Name] = frozenset()
_MOST_NAMES = 500


def capture(
    view: View, claimed: ZoneSnapshot, *, names: Iterable[Name] = (), volatile: frozenset[Name] = _NOBODY
) -> Capture:
    """Hold a claimed zone (graded above `probed`) against every server of `view`.

    `claimed` is what a provider's `read_zone`, `transferred` or `read_attested` gave. `names` are further names to ask
    for (those that the playbook mentions); of very many some, spread evenly: what is to be written is asked again
    before. `volatile` names are read, not compared. Touches the network, at the polite rate; decides in
    `judge_capture`. Where only some types are `listed`, the servers are first asked for the others (`blind`).
    """
    is_listed = claimed.completeness == "listed"
    filled = fill(claimed, view.ask(keys_to_fill(claimed))) if is_listed else Filled(claimed)
    probing = probe(view, claimed.apex, _spread(sorted(names, key=folded_labels)))
    seen = patiently(
        view.ask(keys_to_ask(filled.snapshot, volatile)),
        lambda places: view.ask(sorted({of for of, _ in places}, key=RRsetKey.order), transport="tcp"),
    )
    judged = judge_capture(filled.snapshot, seen, probing, volatile=volatile)
    return replace(
        judged,
        findings=(*filled.findings, *judged.findings),
        warnings=(*filled.warnings, *judged.warnings),
    )


def capture_probed(view: View, apex: Name, *, names: Iterable[Name] = (), taken_at: datetime) -> Capture:
    """Capture what public questions find: usual names, `names` and what they lead to. Touches the network.

    Raises `OutsideError` when no server of the zone answers with its SOA.
    """
    proved = found(probe(view, apex, names), apex)
    snapshot = probed_zone(proved, apex, taken_at)
    if snapshot.soa is None:
        raise OutsideError(f"no server answers for {apex} with authority", retryable=True, certainty="not-applied")
    return Capture(snapshot, warnings=proved.disputed)


def probed_zone(proved: Found, apex: Name, taken_at: datetime) -> ZoneSnapshot:
    """Return what probing proves as a zone of the lowest grade. Pure."""
    sources = {key: f"asked at {server}" for key, server in proved.servers.items()}
    return ZoneSnapshot(apex, proved.rrsets, "public questions", taken_at, "probed", sources=sources)


def transferred(
    net: Net, server: str, apex: Name, view: View, *, taken_at: datetime, take: Transfer = transfer
) -> ZoneSnapshot:
    """Transfer a zone from a server given by name or address; graded `complete`. Touches the network.

    The first address of the server that gives the zone is taken. Raises `OutsideError` of the last one otherwise.
    """
    failed = OutsideError(f"{server} has no address", retryable=True, certainty="not-applied")
    for endpoint in _endpoints(server, view):
        try:
            rrsets = take(net, endpoint, apex)
        except OutsideError as err:
            failed = err
            continue
        held = {rrset.key: rrset for rrset in rrsets}
        return ZoneSnapshot(apex, held, f"transfer from {endpoint}", taken_at, "complete")
    raise failed


def _spread(names: list[Name]) -> list[Name]:
    return names[:: max(1, -(-len(names) // _MOST_NAMES))]


def _endpoints(server: str, view: View) -> tuple[Endpoint, ...]:
    try:
        ip_address(server)
    except ValueError:
        return tuple(Endpoint(dns.name.from_text(server), address) for address in view.addresses(server))
    return (Endpoint(dns.name.root, server),)
