"""What the mail of a domain leads to outside its zone, as the world answers."""

from __future__ import annotations

from collections.abc import Iterable

import dns.reversename
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.PTR import PTR

from dnsrun.dnsio.views import ServerView
from dnsrun.dnsio.walk import Walk
from dnsrun.errors import OutsideError
from dnsrun.gates.reach import why_not
from dnsrun.gates.secured import context
from dnsrun.model.observation import Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.plan.mail import Elsewhere, MailGraph

from .eyes import recent
from .run import Run

_MOST_HOSTS = 12
_SEEN_S = 10.0
_GREETING_S = 3.0


def elsewhere(run: Run, graph: MailGraph) -> Elsewhere:
    """Find the addresses of mail hosts outside the zone, and names and greetings of senders, a dozen of each at most.

    Touches the network, changes nothing.
    """
    hosts = [host for host in graph.servers if not host.is_subdomain(run.apex)][:_MOST_HOSTS]
    senders = [one.address for one in run.playbook.mail.senders][:_MOST_HOSTS] if run.playbook.mail else []
    if not hosts and not senders:
        return Elsewhere({}, {})
    view = recent(run, at_most_s=_SEEN_S)
    walk = Walk(view.net, view.roots)
    return Elsewhere(
        {host: _addresses(host, walk) for host in hosts}, {address: _sender(address, walk, view) for address in senders}
    )


def _addresses(host: Name, walk: Walk) -> str:
    try:
        found = walk.addresses(host)
    except OutsideError:
        return "elsewhere; its address could not be found out"
    return f"elsewhere: {', '.join(found)}" if found else "elsewhere; has no address"


def _sender(address: str, walk: Walk, view: ServerView) -> str:
    """Return what receivers find who look up a sender's name, whether that leads back to it, and how it greets."""
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
    return f"is named {_shown(leading_back)}; {_greeting(address, leading_back, view)}"


def _greeting(address: str, names: Iterable[Name], view: ServerView) -> str:
    """Return whether a sender's own word for itself (EHLO, RFC 5321 section 4.1.1.1) is one of its names.

    It is only seen where the sender takes mail as well: servers open with the name that they send under.
    """
    from dnsrun.gates.mail.asking import SMTP_PORT, way_to
    from dnsrun.gates.mail.smtpline import Talk, converse

    if why_not(address):
        return "what it calls itself (HELO) is not asked inside a network"
    talk = Talk(address, context(""), tls=False)
    got = converse(way_to(GateSpec("smtp", "smtp", {}), view.net, view, address, SMTP_PORT), talk, _GREETING_S)
    banner = (got.fact("banner") or "").split() if isinstance(got, Words) else []
    if not banner:
        return "what it calls itself (HELO) cannot be seen: it takes no mail, or port 25 is closed from here"
    said = banner[0].rstrip(".").lower()
    if said in {name.to_text(omit_final_dot=True).lower() for name in names}:
        return "it greets so"
    return f"it greets as {shorten(said, 80)}: if it sends under that name (HELO), some receivers mind"


def _shown(names: Iterable[Name]) -> str:
    return ", ".join(name.to_text(omit_final_dot=True) for name in names)
