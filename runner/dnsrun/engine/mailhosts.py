"""What the mail of a domain leads to outside its zone, as the world answers."""

from __future__ import annotations

from collections.abc import Iterable

import dns.reversename
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.PTR import PTR

from dnsrun.dnsio.walk import Walk
from dnsrun.errors import OutsideError
from dnsrun.plan.mail import Elsewhere, MailGraph

from .eyes import recent
from .run import Run

_MOST_HOSTS = 12
_SEEN_S = 10.0


def elsewhere(run: Run, graph: MailGraph) -> Elsewhere:
    """Find the addresses of mail hosts outside the zone and the names of senders, a dozen of each at most.

    Touches the network, changes nothing.
    """
    hosts = [host for host in graph.servers if not host.is_subdomain(run.apex)][:_MOST_HOSTS]
    senders = [one.address for one in run.playbook.mail.senders][:_MOST_HOSTS] if run.playbook.mail else []
    if not hosts and not senders:
        return Elsewhere({}, {})
    view = recent(run, at_most_s=_SEEN_S)
    walk = Walk(view.net, view.roots)
    return Elsewhere(
        {host: _addresses(host, walk) for host in hosts}, {address: _named(address, walk) for address in senders}
    )


def _addresses(host: Name, walk: Walk) -> str:
    try:
        found = walk.addresses(host)
    except OutsideError:
        return "elsewhere; its address could not be found out"
    return f"elsewhere: {', '.join(found)}" if found else "elsewhere; has no address"


def _named(address: str, walk: Walk) -> str:
    """Return what receivers find who look up a sender's name and whether that leads back to it."""
    try:
        found = walk.find(dns.reversename.from_address(address), RdataType.PTR)
        names = sorted(rdata.target for rdata in found if isinstance(rdata, PTR))
        leading_back = [name for name in names if address in walk.addresses(name)]
    except OutsideError:
        return "its name could not be found out"
    if not names:
        return "has no name (PTR); many receivers turn such mail away"
    if not leading_back:
        return f"is named {_shown(names)}, which does not lead back to it; many receivers turn such mail away"
    return f"is named {_shown(leading_back)}"


def _shown(names: Iterable[Name]) -> str:
    return ", ".join(name.to_text(omit_final_dot=True) for name in names)
