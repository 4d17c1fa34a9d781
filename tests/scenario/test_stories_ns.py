"""The name-server part of both stories on real servers; what users get is counted at a caching resolver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import dns.name
import dns.query
import dns.rcode
import dns.update
import dns.zone
import pytest

from dnsrun.dnsio.net import MappedNet
from dnsrun.engine.advance import Ended, NeedsPerson
from dnsrun.engine.run import Run
from dnsrun.engine.start import prepare
from dnsrun.errors import Conflict, PlaybookError, Refused
from dnsrun.rehearse.users import through
from dnsrun.rehearse.website import Site
from everysecond import Users
from servers import Bind, Key, Knot, PowerDns, Primary, Secondary, Starter
from servers.running import RunningServer
from servers.waiting import eventually
from worlds import NEW, OLD, ROOT_ZONE, START, PacedClock, Web, Workshop

KEY = Key("dnsrun.")
MAIL, MAIL_NEW = "192.0.2.25", "203.0.113.25"
ROOTS = ("198.51.100.1",)
OLD_PLACES = {"ns1.client.example": "198.51.100.53", "ns2.client.example": "198.51.100.54"}
NEW_PLACES = {f"0{n}.dnsv.example": f"203.0.113.5{n}" for n in (1, 2, 3, 4)}
# The delegation lives five minutes, so that the watch over it is a matter of rounds.
PARENT_ZONE = (
    "example. 3600 SOA ns.example. nobody. 1 1800 900 604800 300\n"
    "example. 3600 NS ns.example.\nns.example. 3600 A 198.51.100.2\n"
    + "".join(f"client.example. 300 NS {name}.\n{name}. 300 A {address}\n" for name, address in OLD_PLACES.items())
    + "".join(f"{name}. 86400 A {address}\n" for name, address in NEW_PLACES.items())
    + "mx1.relay.example. 86400 A 198.51.100.25\nmx2.relay.example. 86400 A 198.51.100.26\n"
    + '_spf.relay.example. 86400 TXT "v=spf1 ip4:198.51.100.25 -all"\n'
)
RECORDS_A = f"""
@ 300 NS ns1.client.example.
@ 300 NS ns2.client.example.
ns1 300 A 198.51.100.53
ns2 300 A 198.51.100.54
@ 300 A {OLD}
www 300 A {OLD}
@ 300 MX 10 mx1.relay.example.
@ 300 MX 20 mx2.relay.example.
@ 300 TXT "v=spf1 mx include:_spf.relay.example -all"
imap-7f3a 300 A {MAIL}
smtp-7f3a 300 CNAME imap-7f3a
k9q._domainkey 300 TXT "v=DKIM1; k=rsa; p=MIIB"
*.dev 300 A 192.0.2.77
"""
SOA_A = "@ 300 SOA ns1.client.example. nobody.client.example. 7 1800 900 604800 300"
ZONE_A = SOA_A + RECORDS_A
MOVE_A = """dnsrun: 1
domain: client.example
goal: The main site moves to server B. Mail stays where it is.
providers:
  vps: {use: public}
  onamae_dns: {use: rfc2136, server: 203.0.113.51, key_name: dnsrun., key_secret: {env: NEW_KEY},
               name_servers: [01.dnsv.example, 02.dnsv.example, 03.dnsv.example, 04.dnsv.example]}
  registry: {use: parent-rfc2136, zone: example., server: 198.51.100.2}
zone:
  from: vps
  to: onamae_dns
  registrar: registry
  capture: {file: client.zone, given_by: operator of the VPS, on: 2026-03-01, covers: all}
ttl: 60
mail:
  mailboxes: [imap-7f3a.client.example]
  submission: [smtp-7f3a.client.example]
  front: [mx1.relay.example, mx2.relay.example]
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
phases:
  - name: copy the zone
    steps: [{kind: copy-zone}]
  - name: switch the name servers
    steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]
  - name: switch the A records
    steps: [{kind: switch-records}, {kind: watch, for: 3m}]
    gates: [{kind: http, url: "http://www.client.example/", status: 200, contains: Client}]
  - name: finish
    steps: [{kind: finish}]
"""
ONLY_A = """dnsrun: 1
domain: client.example
goal: The main site moves to server B. The client changes two records; the name servers stay.
providers:
  vps: {use: manual, panel: other, name_servers: [ns1.client.example, ns2.client.example]}
