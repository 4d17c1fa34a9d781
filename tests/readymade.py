"""A client whose domain the ready-made playbooks move: every server on loopback, and the hands of who is asked."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import dns.name
import dns.rdataset
import dns.tsig
import dns.zone
import trustme

from dnsrun.clock import VirtualClock
from dnsrun.engine.advance import Advance, DueAt, NeedsPerson, advance
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.start import begin, prepare
from dnsrun.journal.store import FileJournal
from dnsrun.model.act import Instruct, Refresh, SetDelegation, SetService, WriteZone
from dnsrun.model.entry import PersonAnswered
from dnsrun.model.plan import Do
from dnsrun.model.playbook import Playbook
from dnsrun.model.rrset import Change
from dnsrun.playbook.defaults import phase_named
from dnsrun.playbook.read import read_playbook
from dnsrun.rehearse.authority import Authority, TransferSource
from dnsrun.wiring.plugins import kinds
from servers import Dovecot, Postfix, Starter
from webworld import Web, web
from worlds import EnvSecrets, Workshop

NAME = "client.example.jp"
APEX, JP, COM, EXAMPLE = (dns.name.from_text(word) for word in (NAME, "jp", "com", "example"))
WEB_OLD, WEB_NEW, MAIL_OLD, MAIL_NEW = "192.0.2.10", "203.0.113.20", "192.0.2.25", "203.0.113.25"
PASSWORD = "right-7"
START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)  # a holiday in Japan, at 9 in the morning
FILE = "zones/client.zone"
HOSTS = {
    "ns1.old.example": "198.51.100.53",
    "ns2.old.example": "198.51.100.54",
    "ns1.host.example": "203.0.113.53",
    "ns2.host.example": "203.0.113.54",
    "ns2.copies.example": "198.51.100.55",
    **{f"0{number}.dnsv.jp": f"203.0.113.6{number}" for number in (1, 2, 3, 4)},
}
RECORDS = f"""
@ 1800 A {WEB_OLD}
www 1800 A {WEB_OLD}
@ 1800 MX 10 mail
@ 1800 TXT "v=spf1 ip4:{MAIL_OLD} -all"
mail 1800 A {MAIL_OLD}
imap-7f3a 1800 A {MAIL_OLD}
lists 1800 A {MAIL_OLD}
webmail 1800 A {MAIL_OLD}
k9q._domainkey 1800 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
*.dev 1800 A 192.0.2.77
"""
_ABOVE = "{zone} 3600 SOA ns.nic.example. nobody. 1 1800 900 604800 300\n{zone} 3600 NS ns.nic.example.\n"
ROOT = (
    ". 86400 SOA a.root. nobody. 1 1800 900 604800 86400\n. 86400 NS a.root.\na.root. 86400 A 198.51.100.1\n"
    + "".join(f"{zone} 86400 NS ns.nic.example.\n" for zone in ("jp.", "com.", "example."))
    + "ns.nic.example. 86400 A 198.51.100.2\n"
)


def addresses(top: str) -> str:
    """Return the records of the name servers below a top-level domain."""
    return "".join(f"{name}. 86400 A {address}\n" for name, address in HOSTS.items() if name.endswith(top))


def parent(*servers: str) -> str:
    """Return the text of the zone jp, which delegates to these name servers."""
    delegation = "".join(f"{NAME}. 900 NS {name}.\n" for name in servers)
    return _ABOVE.format(zone="jp.") + delegation + addresses(".jp")


def client(*servers: str, records: str = RECORDS) -> str:
    """Return the text of the client's zone at a host with these name servers."""
    apex = "".join(f"@ 900 NS {name}.\n" for name in servers)
    return f"@ 900 SOA {servers[0]}. nobody 7 1800 900 604800 300\n{apex}{records}"


