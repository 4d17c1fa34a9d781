"""Can this machine judge, and tell? Asks roots, a silent address, mail ports, IPv6, whoever is told. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.dnsio.walk import addresses_from_roots
from dnsrun.errors import DnsrunError, Exit, OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Transport
from dnsrun.model.playbook import MailSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.wiring.runs import load, open_notifier
from dnsrun.wiring.world import World

from .console import Style
from .session import Session

SILENT = "192.0.2.53"  # TEST-NET-1 (RFC 5737): nobody is there, so an answer means that somebody intercepts
ROOTS_ASKED = 4
CONNECT_TIMEOUT_S = 5.0
_STYLES: dict[str, Style] = {"fine": "ok", "wrong": "failed", "not checked": "skipped"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["fine", "wrong", "not checked"]
    says: str


def check_network(session: Session, files: Sequence[Path]) -> Exit:
    """Print whether this machine's network lets dnsrun judge. Touches the network."""
    session.console.passing("asking the root servers and a silent address")
    world = session.world
    found = [*_roots(world, "udp"), *_roots(world, "tcp"), *_silence(world), _v6(world), *_mail(world, files)]
    found += [finding for path in files for finding in _notices(world, path)]
    if session.as_json:
        session.console.json([asdict(finding) for finding in found])
    else:
        for finding in found:
            session.console.out((f"{finding.state:<11}", _STYLES[finding.state]), f"  {finding.what}: {finding.says}")
    return Exit.FINDINGS if any(finding.state == "wrong" for finding in found) else Exit.DONE


def _ask(world: World, servers: Sequence[Endpoint], transport: Transport) -> list[Observation]:
    soa = RRsetKey(dns.name.root, RdataType.SOA)
    return list(world.network.net.ask(Question(soa, server, transport) for server in servers))


def _roots(world: World, transport: Transport) -> Iterator[Finding]:
    """One root server must answer with authority; an answer without it comes from somebody in between."""
    what = f"root servers over {transport.upper()}"
    seen = _ask(world, [server for server in world.network.roots.servers if not server.is_v6][:ROOTS_ASKED], transport)
    answers = [(each, each.got) for each in seen if isinstance(each.got, Answer)]
    without = [each.server for each, got in answers if not got.aa]
    if without:
        yield Finding(what, "wrong", f"{without[0]} answers without authority: somebody answers in its place")
    elif answers:
        yield Finding(what, "fine", f"{len(answers)} of {len(seen)} answer with authority")
    else:
        yield Finding(what, "wrong", "none answers: port 53 is closed from here; use another network")


def _silence(world: World) -> Iterator[Finding]:
    what = "an address where nobody is"
    (seen,) = _ask(world, [Endpoint(dns.name.root, SILENT)], "udp")
    if isinstance(seen.got, NoReply):
        yield Finding(what, "fine", "stays silent, as it should")
    else:
        yield Finding(what, "wrong", f"{SILENT} answers: somebody intercepts DNS here, so no answer can be believed")


def _v6(world: World) -> Finding:
    servers = [server for server in world.network.roots.servers if server.is_v6][:ROOTS_ASKED]
    if any(isinstance(each.got, Answer) for each in _ask(world, servers, "udp")):
        return Finding("IPv6", "fine", "root servers answer")
    return Finding("IPv6", "not checked", "not reachable from here; IPv6 addresses of name servers are not checked")


def _mail(world: World, files: Sequence[Path]) -> Iterator[Finding]:
    """The mail hosts of the playbooks show whether the mail ports are open from here."""
    specs = [spec for path in files if (spec := _mail_of(world, path))]
    for port, hosts in ((25, [host for spec in specs for host in spec.front]), (993, _mailboxes(specs))):
        what = f"port {port}"
        if not hosts:
            yield Finding(what, "not checked", "no playbook here names a host for it")
        elif reached := next((host for host in hosts if _connects(world, host, port)), None):
            yield Finding(what, "fine", f"{reached.to_text(omit_final_dot=True)} takes the connection")
        else:
            yield Finding(what, "wrong", "no host takes the connection: it may be closed from here")


def _notices(world: World, path: Path) -> Iterator[Finding]:
    """Whoever is to be told answers now; nothing is sent."""
    try:
        notifier = open_notifier(world, load(world, path))
    except DnsrunError:
        return
    for spec, problem in notifier.problems() if notifier else ():
        what = f"{path.name}: {spec}"
        yield Finding(what, "wrong", problem) if problem else Finding(what, "fine", "answers; nothing was sent")


def _mailboxes(specs: Sequence[MailSpec]) -> list[Name]:
    return [host for spec in specs for host in spec.mailboxes]


def _mail_of(world: World, path: Path) -> MailSpec | None:
    try:
        return load(world, path).mail
    except DnsrunError:
        return None


def _connects(world: World, host: Name, port: int) -> bool:
    try:
        for address in addresses_from_roots(world.network.net, host, world.network.roots):
            world.network.net.connect(address, port, timeout_s=CONNECT_TIMEOUT_S).close()
            return True
    except (OSError, OutsideError):
        return False
    return False