zone:
  from: vps
  capture: {file: client.zone, given_by: operator of the VPS, on: 2026-03-01, covers: all}
mail:
  mailboxes: [imap-7f3a.client.example]
  front: [mx1.relay.example, mx2.relay.example]
records:
  - {names: ["@", www], type: A, was: 192.0.2.10, value: 203.0.113.20}
phases:
  - name: switch the A records
    steps: [{kind: switch-records}]
    gates: [{kind: http, url: "http://www.client.example/", status: 200, contains: Client}]
"""
ZONE_B = f"""
@ 300 SOA ns1.client.example. nobody.client.example. 7 1800 900 604800 300
@ 300 NS ns1.client.example.
@ 300 NS ns2.client.example.
ns1 300 A 198.51.100.53
ns2 300 A 198.51.100.54
@ 300 A 192.0.2.80
www 300 A 192.0.2.80
@ 300 MX 10 mail.client.example.
mail 300 A {MAIL}
lists 300 A {MAIL}
webmail 300 A {MAIL}
"""
MOVE_B = """dnsrun: 1
domain: client.example
goal: The mail moves to the new server, and then the zone.
vars: {mail_old: 192.0.2.25, mail_new: 203.0.113.25}
providers:
  old_plesk: {use: powerdns, api_url: "API_URL", api_key: {env: OLD_KEY}, name_servers: [ns1.client.example]}
  nsx: {use: manual, panel: other, name_servers: [ns2.client.example]}
  new_plesk: {use: rfc2136, server: 203.0.113.51, key_name: dnsrun., key_secret: {env: NEW_KEY},
              name_servers: [01.dnsv.example, 02.dnsv.example]}
  registry: {use: parent-rfc2136, zone: example., server: 198.51.100.2}
zone: {from: old_plesk, to: new_plesk, registrar: registry, secondaries: {old_plesk: [nsx]}}
ttl: 60
mail: {mailboxes: [mail.client.example], moves: true}
records:
  - {names: [mail, lists, webmail], type: A, was: "${mail_old}", value: "${mail_new}"}
phases:
  - name: lower TTLs
    steps: [{kind: lower-ttl}, {kind: copy-zone}]
  - name: switch the mail
    steps: [{kind: switch-records}, {kind: refresh-secondary, provider: nsx}, {kind: wait, for: 15m}]
    gates: [{kind: smtp, off: no mail server here}]
  - name: verify
    steps: [{kind: watch, for: all-caches}]
  - name: switch NS
    steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]
  - name: finish
    steps: [{kind: restore-ttl}, {kind: finish}]
"""


class LivedClock(PacedClock):
    """A clock whose waits are lived through by users."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.users: list[Users] = []

    def wait_until(self, when: datetime) -> None:
        for users in self.users:
            users.live_until(when)
        super().wait_until(when)


@dataclass(kw_only=True)
class Move(Workshop):
    """A workshop of real servers, and the users of the domain."""

    parent: Knot
    old: RunningServer
    old_second: Knot
    new: Bind
    web_new: Web
    text: str
    clock: LivedClock = field(default_factory=lambda: LivedClock(START))

    def users(self, host: str, *addresses: str) -> Users:
        """Return people who open a host every second, where one of these addresses is the right one."""
        places = {address: Site("fine") for address in addresses}
        send = through(MappedNet(self.places, self.clock))
        users = Users(dns.name.from_text(host), places, ROOTS, send, self.clock.now())
        self.clock.users.append(users)
        return users

    def delegated(self) -> set[str]:
        """Return the name servers that the parent delegates to, by transfer."""
        found = self.parent.transfer("example").get_rdataset("client.example.", "NS")
        return {str(rdata).rstrip(".") for rdata in found or ()}

    def opened(self, file: str | None = ZONE_A) -> Run:
        """Open the run; `file` is what the operator of the old zone gave."""
        run = self.open(self.text)
        if file is not None:
            run.ports = self.with_files(run.ports, {"client.zone": file})
        return run

    def done(self, number: int, file: str | None = None) -> None:
        """Run a phase when its time has come."""
        run = self.opened(file)
        earliest = prepare(run, number).plan.earliest
        if earliest and earliest > self.clock.now():
            self.clock.wait_until(earliest)
        self.start(run, number, {"manual-rollback": "the operator of nsx is reachable"})
        after = self.drive(run)
        if isinstance(after, NeedsPerson):
            self.old_second.retransfer("client.example")
            after = self.until_ended(run)
        assert after == Ended("done", "done")