@dataclass
class MailHost:
    """One server with the domain's mail on it."""

    post: Postfix
    box: Dovecot

    def places(self, address: str) -> dict[tuple[str, int], tuple[str, int]]:
        ports = {25: self.post.port, 587: self.post.submission_port, 993: self.box.port}
        return {(address, real): ("127.0.0.1", port) for real, port in ports.items()}

    def switch(self, *, on: bool) -> None:
        """Take mail for the domain, or turn it away for now."""
        if on:
            self.post.accept_domain(NAME)
        else:
            self.post.refuse_domain(NAME, "450")


@dataclass(kw_only=True)
class Client(Workshop):
    """The workshop of one playbook. `panels` are the servers in which people type, by the playbook's words."""

    above: Authority
    old: Authority
    new: Authority
    secondary: Authority
    panels: Mapping[str, Authority]
    file: str
    mail: dict[str, MailHost] = field(default_factory=dict)
    helped: set[tuple[int, int]] = field(default_factory=set)

    def playbook(self, text: str = "") -> Playbook:
        return read_playbook(text or self.text, f"{NAME}.yaml", kinds(), today=date(2026, 11, 23))

    def ports(self, playbook: Playbook, journal: FileJournal) -> Ports:
        made = super().ports(playbook, journal)
        return replace(made, files={FILE: self.file}, secrets=EnvSecrets())

    def phase(self, name: str, *, accept_changes: bool = False) -> Advance:
        """Run a phase as soon as it may start; whoever is asked does what he is asked for."""
        run = self.open(self.text)
        number = phase_named(run.playbook, name).number
        prepared = prepare(run, number)
        if (earliest := prepared.plan.earliest) and earliest > self.clock.now():
            self.clock.wait_until(earliest)
            prepared = prepare(run, number)
        accepted = {hazard.name: "they answer the phone" for hazard in prepared.plan.hazards}
        begin(run, prepared, accepted, accept_changes=accept_changes)
        return self.lead(run)

    def lead(self, run: Run, *, most: int = 20_000) -> Advance:
        for _ in range(most):
            after = advance(run)
            if isinstance(after, NeedsPerson):
                self._help(run, after)
            if not isinstance(after, (DueAt, NeedsPerson)):
                return after
            self.clock.wait_until(after.when)
        raise AssertionError("the phase does not end")

    def _help(self, run: Run, asked: NeedsPerson) -> None:
        plan = run.active_plan()
        assert plan
        move = plan.moves[asked.move]
        act = plan.acts[move.act] if isinstance(move, Do) else None
        if (which := (plan.phase, asked.move)) not in self.helped:
            self.helped.add(which)
            self._do(act)
        if asked.question:
            run.append(PersonAnswered(asked.move, "done", "us"))

    def _do(self, act: object) -> None:
        if isinstance(act, WriteZone):
            type_in(self.panels[act.provider], act.changes)
        elif isinstance(act, SetDelegation):
            self.above.set_zone(JP, parent(*(name.to_text(omit_final_dot=True) for name in act.after.ns)))
        elif isinstance(act, Refresh):
            self.secondary.refresh(APEX)
        elif isinstance(act, SetService):
            self.mail[MAIL_OLD].switch(on=act.after)
        elif isinstance(act, Instruct):
            self.mail[MAIL_OLD].box.copy_mailbox("test", self.mail[MAIL_NEW].box)

    def delegated(self) -> set[str]:
        """Return the name servers that the parent names."""
        lines = (line.split() for line in self.above.zone_text(JP).splitlines())
        return {line[4].rstrip(".") for line in lines if line[0] == f"{NAME}." and line[3] == "NS"}


def type_in(panel: Authority, changes: Iterable[Change]) -> None:
    """Do what an instruction says at a panel: the records as told, and the serial goes on by one."""
    zone = dns.zone.from_text(panel.zone_text(APEX), origin=APEX, relativize=False)
    for change in changes:
        zone.delete_rdataset(change.key.owner, change.key.rdtype)
        if change.after:
            told = dns.rdataset.from_rdata_list(change.after.ttl_s, change.after.rdatas)
            zone.replace_rdataset(change.key.owner, told)
    serial = panel.serial(APEX)
    panel.set_zone(APEX, zone.to_text(relativize=False).replace(f" {serial} ", f" {serial + 1} ", 1))


