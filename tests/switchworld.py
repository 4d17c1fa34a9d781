"""A small world in which a whole zone moves: root, a parent that takes updates, the old host and the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.name

from dnsrun.rehearse.authority import Authority
from worlds import APEX, NEW, OLD, ROOT_ZONE, Web, Workshop

PARENT = dns.name.from_text("example")
OLD_SERVERS = {"ns1.old.example": "198.51.100.53", "ns2.old.example": "198.51.100.54"}
NEW_SERVERS = {"ns1.new.example": "203.0.113.53", "ns2.new.example": "203.0.113.54"}


def parent_zone(*servers: str, more: str = "") -> str:
    """Return the text of the parent zone; it knows the addresses of both hosts' name servers."""
    delegation = "".join(f"client.example. 900 NS {name}.\n" for name in servers)
    addresses = "".join(f"{name}. 86400 A {address}\n" for name, address in (OLD_SERVERS | NEW_SERVERS).items())
    return (
        "example. 3600 SOA ns.example. nobody. 1 1800 900 604800 300\n"
        "example. 3600 NS ns.example.\nns.example. 3600 A 198.51.100.2\n" + delegation + addresses + more
    )


def client_zone(*, records: str, servers: dict[str, str] = OLD_SERVERS, ttl_s: int = 900) -> str:
    """Return the text of the client's zone at a host."""
    apex = "".join(f"client.example. {ttl_s} NS {name}.\n" for name in servers)
    soa = f"client.example. {ttl_s} SOA {next(iter(servers))}. nobody. 7 1800 900 604800 300\n"
    return soa + apex + records


RECORDS = """client.example. 1800 A 192.0.2.10
www.client.example. 1800 A 192.0.2.10
mail.client.example. 1800 A 192.0.2.25
imap-7f3a.client.example. 1800 A 192.0.2.25
client.example. 1800 MX 10 mail.client.example.
client.example. 1800 TXT "v=spf1 mx -all"
k9q._domainkey.client.example. 1800 TXT "v=DKIM1; p=abc"
shop.client.example. 1800 CNAME www.client.example.
"""
PLAYBOOK = """dnsrun: 1
domain: client.example
goal: The zone moves to the new host.
providers:
  old: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.old.example, ns2.old.example]}
  new: {use: rfc2136, server: 203.0.113.53, name_servers: [ns1.new.example, ns2.new.example]}
  registry: {use: parent-rfc2136, zone: example., server: 198.51.100.2}
zone: {from: old, to: new, registrar: registry}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200}
"""
NS_ONLY = PLAYBOOK.replace('records:\n  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}\n', "")


@dataclass(kw_only=True)
class SwitchWorld(Workshop):
    """The servers: each host is one server at two addresses."""

    root: Authority
    parent: Authority
    old: Authority
    new: Authority
    web_old: Web
    web_new: Web

    def delegated(self) -> set[str]:
        """Return the name servers that the parent zone holds for the domain."""
        lines = (line.split() for line in self.parent.zone_text(PARENT).splitlines() if line)
        return {line[4].rstrip(".") for line in lines if line[0] == "client.example." and line[3] == "NS"}

    def held(self, server: Authority, owner: str, rdtype: str) -> list[str]:
        """Return what a server's zone holds, as 'TTL RDATA' lines."""
        lines = (line.split(None, 4) for line in server.zone_text(APEX).splitlines() if line)
        return [f"{line[1]} {line[4]}" for line in lines if (line[0], line[3]) == (owner, rdtype)]

    def edit(self, server: Authority, owner: str, value: str) -> None:
        """Change the A record of a name as somebody at a panel does: the serial goes on by one."""
        self._rewrite(server, lambda line: f"{line.rsplit(' ', 1)[0]} {value}" if _is(line, owner, "A") else line)

    def remove(self, server: Authority, owner: str) -> None:
        """Take a name away as somebody at a panel does."""
        self._rewrite(server, lambda line: "" if line.split()[0] == owner else line)

    def add(self, server: Authority, line: str) -> None:
        """Add a record as somebody at a panel does."""
        self._rewrite(server, lambda known: f"{known}\n{line}" if " SOA " in known else known)

    def _rewrite(self, server: Authority, change: Callable[[str], str]) -> None:
        serial = server.serial(APEX)
        lines = [line for line in server.zone_text(APEX).splitlines() if line]
        text = "\n".join(map(change, lines)).replace(f" {serial} ", f" {serial + 1} ", 1)
        server.set_zone(APEX, text + "\n")


def _is(line: str, owner: str, rdtype: str) -> bool:
    return (line.split(maxsplit=1)[0], line.split()[3]) == (owner, rdtype)


@contextmanager
def switch_world(
    folder: Path, *, records: str = RECORDS, new_records: str = "", parent_more: str = ""
) -> Iterator[SwitchWorld]:
    """Start everything; ends what it started."""
    with ExitStack() as stack:
        enter = stack.enter_context
        root = enter(Authority({dns.name.root: ROOT_ZONE}))
        parent = enter(Authority({PARENT: parent_zone(*OLD_SERVERS, more=parent_more)}))
        old = enter(Authority({APEX: client_zone(records=records)}))
        new = enter(Authority({APEX: client_zone(records=new_records, servers=NEW_SERVERS, ttl_s=600)}))
        web_old, web_new = enter(Web()), enter(Web())
        places = {("198.51.100.1", 53): root, ("198.51.100.2", 53): parent}
        places |= {(address, 53): old for address in OLD_SERVERS.values()}
        places |= {(address, 53): new for address in NEW_SERVERS.values()}
        where = {place: (server.address, server.port) for place, server in places.items()}
        yield SwitchWorld(
            folder=folder,
            places={**where, (OLD, 80): web_old.place, (NEW, 80): web_new.place},
            text=PLAYBOOK,
            root=root,
            parent=parent,
            old=old,
            new=new,
            web_old=web_old,
            web_new=web_new,
        )
