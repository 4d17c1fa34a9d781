"""Changes that touch what mail rides on, and what the playbook has to say about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dns.name import Name

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot

from .graph import MailGraph, Ride, Role

_MOVES = "changing it moves mail. Say `affects: mail` on the entry when the mailboxes stay, or `mail: {moves: true}`"
_MEANS: Mapping[Role, str] = {
    "receiving": _MOVES,
    "reading": _MOVES,
    "sending": "changing it changes who may send in the domain's name. Say `affects: mail` on the entry when that is "
    "meant, or `mail: {moves: true}`",
}
_ASK = "ask, then add `mail: {mailboxes: [the hosts that mail programs open]}`"


def mail_unsaid(changes: Iterable[Change], mail: MailSpec | None, graph: MailGraph, apex: Name) -> tuple[str, ...]:
    """Return a sentence when records change in a domain that has mail, and nobody was asked where it is."""
    if mail is not None or all(change.ttl_only for change in changes):
        return ()
    return tuple(_unsaid(graph, apex))


def mailboxes_unsaid(mail: MailSpec | None, graph: MailGraph, zone: ZoneSnapshot) -> Iterator[str]:
    """Yield what keeps the name servers from being switched while nobody knows where the mailboxes are.

    A relay in the MX says nothing about them: mail programs use names that no public record leads to.
    """
    if mail is None:
        yield from _unsaid(graph, zone.apex)
        return
    outside = [host for host in _exchanges(graph) if not host.is_subdomain(zone.apex)]
    if outside and not mail.mailboxes:
        yield (
            f"mail for {_shown(zone.apex)} goes to {_shown(outside[0])}, which may be a relay in front of the "
            f"mailboxes; the names that mail programs open would be lost with the switch: {_ASK}"
        )
    for ride in graph.rides:
        host = ride.host
        if ride.role == "reading" and ride.key is None and host is not None and host.is_subdomain(zone.apex):
            yield f"{ride}: {_shown(host)} has no address in the zone as it was captured ({zone.source})"


def mail_conflicts(
    changes: Sequence[Change], specs: Iterable[RecordSpec], mail: MailSpec | None, graph: MailGraph
) -> tuple[str, ...]:
    """Return a sentence for each change of what mail rides on that the playbook does not own up to."""
    entries = {key: spec for spec in specs for key in spec.rrset_keys()}
    problems: list[str] = []
    for change in changes:
        spec, ride = entries.get(change.key), graph.touched(change)
        if spec is not None and ride is not None:
            problems += _not_owned_up_to(change, spec, mail, ride)
    return tuple(problems)


def _not_owned_up_to(change: Change, spec: RecordSpec, mail: MailSpec | None, ride: Ride) -> Iterator[str]:
    if not spec.affects_mail and not (mail and mail.moves):
        yield f"{spec.mark}: {change.key} carries mail: {ride}; {_MEANS[ride.role]}"
    if change.before and spec.was is None and not spec.replaces:
        yield f"{spec.mark}: {change.key} carries mail: {ride}; say what is there now with `was`"
    if any(("proxied", "true") in rrset.extras for rrset in (change.before, change.after) if rrset):
        yield (
            f"{spec.mark}: {change.key} carries mail: {ride}; it is proxied, and a proxy for web pages passes no mail. "
            "Switch the proxy off at its host first"
        )


def _unsaid(graph: MailGraph, apex: Name) -> Iterator[str]:
    way = next((ride for ride in graph.rides if ride.role != "sending"), None)
    if way is not None:
        yield f"{_shown(apex)} has mail ({way}), and the playbook does not say where the mailboxes are: {_ASK}"


def _exchanges(graph: MailGraph) -> Iterator[Name]:
    return (ride.host for ride in graph.rides if ride.role == "receiving" and ride.host is not None)


def _shown(name: Name) -> str:
    return name.to_text(omit_final_dot=True)
