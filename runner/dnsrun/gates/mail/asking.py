"""What the gates of mail share: keys, hosts from the view, the way to a server, accounts."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX

from dnsrun.errors import OutsideError
from dnsrun.gates import options, services
from dnsrun.gates.budget import Budget
from dnsrun.gates.secured import context
from dnsrun.gates.silence import no_reply
from dnsrun.gates.weburl import is_address
from dnsrun.model.observation import Answer, NoReply, Observation, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.gate import GateCase
from dnsrun.ports.net import Net, View

from .socks import ProxyError, connect_through, place_of
from .wire import Connect, Wire

SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT = 25, 587, 465
TLS_AT_ONCE = frozenset({SUBMISSIONS_PORT, 993, 995})
TIMEOUT_S = 20
_CONNECT_S = 10.0  # a connection that takes longer does not come about
GREETED = 220
CLOSES = "closes the connection in the middle"
NO_TLS = "offers no STARTTLS: passwords would go in the clear"

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


def way_to(spec: GateSpec, net: Net, view: View, address: str, port: int) -> Connect:
    """Return what connects to a place, through the proxy if one is given; it raises `OSError`."""
    via = options.text(spec, "via")

    def connect(budget: Budget) -> Wire:
        if not via:
            return Wire(net.connect(address, port, timeout_s=min(budget.left_s(), _CONNECT_S)), budget)
        host, proxy_port = place_of(via)
        sock = connect_through(net, (_proxy_address(host, view), proxy_port), address, port, budget)
        return Wire(sock, budget, through_proxy=True)

    return connect


def _proxy_address(host: str, view: View) -> str:
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
    told = ("data", "nodata", "nxdomain")
    answers = [one.got for one in seen if not one.control and isinstance(one.got, Answer) and one.got.kind in told]
    if not answers:
        raise OutsideError("no name server answers", retryable=True, certainty="not-applied")
    found = {rdata for got in answers if got.rrset for rdata in got.rrset.rdatas if isinstance(rdata, MX)}
    if not found:
        return (domain.to_text(omit_final_dot=True),)
    ordered = sorted(found, key=lambda rdata: (rdata.preference, rdata.exchange))
    hosts = dict.fromkeys(rdata.exchange for rdata in ordered if rdata.exchange != dns.name.root)
    return tuple(host.to_text(omit_final_dot=True) for host in hosts) or "says that it takes no mail (a null MX)"


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
    timeout_s, controls = options.number(spec, "timeout", TIMEOUT_S), services.Controls()
    if port not in TLS_AT_ONCE:
        controls = services.Controls(
            lambda: _mail_addresses(case.apex, view),
            lambda address: _greeted(way_to(spec, net, view, address, port), timeout_s),
        )
    return services.observe(service, case, view, net, lambda address: ask(address, trust), controls)


Ask = Callable[[str, ssl.SSLContext], Words | NoReply]


def _mail_addresses(domain: Name, view: View) -> Iterator[str]:
    """Yield the addresses of the domain's mail hosts, as far as they can be had. Touches the network."""
    with suppress(OutsideError):
        hosts = mail_hosts(domain, view)
        for host in hosts if isinstance(hosts, tuple) else ():
            with suppress(OutsideError):
                yield from view.addresses(host)


def _greeted(connect: Connect, timeout_s: float) -> Words | NoReply:
    """Connect and wait for the first octet: behind a proxy or a filter a connection alone says nothing."""
    try:
        wire = connect(Budget(min(timeout_s, services.CONTROL_TIMEOUT_S)))
        try:
            return Words("speaks") if wire.take(bytearray(1)) else NoReply("refused")
        finally:
            wire.close()
    except ProxyError as err:
        return services.not_asked(str(err))
    except OSError as err:
        return no_reply(err)