def content(zone: dns.zone.Zone) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return what a zone holds beside SOA and the NS RRset at the apex."""
    return {
        (str(name), found.rdtype.name): frozenset(map(str, found))
        for name, found in zone.iterate_rdatasets()
        if found.rdtype.name != "SOA" and not (found.rdtype.name == "NS" and str(name) == "client.example.")
    }


def _places(server: RunningServer, *addresses: str) -> dict[tuple[str, int], tuple[str, int]]:
    return {(address, 53): (server.address, server.port) for address in addresses}


def move(
    folder: Path,
    start: Starter,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    old: RunningServer,
    second: Knot,
    *,
    negative_s: int = 60,
) -> Move:
    """Start what is above, and the new host: a primary and a secondary behind four names, with apex records only."""
    monkeypatch.setenv("NEW_KEY", KEY.secret)
    root = start(Bind([Primary(".", ROOT_ZONE)]))
    parent = start(Knot([Primary("example", PARENT_ZONE)]))
    new_second = Knot()
    soa = f"@ {negative_s} SOA 01.dnsv.example. nobody.dnsv.example. 1 1800 900 604800 300\n"
    apex = "".join(f"@ 300 NS {name}.\n" for name in NEW_PLACES)
    new = start(Bind([Primary("client.example", soa + apex, key=KEY, notify=(new_second.endpoint,))]))
    start(new_second).add(Secondary("client.example", new.endpoint, key=KEY))
    web_old, web_new = stack.enter_context(Web()), stack.enter_context(Web())
    first, *others = NEW_PLACES.values()
    places = _places(root, *ROOTS) | _places(parent, "198.51.100.2")
    places |= _places(old, "198.51.100.53") | _places(second, "198.51.100.54")
    places |= _places(new, first, others[1]) | _places(new_second, others[0], others[2])
    places |= {(OLD, 80): web_old.place, (NEW, 80): web_new.place}
    return Move(
        folder=folder, places=places, parent=parent, old=old, old_second=second, new=new, web_new=web_new, text=MOVE_A
    )


@pytest.fixture
def story_a(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """The VPS: nobody of us can write there, and it gives no transfer."""
    second = Knot()
    vps = start(Bind([Primary("client.example", ZONE_A, key=KEY, notify=(second.endpoint,))]))
    start(second).add(Secondary("client.example", vps.endpoint, key=KEY))
    with ExitStack() as stack:
        yield move(tmp_path, start, stack, monkeypatch, vps, second)


@pytest.fixture
def story_b(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Plesk as primary, and a secondary service that a person refreshes."""
    plesk = start(PowerDns([Primary("client.example", ZONE_B)]))
    nsx = start(Knot([Secondary("client.example", plesk.endpoint, accepts_notify=False)]))
    monkeypatch.setenv("OLD_KEY", plesk.api_key)
    with ExitStack() as stack:
        made = move(tmp_path, start, stack, monkeypatch, plesk, nsx)
        api = urlsplit(plesk.api_url)
        made.places[str(api.hostname), int(api.port or 80)] = (str(api.hostname), int(api.port or 80))
        made.text = MOVE_B.replace("API_URL", plesk.api_url)
        yield made


def test_story_a_moves_the_whole_zone_and_then_the_web_and_nobody_notices(story_a: Move) -> None:
    """The turned order: nobody can write at the old side, so the records change at the new one, after D1."""
    mail = story_a.users("imap-7f3a.client.example", MAIL)
    web = story_a.users("www.client.example", OLD, NEW)
    before, serial = content(story_a.old.transfer("client.example", KEY)), story_a.old.serial("client.example")
    for number in (1, 2, 3, 4):
        story_a.done(number, ZONE_A)
    story_a.clock.advance(600)
    assert story_a.delegated() == set(NEW_PLACES)
    assert story_a.old.serial("client.example") == serial, "nothing was written at the VPS"
    moved = content(story_a.new.transfer("client.example", KEY))
    web_names = {("client.example.", "A"), ("www.client.example.", "A")}
    assert before.items() - moved.items() == {(key, frozenset({OLD})) for key in web_names}
    assert all(moved[key] == {NEW} for key in web_names)
    assert (mail.visits.broken, web.visits.broken) == (0, 0)
    assert web.visits.address == NEW