def content(server: Authority) -> dict[tuple[str, str], set[str]]:
    """Return what a server's zone holds beside SOA and the NS RRset at the apex: owner and type to values."""
    zone = dns.zone.from_text(server.zone_text(APEX), origin=APEX)
    return {
        (owner.to_text(), found.rdtype.name): {rdata.to_text(origin=APEX, relativize=False) for rdata in found}
        for owner, found in zone.iterate_rdatasets()
        if found.rdtype.name != "SOA" and (owner.to_text(), found.rdtype.name) != ("@", "NS")
    }


def ttls(server: Authority) -> dict[tuple[str, str], int]:
    """Return the TTLs of a server's zone in seconds: owner and type to TTL."""
    zone = dns.zone.from_text(server.zone_text(APEX), origin=APEX)
    return {(owner.to_text(), found.rdtype.name): found.ttl for owner, found in zone.iterate_rdatasets()}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a playbook's hosts are: name servers of the old and the new host, and who types where."""

    old: tuple[str, ...] = ("ns1.old.example", "ns2.old.example")
    copies: str = ""
    new: tuple[str, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)
    new_key: dns.tsig.Key | None = None
    outside: str = ""


@contextmanager
def client_world(folder: Path, text: str, setting: Setting) -> Iterator[Client]:
    """Start the name servers; ends what it started. Web and mail servers are for the test to add to `places`."""
    with ExitStack() as stack:
        enter = stack.enter_context
        com = _ABOVE.format(zone="com.") + setting.outside
        example = _ABOVE.format(zone="example.") + addresses(".example")
        root = enter(Authority({dns.name.root: ROOT}))
        above = enter(Authority({JP: parent(*setting.old, *_named(setting.copies)), COM: com, EXAMPLE: example}))
        zone = client(*setting.old, *_named(setting.copies))
        old = enter(Authority({APEX: zone}))
        new = enter(Authority({APEX: client(*setting.new, records="")} if setting.new else {}, key=setting.new_key))
        second = enter(Authority({}, secondaries={APEX: TransferSource(old.endpoint)}))
        second.refresh(APEX)
        placed = [("198.51.100.1", root), ("198.51.100.2", above)]
        placed += [(HOSTS[name], old) for name in setting.old] + [(HOSTS[name], new) for name in setting.new]
        placed += [(HOSTS[name], second) for name in _named(setting.copies)]
        yield Client(
            folder=folder,
            places={(address, 53): (server.address, server.port) for address, server in placed},
            clock=VirtualClock(START),
            text=text,
            above=above,
            old=old,
            new=new,
            secondary=second,
            panels={word: {"old": old, "new": new}[side] for word, side in setting.typed.items()},
            file=zone,
        )


def _named(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


@contextmanager
def webs(made: Client, pem: Path, *addresses: str) -> Iterator[list[Web]]:
    """Serve the client's page over TLS at these addresses."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with ExitStack() as stack:
        served = [stack.enter_context(web({"/": (200, {}, b"Client")}, tls)) for _ in addresses]
        made.places |= {(address, 443): one.place for address, one in zip(addresses, served, strict=True)}
        yield served


def mail_at(made: Client, start: Starter, pem: Path, *places: str) -> None:
    """Start a mail server with the test mailbox at each of these addresses."""
    for address in places:
        box = start(Dovecot({"test": PASSWORD}, pem))
        made.mail[address] = MailHost(start(Postfix(f"mail.{NAME}.", [NAME], box, pem)), box)
        made.places |= made.mail[address].places(address)


def certificates(folder: Path) -> tuple[Path, Path]:
    """Return the certificates to trust, and one with its key for every name of the client."""
    folder.chmod(0o755)
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    names = [f"{host}.{NAME}" for host in ("www", "mail", "imap-7f3a")]
    made.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    return folder / "ca.pem", folder / "client.pem"
