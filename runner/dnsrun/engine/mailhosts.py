"""What the mail of a domain leads to outside its zone, as the world answers."""

from __future__ import annotations

from collections.abc import Callable

from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.plan.mail import Elsewhere, MailGraph

from .eyes import recent
from .run import Run

_MOST_HOSTS = 12
_SEEN_S = 10.0


def elsewhere(run: Run, graph: MailGraph) -> Elsewhere:
    """Find the addresses of mail hosts outside the zone, a dozen at most. Touches the network, changes nothing."""
    hosts = [host for host in graph.servers if not host.is_subdomain(run.apex)][:_MOST_HOSTS]
    if not hosts:
        return Elsewhere({})
    look_up = recent(run, at_most_s=_SEEN_S).outside()
    return Elsewhere({host: _words(host, look_up) for host in hosts})


def _words(host: Name, look_up: Callable[[Name], tuple[str, ...]]) -> str:
    try:
        found = look_up(host)
    except OutsideError:
        return "elsewhere; its address could not be found out"
    return f"elsewhere: {', '.join(found)}" if found else "elsewhere; has no address"