def test_story_a_a_zone_known_from_public_questions_only_never_reaches_the_name_servers(story_a: Move) -> None:
    story_a.text = "\n".join(line for line in MOVE_A.splitlines() if "capture:" not in line)
    for number in (1, 2):
        with pytest.raises((Conflict, Refused), match=r"only known from public questions|has not been done"):
            prepare(story_a.opened(None), number)
    assert story_a.delegated() == set(OLD_PLACES)


def test_story_a_the_client_changes_only_the_a_records_and_dns_proves_it(story_a: Move) -> None:
    """The cheaper way on: no name-server change, nobody needs access to the VPS."""
    story_a.text = ONLY_A
    mail, web = story_a.users("imap-7f3a.client.example", MAIL), story_a.users("www.client.example", OLD, NEW)
    before = content(story_a.old.transfer("client.example", KEY))
    run = story_a.opened()
    story_a.start(run, 1, {"manual-rollback": "the client answers the phone"})
    after = story_a.drive(run)
    assert isinstance(after, NeedsPerson)
    assert "203.0.113.20" in after.text
    the_client_types(story_a, NEW)
    assert story_a.until_ended(run) == Ended("done", "done")
    story_a.clock.advance(600)
    changed = content(story_a.old.transfer("client.example", KEY)).items() - before.items()
    assert {key for key, _ in changed} == {("client.example.", "A"), ("www.client.example.", "A")}
    assert story_a.delegated() == set(OLD_PLACES)
    assert (mail.visits.broken, web.visits.broken, web.visits.address) == (0, 0, NEW)


def the_client_types(made: Move, address: str) -> None:
    """Have the client change the two records at the VPS's panel."""
    message = dns.update.UpdateMessage("client.example.", keyring=KEY.tsig())
    for owner in ("client.example.", "www.client.example."):
        message.replace(owner, 300, "A", address)
    answer = dns.query.tcp(message, made.old.address, port=made.old.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR
    eventually(lambda: made.old_second.values("www.client.example", "A") == {address}, what="the secondary")


def test_story_b_the_name_servers_come_last_after_records_and_mail(story_b: Move) -> None:
    """Step 5 of the instruction: only then, and the mail is where it was moved to all the time."""
    with pytest.raises(Refused, match='comes after phase 1 "lower TTLs"'):
        prepare(story_b.opened(None), 4)
    mail = story_b.users("mail.client.example", MAIL, MAIL_NEW)
    story_b.done(1)
    with pytest.raises(Refused, match='comes after phase 2 "switch the mail"'):
        prepare(story_b.opened(None), 4)
    for number in (2, 3):
        story_b.done(number)
    assert story_b.delegated() == set(OLD_PLACES)
    assert story_b.old_second.values("mail.client.example", "A") == {MAIL_NEW}
    moved_at = mail.visits.until
    for number in (4, 5):
        story_b.done(number)
    story_b.clock.advance(600)
    assert story_b.delegated() == {"01.dnsv.example", "02.dnsv.example"}
    zone = content(story_b.new.transfer("client.example", KEY))
    assert [zone[f"{name}.client.example.", "A"] for name in ("mail", "lists", "webmail")] == [{MAIL_NEW}] * 3
    assert zone["www.client.example.", "A"] == {"192.0.2.80"}
    assert (mail.visits.broken, mail.visits.address) == (0, MAIL_NEW)
    assert mail.visits.until > moved_at


def test_story_b_records_and_name_servers_in_one_phase_are_refused(story_b: Move) -> None:
    """D5: who changes both at once cannot tell which of them broke the mail."""
    both = "steps: [{kind: switch-records}, {kind: refresh-secondary, provider: nsx}, {kind: switch-ns},"
    text = story_b.text.replace("steps: [{kind: switch-records}, {kind: refresh-secondary, provider: nsx},", both)
    text = text.replace("  - name: switch NS\n    steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]\n", "")
    with pytest.raises(PlaybookError, match="changes records and name servers; give each its own phase"):
        story_b.open(text)
