"""What the gates of mail share: keys, hosts from the view, the way to a server, accounts."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX

from dnsrun.errors import OutsideError
from dnsrun.gates import options, services
from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import context
from dnsrun.gates.weburl import is_address
from dnsrun.model.observation import Answer, NoReply, Observation, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import GateCase, Login
from dnsrun.ports.net import Net, View

SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT = 25, 587, 465
TIMEOUT_S = 20
GREETED = 220

Key = Mapping[str, Any]
HOST: Key = {"description": "the name that mail programs use", "type": "string", "format": "host-name"}
PORT: Key = {"type": "integer", "minimum": 1, "maximum": 65535}
ACCOUNT: Key = {"description": "log in with this one of `mail: accounts:`", "type": "string", "format": "account"}
PRIVATE: Key = {"description": "addresses inside a network are meant", "type": "boolean"}
CA: Key = {"description": "file with the certificates to trust in place of the system's", "type": "string"}
TIMEOUT: Key = {"description": "for one try at one address: 20s", "type": "string", "format": "duration"}
RCPT: Key = {"description": "mail address to ask the server for; nothing is sent", "type": "string"} | {
    "format": "mail-address"
}
VIA: Key = {
    "description": "a proxy, where this machine's network blocks port 25: socks5://HOST:PORT",
    "type": "string",
    "pattern": r"^socks5://[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$",  # what `socks.place_of` reads
    "x-says": "a proxy, such as socks5://198.51.100.5:1080",
}


def trust_of(spec: GateSpec) -> ssl.SSLContext | str:
    """Return what certificates are verified with, or why that cannot be had. Reads the disk."""
    try:
        return context(options.text(spec, "ca"))
    except OSError as err:
        return f"the certificates to trust cannot be read: {err.strerror or err}"


def way_to(spec: GateSpec, net: Net, view: View, address: str, port: int) -> Callable[[Budget], socket.socket]:
    """Return what connects to a place, through the proxy if one is given; it raises `OSError`."""
    via = options.text(spec, "via")

    def connect(budget: Budget) -> socket.socket:
        if not via:
            return net.connect(address, port, timeout_s=budget.left_s())
        from .socks import connect_through, place_of

        host, proxy_port = place_of(via)
        return connect_through(net, (_proxy_address(host, view), proxy_port), address, port, budget)

    return connect


def _proxy_address(host: str, view: View) -> str:
    from .socks import ProxyError

    if is_address(host):
        return host
    try:
        addresses = view.addresses(host)
    except OutsideError as err:
        raise ProxyError(f"the address of the proxy {host} is not known: {err}") from err
    if not addresses:
        raise ProxyError(f"the proxy {host} has no address")
    return addresses[0]


def mail_hosts(domain: Name, view: View) -> tuple[str, ...] | str:
    """Return the hosts that take the domain's mail, preferred ones first, or why there are none (RFC 5321 5.1).

    Without MX it is the domain's own host. Touches the network; raises `OutsideError` when nobody answers.
    """
    seen = list(view.ask([RRsetKey(domain, RdataType.MX)]))
    answers = [one.got for one in seen if not one.control and isinstance(one.got, Answer) and one.got.kind != "error"]
    if not answers:
        raise OutsideError("no name server answers", retryable=True, certainty="not-applied")
    found = {rdata for got in answers if got.rrset for rdata in got.rrset.rdatas if isinstance(rdata, MX)}
    if not found:
        return (domain.to_text(omit_final_dot=True),)
    ordered = sorted(found, key=lambda rdata: (rdata.preference, rdata.exchange))
    hosts = dict.fromkeys(rdata.exchange for rdata in ordered if rdata.exchange != dns.name.root)
    return tuple(host.to_text(omit_final_dot=True) for host in hosts) or "says that it takes no mail (a null MX)"


def login_of(spec: GateSpec, case: GateCase) -> Login | None:
    """Return the account that a gate names, None when it names none."""
    name = options.text(spec, "account")
    return case.accounts.get(name) if name else None


def ask_host(
    of: str, place: tuple[str, int], case: GateCase, seen_through: tuple[View, Net], spec: GateSpec, ask: Ask
) -> tuple[Observation, ...]:
    """Ask every address of one host, which may be an address; with controls. Touches the network."""
    host, port = place
    view, net = seen_through
    service = services.Service(of, host.rstrip("."), port, options.flag(spec, "allow_private"))
    trust = trust_of(spec)
    if isinstance(trust, str):
        return service.not_asked(trust)
    return services.observe(service, case, view, net, lambda address: ask(address, trust))


Ask = Callable[[str, ssl.SSLContext], Words | NoReply]
